"""The `ecg` command inside the test's own process."""

from ecg.cli import main


def exit_status(arguments: list[str]) -> int:
    """What the shell would see: argparse ends the process on bad arguments, the commands return."""
    try:
        return main(arguments)
    except SystemExit as ended:
        return int(ended.code or 0)
