"""The HTTP adapter of the relay."""

import email.utils
import os
import time

import orjson
import urllib3

from ecg.cardioai.sender.delivery import NotDelivered, Outgoing, Refused, Route
from ecg.errors import MalformedInput

MAX_ANSWER_BYTES = 64 * 1024


def open_adapter(route: Route) -> "HttpAdapter":
    """The adapter for the URL `route.name`."""
    return HttpAdapter(route.name, route.connections, route.timeout_s)


def _credential() -> dict[str, str]:
    """The header of the API key in ``ECG_API_KEY``, which is nothing to have on a command line."""
    key = os.environ.get("ECG_API_KEY")
    return {"Authorization": f"Bearer {key}"} if key else {}


class HttpAdapter:
    """Posts to one URL. Only 200 is an acknowledgement; redirects are refusals, since following one can lose a body.

    Presents the API key in the environment variable ``ECG_API_KEY``, if there is one.

    Raises `MalformedInput` for what is no URL.
    """

    def __init__(self, url: str, connections: int, timeout_s: float) -> None:
        try:
            host = urllib3.util.parse_url(url).host
        except urllib3.exceptions.LocationParseError:
            host = None
        if not host or not url.startswith(("http://", "https://")):
            raise MalformedInput("The HTTP adapter needs a URL.", "name", "http://… or https://…", url)
        self._url = url
        self._timeout_s = timeout_s
        self._pool = urllib3.PoolManager(
            maxsize=connections,
            retries=False,
            timeout=urllib3.Timeout(connect=min(timeout_s, 10.0), read=timeout_s),
            headers={"Content-Type": "application/json", "User-Agent": "ecg-relay"} | _credential(),
        )

    def send(self, outgoing: Outgoing) -> str:
        """Post once; the receipt's status, or ``acknowledged`` when the 200 has no receipt."""
        try:
            response = self._pool.request("POST", self._url, body=outgoing.body, preload_content=False)
            answer = _start_of(response, self._timeout_s)
        except urllib3.exceptions.NameResolutionError:
            raise NotDelivered("host name not known") from None
        except urllib3.exceptions.NewConnectionError as error:  # a kind of ConnectTimeoutError in urllib3
            raise NotDelivered(_why_no_connection(error)) from None
        except urllib3.exceptions.ConnectTimeoutError:
            raise NotDelivered("connect timeout") from None
        except urllib3.exceptions.TimeoutError:
            raise NotDelivered("no answer in time") from None
        except urllib3.exceptions.LocationValueError as error:
            raise Refused(type(error).__name__) from None
        except urllib3.exceptions.HTTPError as error:
            raise NotDelivered(type(error).__name__) from None
        status = response.status
        if status in (408, 425, 429) or status >= 500:
            raise NotDelivered(f"HTTP {status}", retry_after_s(response.headers.get("Retry-After")))
        if status != 200:
            raise Refused(f"HTTP {status}")
        try:
            receipt = orjson.loads(answer)
        except orjson.JSONDecodeError:
            return "acknowledged"
        said = receipt.get("status") if isinstance(receipt, dict) else None
        return said if isinstance(said, str) else "acknowledged"


def _why_no_connection(error: BaseException) -> str:
    """What the operating system said, such as "connection refused"; short enough to be counted by."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
        cause = cause.__cause__ or cause.__context__
    return "no connection"


def _start_of(response: urllib3.BaseHTTPResponse, timeout_s: float) -> bytes:
    """The answer's body, or its start: neither an endless body nor one that drips may hold a sender."""
    until = time.monotonic() + timeout_s
    start = b""
    while len(start) < MAX_ANSWER_BYTES and (chunk := response.read1(MAX_ANSWER_BYTES)):
        start += chunk
        if time.monotonic() > until:
            response.close()
            raise urllib3.exceptions.TimeoutError
    if len(start) < MAX_ANSWER_BYTES:
        response.release_conn()
    else:
        response.close()
    return start


def retry_after_s(header: str | None) -> float:
    """Seconds that a Retry-After header asks for, as a number or a date; 0 when it is absent or unreadable."""
    if header is None:
        return 0.0
    if header.isascii() and header.strip().isdecimal():
        return float(header)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(header).timestamp() - time.time())
    except ValueError:
        return 0.0
