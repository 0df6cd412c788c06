"""Errors on the wire: RFC 9457 problem documents. The only place that knows an HTTP status."""

import logging
import math
from itertools import islice
from typing import Any

import orjson
from starlette.responses import Response

from deployments.serve.ray_errors import as_ecg_error
from ecg import errors

logger = logging.getLogger("ray.serve")
#: Status of each error class; a class that is not here has its parent's.
STATUS: dict[type[errors.EcgError], int] = {
    errors.MalformedInput: 400,
    errors.InputTooLarge: 413,
    errors.UnknownFormat: 415,
    errors.NotAcceptable: 406,
    errors.RequestTooSlow: 408,
    errors.UnusableRecording: 422,
    errors.UnknownMessageVersion: 422,
    errors.UnknownRecording: 404,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.BusError: 503,
    errors.Overloaded: 503,
    errors.QuotaExceeded: 429,
    errors.ModelError: 503,
    # Damage on the side of the service: what was asked may be asked again once it is mended.
    errors.KeysUnreadable: 503,
    errors.AuditBroken: 503,
    errors.EcgError: 400,
}
RETRYABLE = (429, 503)
#: What a document repeats of a request is cut: a lead name of 20 MB must not come back.
_MOST_LETTERS = 200
_MOST_DETAIL = 500
_MOST_ITEMS = 64


class NotFound(errors.EcgError):
    """No such route or object."""

    code = "not_found"


class UnknownHost(errors.EcgError):
    """The request names another service than this one."""

    code = "unknown_host"


class MethodNotAllowed(errors.EcgError):
    """The route exists for another method."""

    code = "method_not_allowed"


STATUS |= {NotFound: 404, MethodNotAllowed: 405, UnknownHost: 421}


def other_method(allowed: list[str], got: str) -> MethodNotAllowed:
    """The refusal of a method that a route does not take."""
    return MethodNotAllowed("The route takes another method.", "method", allowed, got)


def status_of(error: errors.EcgError) -> int:
    """HTTP status of an error, from `STATUS` by its nearest class."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def response_to(error: Exception, request_id: str, retry_after_s: int) -> Response:
    """The problem document of anything that was raised; what an operator must mend is logged under the request id."""
    refusal = as_ecg_error(error)
    if refusal is None:
        logger.error("request %s failed", request_id, exc_info=error)
        return internal_problem(request_id)
    if isinstance(refusal, (errors.KeysUnreadable, errors.AuditBroken)):
        logger.error("request %s failed", request_id, exc_info=error)
    return problem(refusal, request_id, retry_after_s)


def problem(error: errors.EcgError, request_id: str, retry_after_s: int) -> Response:
    """The problem document of an error; 429 and 503 say when to come back."""
    status = status_of(error)
    body: dict[str, Any] = {
        "type": f"urn:ecg-serve:problem:{error.code}",
        "title": error.code.replace("_", " ").capitalize(),
        "status": status,
        "detail": _cut_text(error.message, _MOST_DETAIL),
        "code": error.code,
        "field": _cut(error.field),
        "expected": _cut(error.expected),
        "got": _cut(error.got),
        "request_id": request_id,
    }
    asked_s = error.retry_after_s if isinstance(error, errors.Overloaded) else None
    headers = {"Retry-After": str(math.ceil(asked_s or retry_after_s))} if status in RETRYABLE else {}
    if isinstance(error, errors.Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, MethodNotAllowed) and isinstance(error.expected, list):
        headers["Allow"] = ", ".join(error.expected)
    return _response(body, status, headers)


def internal_problem(request_id: str) -> Response:
    """The problem document of a fault of this program: the id under which it was logged, and nothing of the inside."""
    body = {
        "type": "urn:ecg-serve:problem:internal_error",
        "title": "Internal error",
        "status": 500,
        "detail": "The service failed. The request id finds the details in its log.",
        "code": "internal_error",
        "request_id": request_id,
    }
    return _response(body, 500, {})


def _cut(value: object, nested: bool = False) -> object:
    """A JSON value of bounded size that shows the beginning of another value."""
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**53 else f"an integer of {value.bit_length()} bits"
    if isinstance(value, (list, tuple, set, frozenset, dict)) and nested:
        return f"{len(value)} items"
    if isinstance(value, (list, tuple, set, frozenset)):
        shown = [_cut(item, nested=True) for item in islice(value, _MOST_ITEMS)]
        return shown if len(value) <= _MOST_ITEMS else [*shown, f"… {len(value)} in all"]
    if isinstance(value, dict):
        return {_cut_text(str(key), _MOST_LETTERS): _cut(value[key], nested=True) for key in islice(value, _MOST_ITEMS)}
    return _cut_text(value if isinstance(value, str) else str(value), _MOST_LETTERS)


def _cut_text(text: str, most: int) -> str:
    text = text if len(text) <= most else f"{text[:most]}… ({len(text)} letters)"
    return text.encode("utf-8", "replace").decode()  # half of a surrogate pair cannot be written


def _response(body: dict[str, Any], status: int, headers: dict[str, str]) -> Response:
    content = orjson.dumps(body, default=str, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(content, status, headers, media_type="application/problem+json")
