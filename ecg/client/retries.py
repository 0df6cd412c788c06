"""Which answers and which broken connections are tried again, and after how long."""

import httpx

from ecg.client.answer import Answer, ServiceRefusal

MOST_WAIT_S = 60.0  # a service that asks for a longer wait is taken to be away
_AGAIN = (429, 503)
_DROPPED_WAIT_S = 0.1  # before a dropped connection is tried again; twice as long each time
_NO_ANSWER = "What came is no answer of this service: is the address right?"


def refusal(response: httpx.Response) -> ServiceRefusal:
    """What a response that is no success says."""
    try:
        problem = response.json()
    except ValueError:  # not of the service itself: a proxy between
        problem = {}
    return ServiceRefusal(problem, response.status_code)


def answer_or_wait(response: httpx.Response, attempt: int) -> Answer | float:
    """The answer, or how long to wait before the next attempt: what the service says, else twice as long each time.

    Raises `ServiceRefusal` when the refusal is final, asks for a wait beyond `MOST_WAIT_S`, or is no answer at all.
    """
    if response.is_success:
        try:
            return Answer.from_body(response.json())
        except (AttributeError, KeyError, TypeError, ValueError):
            raise ServiceRefusal({"detail": _NO_ANSWER}, response.status_code) from None
    try:
        wait = float(response.headers["Retry-After"])
    except (KeyError, ValueError):
        wait = float(2**attempt)
    if not wait >= 0:  # also for NaN
        wait = float(2**attempt)
    if response.status_code not in _AGAIN or wait > MOST_WAIT_S:
        raise refusal(response)
    return wait


def wait_after(error: httpx.TransportError, attempt: int, attempts: int) -> float:
    """How long to wait after a connection that broke; raises the error after the last attempt and after a timeout."""
    if attempt + 1 == attempts or isinstance(error, httpx.TimeoutException):
        raise error
    return float(_DROPPED_WAIT_S * 2**attempt)
