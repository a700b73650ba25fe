"""What one connection may do, and for how long."""

import asyncio

import pytest

from landwaiter.serving import connection
from landwaiter.serving.connection import PIPELINED_MAX
from landwaiter.serving.joined_writes import JoinedWrites
from landwaiter.serving.limits import ConnectionLimits
from serving.clients import Answer, Client, a_post, listening


async def test_requests_share_a_connection() -> None:
    """Keep-alive is the rule, and no answer tells which server this is."""
    async with listening() as running:
        client = await running.connect()
        answers = [await client.ask(body=b"one"), await client.ask(body=b"two")]

    assert [
        Answer(200, {"content-length": "3"}, b"one"),
        Answer(200, {"content-length": "3"}, b"two"),
    ] == answers


def test_idle_connections_outlive_the_api_servers() -> None:
    """kube-apiserver keeps them for 90 s and must be the one that closes."""

    assert ConnectionLimits().idle_seconds > 90


async def elapsed_until_closed(client: Client) -> float:
    loop = asyncio.get_running_loop()
    begin = loop.time()
    await client.rest()
    return loop.time() - begin


async def test_an_idle_connection_is_closed_in_time() -> None:
    """After its last answer it stays for `idle_seconds`."""
    async with listening(ConnectionLimits(idle_seconds=0.3)) as running:
        client = await running.connect()
        await client.ask()
        seconds = await elapsed_until_closed(client)

    assert (True, []) == (0.25 < seconds < 5, running.counts.ended)


async def test_a_connection_that_is_opened_ahead_is_kept_as_long() -> None:
    """Go opens connections that it uses later; the time for a head has not begun then."""
    limits = ConnectionLimits(idle_seconds=0.5, head_seconds=0.01)
    async with listening(limits) as running:
        seconds = await elapsed_until_closed(await running.connect())

    assert 0.45 < seconds < 5


async def trickle(client: Client, piece: bytes) -> None:
    while not client.reader.at_eof() and not client.writer.is_closing():
        client.write(piece)
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("begin", [b"GET /", b"POST / HTTP/1.1\r\nhost: x\r\na: b"])
async def test_a_slow_head_is_cut_off(begin: bytes) -> None:
    """Slowloris: bytes that keep coming do not wind up the timer."""
    async with listening(ConnectionLimits(head_seconds=0.3)) as running:
        client = await running.connect()
        client.write(begin)
        trickling = asyncio.create_task(trickle(client, b"E"))
        rest = await client.rest()
        client.close()
        await trickling
        ended = running.counts.ended

    assert (b"", ["slow head"]) == (rest, ended)


async def test_a_slow_head_on_a_used_connection_is_cut_off() -> None:
    """The second request has no more time than the first."""
    async with listening(ConnectionLimits(head_seconds=0.1)) as running:
        client = await running.connect()
        await client.ask()
        client.write(b"POST / HT")
        rest = await client.rest()

    assert (b"", ["slow head"]) == (rest, running.counts.ended)


async def test_empty_lines_do_not_keep_a_connection() -> None:
    """They may precede a request, and are no request."""
    async with listening(ConnectionLimits(idle_seconds=0.2)) as running:
        client = await running.connect()
        trickling = asyncio.create_task(trickle(client, b"\r\n"))
        rest = await client.rest()
        client.close()
        await trickling

    assert b"" == rest


TOO_LONG = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)


@pytest.mark.parametrize("piece", [b"x: y\r\n" * 6000, b"y" * 36_000])
async def test_a_long_head_is_refused(piece: bytes) -> None:
    """Many headers and one endless header are the same to the memory."""
    async with listening(ConnectionLimits(head_bytes=32 * 1024)) as running:
        client = await running.connect()
        client.write(b"POST / HTTP/1.1\r\nx: y")
        client.write(piece)
        rest = await client.rest()

    assert (TOO_LONG, ["long head"]) == (rest, running.counts.ended)


CHUNKED = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("begin", "piece"),
    [
        (b"3\r\nabc\r\n0\r\n", b"x: y\r\n"),
        (b"3\r\nabc\r\n0\r\nx: ", b"y"),
        (b"3;", b"y"),
    ],
    ids=["many trailers", "one trailer", "an extension"],
)
async def test_what_follows_a_chunk_without_end_is_refused(begin: bytes, piece: bytes) -> None:
    """Trailers are headers that come late; the parser keeps them, or its own copy of them."""
    async with listening(ConnectionLimits(head_bytes=32 * 1024)) as running:
        client = await running.connect()
        client.write(CHUNKED + begin)
        await running.echo.asked.wait()
        client.write(piece * (36_000 // len(piece)))
        rest = await client.rest()

    assert (TOO_LONG, ["long head"]) == (rest, running.counts.ended)


async def test_a_body_in_many_small_chunks_is_taken() -> None:
    """What stands between them is more than a head may be, but never much at once."""
    async with listening(ConnectionLimits(head_bytes=1024)) as running:
        client = await running.connect()
        client.write(CHUNKED + b"1\r\nx\r\n" * 20_000 + b"0\r\n\r\n")
        answer = await client.answer()

    assert Answer(200, {"content-length": "20000"}, b"x" * 20_000) == answer


async def test_trailers_are_no_headers() -> None:
    """What was checked at the head is not replaced behind it."""
    async with listening() as running:
        client = await running.connect()
        client.write(CHUNKED + b"0\r\ncontent-type: application/json\r\n\r\n")
        await client.answer()

    expected = [(b"host", b"x"), (b"transfer-encoding", b"chunked")]
    assert [expected] == running.echo.headers


async def test_a_head_of_the_usual_size_before_a_large_body_is_taken() -> None:
    """What follows the head does not count as head."""
    body = b"x" * 1_000_000
    async with listening(ConnectionLimits(head_bytes=1024)) as running:
        answer = await (await running.connect()).ask(body=body)

    assert Answer(200, {"content-length": "1000000"}, body) == answer


async def test_a_request_that_is_never_answered_is_cut_off() -> None:
    """An application that hangs does not hold its connection for ever."""
    async with listening(ConnectionLimits(request_seconds=0.1)) as running:
        client = await running.connect()
        client.write(a_post("/hang", b""))
        rest = await client.rest()

    assert (b"", ["slow request"]) == (rest, running.counts.ended)


async def test_a_client_that_does_not_read_is_cut_off() -> None:
    """Ten requests for large answers, none of which is taken."""
    limits = ConnectionLimits(request_seconds=0.3, idle_seconds=0.3)
    async with listening(limits) as running:
        client = await running.connect()
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # It is a transport.
        for _ in range(10):
            client.write(a_post("/large", b""))
        await running.counts.until(1)
        await running.counts.until(0)
        client.close()

    assert 0 == running.counts.now


async def test_the_rest_of_an_unread_body_ends_the_connection() -> None:
    """An answer that did not wait for the body is the last one."""
    async with listening() as running:
        client = await running.connect()
        client.write(b"POST /unread HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nabc")
        answer = await client.answer()
        rest = await client.rest()

    assert (200, b"") == (answer.status, rest)


async def test_pipelined_requests_are_answered_in_order() -> None:
    """Nobody should send them, but they are well-formed."""
    async with listening() as running:
        client = await running.connect()
        client.write(a_post("/", b"one") + a_post("/", b"two") + a_post("/", b"three"))
        answers = [(await client.answer()).body for _ in range(3)]
        again = await client.ask(body=b"four")

    assert ([b"one", b"two", b"three"], b"four") == (answers, again.body)


async def test_a_queue_of_requests_is_bounded() -> None:
    """Each of them is kept until the first one is answered, and a packet has room for thousands."""
    async with listening() as running:
        client = await running.connect()
        client.write(a_post("/hang", b""))
        await running.echo.asked.wait()
        client.write(b"GET / HTTP/1.1\r\n\r\n" * (PIPELINED_MAX + 1))
        answer = await client.answer()
        rest = await client.rest()

    assert (400, True, b"", 1) == (answer.status, answer.is_last, rest, len(running.echo.states))


@pytest.mark.parametrize(
    "junk",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: 99999999999999999999999\r\n\r\n",
    ],
)
async def test_junk_is_refused(junk: bytes) -> None:
    """What is not HTTP/1.1 gets 400 and the end of its connection."""
    async with listening() as running:
        client = await running.connect()
        client.write(junk)
        answer = await client.answer()
        rest = await client.rest()

    assert (400, True, b"") == (answer.status, answer.is_last, rest)


async def test_an_upgrade_is_passed_over() -> None:
    """There are no web sockets here; the request is answered as what it otherwise is."""
    async with listening() as running:
        client = await running.connect()
        answer = await client.ask(
            headers={"connection": "upgrade", "upgrade": "websocket", "sec-websocket-key": "x"}
        )

    assert 200 == answer.status


async def test_a_full_house_lets_the_least_missed_go() -> None:
    """The one that never asked anything goes first, so nobody locks the API server out."""
    async with listening(ConnectionLimits(connections=3)) as running:
        used = await running.connect()
        await used.ask()
        unused = await running.connect()
        younger = await running.connect()
        await running.counts.until(3)
        newest = await running.connect()
        first_gone = await unused.rest()
        answers = [(await client.ask()).status for client in (used, younger, newest)]

    assert (b"", [200, 200, 200], ["evicted"]) == (first_gone, answers, running.counts.ended)


async def test_requests_that_dawdle_go_before_idle_connections() -> None:
    """Bodies that never end do not fill the house: the oldest of them goes."""
    async with listening(ConnectionLimits(connections=3)) as running:
        used = await running.connect()
        await used.ask()
        dawdlers = [await running.connect() for _ in range(2)]
        for client in dawdlers:
            running.echo.asked.clear()
            client.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nabc")
            await running.echo.asked.wait()
        newest = await running.connect()
        first_gone = await dawdlers[0].rest()
        answers = [(await client.ask()).status for client in (used, newest)]

    assert (b"", [200, 200], ["evicted"]) == (first_gone, answers, running.counts.ended)


async def test_more_of_a_slow_request_makes_it_no_newer() -> None:
    """Who began first goes first, whatever has arrived since."""
    async with listening(ConnectionLimits(connections=2)) as running:
        older = await running.connect()
        older.write(b"POST / HTTP/1.1\r\n")
        newer = await running.connect()
        for client, begin in ((newer, b"POST / HTTP/1.1\r\n"), (older, b"")):
            running.echo.asked.clear()
            client.write(begin + b"host: x\r\ncontent-length: 100\r\n\r\nabc")
            await running.echo.asked.wait()
        newest = await running.connect()
        first_gone = await older.rest()
        answer = await newest.ask()

    assert (b"", 200, ["evicted"]) == (first_gone, answer.status, running.counts.ended)


async def test_the_application_is_told_that_a_body_is_whole() -> None:
    """Where all of it came with the head, and not where some is still to come."""
    async with listening() as running:
        client = await running.connect()
        await client.ask(body=b"x")
        running.echo.asked.clear()
        client.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\n")
        await running.echo.asked.wait()
        client.write(b"abc")
        answer = await client.answer()

    assert ([True, False], b"abc") == (running.echo.whole, answer.body)


async def test_an_answer_to_a_post_is_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """Head and body together; whoever asks to be told to go on is told so first."""
    written: list[bytes] = []

    class Wire(asyncio.Transport):
        def __init__(self, transport: asyncio.Transport) -> None:
            self._transport = transport

        def write(self, data: bytes | bytearray | memoryview) -> None:
            written.append(bytes(data))
            self._transport.write(data)

    monkeypatch.setattr(connection, "JoinedWrites", lambda each: JoinedWrites(Wire(each)))
    async with listening() as running:
        client = await running.connect()
        answer = await client.ask(body=b"x")
        client.write(
            b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\nexpect: 100-continue\r\n\r\n"
        )
        first = await client.reader.readuntil(b"\r\n\r\n")
        client.write(b"y")
        second = await client.answer()

    assert [b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx"] == written
    assert (b"x", b"HTTP/1.1 100 Continue\r\n\r\n", b"y") == (answer.body, first, second.body)


async def test_a_house_full_of_work_refuses_the_newest() -> None:
    """Nothing that is being answered is cut off to make room."""
    async with listening(ConnectionLimits(connections=1)) as running:
        busy = await running.connect()
        busy.write(a_post("/hang", b"x"))
        await running.echo.asked.wait()
        refused = await (await running.connect()).rest()
        running.echo.let_go.set()
        answer = await busy.answer()

    assert (b"", 200, ["too many"]) == (refused, answer.status, running.counts.ended)


async def test_connections_are_counted() -> None:
    """Up and down."""
    async with listening() as running:
        clients = [await running.connect() for _ in range(3)]
        await running.counts.until(3)
        for client in clients:
            client.close()
        await running.counts.until(0)

    assert (3, []) == (running.counts.most, running.counts.ended)
