"""Request bodies: read with a bound, inflated with a bound, and decoded to an `EcgRecord` by content type."""

import asyncio
import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import zstandard
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request

from ecg import formats
from ecg.errors import InputTooLarge, MalformedInput, RequestTooSlow, UnknownFormat
from ecg.formats import cardioai_json, json_body, npy_array
from ecg.formats.stated import Stated
from ecg.record import EcgRecord

JSON = "application/json"
NPY = "application/x-npy"
INT16 = "application/x-ecg-int16"
MULTIPART = "multipart/form-data"
#: A file as it is; its format is told by `?filename=` or by its first bytes.
RAW = ("application/octet-stream", *(kind for kind in formats.media_types() if kind not in (JSON, NPY)))
CONTENT_TYPES = (JSON, NPY, INT16, MULTIPART, *RAW)
PARAMETERS = ("include", "fs", "leads", "units", "index", "scale", "filename")
MAX_FILES = 16
CHUNK_PATIENCE_S = 10.0  # a client that sends nothing for so long is given up
BODY_PATIENCE_S = 120.0
#: Compressed bytes handed over at a time: what they can become is bounded by the best ratio of either format.
_INFLATE_STEP = 256
_HEAD_BYTES = 4096
_INDEX_DIGITS = 9
#: Each member (frame) costs 60 µs whatever is in it. Tools that write many, such as bgzip, fill them with 64 KiB.
_FREE_MEMBERS = 64
_BYTES_PER_MEMBER = 1 << 14
_AT_ONCE = 1 << 20  # bytes of an array that become a recording in a fraction of a millisecond
_INFLATERS: dict[str, Callable[[], Any]] = {
    "gzip": lambda: zlib.decompressobj(16 + zlib.MAX_WBITS),
    # RFC 9659 allows 8 MiB for a content coding; a frame of a few bytes can ask for any window.
    "zstd": lambda: zstandard.ZstdDecompressor(max_window_size=1 << 23).decompressobj(),
}


def content_type(request: Request, known: Sequence[str] = CONTENT_TYPES) -> str:
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
    return await asyncio.to_thread(inflate, body, encoding, max_bytes)


async def _received(request: Request, max_bytes: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    stream = request.stream()
    try:
        async with asyncio.timeout(BODY_PATIENCE_S):
            while True:
                try:
                    chunk = await asyncio.wait_for(anext(stream), CHUNK_PATIENCE_S)
                except StopAsyncIteration:
                    return b"".join(chunks)
                size += len(chunk)
                if size > max_bytes:
                    raise InputTooLarge("The body is too large.", "body", max_bytes, f"> {max_bytes}")
                chunks.append(chunk)
    except TimeoutError:
        raise RequestTooSlow("The body did not arrive in time.", "body", f"{CHUNK_PATIENCE_S:g} s", None) from None


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


def check_parameters(request: Request, allowed: Sequence[str] = PARAMETERS) -> None:
    """Refuse a query parameter that nobody reads, or one that stands twice: neither must pass unnoticed."""
    for name in request.query_params:
        if name not in allowed:
            raise MalformedInput(f"Unknown query parameter {name!r}.", name[:80], list(allowed), None)
        if len(request.query_params.getlist(name)) > 1:
            raise MalformedInput(f"The query parameter {name} stands more than once.", name, "once", None)


async def uploaded_files(
    request: Request, body: bytes, max_files: int = MAX_FILES
) -> tuple[dict[str, bytes], dict[str, str]]:
    """Files by name and text fields by name of a multipart body that has been read already."""
    sent = False

    async def receive() -> dict[str, object]:
        nonlocal sent
        message = {"type": "http.request", "body": b"" if sent else body, "more_body": False}
        sent = True
        return message

    try:
        form = await Request(request.scope, receive).form(max_files=max_files, max_fields=MAX_FILES)
    except (MultiPartException, HTTPException) as error:
        message = getattr(error, "message", None) or getattr(error, "detail", "")
        raise MalformedInput(f"The multipart body cannot be read: {message}", "body", MULTIPART, None) from None
    files: dict[str, bytes] = {}
    texts: dict[str, str] = {}
    for name, part in form.multi_items():
        known = files if isinstance(part, UploadFile) else texts
        key = (part.filename or name) if isinstance(part, UploadFile) else name
        if key in known or (known is texts and key in request.query_params):
            raise MalformedInput("Two parts of the request have one name.", key[:80], "each once", None)
        if isinstance(part, UploadFile):
            files[key] = await part.read()
        else:
            texts[key] = part
    unknown = set(texts) - set(PARAMETERS)
    if unknown:
        raise MalformedInput("Unknown form field.", sorted(unknown)[0][:80], list(PARAMETERS), None)
    return files, texts


async def decode_aside(
    kind: str,
    body: bytes,
    parameters: Mapping[str, str],
    files: Mapping[str, bytes],
    max_duration_s: float = math.inf,
) -> EcgRecord:
    """`decode` without holding up the event loop: in a thread, unless that takes longer than the decoding."""
    if kind in (NPY, INT16) and len(body) <= _AT_ONCE:
        return decode(kind, body, parameters, files, max_duration_s)
    return await asyncio.to_thread(decode, kind, body, parameters, files, max_duration_s)


def decode(
    kind: str,
    body: bytes,
    parameters: Mapping[str, str],
    files: Mapping[str, bytes],
    max_duration_s: float = math.inf,
) -> EcgRecord:
    """The recording of a body of media type `kind`; `parameters` state what the bytes do not say.

    Raises `RecordingTooLong` for more than `max_duration_s`, where the file announces it before it is decoded.
    """
    if "scale" in parameters and kind != INT16:
        raise MalformedInput("Only int16 bodies take a scale.", "scale", INT16, kind)
    stated = Stated(
        _number(parameters, "fs"), _leads(parameters.get("leads")), parameters.get("units"), _index(parameters)
    )
    if kind == JSON:
        parse = cardioai_json.parse if cardioai_json.claims("", body[:_HEAD_BYTES]) else json_body.parse
        return parse({"body.json": body}, "body.json", stated, max_duration_s)
    if kind == NPY:
        return npy_array.parse({"body.npy": body}, "body.npy", stated, max_duration_s)
    if kind == INT16:
        scale = _number(parameters, "scale")
        if scale is None:
            raise MalformedInput("The scale of the counts is not stated.", "scale", "unit per count", None)
        return npy_array.parse_int16(body, stated, scale)
    if kind == MULTIPART:
        return formats.parse(files, stated, max_duration_s)
    default_name = "upload.csv" if "csv" in kind else "upload"
    return formats.parse({parameters.get("filename", default_name): body}, stated, max_duration_s)


def _leads(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(name.strip() for name in text.split(","))


def _index(parameters: Mapping[str, str]) -> int | None:
    text = parameters.get("index")
    if text is not None and not (text.isascii() and text.isdigit() and len(text) <= _INDEX_DIGITS):
        raise MalformedInput("index is not a whole number.", "index", "0, 1, …", text[:40])
    return None if text is None else int(text)


def _number(parameters: Mapping[str, str], name: str) -> float | None:
    if name not in parameters:
        return None
    try:
        return float(parameters[name])
    except ValueError:
        raise MalformedInput(f"{name} is not a number.", name, "a number", parameters[name][:40]) from None
