"""The manifests: fresh, valid, and in agreement with the code, the Serve configuration and Ray itself."""

import ast
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import ray
import yaml
from ray.autoscaler._private.kuberay import autoscaling_config
from ray.serve import Application
from ray.serve._private import constants as serve_constants
from sqlalchemy import make_url

from serve_app.app import build
from serve_app.config_check import DEPLOYMENTS
from serve_app.environment import EVERYWHERE, FAST_PLANE
from serve_app.settings import AppSettings

ROOT = Path(__file__).resolve().parents[2]
K8S = ROOT / "k8s"
SCHEMAS = ROOT.parent / "shared" / "kuberay"
CONFIGS = {"base": "config/gpu.yaml", "overlays/cpu": "config/cpu.yaml"}
CUSTOM = {"RayService", "PodMonitor", "PrometheusRule"}  # kinds that are not Kubernetes' own

both = pytest.mark.parametrize("folder", list(CONFIGS))


def documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text()))


@cache
def base_documents() -> list[dict[str, Any]]:
    names = yaml.safe_load((K8S / "base/kustomization.yaml").read_text())["resources"]
    return [document for name in names for document in documents(K8S / "base" / name)]


def merged(target: Any, patch: Any) -> Any:
    """What kustomize does to a kind it does not know: mappings merge, everything else is replaced."""
    if not isinstance(target, dict) or not isinstance(patch, dict):
        return patch
    return target | {key: merged(target.get(key), value) for key, value in patch.items()}


@cache
def rayservice(folder: str) -> dict[str, Any]:
    service = one("RayService")
    for place in ("base",) if folder == "base" else ("base", folder):
        for patch in yaml.safe_load((K8S / place / "kustomization.yaml").read_text())["patches"]:
            service = merged(service, documents(K8S / place / patch["path"])[0])
    return dict(service)


def one(kind: str, name: str | None = None) -> dict[str, Any]:
    found = [d for d in base_documents() if d["kind"] == kind and name in (None, d["metadata"]["name"])]
    assert len(found) == 1
    return found[0]


def cluster(folder: str) -> dict[str, Any]:
    return dict(rayservice(folder)["spec"]["rayClusterConfig"])


def deployments(folder: str) -> list[dict[str, Any]]:
    config = yaml.safe_load(rayservice(folder)["spec"]["serveConfigV2"])
    return list(config["applications"][0]["deployments"])


def replicas(deployment: dict[str, Any]) -> dict[str, int]:
    fixed = deployment.get("num_replicas")
    return dict(deployment.get("autoscaling_config") or {"min_replicas": fixed, "max_replicas": fixed})


def containers(folder: str) -> list[dict[str, Any]]:
    groups = [cluster(folder)["headGroupSpec"], *cluster(folder)["workerGroupSpecs"]]
    return [container for group in groups for container in group["template"]["spec"]["containers"]]


def kustomize(folder: Path) -> list[dict[str, Any]]:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed")
    done = subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def test_committed_files_are_what_the_generator_writes() -> None:
    spec = importlib.util.spec_from_file_location("render", K8S / "render.py")
    assert spec is not None
    assert spec.loader is not None
    render = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(render)
    stale = [str(path.relative_to(ROOT)) for path, text in render.rendered().items() if path.read_text() != text]
    assert stale == [], "run: python k8s/render.py"


@both
def test_serve_config_is_the_checked_file(folder: str) -> None:
    assert yaml.safe_load(rayservice(folder)["spec"]["serveConfigV2"]) == yaml.safe_load(
        (ROOT / CONFIGS[folder]).read_text()
    )


@both
def test_deployment_names_are_those_of_the_code(folder: str) -> None:
    bound = build(AppSettings(clinical_weights="stand-in", feature_weights="stand-in", inbox_url="sqlite://"))
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
    assert {deployment["name"] for deployment in deployments(folder)} == names == set(DEPLOYMENTS)


@pytest.mark.shared
@both
@pytest.mark.parametrize("schema", ["rayservice_v1.schema.json", "rayservice_v1.strict.schema.json"])
def test_rayservice_is_valid(folder: str, schema: str) -> None:
    if not SCHEMAS.is_dir():
        pytest.skip("../shared/kuberay is absent")
    jsonschema.validate(rayservice(folder), json.loads((SCHEMAS / schema).read_text()))


@pytest.mark.shared
def test_a_misspelt_key_is_not_valid() -> None:
    if not SCHEMAS.is_dir():
        pytest.skip("../shared/kuberay is absent")
    wrong = merged(rayservice("base"), {"spec": {"rayClusterConfig": {"headGroupSpecs": {}}}})
    with pytest.raises(jsonschema.ValidationError, match="headGroupSpecs"):
        jsonschema.validate(wrong, json.loads((SCHEMAS / "rayservice_v1.strict.schema.json").read_text()))


def test_the_other_manifests_are_valid() -> None:
    kinds = set()
    for document in base_documents():
        if document["kind"] not in CUSTOM:
            kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)
            kinds.add(document["kind"])
    assert kinds == {
        "PersistentVolumeClaim", "Job", "ServiceAccount", "Service", "StatefulSet", "NetworkPolicy",
        "PodDisruptionBudget",
    }  # fmt: skip


@both
def test_kustomize_builds_what_the_other_tests_looked_at(folder: str) -> None:
    built = kustomize(K8S / folder)
    (service,) = [d for d in built if d["kind"] == "RayService"]
    (environment,) = [d for d in built if d["kind"] == "ConfigMap"]
    text = json.dumps(service).replace(environment["metadata"]["name"], "ecg-environment")
    expected = rayservice(folder)
    tag = "cpu" if folder.endswith("cpu") else "gpu"
    assert json.loads(text)["spec"] == json.loads(
        json.dumps(expected["spec"]).replace("ecg-serve:gpu", f"ecg-serve:{tag}")
    )
    assert environment["metadata"]["name"] != "ecg-environment"  # the hash by which a change is rolled out
    assert len(built) == len(base_documents()) + 1


def test_offline_component_forbids_the_hub(tmp_path: Path) -> None:
    shutil.copytree(K8S, tmp_path / "k8s")
    site = tmp_path / "site"
    site.mkdir()
    (site / "kustomization.yaml").write_text(
        yaml.safe_dump({"resources": ["../k8s/base"], "components": ["../k8s/components/offline"]})
    )
    built = kustomize(site)
    (environment,) = [d for d in built if d["kind"] == "ConfigMap"]
    assert environment["data"] == expected_environment() | {"HF_HUB_OFFLINE": "1"}
    assert "Job" not in {d["kind"] for d in built}
    assert f'"{environment["metadata"]["name"]}"' in json.dumps([d for d in built if d["kind"] == "RayService"])


def expected_environment() -> dict[str, str]:
    return EVERYWHERE | FAST_PLANE | {"ECG_CACHE_DIR": "/models/ecg-serve", "HF_HOME": "/models/huggingface"}


@both
def test_head_and_workers_have_the_launchers_environment(folder: str) -> None:
    lines = (K8S / "base/environment.env").read_text().splitlines()
    assert dict(line.split("=", 1) for line in lines if not line.startswith("#")) == expected_environment()
    for container in containers(folder):
        assert container["envFrom"] == [
            {"configMapRef": {"name": "ecg-environment"}},
            {"secretRef": {"name": "ecg-postgres"}},
        ]
        assert "env" not in container  # nothing that could differ from pod to pod


@both
def test_every_replica_fits_the_workers_and_the_head_gets_none(folder: str) -> None:
    """By Ray's own reading of the manifest: the resources and labels its autoscaler would give each group."""
    resource = {"spec": cluster(folder), "metadata": {"name": "c", "namespace": "n"}}
    derived = autoscaling_config._derive_autoscaling_config_from_ray_cr(resource)
    nodes = derived["available_node_types"]
    assert nodes["headgroup"]["resources"]["CPU"] == 0
    workers = {name: node for name, node in nodes.items() if name != "headgroup"}
    hosts: dict[str, list[str]] = {name: [] for name in workers}
    for deployment in deployments(folder):
        options = deployment["ray_actor_options"]
        needs = {"CPU": options["num_cpus"], "GPU": options.get("num_gpus", 0)}
        fitting = [
            name for name, node in workers.items()
            if all(node["resources"].get(key, 0) >= amount for key, amount in needs.items())
            and options.get("label_selector", {}).items() <= node["labels"].items()
        ]  # fmt: skip
        room = sum(
            workers[name]["max_workers"]
            * min(
                deployment.get("max_replicas_per_node", 10**6),
                *(int(workers[name]["resources"][key] // amount) for key, amount in needs.items() if amount),
            )
            for name in fitting
        )
        scaling = replicas(deployment)
        assert room >= scaling["max_replicas"], f"{deployment['name']} cannot reach max_replicas on {fitting}"
        if "max_replicas_per_node" in deployment:
            assert sum(workers[name]["min_workers"] for name in fitting) >= scaling["min_replicas"]
        for name in fitting:
            hosts[name].append(deployment["name"])
    everything = [deployment["name"] for deployment in deployments(folder)]
    if folder == "base":
        front = [name for name in everything if not name.endswith("Model")]
        assert hosts == {"cpu": front, "clinical-gpu": ["ClinicalModel"], "features-gpu": ["FeatureModel"]}
    else:
        assert hosts == {"cpu": everything}


@both
def test_all_of_a_cluster_at_its_largest_fits_at_once(folder: str) -> None:
    groups = cluster(folder)["workerGroupSpecs"]
    room = sum(
        group["maxReplicas"] * int(group["template"]["spec"]["containers"][0]["resources"]["limits"]["cpu"])
        for group in groups
    )
    wanted = sum(replicas(d)["max_replicas"] * d["ray_actor_options"]["num_cpus"] for d in deployments(folder))
    assert room >= wanted


@both
def test_cluster_is_set_up_as_the_documentation_says(folder: str) -> None:
    spec = cluster(folder)
    assert spec["rayVersion"] == ray.__version__
    assert f"ray=={ray.__version__}" in (ROOT / "constraints.txt").read_text().splitlines()
    assert spec["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert spec["enableInTreeAutoscaling"] is True
    assert spec["autoscalerOptions"]["version"] == "v2"
    assert spec["authOptions"] == {"mode": "token"}
    assert "redisAddress" in spec["gcsFaultToleranceOptions"]
    assert "externalStorageNamespace" not in spec["gcsFaultToleranceOptions"]
    for container in containers(folder):
        assert container["resources"]["requests"] == container["resources"]["limits"]
        assert not {"readinessProbe", "livenessProbe"} & set(container)  # the operator's own know about Serve


@both
def test_several_inboxes_share_a_store_whose_password_is_in_no_file(folder: str) -> None:
    (inbox,) = [d for d in deployments(folder) if d["name"] == "Inbox"]
    assert replicas(inbox)["min_replicas"] >= 2
    config = yaml.safe_load(rayservice(folder)["spec"]["serveConfigV2"])
    url = make_url(config["applications"][0]["args"]["inbox_url"])
    assert (url.drivername, url.host, url.password) == ("postgresql+psycopg", None, None)


@both
def test_models_find_the_shared_cache(folder: str) -> None:
    claim = one("PersistentVolumeClaim")
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    models = [d for d in deployments(folder) if d["name"].endswith("Model")]
    assert len(models) == 2
    mounts = [
        group["groupName"]
        for group in cluster(folder)["workerGroupSpecs"]
        if {"name": "model-cache", "persistentVolumeClaim": {"claimName": claim["metadata"]["name"]}}
        in group["template"]["spec"].get("volumes", [])
        and {"name": "model-cache", "mountPath": "/models"}
        in group["template"]["spec"]["containers"][0]["volumeMounts"]
    ]
    assert mounts == (["clinical-gpu", "features-gpu"] if folder == "base" else ["cpu"])


def test_the_cache_job_runs_and_says_when_the_hub_is_out_of_reach(tmp_path: Path) -> None:
    (container,) = one("Job")["spec"]["template"]["spec"]["containers"]
    assert container["command"] == ["python", "-c"]
    environment = {"ECG_CACHE_DIR": str(tmp_path), "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", *container["args"]],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
        check=False,
    )
    assert done.returncode == 1
    assert "WeightsUnavailable" in done.stderr
    assert "HF_HUB_OFFLINE" in done.stderr


def open_ports(policy: dict[str, Any], source: str) -> set[int] | None:
    """TCP ports that pods labelled `source` (key=value) reach; None for every port."""
    key, value = source.split("=")
    ports: set[int] = set()
    for rule in policy["spec"]["ingress"]:
        selectors = [peer.get("podSelector", {}).get("matchLabels") for peer in rule["from"]]
        if {key: value} in selectors:
            if "ports" not in rule:
                return None
            ports |= {port["port"] for port in rule["ports"]}
    return ports


def test_network_policy_opens_what_is_needed_and_nothing_else() -> None:
    policy = one("NetworkPolicy", "ecg-serve")
    assert open_ports(policy, "app=ecg-serve") is None
    assert open_ports(policy, "app.kubernetes.io/name=kuberay-operator") == {8265, serve_constants.DEFAULT_HTTP_PORT}
    monitoring = open_ports(policy, "app.kubernetes.io/name=prometheus")
    assert monitoring is not None
    assert serve_constants.RAY_SERVE_HAPROXY_METRICS_PORT in monitoring
    everyone = [rule for rule in policy["spec"]["ingress"] if {"podSelector": {}} in rule["from"]]
    assert [rule["ports"] for rule in everyone] == [[{"protocol": "TCP", "port": 8000}]]
    # What the comment in the policy says of Ray's ports is still true of the installed Ray.
    text = (K8S / "base/network-policy.yaml").read_text()
    for name in ("MIN_HTTP", "MAX_HTTP", "MIN_GRPC", "MAX_GRPC"):
        assert str(getattr(serve_constants, f"RAY_SERVE_DIRECT_INGRESS_{name}_PORT")) in text
    assert str(serve_constants.RAY_SERVE_HAPROXY_STATS_PORT) in text
    assert open_ports(one("NetworkPolicy", "ecg-redis"), "app=ecg-serve") == {6379}


def test_disruption_budget_is_one_the_controller_can_compute() -> None:
    budget = one("PodDisruptionBudget")["spec"]
    assert isinstance(budget["minAvailable"], int)  # the only form for pods whose owner has no scale subresource
    group = budget["selector"]["matchLabels"]["ray.io/group"]
    for folder in CONFIGS:
        minimum = {g["groupName"]: g["minReplicas"] for g in cluster(folder)["workerGroupSpecs"]}
        assert minimum[group] > budget["minAvailable"]  # or no node could ever be drained


def declared_metrics() -> set[str]:
    """Names given to Counter, Gauge and Histogram in our code, as Prometheus sees them."""
    names = set()
    for path in [*(ROOT / "deployments").rglob("*.py"), *(ROOT / "serve_app").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("Counter", "Gauge", "Histogram"):
                name = node.args[0].value  # type: ignore[attr-defined]
                kind = node.func.id  # type: ignore[attr-defined]
                ends = {"Counter": ["_total"], "Gauge": [""], "Histogram": ["_bucket", "_sum", "_count"]}[kind]
                names |= {f"ray_{name}{end}" for end in ends}
    return names


def test_alerts_watch_metrics_that_exist() -> None:
    rules = [rule for group in one("PrometheusRule")["spec"]["groups"] for rule in group["rules"]]
    used = set(re.findall(r"\bray_\w+", " ".join(rule["expr"] for rule in rules)))
    ours = {name for name in used if name.startswith("ray_ecg_")}
    assert ours <= declared_metrics()
    assert {re.sub(r"_(total|bucket|sum|count)$", "", name) for name in ours} == {
        "ray_ecg_requests", "ray_ecg_request_latency_ms", "ray_ecg_stage_latency_ms", "ray_ecg_model_ready",
        "ray_ecg_batch_segments",
    }  # fmt: skip
    package = Path(ray.__file__).parent
    sources = "".join(
        (package / name).read_text()
        for name in ("serve/_private/router.py", "serve/_private/deployment_state.py",
                     "dashboard/modules/reporter/reporter_agent.py")
    )  # fmt: skip
    assert {name for name in used - ours if f'"{name.removeprefix("ray_")}"' not in sources} == set()
    for rule in rules:
        assert ("alert" in rule) == ({"summary", "description"} == set(rule.get("annotations", {})))


def test_monitors_scrape_ports_that_the_pods_have() -> None:
    monitors = [d for d in base_documents() if d["kind"] == "PodMonitor"]
    for folder in CONFIGS:
        groups = {"head": [cluster(folder)["headGroupSpec"]], "worker": cluster(folder)["workerGroupSpecs"]}
        for monitor in monitors:
            labels = monitor["spec"]["selector"]["matchLabels"]
            for group in groups[labels["ray.io/node-type"]]:
                assert group["template"]["metadata"]["labels"]["app"] == labels["app"]
                names = {port["name"] for port in group["template"]["spec"]["containers"][0]["ports"]}
                assert {endpoint["port"] for endpoint in monitor["spec"]["podMetricsEndpoints"]} <= names


def test_the_image_is_pinned_and_not_root() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users[-1] == "1000:1000"
    assert cluster("base")["headGroupSpec"]["template"]["spec"]["securityContext"]["runAsUser"] == 1000
    copied = [
        name for line in lines if line.startswith("COPY ") and "--from" not in line for name in line.split()[1:-1]
    ]
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {"constraints.txt", "ecg", "deployments", "serve_app"} <= set(copied) == kept
    assert all((ROOT / name).exists() for name in copied)
    assert sum("-c constraints.txt" in line for line in lines) == 1
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    (gpu,) = re.findall(r"gpu\) extras=(\S+)", "\n".join(lines))
    assert extras["all"] == [f"ecg-serve[{gpu.replace('torch,', 'torch,openvino,')}]"]
