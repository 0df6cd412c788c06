"""A strict check of Serve configuration: Ray ignores a misspelt key, which then does nothing for months.

`python -m serve_app.config_check FILE` says what is wrong with a file; with `--make-folders` also whether the
folders it needs can be made.
"""

import sys
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from ray.serve.schema import ServeDeploySchema

from ecg.cli import describe
from ecg.errors import EcgError, MalformedInput
from serve_app.settings import AppSettings, ModelChange


def deployment_names(settings: AppSettings) -> tuple[str, ...]:
    """The deployments that `serve_app.app.build` makes of these settings."""
    preprocess = () if settings.preprocess_inline else ("Preprocess",)
    models = (card.deployment for card in settings.cards().values())
    rollout = ("Rollout",) if settings.models_must_load else ()
    measure = () if settings.measure_inline else ("Measure",)
    return ("Ingress", *preprocess, *models, *measure, *rollout, "Inbox")


def load_config(path: Path) -> dict[str, Any]:
    """The checked content of a Serve YAML file.

    Raises `MalformedInput` naming the first key or value that Ray or the application builder does not know.
    """
    config = yaml.safe_load(path.read_text())
    if not isinstance(config, dict):
        raise MalformedInput(f"{path.name} is not a mapping.", path.name, "a mapping", type(config).__name__)
    _check_keys(config, ServeDeploySchema, path.name)
    try:
        ServeDeploySchema.model_validate(config)
        for application in config["applications"]:
            settings = AppSettings.model_validate(application.get("args", {}))
            deployments = list(deployment_names(settings))
            models = {card.deployment for card in settings.cards().values()}
            listed = application.get("deployments", [])
            for deployment in listed:
                _check_deployment(deployment, deployments, models, path.name)
            names = {deployment["name"] for deployment in listed}
            for name in deployments:
                if name not in names:  # it would ask for a whole processor, and on a small machine wait for ever
                    raise MalformedInput(f"{path.name}: no entry for {name}.", "deployments", deployments, None)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise MalformedInput(f"{path.name}: {first['msg']}.", place, None, first.get("input")) from None
    return config


def _check_deployment(deployment: dict[str, Any], known: list[str], models: set[str], file: str) -> None:
    if deployment["name"] not in known:
        raise MalformedInput(f"{file}: no such deployment.", "name", known, deployment["name"])
    if deployment.get("user_config") is None:
        return
    if deployment["name"] not in models:
        raise MalformedInput(
            f"{file}: only models have a user_config.", "user_config", sorted(models), deployment["name"]
        )
    ModelChange.model_validate(deployment["user_config"])


def _check_keys(value: Any, schema: Any, place: str) -> None:
    """Walk a configuration beside the pydantic schema of Ray and refuse the first unknown key."""
    if isinstance(value, list):
        for i, item in enumerate(value):
            _check_keys(item, schema, f"{place}[{i}]")
    if not isinstance(value, dict) or not _is_model(schema):
        return
    for key, inner in value.items():
        if key not in schema.model_fields:
            raise MalformedInput(f"{place}: unknown key {key!r}.", key, sorted(schema.model_fields), None)
        _check_keys(inner, _inner_model(schema.model_fields[key].annotation), f"{place}.{key}")


def _is_model(schema: Any) -> bool:
    return isinstance(schema, type) and issubclass(schema, BaseModel)


def _inner_model(annotation: Any) -> Any:
    """The pydantic model inside an annotation such as ``Optional[X]`` or ``list[X]``; None when there is none."""
    if _is_model(annotation):
        return annotation
    found = [_inner_model(argument) for argument in getattr(annotation, "__args__", ())]
    return next((model for model in found if model is not None), None)


def main() -> int:
    """Check the file named on the command line; exit status 2 when it is refused."""
    try:
        config = load_config(Path(sys.argv[1]))
        if "--make-folders" in sys.argv:
            for application in config["applications"]:
                AppSettings.model_validate(application.get("args", {})).resolved_inbox_url()
    except (EcgError, OSError, IndexError, yaml.YAMLError) as error:
        print(describe(error) if isinstance(error, EcgError) else error or "name a Serve YAML file", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
