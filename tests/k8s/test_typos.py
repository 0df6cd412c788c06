"""What a tired operator mistypes, and the check that says so."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.k8s.test_manifests import check, documents

Documents = list[dict[str, Any]]


def service(documents: Documents) -> dict[str, Any]:
    (found,) = check.find(documents, "RayService")
    return found  # type: ignore[no-any-return]


def cluster(documents: Documents) -> dict[str, Any]:
    found: dict[str, Any] = service(documents)["spec"]["rayClusterConfig"]
    return found


def pod(documents: Documents, group: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = cluster(documents)["workerGroupSpecs"][group]["template"]["spec"]
    return found


def container(documents: Documents, group: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = pod(documents, group)["containers"][0]
    return found


def in_config(before: str, after: str) -> Callable[[Documents], None]:
    """Change the text of serveConfigV2."""

    def change(documents: Documents) -> None:
        spec = service(documents)["spec"]
        assert before in spec["serveConfigV2"]
        spec["serveConfigV2"] = spec["serveConfigV2"].replace(before, after, 1)

    return change


def renamed(place: Callable[[Documents], dict[str, Any]], before: str, after: str) -> Callable[[Documents], None]:
    """Misspell a key."""

    def change(documents: Documents) -> None:
        found = place(documents)
        found[after] = found.pop(before)

    return change


def put(place: Callable[[Documents], dict[str, Any]], **values: Any) -> Callable[[Documents], None]:
    """Give keys other values."""
    return lambda documents: place(documents).update(values)


def named(kind: str, name: str) -> Callable[[Documents], dict[str, Any]]:
    return lambda documents: next(d for d in check.find(documents, kind) if d["metadata"]["name"] == name)


def spec_of(kind: str, name: str) -> Callable[[Documents], dict[str, Any]]:
    return lambda documents: named(kind, name)(documents)["spec"]


def worker(documents: Documents) -> dict[str, Any]:
    found: dict[str, Any] = cluster(documents)["workerGroupSpecs"][1]
    return found


def labelled(documents: Documents) -> dict[str, Any]:
    labels: dict[str, Any] = worker(documents)["labels"]
    return labels


def budget(documents: Documents) -> dict[str, Any]:
    return spec_of("PodDisruptionBudget", "ecg-serve")(documents)


def volume(documents: Documents) -> dict[str, Any]:
    return next(v for v in pod(documents, 1)["volumes"] if v["name"] == "model-cache")


TYPOS: dict[str, tuple[str, Callable[[Documents], None]]] = {
    "an unknown key of a deployment": ("serve_config", in_config("max_replicas_per_node", "max_replica_per_node")),
    "an unknown key of autoscaling": ("serve_config", in_config("upscale_delay_s", "upscale_delay")),
    "an unknown deployment": ("serve_config", in_config("- name: Measure", "- name: Measures")),
    "an unknown setting": ("serve_config", in_config("max_batch_segments", "max_batch_size")),
    "a port that is no number": ("serve_config", in_config("port: 8000", "port: http")),
    "a label no node has": ("placement", in_config("ecg-clinical", "ecg-clinic")),
    "more replicas than room": (
        "placement",
        in_config("max_replicas: 8, target_ongoing_requests: 48", "max_replicas: 9"),
    ),
    "replicas on the head": ("placement", lambda d: cluster(d)["headGroupSpec"]["rayStartParams"].pop("num-cpus")),
    "an unknown field of a container": ("kubernetes_schema", renamed(container, "envFrom", "envFroms")),
    "an unknown field of a pod": ("kubernetes_schema", renamed(pod, "topologySpreadConstraints", "topologySpread")),
    "a number for a text": ("kubernetes_schema", put(container, image=1)),
    "an unknown field of a budget": (
        "kubernetes_schema",
        renamed(spec_of("PodDisruptionBudget", "ecg-serve"), "minAvailable", "minAvailible"),
    ),
    "no account of the container's own": ("pod_security", lambda d: pod(d)["securityContext"].pop("runAsNonRoot")),
    "privileges kept": ("pod_security", lambda d: container(d)["securityContext"].pop("allowPrivilegeEscalation")),
    "an autoscaler without a context": (
        "pod_security",
        lambda d: cluster(d)["autoscalerOptions"].pop("securityContext"),
    ),
    "a folder of the node": ("pod_security", lambda d: volume(d).update(hostPath={"path": "/models"})),
    "no request of disk": ("resources", lambda d: container(d)["resources"]["requests"].pop("ephemeral-storage")),
    "a claim that is not there": (
        "references",
        lambda d: volume(d)["persistentVolumeClaim"].update(claimName="ecg-models"),
    ),
    "a secret that is not there": ("references", lambda d: container(d)["envFrom"][1]["secretRef"].update(name="pg")),
    "a mount without a volume": ("references", lambda d: container(d)["volumeMounts"][0].update(name="temp")),
    "a cluster removed too early": ("draining", lambda d: service(d)["spec"].update(rayClusterDeletionDelaySeconds=60)),
    "a pod killed too early": ("draining", lambda d: pod(d).update(terminationGracePeriodSeconds=120)),
    "a hook that ends Ray": (
        "draining",
        lambda d: container(d).update(lifecycle={"preStop": {"exec": {"command": ["ray", "stop"]}}}),
    ),
    "requests longer than a replica's end": ("draining", in_config("request_timeout_s: 120", "request_timeout_s: 600")),
    "resources said twice": (
        "kuberay_admission",
        lambda d: worker(d)["rayStartParams"].update({"num-gpus": "1"}),
    ),
    "a pod that restarts": ("kuberay_admission", lambda d: pod(d).update(restartPolicy="Always")),
    "a label that is no text": ("kuberay_admission", put(labelled, a=True)),
    "a policy about no pod": (
        "selectors",
        lambda d: spec_of("NetworkPolicy", "ecg-redis")(d)["podSelector"]["matchLabels"].update(a="b"),
    ),
    "a budget about no pod": (
        "selectors",
        lambda d: budget(d)["selector"]["matchLabels"].update({"ray.io/group": "cpus"}),
    ),
    "a monitor of no port": (
        "selectors",
        lambda d: spec_of("PodMonitor", "ecg-serve-workers")(d)["podMetricsEndpoints"][0].update(port="metric"),
    ),
}


@pytest.mark.parametrize("typo", list(TYPOS))
def test_it_is_said(typo: str) -> None:
    name, mistype = TYPOS[typo]
    mistyped = documents("base")
    mistype(mistyped)
    assert list(check.CHECKS[name](mistyped)), f"{name} has nothing to say about {typo}"
