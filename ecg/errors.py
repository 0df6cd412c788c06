"""What can go wrong, as types: every refusal carries a stable code, the field, what was expected and what came.

EcgError
├── MalformedInput          the bytes or fields cannot be read as what they claim to be
│   ├── DuplicateLead       one lead name twice
│   ├── InconsistentInput   two statements in one input contradict each other
│   └── InvalidScenario     nothing can be simulated from these parameters
├── InputTooLarge           more bytes (also after inflation) or samples than accepted
├── RequestTooSlow          the sender stopped in the middle
├── UnknownFormat           no reader knows the bytes or the content type
├── NotAcceptable           the answer does not exist in any form that the client takes
├── UnknownMessageVersion   a message of a type or version that no decoder here knows
├── UnknownRecording        no recording under that id
├── UnknownKey              no valid API key of that id
├── Unauthenticated         no credential, or none that is valid
├── Forbidden               a valid credential without the right to this
├── KeysUnreadable          the file of API keys is damaged or cannot be read
├── AuditBroken             the audit log is not as it was written
├── BusError                the message bus or its storage refuses or does not answer
├── Overloaded              no room now, come again after `retry_after_s`
│   ├── AnalysisLost        the process that analysed a recording ended, or gave no answer in time
│   ├── QuotaExceeded       one origin has too much unfinished work here
│   └── StoreUnavailable    the durable store does not answer
├── UnusableRecording       well-formed, but no valid analysis exists for it
│   ├── MissingLeads
│   ├── RecordingTooShort
│   ├── RecordingTooLong
│   ├── SamplingRateOutOfRange
│   └── InvalidSamples      NaN, where a method needs every sample
├── ModelError
│   ├── CheckpointRejected  unsafe, damaged or of another architecture
│   ├── WeightsUnavailable  not cached and the hub cannot be reached
│   ├── BackendUnavailable  the engine asked for is not installed or not possible here
│   └── ModelNotReady       still loading
"""


class EcgError(Exception):
    """Base of every refusal this project makes on purpose.

    All arguments are positional so that the exception survives pickling between processes.
    """

    code = "ecg_error"

    def __init__(self, message: str, field: str | None = None, expected: object = None, got: object = None) -> None:
        super().__init__(message, field, expected, got)
        self.message = message
        self.field = field
        self.expected = expected
        self.got = got

    def __str__(self) -> str:
        return self.message


class MalformedInput(EcgError):
    """The bytes or fields cannot be read as what they claim to be."""

    code = "malformed_input"


class DuplicateLead(MalformedInput):
    """One lead name stands twice in a recording."""

    code = "duplicate_lead"


class InconsistentInput(MalformedInput):
    """Two statements in one input contradict each other, such as duration against samples and sampling rate."""

    code = "inconsistent_input"


class InvalidScenario(MalformedInput):
    """Parameters from which no recording can be simulated."""

    code = "invalid_scenario"


class InputTooLarge(EcgError):
    """More bytes than accepted, before or after inflation."""

    code = "input_too_large"


class RequestTooSlow(EcgError):
    """The sender stopped in the middle."""

    code = "request_too_slow"


class UnknownFormat(EcgError):
    """No reader knows these bytes or this content type."""

    code = "unknown_format"


class NotAcceptable(EcgError):
    """The answer does not exist in any form that the client takes."""

    code = "not_acceptable"


class UnknownMessageVersion(EcgError):
    """A message of a type or version that no decoder here knows."""

    code = "unknown_message_version"


class UnknownRecording(EcgError):
    """No recording is kept under that id."""

    code = "unknown_recording"


class UnknownKey(EcgError):
    """No valid API key has that id."""

    code = "unknown_key"


class Unauthenticated(EcgError):
    """No credential was presented, or none that is valid."""

    code = "unauthenticated"


class Forbidden(EcgError):
    """The credential is valid and has no right to this."""

    code = "forbidden"


class KeysUnreadable(EcgError):
    """The file of API keys is damaged or cannot be read, so that nobody can be told from anybody."""

    code = "keys_unreadable"


class AuditBroken(EcgError):
    """An entry of the audit log is not as it was written, or is missing."""

    code = "audit_broken"


class BusError(EcgError):
    """The message bus or its storage refuses, or does not answer."""

    code = "bus_error"


class Overloaded(EcgError):
    """There is no room for this now; the same request can succeed later: after `retry_after_s` seconds, if not None."""

    code = "overloaded"

    def __init__(
        self,
        message: str,
        field: str | None = None,
        expected: object = None,
        got: object = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, field, expected, got)
        self.args = (message, field, expected, got, retry_after_s)
        self.retry_after_s = retry_after_s


class QuotaExceeded(Overloaded):
    """One origin has too much unfinished work here."""

    code = "quota_exceeded"


class AnalysisLost(Overloaded):
    """The process that worked on a recording ended or did not answer: by chance, or because of the recording.

    To a client it is an overload: the same request may succeed on another replica.
    """

    code = "analysis_lost"


class StoreUnavailable(Overloaded):
    """The durable store does not answer; nothing was acknowledged."""

    code = "store_unavailable"


class UnusableRecording(EcgError):
    """Well-formed, but no valid analysis exists for it."""

    code = "unusable_recording"


class MissingLeads(UnusableRecording):
    """Leads that the method needs are absent and cannot be derived."""

    code = "missing_leads"


class RecordingTooShort(UnusableRecording):
    """Shorter than the shortest segment a method works on."""

    code = "recording_too_short"


class RecordingTooLong(UnusableRecording):
    """Longer than one request may be."""

    code = "recording_too_long"


class SamplingRateOutOfRange(UnusableRecording):
    """A sampling rate outside what the methods are valid for."""

    code = "sampling_rate_out_of_range"


class InvalidSamples(UnusableRecording):
    """Missing samples (NaN) where a method needs every one."""

    code = "invalid_samples"


class ModelError(EcgError):
    """A model cannot be loaded or used."""

    code = "model_error"


class CheckpointRejected(ModelError):
    """An unsafe or damaged checkpoint, or one of another architecture."""

    code = "checkpoint_rejected"


class WeightsUnavailable(ModelError):
    """The weights are neither cached nor to be had from the hub."""

    code = "weights_unavailable"


class BackendUnavailable(ModelError):
    """The engine asked for is not installed or not possible on this machine."""

    code = "backend_unavailable"


class ModelNotReady(ModelError):
    """The model is still loading."""

    code = "model_not_ready"
