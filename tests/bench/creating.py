"""
Creates objects at an API server over kept connections, from a process of its own.

    python tests/bench/creating.py ORDER.json

The order says where, as whom and what; the result goes to standard output as JSON. Each connection
creates its next object when its last one is answered, as a controller's workers do.
"""

import http.client
import itertools
import json
import ssl
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

CREATED = 201
SECONDS_AT_MOST = 60.0


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be created: `objects` is a file with one a line, each of which `path` takes."""

    port: int
    ca: str
    token: str
    path: str
    objects: str
    connections: int


@dataclass(frozen=True, slots=True)
class Created:
    """What came of it; latencies are in milliseconds."""

    objects: int
    seconds: float
    p50: float
    p99: float

    @property
    def per_second(self) -> float:
        """Objects a second."""
        return self.objects / self.seconds


def create(order: Order) -> Created:
    """Return what came of an order; raise `RuntimeError` for an object that is not created."""
    context = ssl.create_default_context(cafile=order.ca)
    objects = Path(order.objects).read_bytes().splitlines()
    headers = {"Authorization": f"Bearer {order.token}", "Content-Type": "application/json"}
    numbers = itertools.count()

    def work(connection: http.client.HTTPSConnection) -> list[float]:
        taken = []
        while (number := next(numbers)) < len(objects):
            began = time.perf_counter()
            connection.request("POST", order.path, objects[number], headers)
            answer = connection.getresponse()
            content = answer.read()
            taken.append(1000 * (time.perf_counter() - began))
            if answer.status != CREATED:
                raise RuntimeError(f"not created: {answer.status} {content[:2000]!r}")
        return taken

    with ExitStack() as open_ones:
        connections = [
            http.client.HTTPSConnection(
                "127.0.0.1", order.port, context=context, timeout=SECONDS_AT_MOST
            )
            for _ in range(order.connections)
        ]
        for connection in connections:
            open_ones.callback(connection.close)
            connection.connect()
        began = time.perf_counter()
        with ThreadPoolExecutor(order.connections) as threads:
            taken = sorted(itertools.chain.from_iterable(threads.map(work, connections)))
        seconds = time.perf_counter() - began
    p50, p99 = (taken[int(len(taken) * share)] for share in (0.5, 0.99))
    return Created(len(taken), seconds, p50, p99)


if __name__ == "__main__":
    wanted = Order(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    print(json.dumps(asdict(create(wanted))))
