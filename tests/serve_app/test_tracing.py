"""Which requests are traced, and what a span does not say."""

import random
import re
from collections.abc import Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from ecg.errors import MalformedInput
from serve_app import environment
from serve_app.edge.front import NOBODY, traced
from serve_app.tracing import WithoutContent

SECRET = "patient-4711"
CALLERS = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0"


class Kept(SpanExporter):
    """Keeps what would be sent."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.spans += spans
        return SpanExportResult.SUCCESS


def sent(parent: int) -> ReadableSpan:
    """A span as Serve makes it of a request that failed, as it is sent."""
    kept = Kept()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(WithoutContent(kept)))
    said = SpanContext(1 << 100, parent, True, TraceFlags(1), TraceState([("ecg", SECRET)]))
    span = provider.get_tracer("ray").start_span("replica", set_span_in_context(NonRecordingSpan(said)))
    span.set_attributes({"deployment": "Inbox", "request_id": "r-1", "note": SECRET})
    span.record_exception(ValueError(SECRET))
    span.set_status(Status(StatusCode.ERROR, SECRET))
    span.end()
    (one,) = kept.spans
    return one


def test_a_span_says_nothing_that_a_caller_sent() -> None:
    span = sent(parent=7)
    assert SECRET not in span.to_json()
    assert not span.context.trace_state
    assert not span.parent.trace_state
    assert dict(span.attributes) == {"deployment": "Inbox", "request_id": "r-1"}
    (event,) = span.events
    assert dict(event.attributes) == {"exception.type": "ValueError"}
    assert (span.status.status_code, span.parent.span_id) == (StatusCode.ERROR, 7)


def test_a_trace_that_begins_here_has_no_parent() -> None:
    assert sent(parent=int(NOBODY, 16)).parent is None


def test_a_request_is_traced_as_its_head_says_and_its_state_goes() -> None:
    for flag in (b"0", b"1"):
        head = [(b"host", b"x"), (b"traceparent", CALLERS + flag), (b"tracestate", SECRET.encode())]
        assert traced(head, 0.5) == head[:2]


@pytest.mark.parametrize(
    "parents",
    [
        [],
        [b"00-" + b"0" * 32 + b"-b7ad6b7169203331-01"],
        [SECRET.encode()],
        [CALLERS + b"1", CALLERS + b"0"],
    ],
)
def test_without_a_usable_parent_it_is_one_in_a_share(parents: list[bytes]) -> None:
    head = [(b"host", b"x"), *((b"traceparent", value) for value in parents)]
    assert traced(head, 0.0) == head[:1]
    begun = re.compile(rb"00-[0-9a-f]{32}-" + NOBODY.encode() + rb"-01")
    (_, (name, value)) = traced(head, 1.0)
    assert (name, bool(begun.fullmatch(value))) == (b"traceparent", True)
    random.seed(0)
    assert 60 <= sum(len(traced(head, 0.01)) - 1 for _ in range(10_000)) <= 140  # four standard deviations


@pytest.mark.parametrize("said", ["1.5", "-1", "one", "nan"])
def test_a_share_that_is_none_is_refused(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECG_TRACED_SHARE", said)
    with pytest.raises(MalformedInput):
        environment.ray_environment()


def test_traces_are_off_unless_a_share_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ECG_TRACED_SHARE", raising=False)
    assert not environment.TRACES.items() & environment.ray_environment().items()
    monkeypatch.setenv("ECG_TRACED_SHARE", "0.01")
    assert environment.TRACES.items() <= environment.ray_environment().items()
