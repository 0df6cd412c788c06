"""Traces of requests across the deployments, for an OpenTelemetry collector.

Off unless the Serve YAML has a `tracing_config` that names `otlp`. Serve makes the spans: one for the ingress, one for
each call of a deployment, one in the deployment called. The collector is where OTEL_EXPORTER_OTLP_ENDPOINT says.
"""

import os
from collections.abc import Sequence

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Status
from opentelemetry.util.types import Attributes, AttributeValue

SERVICE = "ecg-serve"
#: All that a span says beside its name and times.
KEPT = frozenset({"request_id", "replica_id", "deployment", "app", "call_method", "route", "exception.type"})


def otlp() -> list[SpanProcessor]:
    """What Serve sends the spans of a process to; Serve calls this once in each."""
    os.environ.setdefault("OTEL_SERVICE_NAME", SERVICE)
    return [BatchSpanProcessor(WithoutContent(OTLPSpanExporter()))]


class WithoutContent(SpanExporter):
    """Sends spans on without the message and the traceback of an exception, which may repeat what a caller sent."""

    def __init__(self, to: SpanExporter) -> None:
        self._to = to

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """As the exporter below does."""
        return self._to.export([_without_content(span) for span in spans])

    def shutdown(self) -> None:
        """As the exporter below does."""
        self._to.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """As the exporter below does."""
        return self._to.force_flush(timeout_millis)


def _without_content(span: ReadableSpan) -> ReadableSpan:
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=_kept(span.attributes),
        events=[Event(event.name, _kept(event.attributes), event.timestamp) for event in span.events],
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _kept(attributes: Attributes) -> dict[str, AttributeValue]:
    return {name: value for name, value in (attributes or {}).items() if name in KEPT}
