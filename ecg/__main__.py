"""`python -m ecg` is the `ecg` command."""

from ecg.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
