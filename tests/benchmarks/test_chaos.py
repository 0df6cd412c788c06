"""The service that chaos is made in."""

from pathlib import Path

from benchmarks.chaos import configuration
from serve_app.config_check import load_config


def test_its_configuration_is_one_that_can_be_deployed(tmp_path: Path) -> None:
    (application,) = load_config(configuration(tmp_path, 8000, tmp_path))["applications"]
    replicas = {entry["name"]: entry.get("num_replicas") for entry in application["deployments"]}
    assert {name for name, number in replicas.items() if number == 2} == {
        "Ingress",
        "ClinicalModel",
        "FeatureModel",
        "Measure",
    }
