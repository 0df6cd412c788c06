"""A throw-away PostgreSQL cluster from the system's own packages, for tests and benchmarks."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Self

from benchmarks.service import free_port


def find_binaries() -> Path | None:
    """The folder of initdb and postgres: Debian's, or the one on the path; None where PostgreSQL is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    if found:
        return found[-1].parent
    return Path(on_path).resolve().parent if on_path else None


class Cluster:
    """A cluster in a temporary folder, on loopback; as `postgres` when this process is root, which initdb refuses."""

    def __init__(self) -> None:
        binaries = find_binaries()
        if binaries is None:
            raise FileNotFoundError("PostgreSQL is not installed")
        self._binaries = binaries
        self._user = "postgres" if os.geteuid() == 0 else None
        self._folder = Path(tempfile.mkdtemp(prefix="ecg-postgres-"))
        if self._user is not None:
            os.chown(self._folder, pwd.getpwnam(self._user).pw_uid, -1)
        self._data = self._folder / "data"
        self._run("initdb", "-D", str(self._data), "-U", "ecg", "--auth=trust", "--no-sync", "-E", "UTF8")
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://ecg@127.0.0.1:{self.port}/postgres"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        log = (self._folder / "log").open("ab")
        options = ["-p", str(self.port), "-c", "listen_addresses=127.0.0.1", "-k", str(self._folder)]
        with log:
            self._process = subprocess.Popen(
                [self._binaries / "postgres", "-D", self._data, *options],
                stdout=log,
                stderr=log,
                user=self._user,
                cwd=self._folder,
                start_new_session=True,
            )
        self._run("pg_isready", "-h", "127.0.0.1", "-p", str(self.port), "-t", "30", until_ok=True)

    def kill(self) -> None:
        """SIGKILL to the server and all its backends."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self, program: str, *arguments: str, until_ok: bool = False) -> None:
        command = [str(self._binaries / program), *arguments]
        while True:
            done = subprocess.run(command, user=self._user, cwd=self._folder, capture_output=True, check=not until_ok)
            if done.returncode == 0:
                return
            assert self._process is not None
            if self._process.poll() is not None:
                raise RuntimeError((self._folder / "log").read_text())
