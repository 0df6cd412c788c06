"""Serve configuration: every shipped file is known to the last key, and a typo is found."""

from pathlib import Path

import pytest
import yaml

from ecg.errors import MalformedInput
from serve_app.app import build
from serve_app.config_check import deployment_names, load_config, settings_of
from serve_app.launcher.options import INBOX_SETTINGS, parser, with_options
from serve_app.settings import AppSettings, InboxSettings

CONFIG = Path(__file__).resolve().parents[2] / "config"


@pytest.mark.parametrize("name", ["local", "cpu", "gpu"])
def test_shipped_files_are_known_to_the_last_key(name: str) -> None:
    config = load_config(CONFIG / f"{name}.yaml")
    for application in config["applications"]:
        built = deployment_names(settings_of(application))
        assert {deployment["name"] for deployment in application["deployments"]} == set(built)


@pytest.mark.parametrize(
    ("path", "key", "value"),
    [
        ((), "proxy_locaton", "HeadOnly"),
        (("http_options",), "prot", 1),
        (("applications", 0), "rout_prefix", "/"),
        (("applications", 0, "args"), "wieghts", "hub"),
        (("applications", 0, "args"), "max_body_mib", -1),
        (("applications", 0, "args"), "preprocess_inline", True),  # beside a deployment Preprocess
        (("applications", 0, "args"), "inbox_application", "outbox"),
        (("applications", 1, "args"), "graph_application", "ekg"),
        (("applications", 1, "args"), "clinical_weights", "hub"),  # of the inbox
        (("applications", 0, "args"), "inbox_keep_days", 30),  # of the application that has the inbox
        (("applications", 1, "args"), "inbox_url", "sqlite:////tmp/inbox.sqlite"),  # of several machines
        (("applications", 1, "args"), "inbox_url", None),
        (("applications", 1, "deployments", 0, "autoscaling_config", "policy"), "policy_kwarg", {}),
        (("applications", 1, "deployments", 0, "autoscaling_config", "policy"), "policy_kwargs", {"recordings": 5}),
        (
            ("applications", 1, "deployments", 0, "autoscaling_config", "policy"),
            "policy_kwargs",
            {"recordings_each": 0},
        ),
        (("applications", 1, "deployments", 0, "autoscaling_config", "policy"), "policy_function", "deployments:None"),
        (("applications", 0, "deployments", 0), "max_replica_per_node", 1),
        (("applications", 0, "deployments", 0), "name", "Ingres"),
        (("applications", 0, "deployments", 0), "user_config", {"weights": "hub"}),  # of the ingress
        (("applications", 0, "deployments", 2), "user_config", {"wieghts": "hub"}),
        (("applications", 0, "deployments", 2), "user_config", {"must_load": False}),
        (("applications", 0, "deployments", 2, "user_config"), "threads", 0),
        (("applications", 0, "deployments", 0, "autoscaling_config"), "min_replica", 1),
        (("applications", 0, "deployments", 0, "ray_actor_options"), "num_cpu", 1),
    ],
)
def test_a_typo_is_found(tmp_path: Path, path: tuple[str | int, ...], key: str, value: object) -> None:
    config = yaml.safe_load((CONFIG / "cpu.yaml").read_text())
    place = config
    for step in path:
        place = place[step]
    place[key] = value
    file = tmp_path / "typo.yaml"
    file.write_text(yaml.safe_dump(config))
    with pytest.raises(MalformedInput):
        load_config(file)


@pytest.mark.parametrize(
    "content",
    [
        "applications: abc",
        "applications: [abc]",
        "applications: [{import_path: serve_app.app:build, args: {}}]",  # without a name
        "applications: [{name: a, import_path: serve_app.app:build, deployments: [x]}]",
        "applications: [{name: a, import_path: serve_app.app:build, deployments: [{num_replicas: 1}]}]",
        "applications: [{name: a, import_path: serve_app.app:build, args: x}]",
        "applications: [{name: a, import_path: 'serve_app.app:build', deployments: "
        "[{name: Ingress, autoscaling_config: {policy: 'x:y'}}]}]",
        "applications: [{name: a, import_path: 'serve_app.app:build', deployments: "
        "[{name: Ingress, autoscaling_config: {policy: {policy_function: 'a:b', policy_kwargs: 3}}}]}]",
        "applications: [{name: a, import_path: 'serve_app.app:build', deployments: "
        "[{name: Ingress, ray_actor_options: {num_cpus: many}}]}]",
        "applications: null",
        "http_options: 3",
        "- 1",
        "",
    ],
)
def test_a_file_of_another_shape_is_refused_in_words(tmp_path: Path, content: str) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(content)
    with pytest.raises(MalformedInput):
        load_config(file)


def test_the_weights_of_the_command_line_stand_over_those_of_the_file() -> None:
    config = yaml.safe_load((CONFIG / "cpu.yaml").read_text())
    options = parser().parse_args(["--weights", "stand-in"])
    application, _ = with_options(config, options)["applications"]
    assert application["args"]["clinical_weights"] == "stand-in"
    models = [d for d in application["deployments"] if d["name"].endswith("Model")]
    assert [d["user_config"] for d in models] == [{}, {}]


def test_settings_of_the_inbox_go_to_the_application_that_has_it() -> None:
    assert set(InboxSettings.model_fields) == set(INBOX_SETTINGS)
    for name, place in (("cpu", 1), ("local", 0)):
        config = yaml.safe_load((CONFIG / f"{name}.yaml").read_text())
        applications = with_options(config, parser().parse_args(["--set", "inbox_keep_days=7"]))["applications"]
        for number, application in enumerate(applications):
            assert (application["args"].get("inbox_keep_days") == 7) == (number == place)


def test_a_deployment_without_an_entry_is_found(tmp_path: Path) -> None:
    config = yaml.safe_load((CONFIG / "local.yaml").read_text())
    config["applications"][0]["args"]["preprocess_inline"] = False
    file = tmp_path / "incomplete.yaml"
    file.write_text(yaml.safe_dump(config))
    with pytest.raises(MalformedInput, match="no entry for Preprocess"):
        load_config(file)


def test_the_builder_names_the_deployments_of_the_configuration(tmp_path: Path) -> None:
    application = build(AppSettings(inbox_url=f"sqlite:///{tmp_path / 'inbox.sqlite'}"))
    assert application._bound_deployment.name == "Ingress"


def test_finished_recordings_are_not_kept_for_ever_unless_that_is_said() -> None:
    days = AppSettings.model_validate({}).inbox_keep_days
    assert days is not None
    assert f"`inbox_keep_days`, {days:g} if unset" in (CONFIG.parent / "docs" / "cardioai.md").read_text()
    assert AppSettings.model_validate({"inbox_keep_days": None}).inbox_keep_days is None
