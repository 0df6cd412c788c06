"""`python -m serve_app.settings_reference`: the text of docs/settings.md, made from the code that it describes."""

import argparse
from collections.abc import Iterable
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ecg.cli import COMMANDS
from ecg.models.hub import REPOSITORY
from serve_app.launcher.options import parser
from serve_app.settings import AppSettings, InboxApplicationSettings, ModelChange, ModelSettings, OidcSettings

#: Environment variables of this project, and what each does. A test finds those that the code reads.
VARIABLES = {
    "ECG_CACHE_DIR": "downloaded and converted weights; default `~/.cache/ecg-serve`",
    "ECG_DATA_DIR": "the inbox's SQLite file, where `inbox_url` is unset; default `~/.local/share/ecg-serve`",
    "ECG_LOG_DIR": "logs of the launcher, the last ten runs; default `~/.local/state/ecg-serve`",
    "ECG_HUB_REVISION": f"branch, tag or commit of {REPOSITORY}, as `--hub-revision`; default: a pinned commit",
    "ECG_LOCAL_HOSTS": "names that are answered where `allowed_hosts` is unset; the launcher sets them on loopback",
    "ECG_REPLICAS_ON_LOOPBACK": "1 keeps the ports of replicas on loopback; the launcher sets it",
    "ECG_TLS_CERTIFICATE": "file with the chain of certificates; with ECG_TLS_KEY, HAProxy speaks TLS",
    "ECG_TLS_KEY": "file with the private key",
    "ECG_TRACED_SHARE": "share of the requests that are traced, 0 to 1; traces are off where it is unset",
    "ECG_PROXY_METRICS_HOST": "address of HAProxy's metrics; the launcher sets 127.0.0.1",
    "ECG_API_KEY": "key that `ecg.Client` and `ecg relay` present",
}
_OTHERS = {
    "HF_ENDPOINT, HF_TOKEN": "as for huggingface_hub: a mirror of the hub, and a token for it",
    "HF_HUB_OFFLINE, HF_HOME": "as for huggingface_hub: no network, and its cache",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "where traces go: the address of an OpenTelemetry collector, OTLP over HTTP",
    "TMPDIR, RAY_TMPDIR": "where Ray keeps its session; a path of at most 39 letters (a socket's name holds no more)",
}


def document() -> str:
    """docs/settings.md."""
    return "\n".join(
        [
            "# Settings",
            "",
            "Made from the code by `python -m serve_app.settings_reference > docs/settings.md`; a test keeps it so.",
            "Nothing here changes a clinical number.",
            "",
            "## The launcher, `python -m serve_app` (`make run ARGS=…`)",
            "",
            *_table(("option", "does"), _options(parser())),
            "",
            "## The application",
            "",
            "`args` in a Serve YAML (config/), or `--set KEY=VALUE`. An unknown key is refused.",
            "",
            *_table(("setting", "type", "default", "is"), _fields(AppSettings)),
            "",
            "## The inbox as an application of its own",
            "",
            "`args` of `serve_app.app:build_inbox`, where `inbox_application` names it, as in config/cpu.yaml.",
            "",
            *_table(("setting", "type", "default", "is"), _fields(InboxApplicationSettings)),
            "",
            "## One model",
            "",
            "`models: {NAME: {…}}` in `args`. What is not set is as for all models.",
            "",
            *_table(("setting", "type", "default", "is"), _fields(ModelSettings)),
            "",
            "`user_config` of a model's deployment takes "
            + ", ".join(f"`{name}`" for name in ModelChange.model_fields)
            + ",",
            "and changes a running service ([operations](operations.md)).",
            "",
            "## Tokens",
            "",
            "`oidc: {…}` in `args` ([operations](operations.md)).",
            "",
            *_table(("setting", "type", "default", "is"), _fields(OidcSettings)),
            "",
            "## Environment",
            "",
            *_table(
                ("variable", "is"), [(f"`{n.replace(', ', '`, `')}`", t) for n, t in (VARIABLES | _OTHERS).items()]
            ),
            "",
            "## Commands",
            "",
            "`ecg COMMAND --help` has the options of each.",
            "",
            *_table(("command", "does"), [(f"`ecg {name}`", text) for name, (_, text) in COMMANDS.items()]),
            "",
        ]
    )


def _names(listed: str) -> str:
    return ", ".join(f"`{name}`" for name in listed.split(", "))


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return [*lines, *("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)]


def _options(made: argparse.ArgumentParser) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for action in made._actions:
        value = "" if action.nargs == 0 else f" {action.metavar or action.dest.upper()}"
        rows.append((f"`{action.option_strings[-1]}{value}`", action.help or ""))
    return rows


def _fields(model: type[BaseModel]) -> list[tuple[str, ...]]:
    return [
        (f"`{name}`", _type(field.annotation), _default(field), field.description or "")
        for name, field in model.model_fields.items()
    ]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "needed"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, tuple | list):
        return f"`[{', '.join(value)}]`"
    return "unset" if value is None else f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _type(annotation: Any) -> str:
    """A type as a reader of YAML would say it."""
    if get_origin(annotation) is dict or annotation == OidcSettings | None:
        return "mapping"
    if get_origin(annotation) in (list, tuple) or annotation == list[str] | None:
        return "list"
    arguments = [a for a in get_args(annotation) if a is not type(None)]
    if arguments and all(isinstance(a, str) for a in arguments):
        return ", ".join(map(str, arguments))
    if arguments:
        return _type(arguments[0])
    return {str: "text", int: "whole number", float: "number", bool: "true, false"}.get(annotation, str(annotation))


if __name__ == "__main__":
    print(document(), end="")
