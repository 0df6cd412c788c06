"""The published checkpoints on the Hugging Face hub: download once, resumable, verified."""

import os
import re
import threading
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from ecg.errors import MalformedInput, WeightsUnavailable
from ecg.models.cache import cache_directory, locked
from ecg.models.contract import Progress
from ecg.models.ecgfm.architecture import Kind
from ecg.models.weight_file import file_sha256

REPOSITORY = "wanglab/ecg-fm"
#: Pinned: a file changed upstream must not change what a service answers.
REVISION = "584219ea492cdeef2e19ffbdf9c6ecc874ba427e"
#: Names another branch, tag or commit. What was downloaded under a name stays what that name means on this machine.
REVISION_VARIABLE = "ECG_HUB_REVISION"
FILES: dict[Kind, str] = {
    "finetuned": "mimic_iv_ecg_finetuned.pt",
    "pretrained": "mimic_iv_ecg_physionet_pretrained.pt",
}
#: How long `auto` waits for the hub's first answer before it takes the small model of the package.
AUTO_PATIENCE_S = 4.0
PATIENCE_S = 20.0
_ADVICE = (
    "Connect, set HF_ENDPOINT to a mirror, or copy the file here and pass its path; "
    "`small` is the small model of the package, which answers some of the labels."
)


def revision() -> str:
    """The revision that is asked for: that of ``ECG_HUB_REVISION``, else the pinned one.

    Raises `MalformedInput` for what cannot be the name of one.
    """
    named = os.environ.get(REVISION_VARIABLE) or REVISION
    if not re.fullmatch(r"\w[\w.-]{0,99}", named):  # it becomes the name of a folder
        raise MalformedInput("A revision is a branch, tag or commit.", REVISION_VARIABLE, "such as main", named[:100])
    return named


def cached(kind: Kind) -> Path | None:
    """The checkpoint of the revision when it is on this machine, downloaded here or by other hub tools."""
    own = _own_path(kind)
    if own.is_file():
        return own
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(REPOSITORY, FILES[kind], revision=revision())
    return Path(found) if isinstance(found, str) else None


def fetch(kind: Kind, progress: Progress | None = None, patience_s: float = PATIENCE_S) -> Path:
    """The checkpoint of the revision (`revision`), downloaded unless it is cached.

    A download that was cut short, also by the end of the process, goes on where it stopped. HF_ENDPOINT, HF_TOKEN and
    HF_HUB_OFFLINE hold. `patience_s` bounds the wait for the hub's first answer. Raises `WeightsUnavailable`.
    """
    if found := cached(kind):
        return found
    from huggingface_hub import constants

    file = FILES[kind]
    if constants.is_offline_mode():
        raise WeightsUnavailable(
            f"{file} is not cached and HF_HUB_OFFLINE is set. {_ADVICE}", "weights", f"{REPOSITORY}/{file}", "offline"
        )
    path = _own_path(kind)
    # huggingface_hub's own download deletes a partial file when its process ends; a gigabyte is worth resuming, so only
    # its metadata and transfer functions are used here.
    from huggingface_hub.errors import FileMetadataError, HTTPError, RevisionNotFoundError

    try:
        metadata = _ask(file, patience_s)
        if metadata.etag is None or metadata.commit_hash is None:  # a captive portal or a proxy's own page
            raise ValueError("what answered is not a hub")
        with locked(path):
            if not path.is_file():
                _download(metadata, path, progress)
    except RevisionNotFoundError as error:
        raise WeightsUnavailable(
            f"The hub answers, but has no revision {revision()} of {REPOSITORY}. `--hub-revision main`, or "
            f"{REVISION_VARIABLE}=main, takes what is published now; its SHA-256 then stands in provenance.",
            "weights",
            f"{REPOSITORY}/{file}",
            revision(),
        ) from error
    except (HTTPError, FileMetadataError, OSError, ValueError) as error:
        raise WeightsUnavailable(
            f"{file} could not be downloaded from the hub ({type(error).__name__}). {_ADVICE}",
            "weights",
            f"{REPOSITORY}/{file}",
            str(error).splitlines()[0][:200] if str(error) else None,
        ) from error
    return path


def _own_path(kind: Kind) -> Path:
    return cache_directory() / "hub" / revision() / FILES[kind]


def _endpoint() -> str:
    from huggingface_hub import constants

    return os.environ.get("HF_ENDPOINT") or str(constants.ENDPOINT)


def _download(metadata: Any, path: Path, progress: Progress | None) -> None:
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers

    partial = path.with_name(f"{path.name}.{metadata.etag[:16]}.partial")
    # A token belongs to the hub, not to the storage it redirects to.
    at_hub = urlsplit(metadata.location).netloc == urlsplit(_endpoint()).netloc
    with partial.open("ab") as file:
        http_get(
            metadata.location,
            file,
            resume_size=file.tell(),
            headers=build_hf_headers() if at_hub else None,
            expected_size=metadata.size,
            displayed_filename=path.name,
            tqdm_class=_bar(path.name, progress),
        )
    # The hub names large files by their SHA-256.
    if len(metadata.etag) == 64 and file_sha256(partial, progress) != metadata.etag:
        partial.unlink()
        raise ValueError("the downloaded bytes are not those the hub announced; they were deleted, try again")
    partial.replace(path)


def _ask(file: str, patience_s: float) -> Any:
    """What the hub says of the file, or TimeoutError.

    Asked in a thread, because name resolution has no timeout of its own and can hang for half a minute.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    answers: list[Any] = []
    failures: list[BaseException] = []

    def ask() -> None:
        try:
            url = hf_hub_url(REPOSITORY, file, revision=revision(), endpoint=_endpoint())
            answers.append(get_hf_file_metadata(url, timeout=patience_s))
        except BaseException as error:  # noqa: BLE001  # handed to the caller below
            failures.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(patience_s + 1.0)
    if failures:
        raise failures[0]
    if not answers:
        raise TimeoutError(f"no answer within {patience_s:g} s")
    return answers[0]


def _bar(name: str, progress: Progress | None) -> type:
    """What huggingface_hub takes for a progress bar, reporting to `progress`."""

    class Bar:
        def __init__(self, **options: Any) -> None:
            self.done, self.total = int(options.get("initial") or 0), options.get("total")
            self.update(0)

        def update(self, n: float = 1) -> None:
            self.done += int(n)
            if progress:
                progress(f"downloading {name}", self.done, self.total)

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            self.close()

        def close(self) -> None:
            """Nothing to release."""

    return Bar
