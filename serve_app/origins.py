"""Origins of web pages: what a browser says of the page that sends a request."""

from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}


def web_origin(text: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of an origin such as ``https://ecg.example``; None for text that is none, as ``null``."""
    try:
        parts = urlsplit(text.lower())
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        return None
    return parts.scheme, parts.hostname, _DEFAULT_PORTS[parts.scheme] if port is None else port


def is_written_as_origin(text: str) -> bool:
    """Whether a text is one origin and no more: no path, no user, and no ``*``, which no browser states."""
    if web_origin(text) is None or "*" in text:
        return False
    parts = urlsplit(text)
    return parts.path in ("", "/") and not (parts.query or parts.fragment) and "@" not in parts.netloc
