"""The recordings of a request, by whichever way they come: one body, the parts of a form, or lines of NDJSON."""

import asyncio
import io
import math
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePosixPath

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from ecg import formats
from ecg.errors import InputTooLarge, MalformedInput
from ecg.formats import cardioai_json, json_body, npy_array
from ecg.formats.stated import Stated
from ecg.record import EcgRecord, check_duration
from serve_app.edge.bodies import check_parameters, content_type, read_body

JSON = "application/json"
NPY = "application/x-npy"
INT16 = "application/x-ecg-int16"
NDJSON = "application/x-ndjson"
MULTIPART = "multipart/form-data"
#: A file as it is; `?filename=` or its first bytes tell its format.
RAW = ("application/octet-stream", *(kind for kind in formats.media_types() if kind not in (JSON, NPY)))
#: What a request with one recording may be, and one with many.
CONTENT_TYPES = (JSON, NPY, INT16, MULTIPART, *RAW)
BULK_CONTENT_TYPES = (NDJSON, MULTIPART)
#: What may be stated beside one recording, and beside many.
PARAMETERS = ("include", "subject", "fs", "leads", "units", "index", "scale", "filename")
BULK_PARAMETERS = tuple(name for name in PARAMETERS if name not in {"filename", "subject"})
MAX_FILES = 16
#: So many files a recording of a bulk request may have on average: a WFDB header, two signal files, annotations.
FILES_EACH = 4
_HEAD_BYTES = 4096
_INDEX_DIGITS = 9
_AT_ONCE = 1 << 20  # bytes of an array that become a recording in a fraction of a millisecond


@dataclass(frozen=True)
class Upload:
    """One recording as it came.

    Attributes
    ----------
    kind
        Media type that says how to read it; `MULTIPART` for files whose names and first bytes say it.
    files
        Content by file name.
    name
        Of the file that the answer is about, where there are several recordings.
    """

    kind: str
    files: dict[str, bytes]
    name: str | None = None

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(map(len, self.files.values()))

    def decode(self, parameters: Mapping[str, str], max_duration_s: float = math.inf) -> EcgRecord:
        """The recording; `parameters` state what the bytes do not say.

        Raises `RecordingTooLong` for more than `max_duration_s`, where the file announces it before it is decoded, and
        what the reader of the format raises.
        """
        if "scale" in parameters and self.kind != INT16:
            raise MalformedInput("Only int16 bodies take a scale.", "scale", INT16, self.kind)
        leads = parameters.get("leads")
        names = None if leads is None else tuple(name.strip() for name in leads.split(","))
        stated = Stated(_number(parameters, "fs"), names, parameters.get("units"), _index(parameters))
        main = next(iter(self.files), "")
        if self.kind in (JSON, NPY, INT16):
            stated.check_alone()
        if self.kind == JSON:
            is_message = cardioai_json.claims("", self.files[main][:_HEAD_BYTES])
            parse = cardioai_json.parse if is_message else json_body.parse
            record = parse(self.files, main, stated, max_duration_s)
        elif self.kind == NPY:
            record = npy_array.parse(self.files, main, stated, max_duration_s)
        elif self.kind == INT16:
            scale = _number(parameters, "scale")
            if scale is None:
                raise MalformedInput("The scale of the counts is not stated.", "scale", "unit per count", None)
            record = npy_array.parse_int16(self.files[main], stated, scale)
        else:
            record = formats.parse(self.files, stated, max_duration_s)
        check_duration(record.duration_s, max_duration_s)
        return record

    async def decode_offloaded(self, parameters: Mapping[str, str], max_duration_s: float) -> EcgRecord:
        """`decode` without holding up the event loop: in a thread, unless that takes longer than the decoding."""
        if self.kind in (NPY, INT16) and self.size <= _AT_ONCE:
            return self.decode(parameters, max_duration_s)
        return await asyncio.to_thread(self.decode, parameters, max_duration_s)


async def receive(
    request: Request, kinds: Sequence[str], allowed: Sequence[str], max_bytes: int, max_items: int = 1
) -> tuple[list[Upload], dict[str, str]]:
    """The recordings of a request, at least one and at most `max_items`, and what it states beside them.

    With `max_items` of one, all files of a form are one recording; with more, each is one, a WFDB header together with
    its signal files. Raises `UnknownFormat` for a content type that is not one of `kinds`, `MalformedInput` for a
    parameter or form field that is not one of `allowed`, and what `read_body` raises.
    """
    check_parameters(request.query_params, allowed)
    kind = content_type(request, kinds)
    body = await read_body(request, max_bytes)
    parameters = dict(request.query_params)
    if kind == NDJSON:
        found = _lines(body)
    elif kind == MULTIPART:
        fields = [name for name in allowed if name != "include"] if max_items > 1 else allowed
        files, texts = await _form(request, body, fields, max(FILES_EACH * max_items, MAX_FILES))
        parameters |= texts
        found = _recordings(files) if max_items > 1 else iter([Upload(MULTIPART, files)])
    else:
        default_name = "upload.csv" if "csv" in kind else "upload"
        found = iter([Upload(kind, {parameters.get("filename", default_name): body})])
    for name in ("fs", "scale"):  # of the request, not of one recording in it
        _number(parameters, name)
    _index(parameters)
    uploads = list(islice(found, max_items + 1))
    if not uploads:
        raise MalformedInput("The request holds no recording.", "body", "at least one", 0)
    if len(uploads) > max_items:
        raise InputTooLarge("Too many recordings in one request.", "body", max_items, f"> {max_items}")
    return uploads, parameters


class _InMemory(MultiPartParser):
    """Keeps every part in memory: a recording is never written to a temporary file, and the body is bounded."""

    spool_max_size = 1 << 62


async def _form(
    request: Request, body: bytes, allowed: Sequence[str], max_files: int
) -> tuple[dict[str, bytes], dict[str, str]]:
    """Files by name and text fields by name of a multipart body."""

    async def once() -> AsyncGenerator[bytes, None]:
        yield body

    try:
        form = await _InMemory(request.headers, once(), max_files=max_files, max_fields=MAX_FILES).parse()
    except MultiPartException as error:
        message = f"The multipart body cannot be read: {error.message}"
        raise MalformedInput(message, "body", MULTIPART, None) from None
    try:
        return await _parts(form, request, allowed)
    finally:
        await form.close()


async def _parts(form: FormData, request: Request, allowed: Sequence[str]) -> tuple[dict[str, bytes], dict[str, str]]:
    files: dict[str, bytes] = {}
    texts: dict[str, str] = {}
    for name, part in form.multi_items():
        if isinstance(part, UploadFile):
            key = part.filename or name
            doubled = key in files
            files[key] = await part.read()
        else:
            key = name
            doubled = key in texts or key in request.query_params
            texts[key] = part
        if doubled:
            raise MalformedInput("Two parts of the request have one name.", key[:80], "each once", None)
    unknown = sorted(set(texts) - set(allowed))
    if unknown:
        raise MalformedInput("Unknown form field.", unknown[0][:80], list(allowed), None)
    return files, texts


def _lines(body: bytes) -> Iterator[Upload]:
    for line in io.BytesIO(body):  # one at a time: a body of many lines is refused before they are all objects
        if line.strip():
            yield Upload(JSON, {"body.json": line})


def _recordings(files: dict[str, bytes]) -> Iterator[Upload]:
    """Each file a recording, but the signal files of a WFDB header, which have its stem, belong to it."""
    stems = {PurePosixPath(name).stem for name in files if name.lower().endswith(".hea")}
    together: dict[str, dict[str, bytes]] = {}
    for name, content in files.items():
        stem = PurePosixPath(name).stem
        together.setdefault(stem if stem in stems else name, {})[name] = content
    for name, members in together.items():
        yield Upload(MULTIPART, members, name)


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
