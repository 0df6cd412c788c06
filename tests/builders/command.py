"""The `ecg` command inside the test's own process."""

from ecg.cli import main


def relay(source: object, adapter: str, name: str, device: str, *more: str) -> list[str]:
    """`ecg relay` of a folder of payloads, as a clinical sender."""
    sender = ["-a", adapter, "-n", name, "-o", "clinical", "-v", device]
    return ["relay", "-s", str(source), *sender, *more]


def bus(bucket: str, endpoint: str, *more: str) -> list[str]:
    """`ecg bus` against a bucket and an endpoint of the tests' region."""
    return ["bus", "--bucket", bucket, "--region", "eu-central-1", "--endpoint", endpoint, *more]


def exit_status(arguments: list[str]) -> int:
    """What the shell would see: argparse ends the process on bad arguments, the commands return."""
    try:
        return main(arguments)
    except SystemExit as ended:
        return int(ended.code or 0)
