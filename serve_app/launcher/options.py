"""The launcher's options, and the Serve configuration that they make of a file."""

import argparse
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from ecg._version import __version__
from ecg.errors import MalformedInput, WeightsUnavailable
from ecg.models.hub import FILES, REPOSITORY, REVISION
from ecg.models.weights import NAMED_SOURCES

ROOT = Path(__file__).resolve().parent.parent.parent
#: The Serve files: beside the packages in a checkout, inside this one where it was installed.
CONFIG = ROOT / "config" if (ROOT / "config" / "local.yaml").exists() else ROOT / "serve_app" / "config"
#: Setting, deployment and published file of the two models that are always there.
MODELS = {
    "clinical": ("clinical_weights", "ClinicalModel", FILES["finetuned"]),
    "features": ("feature_weights", "FeatureModel", FILES["pretrained"]),
}
#: Settings of the inbox, which may be an application of its own (a test holds them against `InboxSettings`).
INBOX_SETTINGS = ("inbox_url", "inbox_incomplete_after_s", "inbox_keep_days")
WHERE_WEIGHTS_ARE = (
    f"The published weights: copy {' and '.join(FILES.values())}\n"
    f"from https://huggingface.co/{REPOSITORY} into a folder, and say --weights FOLDER (docs/weights.md)."
)


def parser() -> argparse.ArgumentParser:
    """All options, with what each does."""
    made = argparse.ArgumentParser(
        prog="python -m serve_app",
        description="Start the service on this machine, say what it is doing, stop it cleanly on Ctrl-C.",
    )
    made.add_argument("--config", type=Path, default=CONFIG / "local.yaml", help="Serve YAML file")
    made.add_argument("--host", metavar="ADDRESS", help="address to listen on; beyond this machine --keys or --demo")
    made.add_argument("--port", type=_port, help="HTTP port, instead of the one in the file")
    made.add_argument(
        "--weights",
        action="append",
        default=[],
        metavar="SOURCE",
        help="auto, hub, small, stand-in, a folder with both checkpoints; for one model clinical=FILE or features=FILE",
    )
    made.add_argument(
        "--hub-revision",
        type=_revision,
        metavar="NAME",
        help=f"branch, tag or commit of {REPOSITORY} instead of {REVISION[:8]}…; main is what is published now",
    )
    made.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="any setting (docs/settings.md)")
    made.add_argument(
        "--deploy-port", type=_port, metavar="N", help="also take `serve deploy --address http://127.0.0.1:N FILE`"
    )
    made.add_argument("--keys", help="file of API keys (`ecg keys`), which every caller then needs")
    made.add_argument(
        "--demo", action="store_true", help="a public demo: beyond this machine without keys, nothing is kept"
    )
    made.add_argument("--open", action="store_true", help="open the page in a browser when the service is ready")
    made.add_argument("--verbose", action="store_true", help="what Ray and Serve log, on the terminal as well")
    made.add_argument("--version", action="version", version=f"ecg-serve {__version__}")
    made.add_argument("--check", action="store_true", help="only check the file")
    return made


def with_options(config: dict[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    """The configuration of a file with what the options say instead of it.

    A file that names no address gets this machine's own: Ray would listen on all of them. Raises what
    `weights_by_model` does.
    """
    http = config.setdefault("http_options", {})
    http.setdefault("host", "127.0.0.1")
    http |= {key: value for key in ("host", "port") if (value := getattr(options, key)) is not None}
    settings = {key: yaml.safe_load(value) for key, _, value in (item.partition("=") for item in options.set)}
    application = config["applications"][0]
    for model, source in weights_by_model(options.weights).items():
        setting, deployment, _ = MODELS[model]
        settings[setting] = source
        for entry in application.get("deployments", []):
            if entry.get("name") == deployment:
                (entry.get("user_config") or {}).pop("weights", None)  # it would stand over the setting
    if options.keys:
        settings["keys_file"] = str(Path(options.keys).absolute())
    if options.demo:
        settings["demo"] = True
    for key, value in settings.items():
        inbox = [each for each in config["applications"] if key in INBOX_SETTINGS and is_inbox(each)]
        (inbox or [application])[0].setdefault("args", {})[key] = value
    return config


def is_inbox(application: dict[str, Any]) -> bool:
    """Whether an application of a Serve configuration is the inbox alone."""
    return str(application.get("import_path", "")).endswith(":build_inbox")


def weights_by_model(said: Sequence[str]) -> dict[str, str]:
    """Source of the weights of each model that `--weights` names; for the others the file decides.

    `said` are sources for both models, or ``clinical=SOURCE`` and ``features=SOURCE``. A file under its published name
    is for its own model. Raises `WeightsUnavailable` for weights that are not there, and `MalformedInput` for a file of
    which it is not said whose it is.
    """
    sources: dict[str, str] = {}
    for text in said:
        model, equals, source = text.partition("=")
        if equals and model in MODELS:
            sources[model] = _source(source, [model])
        elif Path(text).expanduser().is_file():
            sources[_model_of(Path(text))] = str(Path(text).expanduser().absolute())
        else:
            sources |= dict.fromkeys(MODELS, _source(text, list(MODELS)))
    return sources


def _model_of(path: Path) -> str:
    for model, (_, _, published) in MODELS.items():
        if path.stem == Path(published).stem:
            return model
    choices = " or ".join(f"--weights {model}={path}" for model in MODELS)
    raise MalformedInput(f"{path.name} holds the weights of one model: say which, {choices}.", "weights")


def _source(text: str, models: Sequence[str]) -> str:
    """A named source as it is; a path made absolute, when it holds the weights of `models`."""
    if text in NAMED_SOURCES:
        return text
    path = Path(text).expanduser().absolute()
    if not path.exists():
        named = ", ".join(NAMED_SOURCES)
        raise WeightsUnavailable(f"There are no weights at {text}.\n{WHERE_WEIGHTS_ARE}\nOr one of {named}.")
    if path.is_dir():
        for model in models:
            published = path / MODELS[model][2]
            if not published.exists() and not published.with_suffix(".safetensors").exists():
                other = next(name for name in MODELS if name != model)
                raise WeightsUnavailable(
                    f"{path} has no {published.name}, the weights of the {model} model.\n{WHERE_WEIGHTS_ARE}\n"
                    f"For the other model alone say --weights {other}={text}."
                )
    return str(path)


def open_to_all(config: dict[str, Any]) -> str | None:
    """Why a service that everybody on the network could use is not started; None for any other.

    `config` is what `with_options` returns. Every application in it that has a route must ask for a credential or be a
    demo.
    """
    host = str(config["http_options"]["host"])
    routed = [each for each in config["applications"] if each.get("route_prefix", "/") is not None]
    if is_loopback(host) or all(_is_guarded(application.get("args") or {}) for application in routed):
        return None
    return (
        f"{host} can be reached from other machines, and no key is asked for. Make one with\n"
        "    ecg keys --file keys.json create NAME --scope analyze\n"
        "and start with --keys keys.json; or say --demo for a public demo, which keeps nothing."
    )


def _is_guarded(settings: dict[str, Any]) -> bool:
    # Only the YAML value true is a demo: a text such as "false" is not, though Python takes it for true.
    return bool(settings.get("keys_file") or settings.get("oidc")) or settings.get("demo") is True


def only_name(config: dict[str, Any]) -> str | None:
    """A name that the service answers to, where `allowed_hosts` names all of those; None where its address will do."""
    names = (config["applications"][0].get("args") or {}).get("allowed_hosts") or ["*"]
    return None if "*" in names else str(names[0])


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a service there."""
    return host in ("localhost", "::1") or host.startswith("127.")


def python_path() -> dict[str, str]:
    """This environment, with the project importable in every process it starts."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))}


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError("a port is a number from 1 to 65535")
    return int(text)


def _revision(text: str) -> str:
    if not re.fullmatch(r"\w[\w.-]{0,99}", text):
        raise argparse.ArgumentTypeError("a revision is the name of a branch or tag, or a commit")
    return text
