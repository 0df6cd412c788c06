"""Request bodies: read within a bound of time and size, and inflated within a bound."""

import asyncio
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import zstandard
from starlette.datastructures import QueryParams
from starlette.requests import Request

from ecg.errors import InputTooLarge, MalformedInput, RequestTooSlow, UnknownFormat
from serve_app.edge.memory import LargeBodies

CHUNK_PATIENCE_S = 10.0  # a client that sends nothing for so long is refused
BODY_PATIENCE_S = 120.0
#: Compressed bytes handed over at a time: what they can become is bounded by the best ratio of either format.
_INFLATE_STEP = 256
#: Each member (frame) costs 60 µs whatever is in it. Tools that write many, such as bgzip, fill them with 64 KiB.
_FREE_MEMBERS = 64
_BYTES_PER_MEMBER = 1 << 14
_LARGE_BODIES = LargeBodies()
_INFLATERS: dict[str, Callable[[], Any]] = {
    "gzip": lambda: zlib.decompressobj(16 + zlib.MAX_WBITS),
    # RFC 9659 allows 8 MiB for a content coding; a frame of a few bytes can ask for any window.
    "zstd": lambda: zstandard.ZstdDecompressor(max_window_size=1 << 23).decompressobj(),
}


def content_type(request: Request, known: Sequence[str]) -> str:
    """The media type without parameters; `UnknownFormat` when it is absent or not one of `known`."""
    stated = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if stated not in known:
        raise UnknownFormat("No reader takes this content type.", "Content-Type", list(known), stated or None)
    return stated


async def read_body(request: Request, max_bytes: int) -> bytes:
    """The inflated body, at most `max_bytes` long before and after inflation; else `InputTooLarge`."""
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > max_bytes:
        raise InputTooLarge("The body is too large.", "body", max_bytes, int(announced))
    body = await _received(request, max_bytes)
    if not body:
        raise MalformedInput("The body is empty.", "body", "a recording", 0)
    encoding = request.headers.get("content-encoding", "identity")[:64].strip().lower()
    if encoding in ("", "identity"):
        return body
    size = max_bytes  # of one that is refused nobody knows how far it came
    try:
        inflated = await asyncio.to_thread(inflate, body, encoding, max_bytes)
        size = len(inflated)
    except UnknownFormat:
        size = 0
        raise
    finally:
        _LARGE_BODIES.came(size)
    return inflated


async def _received(request: Request, max_bytes: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    stream = request.stream()
    whole = asyncio.timeout(BODY_PATIENCE_S)
    try:
        async with whole:
            while True:
                # Not asyncio.wait_for: in Python 3.11 it loses the end of `whole` that comes together with a chunk.
                async with asyncio.timeout(CHUNK_PATIENCE_S):
                    chunk = await anext(stream, None)
                if chunk is None:
                    return b"".join(chunks)
                size += len(chunk)
                if size > max_bytes:
                    raise InputTooLarge("The body is too large.", "body", max_bytes, f"> {max_bytes}")
                chunks.append(chunk)
    except TimeoutError:
        if whole.expired():
            expected = f"the whole body within {BODY_PATIENCE_S:g} s"
        else:
            expected = f"the next bytes within {CHUNK_PATIENCE_S:g} s"
        raise RequestTooSlow("The body did not arrive in time.", "body", expected) from None
    finally:
        _LARGE_BODIES.came(size)


def inflate(body: bytes, encoding: str, max_bytes: int) -> bytes:
    """The body without its content encoding (gzip or zstd), never more than `max_bytes`.

    Raises `InputTooLarge`, also for more members (frames) than their content can account for, `MalformedInput` for a
    damaged body and `UnknownFormat` for another encoding.
    """
    if encoding not in _INFLATERS:
        raise UnknownFormat("Unknown content encoding.", "Content-Encoding", ["gzip", "zstd", "identity"], encoding)
    inflated = bytearray()
    at = members = 0
    try:
        while at < len(body):  # a body may be several members (frames) one after the other
            members += 1
            most = _FREE_MEMBERS + len(inflated) // _BYTES_PER_MEMBER
            if members > most:
                raise InputTooLarge("The body has too many compressed parts.", "body", most, f"> {most}")
            inflater = _INFLATERS[encoding]()
            for start in range(at, len(body), _INFLATE_STEP):
                step = body[start : start + _INFLATE_STEP]
                inflated += inflater.decompress(step)
                if len(inflated) > max_bytes:
                    raise InputTooLarge("The inflated body is too large.", "body", max_bytes, f"> {max_bytes}")
                if inflater.eof:
                    at = start + len(step) - len(inflater.unused_data)
                    break
            else:
                raise MalformedInput("The compressed body is cut off.", "body", f"a whole {encoding} stream", None)
    except (zlib.error, zstandard.ZstdError):
        raise MalformedInput(f"The body is not {encoding}.", "body", encoding, None) from None
    return bytes(inflated)


def check_parameters(query: QueryParams, allowed: Sequence[str]) -> None:
    """Refuse a query parameter that nobody reads, or one that stands twice: neither must pass unnoticed."""
    for name in query:
        if name not in allowed:
            raise MalformedInput(f"Unknown query parameter {name!r}.", name[:80], list(allowed), None)
        if len(query.getlist(name)) > 1:
            raise MalformedInput(f"The query parameter {name} stands more than once.", name, "once", None)
