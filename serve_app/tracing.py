"""Traces of requests across the deployments, for an OpenTelemetry collector. Off unless ECG_TRACED_SHARE is set.

Serve makes the spans: one for the ingress, one for each call of a deployment, one in the deployment called. Whether a
request is traced is decided once, at its head (`serve_app.edge.front`): Serve alone would decide anew in every process
and send pieces. The collector is where OTEL_EXPORTER_OTLP_ENDPOINT says.
"""

import os
from collections.abc import Sequence

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanContext, Status
from opentelemetry.util.types import Attributes, AttributeValue

from serve_app.edge.front import NOBODY

SERVICE = "ecg-serve"
#: All that a span says beside its name and times.
KEPT = frozenset({"request_id", "replica_id", "deployment", "app", "call_method", "route", "exception.type"})


def otlp() -> list[SpanProcessor]:
    """What Serve sends the spans of a process to; Serve calls this once in each."""
    os.environ.setdefault("OTEL_SERVICE_NAME", SERVICE)
    return [BatchSpanProcessor(WithoutContent(OTLPSpanExporter()))]


class WithoutContent(SpanExporter):
    """Sends spans on without what may repeat what a caller sent: messages, tracebacks, the caller's `tracestate`."""

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
        context=_without_state(span.context),
        parent=None if span.parent is None or span.parent.span_id == int(NOBODY, 16) else _without_state(span.parent),
        resource=span.resource,
        attributes=_kept(span.attributes),
        events=[Event(event.name, _kept(event.attributes), event.timestamp) for event in span.events],
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _without_state(context: SpanContext) -> SpanContext:
    return SpanContext(context.trace_id, context.span_id, context.is_remote, context.trace_flags)


def _kept(attributes: Attributes) -> dict[str, AttributeValue]:
    return {name: value for name, value in (attributes or {}).items() if name in KEPT}
