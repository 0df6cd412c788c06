"""`python -m serve_app.early FOLDER HOST PORT READY_AT COMMAND…`: answers on a service's port, and becomes COMMAND.

Ray takes its time to start. Until then a HAProxy with a configuration of its own shows the page, says on `/health` that
the service starts, and refuses everything else for the moment. The first HAProxy that has an application takes the port
over, as it does from a stand-in (`haproxy_start.sh`). READY_AT, in seconds of the system's clock, is when the service
is expected to be ready: callers are told to come back then. It is 0 where nobody knows.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from ecg._version import __version__
from serve_app import haproxy
from serve_app.web.page_files import PAGE_FILES, PAGE_HEADERS, PAGE_PATHS, PLACE

#: `haproxy_start.sh` looks for it.
FILE = "haproxy-early.cfg"
#: Callers are sent back over so many seconds from then on, so that they do not all come at once.
SPREAD_S = 5
#: They are not told to wait for longer: `ecg.Client` takes a service for gone that asks for more than a minute.
LONGEST_S = 55
STARTING = {"status": "starting", "models": {}, "versions": {"ecg-serve": __version__}}


def configuration(folder: Path, host: str, port: int, ready_at: int) -> str:
    """What HAProxy answers by itself on the port, by TLS where the program in `folder` was written for that."""
    certificate = folder / haproxy.TLS_FILE
    tls = haproxy.by_tls(certificate) if certificate.exists() else ""
    page = " ".join(f"hdr {name} {_quoted(value)}" for name, value in PAGE_HEADERS.items())
    lines = [
        "global",
        "    maxconn 100",
        "    tune.bufsize 131072",  # a file that is returned must fit
        "defaults",
        "    mode http",
        f"    timeout http-request {haproxy.HEAD_S}s",
        "    timeout client 10s",
        "    timeout connect 1s",
        "    timeout server 1s",
        "frontend early",
        f"    bind {host}:{port}{tls}",
        f"    http-request return status 200 content-type application/json string {_quoted(json.dumps(STARTING))}"
        " hdr Cache-Control no-store if METH_GET { path /health }",
    ]
    for path, name in PAGE_PATHS.items():
        kind = f"{PAGE_FILES[name]}; charset=utf-8"
        lines.append(
            f'    http-request return status 200 content-type "{kind}" file {PLACE / name} {page}'
            f" hdr Cache-Control no-cache if METH_GET {{ path {path} }}"
        )
    lines += [
        *_wait(ready_at),
        "    http-request return status 503 content-type application/problem+json string "
        f"{_quoted(haproxy.STARTING)} hdr Retry-After %[var(txn.wait)] hdr Cache-Control no-store",
    ]
    return "\n".join(lines) + "\n"


def _wait(ready_at: int) -> list[str]:
    """Rules by which HAProxy works out the seconds of Retry-After, `txn.wait`, for each request."""
    shortest, longest = haproxy.RETRY_AFTER_S, LONGEST_S
    if not ready_at:
        return [f"    http-request set-var(txn.wait) int({shortest})"]
    return [
        f"    http-request set-var(txn.wait) date,neg,add({ready_at})",
        f"    http-request set-var(txn.wait) int({shortest}) if {{ var(txn.wait) -m int lt {shortest} }}",
        f"    http-request set-var(txn.wait) int({longest}) if {{ var(txn.wait) -m int gt {longest} }}",
        f"    http-request set-var(txn.wait) rand({SPREAD_S + 1}),add(txn.wait)",
    ]


def _quoted(text: str) -> str:
    """As HAProxy reads it, to whom a per cent sign in a header begins a variable."""
    return "'" + text.replace("'", "'\\''").replace("%", "%%") + "'"


def main() -> None:
    """Start HAProxy where it can be, and go on as the command."""
    folder, host, port, ready_at, *command = sys.argv[1:]
    file = Path(folder) / FILE
    file.write_text(configuration(Path(folder), host, int(port), int(ready_at)))
    binary = (Path(folder) / "haproxy.binary").read_text().strip()
    # An orphan, which the keeper takes: the command would have to wait for its end.
    apart = '("$1" -db -f "$2" </dev/null >/dev/null 2>&1 &)'
    subprocess.run(["/bin/sh", "-c", apart, "sh", binary, str(file)], check=False)  # noqa: S603  our own files
    os.execv(command[0], command)  # noqa: S606  what the launcher named


if __name__ == "__main__":
    main()
