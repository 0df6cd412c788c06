"""The manifests: fresh, valid, and in agreement with the code, the Serve configuration and Ray itself."""

import importlib.util
import json
import shutil
import subprocess
import sys
from dataclasses import is_dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import ray
import yaml
from ray.serve import Application
from ray.serve._private import constants as serve_constants
from sqlalchemy import make_url

from serve_app.app import build
from serve_app.config_check import deployment_names
from serve_app.environment import EVERYWHERE, FAST_PLANE
from serve_app.settings import AppSettings

ROOT = Path(__file__).resolve().parents[2]
K8S = ROOT / "k8s"
SCHEMA = ROOT.parent / "shared/kuberay/rayservice_v1.strict.schema.json"
FOLDERS = ["base", "overlays/cpu", "overlays/gpu-ha"]

each = pytest.mark.parametrize("folder", FOLDERS)


def script(name: str) -> ModuleType:
    """A module of k8s/, which is a folder of scripts and not a package."""
    spec = importlib.util.spec_from_file_location(name, K8S / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


check, render = script("check"), script("render")


@cache
def built(folder: str) -> str:
    return json.dumps(check.build(K8S / folder))


def documents(folder: str) -> list[dict[str, Any]]:
    """What kustomize builds; a copy, which a test may change."""
    return list(json.loads(built(folder)))


def built_by(tmp_path: Path, kustomization: dict[str, Any]) -> list[dict[str, Any]]:
    """What an overlay of an operator's own builds."""
    for name in ("k8s", "monitoring"):
        shutil.copytree(ROOT / name, tmp_path / name)
    site = tmp_path / "site"
    site.mkdir()
    (site / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    return list(check.build(site))


def one(folder: str, kind: str, name: str | None = None) -> dict[str, Any]:
    (found,) = [d for d in check.find(documents(folder), kind) if name in (None, d["metadata"]["name"])]
    return dict(found)


def main_container(group: dict[str, Any]) -> dict[str, Any]:
    return dict(group["template"]["spec"]["containers"][0])


def test_committed_files_are_what_the_generator_writes() -> None:
    stale = [str(path.relative_to(ROOT)) for path, text in render.rendered().items() if path.read_text() != text]
    assert stale == [], "run: python k8s/render.py"


@each
@pytest.mark.parametrize("name", list(check.CHECKS))
def test_nothing_is_found(folder: str, name: str) -> None:
    assert list(check.CHECKS[name](documents(folder))) == []


@pytest.mark.shared
@each
def test_rayservice_is_what_the_schema_of_kuberay_describes(folder: str) -> None:
    if not SCHEMA.exists():
        pytest.skip("../shared/kuberay is absent")
    assert list(check.crd(documents(folder), SCHEMA)) == []


def test_the_check_of_an_overlay_is_a_command() -> None:
    done = subprocess.run(
        [sys.executable, str(K8S / "check.py"), str(K8S / "base")], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "nothing found" in done.stdout


@pytest.mark.parametrize(("folder", "source"), [("base", "config/gpu.yaml"), ("overlays/cpu", "config/cpu.yaml")])
def test_serve_config_is_the_checked_file(folder: str, source: str) -> None:
    config = yaml.safe_load(one(folder, "RayService")["spec"]["serveConfigV2"])
    assert config == yaml.safe_load((ROOT / source).read_text())


def test_high_availability_has_two_of_each_model_and_budgets_that_let_one_go() -> None:
    assert {
        d["name"]: d["autoscaling_config"]["min_replicas"]
        for d in check.deployments(documents("overlays/gpu-ha"))
        if d["name"].endswith("Model")
    } == {"ClinicalModel": 2, "FeatureModel": 2}
    least = {name: group.get("minReplicas", 0) for name, group in check.groups(documents("overlays/gpu-ha"))}
    budgets = check.find(documents("overlays/gpu-ha"), "PodDisruptionBudget")
    assert len(budgets) == 3
    for budget in budgets:
        assert least[budget["spec"]["selector"]["matchLabels"]["ray.io/group"]] > budget["spec"]["minAvailable"]


@each
def test_deployment_names_are_those_of_the_code(folder: str) -> None:
    settings = AppSettings(models_must_load=True, inbox_url="sqlite://")
    bound = build(settings)
    names: set[str] = set()
    waiting: list[object] = [bound]
    while waiting:
        found = waiting.pop()
        if is_dataclass(found):
            waiting += vars(found).values()
        elif isinstance(found, dict):
            waiting += found.values()
        elif isinstance(found, Application):
            names.add(found._bound_deployment.name)
            waiting += found._bound_deployment.init_args
            waiting += found._bound_deployment.init_kwargs.values()
    assert {deployment["name"] for deployment in check.deployments(documents(folder))} == names
    assert names == set(deployment_names(settings))


def test_offline_component_forbids_the_hub(tmp_path: Path) -> None:
    site = built_by(tmp_path, {"resources": ["../k8s/base"], "components": ["../k8s/components/offline"]})
    (environment,) = [d for d in check.find(site, "ConfigMap") if "RAY_AUTH_MODE" in d["data"]]
    assert environment["data"] == EVERYWHERE | FAST_PLANE | render.POD | {"HF_HUB_OFFLINE": "1"}
    assert "ecg-serve-hub" not in {d["metadata"]["name"] for d in check.find(site, "NetworkPolicy")}
    assert [problem for found in check.CHECKS.values() for problem in found(site)] == []


def test_external_redis_takes_the_place_of_the_pod(tmp_path: Path) -> None:
    component = "../k8s/components/external-redis"
    site = built_by(tmp_path, {"resources": ["../k8s/overlays/gpu-ha"], "components": [component]})
    assert check.find(site, "StatefulSet") == []
    (service,) = check.find(site, "Service")
    assert service["spec"] == {"type": "ExternalName", "externalName": "redis.example"}
    assert [problem for found in check.CHECKS.values() for problem in found(site)] == []


def test_an_applied_configuration_may_be_applied_again() -> None:
    """A Job cannot be changed, and its image and the name of its ConfigMap do change: there is none."""
    assert {d["kind"] for folder in FOLDERS for d in documents(folder)} == {
        "ConfigMap",
        "NetworkPolicy",
        "PersistentVolumeClaim",
        "PodDisruptionBudget",
        "PodMonitor",
        "PrometheusRule",
        "RayService",
        "Service",
        "ServiceAccount",
        "StatefulSet",
    }


@each
def test_head_and_workers_have_the_launchers_environment(folder: str) -> None:
    (environment,) = [d for d in check.find(documents(folder), "ConfigMap") if "RAY_AUTH_MODE" in d["data"]]
    assert environment["data"] == EVERYWHERE | FAST_PLANE | render.POD
    assert environment["metadata"]["name"] != "ecg-environment"  # a hash, by which a change is rolled out
    for _, group in check.groups(documents(folder)):
        container = main_container(group)
        assert {"configMapRef": {"name": environment["metadata"]["name"]}} in container["envFrom"]
        assert "env" not in container  # nothing that could differ from pod to pod


@each
def test_the_database_is_known_where_the_inbox_runs_and_nowhere_else(folder: str) -> None:
    (inbox,) = [d for d in check.deployments(documents(folder)) if d["name"] == "Inbox"]
    wanted = set(check.hosts(documents(folder), inbox))
    secret, authority = {"secretRef": {"name": "ecg-postgres"}}, "postgres-ca"
    for name, group in check.groups(documents(folder)):
        container = main_container(group)
        mounts = {mount["name"] for mount in container["volumeMounts"]}
        assert (secret in container["envFrom"], authority in mounts) == ((name in wanted,) * 2)
    policy = one(folder, "NetworkPolicy", "ecg-serve-database")
    assert {policy["spec"]["podSelector"]["matchLabels"]["ray.io/group"]} == wanted


@each
def test_several_inboxes_share_a_store_whose_password_is_in_no_file(folder: str) -> None:
    (inbox,) = [d for d in check.deployments(documents(folder)) if d["name"] == "Inbox"]
    assert inbox["autoscaling_config"]["min_replicas"] >= 2
    service, apart = yaml.safe_load(one(folder, "RayService")["spec"]["serveConfigV2"])["applications"]
    assert (service["args"]["inbox_application"], apart["route_prefix"]) == (apart["name"], None)
    url = make_url(apart["args"]["inbox_url"])
    assert (url.drivername, url.host, url.password) == ("postgresql+psycopg", None, None)


@pytest.mark.parametrize(("folder", "models"), [("base", {"clinical-gpu", "features-gpu"}), ("overlays/cpu", {"cpu"})])
def test_model_pods_share_the_cache_and_fill_it_before_they_start(folder: str, models: set[str]) -> None:
    claim = one(folder, "PersistentVolumeClaim")
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    found = set()
    for name, group in check.groups(documents(folder)):
        spec = group["template"]["spec"]
        claims = [v["persistentVolumeClaim"]["claimName"] for v in spec["volumes"] if "persistentVolumeClaim" in v]
        fetching = [c for c in spec.get("initContainers", []) if c["name"] == "weights"]
        if claims:
            found.add(name)
            assert claims == [claim["metadata"]["name"]]
            mount = {"name": "model-cache", "mountPath": "/models"}
            assert all(mount in container["volumeMounts"] for container in (main_container(group), *fetching))
        assert bool(claims) == bool(fetching)
    hub = one(folder, "NetworkPolicy", "ecg-serve-hub")["spec"]["podSelector"]["matchExpressions"]
    assert found == models == set(hub[0]["values"])


@each
def test_the_container_that_fills_the_cache_says_when_the_hub_is_out_of_reach(folder: str, tmp_path: Path) -> None:
    commands = {
        (*container["command"], *container["args"])
        for _, group in check.groups(documents(folder))
        for container in group["template"]["spec"].get("initContainers", [])
        if container["name"] == "weights"
    }
    ((program, option, text),) = commands
    assert (program, option) == ("python", "-c")
    environment = {"ECG_CACHE_DIR": str(tmp_path), "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, cwd=ROOT, env=environment, check=False
    )
    assert done.returncode == 1
    assert "WeightsUnavailable" in done.stderr
    assert "HF_HUB_OFFLINE" in done.stderr


@each
def test_cluster_is_set_up_as_the_documentation_says(folder: str) -> None:
    cluster = check.ray_cluster(documents(folder))
    assert cluster["rayVersion"] == ray.__version__
    assert f"ray=={ray.__version__}" in (ROOT / "constraints.txt").read_text().splitlines()
    assert cluster["enableInTreeAutoscaling"] is True
    assert cluster["autoscalerOptions"]["version"] == "v2"
    assert cluster["authOptions"] == {"mode": "token"}
    assert "redisAddress" in cluster["gcsFaultToleranceOptions"]
    assert "externalStorageNamespace" not in cluster["gcsFaultToleranceOptions"]
    for _, group in check.groups(documents(folder)):
        container = main_container(group)
        assert container["resources"]["requests"] == container["resources"]["limits"]
        assert not {"readinessProbe", "livenessProbe"} & set(container)  # the operator's own know about Serve


@each
def test_logs_of_serve_reach_the_containers_output(folder: str) -> None:
    for _, group in check.groups(documents(folder)):
        logs = group["template"]["spec"]["initContainers"][0]
        assert logs["restartPolicy"] == "Always"  # starts before Ray, ends after it
        module, path = logs["command"][2:]
        assert importlib.util.find_spec(module) is not None
        assert path == "/tmp/ray/session_latest/logs/serve"
        shared = {"name": "ray-logs", "mountPath": "/tmp/ray"}
        assert shared in logs["volumeMounts"]
        assert shared in main_container(group)["volumeMounts"]


@each
def test_all_of_a_cluster_at_its_largest_fits_at_once(folder: str) -> None:
    room = sum(
        group["maxReplicas"] * int(main_container(group)["resources"]["limits"]["cpu"])
        for name, group in check.groups(documents(folder))
        if name != "headgroup"
    )
    wanted = sum(
        (d.get("autoscaling_config") or {"max_replicas": d.get("num_replicas")})["max_replicas"]
        * d["ray_actor_options"]["num_cpus"]
        for d in check.deployments(documents(folder))
    )
    assert room >= wanted


def open_ports(policy: dict[str, Any], source: dict[str, str]) -> set[int] | None:
    """TCP ports that pods with these labels reach; None for every port."""
    ports: set[int] = set()
    for rule in policy["spec"]["ingress"]:
        if source in [peer.get("podSelector", {}).get("matchLabels") for peer in rule["from"]]:
            if "ports" not in rule:
                return None
            ports |= {port["port"] for port in rule["ports"]}
    return ports


@each
def test_network_policy_opens_what_is_needed_and_nothing_else(folder: str) -> None:
    policy = one(folder, "NetworkPolicy", "ecg-serve")
    assert open_ports(policy, {"app": "ecg-serve"}) is None
    for operator in ("name", "component"):  # as the Helm chart and the kustomization of KubeRay label it
        ports = open_ports(policy, {f"app.kubernetes.io/{operator}": "kuberay-operator"})
        assert ports == {8265, serve_constants.DEFAULT_HTTP_PORT}
    monitoring = open_ports(policy, {"app.kubernetes.io/name": "prometheus"})
    assert monitoring is not None
    assert {serve_constants.RAY_SERVE_HAPROXY_METRICS_PORT, serve_constants.DEFAULT_HTTP_PORT} <= monitoring
    everyone = [rule for rule in policy["spec"]["ingress"] if {"podSelector": {}} in rule["from"]]
    assert [rule["ports"] for rule in everyone] == [[{"protocol": "TCP", "port": 8000}]]
    # What the comment in the policy says of Ray's ports is still true of the installed Ray.
    text = (K8S / "base/network-policy.yaml").read_text()
    for name in ("MIN_HTTP", "MAX_HTTP", "MIN_GRPC", "MAX_GRPC"):
        assert str(getattr(serve_constants, f"RAY_SERVE_DIRECT_INGRESS_{name}_PORT")) in text
    assert str(serve_constants.RAY_SERVE_HAPROXY_STATS_PORT) in text
    assert open_ports(one(folder, "NetworkPolicy", "ecg-redis"), {"app": "ecg-serve"}) == {6379}


@each
def test_what_leaves_a_pod_is_listed(folder: str) -> None:
    leaving = {
        policy["metadata"]["name"]: {
            port["port"] for rule in policy["spec"].get("egress", []) for port in rule.get("ports", [])
        }
        for policy in check.find(documents(folder), "NetworkPolicy")
        if "Egress" in policy["spec"]["policyTypes"]
    }
    assert leaving == {
        "ecg-serve": {53},
        "ecg-serve-head": {443, 6443},
        "ecg-serve-database": {5432},
        "ecg-serve-hub": {443},
        "ecg-redis": set(),
    }


@each
def test_the_prometheus_operator_selects_what_is_labelled_with_its_release(folder: str) -> None:
    for kind in ("PodMonitor", "PrometheusRule"):
        found = check.find(documents(folder), kind)
        assert found
        for document in found:
            assert document["metadata"]["labels"]["release"] == "kube-prometheus-stack"
