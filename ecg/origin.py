"""`Origin`: what a file says of a recording beside its samples and their time."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Origin:
    """Device, filters, and the device's own results; None or empty unless the file says it.

    No name, identifier or birth date of a person is ever in here, and nothing of it belongs in a log or a metric.

    Attributes
    ----------
    manufacturer, model, software
        Of the device.
    filters
        Filter settings as the file words them.
    high_pass_hz, low_pass_hz, notch_hz
        Cut-off frequencies in Hz that were applied to the samples.
    age_years
        Of the patient; 90 and more is given as 90.
    sex
        ``"male"`` or ``"female"``.
    measurements
        The device's own, by the names of ours: ``heart_rate`` (bpm), ``pr_interval``, ``qrs_duration``,
        ``qt_interval``, ``qtc_interval`` (ms), ``p_axis``, ``qrs_axis``, ``t_axis`` (degrees).
    statements
        The device's own, in its language.
    identifying
        Kinds of fields that identify a person and were found in the file, never their content.
    """

    manufacturer: str | None = None
    model: str | None = None
    software: str | None = None
    filters: tuple[str, ...] = ()
    high_pass_hz: float | None = None
    low_pass_hz: float | None = None
    notch_hz: float | None = None
    age_years: float | None = None
    sex: str | None = None
    measurements: Mapping[str, float] = field(default_factory=dict)
    statements: tuple[str, ...] = ()
    identifying: tuple[str, ...] = ()
