"""A strict check of Serve configuration: Ray ignores a misspelt key, which then does nothing for months.

`python -m serve_app.config_check FILE` says what is wrong with a file.
"""

import sys
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from ray._common.utils import import_attr
from ray.serve.schema import ServeDeploySchema

from ecg.cli import describe
from ecg.errors import EcgError, MalformedInput
from serve_app.launcher.options import is_inbox
from serve_app.settings import AppSettings, InboxApplicationSettings, InboxSettings, ModelChange

INBOX = "Inbox"
#: What is raised for a file that is not to be run.
REFUSALS = (EcgError, OSError, yaml.YAMLError)


def settings_of(application: dict[str, Any]) -> InboxSettings:
    """The checked `args` of an application: an `AppSettings`, or an `InboxApplicationSettings` where that is built."""
    return (InboxApplicationSettings if is_inbox(application) else AppSettings).model_validate(
        application.get("args", {})
    )


def deployment_names(settings: InboxSettings) -> tuple[str, ...]:
    """The deployments that the builder of these settings in `serve_app.app` makes."""
    if not isinstance(settings, AppSettings):
        return (INBOX,)
    preprocess = () if settings.preprocess_inline else ("Preprocess",)
    models = (card.deployment for card in settings.cards().values())
    rollout = ("Rollout",) if settings.models_must_load else ()
    measure = () if settings.measure_inline else ("Measure",)
    inbox = () if settings.inbox_application else (INBOX,)
    return ("Ingress", *preprocess, *models, *measure, *rollout, *inbox)


def load_config(path: Path) -> dict[str, Any]:
    """The checked content of a Serve YAML file.

    Raises `MalformedInput` naming the first key or value that Ray or the application builder does not know.
    """
    config = yaml.safe_load(path.read_text())
    if not isinstance(config, dict):
        raise MalformedInput(f"{path.name} is not a mapping.", path.name, "a mapping", type(config).__name__)
    _check_keys(config, ServeDeploySchema, path.name)
    try:
        _check_schema(config, path.name)
        _check_policies(config, path.name)
        names = {_name(application, path.name) for application in config["applications"]}
        for application in config["applications"]:
            _check_application(application, names, path.name)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise MalformedInput(f"{path.name}: {first['msg']}.", place, None, first.get("input")) from None
    return config


def ready_to_run(path: Path) -> dict[str, Any]:
    """`load_config`, with the folders made that the applications keep their data in. Raises `OSError` besides."""
    config = load_config(path)
    for application in config["applications"]:
        if INBOX in deployment_names(settings := settings_of(application)):
            settings.resolved_inbox_url()
    return config


def why(error: Exception) -> str:
    """What one of `REFUSALS` says, in one line."""
    return " ".join((describe(error) if isinstance(error, EcgError) else str(error)).split())


def _check_schema(config: dict[str, Any], file: str) -> None:
    """Raise a `ValidationError`, or `MalformedInput` for what Ray's own validators stumble over."""
    try:
        ServeDeploySchema.model_validate(config)
    except ValidationError:
        raise
    except Exception as error:
        raise MalformedInput(f"{file}: {error}.", "applications", "a Serve configuration", None) from error


def _name(application: dict[str, Any], file: str) -> str:
    if "name" not in application:  # Serve would call each one "default"
        raise MalformedInput(f"{file}: an application has no name.", "name", "a name of its own", None)
    return str(application["name"])


def _check_application(application: dict[str, Any], applications: set[str], file: str) -> None:
    settings = settings_of(application)
    other = "inbox_application" if isinstance(settings, AppSettings) else "graph_application"
    if (named := getattr(settings, other)) is not None and named not in applications - {application["name"]}:
        raise MalformedInput(f"{file}: no such other application.", other, sorted(applications), named)
    if not isinstance(settings, AppSettings) and settings.resolved_inbox_url().startswith("sqlite"):
        raise MalformedInput(f"{file}: SQLite is for one machine.", "inbox_url", "postgresql+psycopg://…", "sqlite")
    known = list(deployment_names(settings))
    models = {card.deployment for card in settings.cards().values()} if isinstance(settings, AppSettings) else set()
    listed = application.get("deployments", [])
    for deployment in listed:
        _check_deployment(deployment, known, models, file)
    names = {deployment["name"] for deployment in listed}
    for name in known:
        if name not in names:  # it would ask for a whole processor, and on a small machine wait for ever
            raise MalformedInput(f"{file}: no entry for {name}.", "deployments", known, None)


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


def _check_policies(config: dict[str, Any], file: str) -> None:
    """Make what Serve will make in its controller, where an error keeps it from looking after any application."""
    for application in config.get("applications") or []:
        for deployment in application.get("deployments") or []:
            policy = (deployment.get("autoscaling_config") or {}).get("policy")
            if policy is None:
                continue
            try:
                function = import_attr(policy["policy_function"])
                if isinstance(function, type):
                    function(**(policy.get("policy_kwargs") or {}))
            except (ImportError, AttributeError, KeyError, TypeError, ValueError) as error:
                words = f"{file}: the policy of {deployment.get('name')} cannot be made: {error}"
                raise MalformedInput(
                    words, "policy", "policy_function: module:name, policy_kwargs: …", policy
                ) from None


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
        load_config(Path(sys.argv[1]))
    except IndexError:
        print("name a Serve YAML file", file=sys.stderr)
        return 2
    except REFUSALS as error:
        print(why(error), file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
