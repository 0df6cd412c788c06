"""The Grafana dashboards: the one source of monitoring/dashboards/*.json (`python k8s/render.py` writes them)."""

from dataclasses import dataclass
from typing import Any

#: Requests that somebody waits for; as in alerts.yaml.
WORK = 'route=~"/analyze.*|/extract_features|/assess_quality|/data/v1/?"'


@dataclass(frozen=True)
class Panel:
    """One graph: expressions by the legend of their series, and Grafana's name of the unit."""

    title: str
    series: dict[str, str]
    unit: str = "short"
    meaning: str = ""


def rate(metric: str, by: str, where: str = "") -> str:
    """Sum of a counter's rate over all replicas, by labels."""
    return f"sum by ({by}) (rate({metric}{{{where}}}[$__rate_interval]))"


def quantile(share: float, metric: str, by: str = "", where: str = "") -> str:
    """A quantile of a histogram over all replicas."""
    return f"histogram_quantile({share}, {rate(f'{metric}_bucket', ', '.join(filter(None, (by, 'le'))), where)})"


def mean(metric: str, by: str) -> str:
    """Mean of what a histogram observed."""
    return f"{rate(f'{metric}_sum', by)} / {rate(f'{metric}_count', by)}"


SERVICE = [
    Panel("Requests by route", {"{{route}}": rate("ray_ecg_requests_total", "route")}, "reqps"),
    Panel("Requests by outcome", {"{{outcome}}": rate("ray_ecg_requests_total", "outcome", WORK)}, "reqps"),
    Panel(
        "Requests without an answer",
        {
            "last hour": "ecg:failures:ratio1h",
            "six hours": "ecg:failures:ratio6h",
            "three days": "ecg:failures:ratio3d",
        },
        "percentunit",
        "Share of 5xx, 503 included. The objective allows 0.5 % in 30 days.",
    ),
    Panel(
        "Latency of /analyze",
        {
            "half": quantile(0.5, "ray_ecg_request_latency_ms", where='route="/analyze"'),
            "95 %": quantile(0.95, "ray_ecg_request_latency_ms", where='route="/analyze"'),
            "99 %": quantile(0.99, "ray_ecg_request_latency_ms", where='route="/analyze"'),
        },
        "ms",
    ),
    Panel("Stages, 95 %", {"{{stage}}": "ecg:stage_latency_ms:p95"}, "ms"),
    Panel(
        "Refusals for want of capacity",
        {"{{cause}}": f"{rate('ray_ecg_refusals_total', 'cause')} or vector(0)"},
        "reqps",
        "queue: that of a deployment is full; model_not_ready; replica_lost.",
    ),
    Panel(
        "Held by each limit",
        {"{{limit}}": f"{rate('ray_ecg_admitted_ms_sum', 'limit')} / 1000"},
        meaning="Requests in progress on average: max_requests, max_model_requests, bulk_requests.",
    ),
    Panel(
        "Refused by each limit",
        {"{{limit}}": f"{rate('ray_ecg_admission_refusals_total', 'limit')} or vector(0)"},
        "reqps",
    ),
    Panel("Recordings of bulk requests", {"{{outcome}}": rate("ray_ecg_bulk_items_total", "outcome")}, "reqps"),
    Panel(
        "Answers of the proxies",
        {"{{code}}": rate("haproxy_frontend_http_responses_total", "code")},
        "reqps",
        "Errors that never reached a replica are seen here only.",
    ),
    Panel(
        "Waiting for a replica",
        {"{{deployment}}": 'sum by (deployment) (ray_serve_deployment_queued_queries{application=~"ecg|inbox"})'},
    ),
    Panel(
        "Replicas wanted",
        {"{{deployment}}": 'max by (deployment) (ray_serve_autoscaling_target_replicas{application=~"ecg|inbox"})'},
    ),
    Panel(
        "Application",
        {"{{application}}": "min by (application) (ray_serve_application_status)"},
        meaning="6 running, 5 deploying, 2 unhealthy, 1 failed to deploy.",
    ),
    Panel(
        "Memory of the nodes",
        {"{{RayNodeType}} {{instance}}": "ray_node_mem_used / ray_node_mem_total"},
        "percentunit",
    ),
    Panel("Disk of the nodes", {"{{instance}}": "ray_node_disk_utilization_percentage"}, "percent"),
]
MODELS = [
    Panel("Ready replicas", {"{{model}}": "sum by (model) (ray_ecg_model_ready)"}),
    Panel(
        "Forward pass",
        {
            f"{{{{stage}}}} {name}": quantile(share, "ray_ecg_stage_latency_ms", "stage", 'stage=~".*_forward"')
            for name, share in (("half", 0.5), ("95 %", 0.95))
        },
        "ms",
    ),
    Panel(
        "Wait for a pass",
        {
            f"{{{{model}}}} {name}": quantile(share, "ray_ecg_queue_wait_ms", "model")
            for name, share in (("half", 0.5), ("95 %", 0.95))
        },
        "ms",
    ),
    Panel("Fill of the batches", {"{{model}}": mean("ray_ecg_batch_fill_ratio", "model")}, "percentunit"),
    Panel(
        "Recordings whose caller had gone",
        {"{{model}}": f"{rate('ray_ecg_abandoned_recordings_total', 'model')} or vector(0)"},
        "reqps",
    ),
    Panel(
        "Weights in use",
        {
            "{{model}} {{weights}} {{backend}} {{precision}}": (
                "count by (model, weights, trained, backend, precision) (ray_ecg_model_info)"
            )
        },
        meaning="Replicas by what they have loaded; two lines of one model are two versions.",
    ),
    Panel("Segments in a batch", {"{{model}}": mean("ray_ecg_batch_segments", "model")}),
    Panel("Segments a second", {"{{model}}": rate("ray_ecg_batch_segments_sum", "model")}),
    Panel(
        "Requests in each model",
        {
            "{{deployment}}": "sum by (deployment) "
            '(ray_serve_replica_processing_queries{deployment=~"ClinicalModel|FeatureModel"})'
        },
    ),
    Panel(
        "Loading or changing weights",
        {"{{deployment}}": mean("ray_serve_replica_reconfigure_latency_ms", "deployment")},
        "ms",
    ),
    Panel("GPU in use", {"{{instance}} {{GpuIndex}}": "ray_node_gpus_utilization"}, "percent"),
    Panel(
        "GPU memory",
        {
            "{{instance}} {{GpuIndex}}": "ray_node_gram_used / (ray_node_gram_used + ray_node_gram_available)",
        },
        "percentunit",
    ),
]
CONTENT = [
    Panel("Recordings by format", {"{{format}}": rate("ray_ecg_recordings_total", "format")}, "reqps"),
    Panel(
        "Quality",
        {
            "{{quality}}": f"{rate('ray_ecg_recordings_total', 'quality')} / ignoring(quality) group_left "
            "sum(rate(ray_ecg_recordings_total[$__rate_interval]))"
        },
        "percentunit",
    ),
    Panel(
        "How frequent each label is",
        {
            "{{label}}": "sum by (label) (increase(ray_ecg_labels_found_total[1h])) / ignoring(label) group_left "
            "sum(increase(ray_ecg_conclusions_total[1h]))"
        },
        "percentunit",
        "Of the answers of the last hour with a clinical part. Another population, or another input.",
    ),
    Panel("Who decided", {"{{source}}": rate("ray_ecg_conclusions_total", "source")}, "reqps"),
    Panel(
        "Distance of the embeddings from the baseline",
        {"{{model}}": "max by (model) (ray_ecg_embedding_drift)"},
        meaning="In standard deviations of the baseline; near 0.1 for the same population.",
    ),
]
INBOX = [
    Panel("Longest wait for a result", {"seconds": "max(ecg_inbox_oldest_waiting_seconds)"}, "s"),
    Panel("Recordings by state", {"{{state}}": "max by (state) (ecg_inbox_recordings)"}),
    Panel("Results kept", {"results": "max(ecg_inbox_results)"}),
    Panel(
        "Results a minute", {"results": "60 * deriv(max(ecg_inbox_results)[10m:1m])"}, meaning="Falls when old ones go."
    ),
    Panel("Messages by route and outcome", {"{{route}} {{outcome}}": "max by (route, outcome) (ecg_inbox_messages)"}),
    Panel("Quarantine by reason", {"{{code}}": "max by (code) (ecg_inbox_quarantined)"}),
    Panel(
        "Requests of devices",
        {"{{outcome}}": rate("ray_ecg_requests_total", "outcome", 'route=~"/data/v1/?"')},
        "reqps",
    ),
    Panel(
        "Latency of a message, 95 %",
        {"95 %": quantile(0.95, "ray_ecg_request_latency_ms", where='route=~"/data/v1/?"')},
        "ms",
    ),
]
COHORT = [
    Panel("Rows by stage", {"{{dataset}} {{operator}}": "max by (dataset, operator) (ray_data_output_rows)"}),
    Panel(
        "Rows a second",
        {"{{dataset}} {{operator}}": "deriv(max by (dataset, operator) (ray_data_output_rows)[5m:30s])"},
    ),
    Panel("Blocks waiting", {"{{operator}}": "max by (operator) (ray_data_operator_queued_blocks)"}),
    Panel("Processors", {"{{dataset}}": "sum by (dataset) (ray_data_cpu_usage_cores)"}),
    Panel("GPUs", {"{{dataset}}": "sum by (dataset) (ray_data_gpu_usage_cores)"}),
    Panel(
        "Object store",
        {"in use": "sum(ray_data_current_bytes)", "written to disk": "sum(ray_data_spilled_bytes)"},
        "bytes",
        "With too small a store the stages run one after the other, and the job takes twice as long.",
    ),
]


def dashboard(title: str, panels: list[Panel]) -> dict[str, Any]:
    """Grafana's JSON: two panels a row, one variable for the data source."""
    return {
        "uid": f"ecg-{title.lower()}",
        "title": f"ECG {title.lower()}",
        "tags": ["ecg-serve"],
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": [{"name": "source", "type": "datasource", "query": "prometheus"}]},
        "panels": [_panel(number, panel) for number, panel in enumerate(panels)],
    }


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    source = {"type": "prometheus", "uid": "${source}"}
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.meaning,
        "datasource": source,
        "gridPos": {"x": 12 * (number % 2), "y": 8 * (number // 2), "w": 12, "h": 8},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + i), "expr": expression, "legendFormat": legend, "datasource": source}
            for i, (legend, expression) in enumerate(panel.series.items())
        ],
    }


DASHBOARDS = {
    "service": dashboard("Service", SERVICE),
    "models": dashboard("Models", MODELS),
    "content": dashboard("Content", CONTENT),
    "inbox": dashboard("Inbox", INBOX),
    "cohort": dashboard("Cohort", COHORT),
}
