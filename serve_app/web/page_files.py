"""The files of the page, and the headers that they are served with."""

from pathlib import Path

PLACE = Path(__file__).parent / "static"
#: Each with its media type. What is not in here is not served.
PAGE_FILES = {
    "index.html": "text/html",
    "page.css": "text/css",
    **{
        f"{module}.js": "text/javascript"
        for module in ("api", "beat", "calipers", "main", "paper", "report", "service", "signal")
    },
}
#: Where each is served.
PAGE_PATHS = {"/" if name == "index.html" else f"/static/{name}": name for name in PAGE_FILES}
#: The page loads from its own origin only, runs no inline script, and is shown in no other page. Widths and heights in
#: millimetres are set on elements, hence the styles.
PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
        "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}
