"""`python -m serve_app`: start the service on this machine, say what it is doing, stop it cleanly on Ctrl-C."""

import sys

#: What the service cannot run without, and that comes with other extras than the one somebody chose.
NEEDED = ("yaml", "ray", "starlette", "multipart", "zstandard", "fastapi_offline", "sqlalchemy", "alembic")


def main() -> int:
    """Exit status: 0 after a requested stop, 1 when the service did not start or fell over, 2 for bad input."""
    try:
        from importlib.util import find_spec

        if missing := [name for name in NEEDED if find_spec(name) is None]:
            print(f"{missing[0]} is not installed; this brings it: pip install 'ecg-serve[all]'", file=sys.stderr)
            return 2
        from serve_app.launcher.start import start

        return start()
    except KeyboardInterrupt:  # before there is anything to stop
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
