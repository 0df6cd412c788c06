"""Which answers and which broken connections are tried again, and after how long."""

import httpx

from ecg.client.answer import Answer, ServiceRefusal
from ecg.errors import Overloaded

MOST_WAIT_S = 60.0  # a service that asks for a longer wait is taken to be away
_AGAIN = (429, 503)
_DROPPED_WAIT_S = 0.2  # before a dropped connection is tried again; twice as long each time
_NO_ANSWER = "What came is no answer of this service: is the address right?"


class Attempts:
    """The attempts at one request: at most `most` that find a busy service, and as many whose connection breaks.

    Each has its own count: a service that starts anew breaks connections first, and then says how long it takes.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._busy = self._dropped = 0

    def answer_or_wait(self, response: httpx.Response) -> Answer | float:
        """The answer, or how long to wait before the next attempt: what the service says, else twice as long each time.

        Raises `ServiceRefusal` when the refusal is final, asks for a wait beyond `MOST_WAIT_S`, or is no answer at all,
        and `Overloaded` when there is no attempt left.
        """
        if response.is_success:
            try:
                return Answer.from_body(response.json())
            except (AttributeError, KeyError, TypeError, ValueError):
                raise ServiceRefusal({"detail": _NO_ANSWER}, response.status_code) from None
        wait_s = _asked_wait(response, otherwise_s=float(2**self._busy))
        self._busy += 1
        if response.status_code not in _AGAIN or wait_s > MOST_WAIT_S:
            raise _refusal(response)
        if self._busy == self._most:
            raise Overloaded(f"The service stayed busy: {_refusal(response).message}", retry_after_s=wait_s)
        return wait_s

    def wait_after(self, error: httpx.TransportError) -> float:
        """How long to wait after a connection that broke; raises the error after the last attempt or a timeout."""
        self._dropped += 1
        if self._dropped == self._most or isinstance(error, httpx.TimeoutException):
            raise error
        return float(_DROPPED_WAIT_S * 2 ** (self._dropped - 1))


def _asked_wait(response: httpx.Response, otherwise_s: float) -> float:
    try:
        wait_s = float(response.headers["Retry-After"])
    except (KeyError, ValueError):
        return otherwise_s
    return wait_s if wait_s >= 0 else otherwise_s  # also for NaN


def _refusal(response: httpx.Response) -> ServiceRefusal:
    try:
        problem = response.json()
    except ValueError:  # not of the service itself: a proxy between
        problem = {}
    return ServiceRefusal(problem, response.status_code)
