"""Answers of a timestamp authority, of any time and signed by nobody."""

import base64
from datetime import UTC, datetime

_SIGNED_DATA = "2a864886f70d010702"
_TST_INFO = "2a864886f70d0109100104"
_SHA256 = "608648016503040201"
_POLICY = "2a0304"


def a_timestamp(seconds: int) -> str:
    """Return an answer that says so many seconds of Unix, in base64."""
    when = datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%d%H%M%SZ").encode()
    imprint = _sequence(_sequence(_oid(_SHA256)), _der(0x04, bytes(32)))
    info = _sequence(_number(1), _oid(_POLICY), imprint, _number(7), _der(0x18, when))
    content = _sequence(_oid(_TST_INFO), _der(0xA0, _der(0x04, info)))
    signed = _sequence(_number(3), _der(0x31, b""), content, _der(0x31, b""))
    token = _sequence(_oid(_SIGNED_DATA), _der(0xA0, signed))
    return base64.b64encode(_sequence(_sequence(_number(0)), token)).decode()


def _sequence(*parts: bytes) -> bytes:
    return _der(0x30, b"".join(parts))


def _number(value: int) -> bytes:
    return _der(0x02, bytes([value]))


def _oid(hexadecimal: str) -> bytes:
    return _der(0x06, bytes.fromhex(hexadecimal))


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    return bytes([tag, size] if size < 0x80 else [tag, 0x81, size]) + content
