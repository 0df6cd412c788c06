"""Which extra of the package brings a library, and how its absence is said."""

from ecg.errors import BackendUnavailable

#: Which extra of the package brings a library that a command may find missing.
EXTRAS = {
    **dict.fromkeys(("torch", "safetensors", "huggingface_hub", "filelock"), "torch"),
    "openvino": "openvino",
    **dict.fromkeys(("sqlalchemy", "alembic", "psycopg", "zstandard"), "inbox"),
    **dict.fromkeys(("boto3", "botocore"), "aws"),
    **dict.fromkeys(("pydicom", "soundfile", "defusedxml", "h5py"), "formats"),
    "matplotlib": "report",
    "httpx": "client",
    "pyarrow": "batch",
    "pandas": "frame",
}


def missing(what: str, error: ModuleNotFoundError) -> BackendUnavailable | ModuleNotFoundError:
    """What to raise in place of `error`: with the command that brings the library, where that is known."""
    library = (error.name or "").partition(".")[0]
    if library not in EXTRAS:
        return error
    command = f"pip install 'ecg-serve[{EXTRAS[library]}]'"
    return BackendUnavailable(f"{what} needs {library}: {command}.", "installation", library, None)
