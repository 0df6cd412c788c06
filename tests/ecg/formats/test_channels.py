"""Which signals of a file are the ECG, where electrodes of other organs have names like leads."""

import pytest

from ecg.errors import UnusableRecording
from ecg.formats.channels import Channel, choose


def chosen(*names: str) -> tuple[str, ...]:
    channels = [Channel(name, "uV", 500.0) for name in names]
    return tuple(names[i] for i in choose(channels).rows)


@pytest.mark.parametrize(
    "brain",
    [
        ("C3", "C4", "O1", "O2"),
        ("C3-M2", "C4-M1"),
        ("Fp1-C3", "F4-C4"),
        ("C3:A2", "T3:A1"),
        ("C3", "C4", "A1", "A2", "LOC", "ROC", "CHIN"),
        ("C3", "C4", "M1", "M2", "E1", "E2", "EMG Chin"),
        ("C3", "C4", "EOG-L"),
        ("C4", "M1"),
        ("C3", "C4"),
        ("LOC", "ROC", "M1"),
    ],
)
def test_electrodes_over_the_brain_are_no_chest_leads(brain: tuple[str, ...]) -> None:
    assert chosen(*brain, "ECG") == ("ECG",)
    with pytest.raises(UnusableRecording, match="No signal"):
        chosen(*brain)


def test_c1_to_c6_are_chest_leads_beside_limb_leads() -> None:
    names = ("I", "II", "III", "aVR", "aVL", "aVF", "C1", "C2", "C3", "C4", "C5", "C6")
    assert chosen(*names) == names


@pytest.mark.parametrize("beside", [(), ("Resp",), ("EMG", "E1", "A1")])
def test_all_six_of_the_chest_stay_chest_leads_beside_signals_of_the_body(beside: tuple[str, ...]) -> None:
    names = ("I", "II", "C1", "C2", "C3", "C4", "C5", "C6")
    assert chosen(*names, *beside) == names


@pytest.mark.parametrize(
    "beside", ["Resp", "RESP (ABD)", "Respiratory effort", "ABP", "SpO2", "Pleth", "Thorax", "PPG IR"]
)
def test_what_is_no_lead_is_left_out_beside_signals_of_unknown_names(beside: str) -> None:
    assert chosen("EKG L", "EKG R", beside) == ("EKG L", "EKG R")
    channels = [Channel(name, None, 500.0) for name in ("chan 1", beside)]
    assert choose(channels).notes == (f"Signal {beside} is left out: its name is of no ECG lead.",)


def test_numbered_inputs_of_a_device_are_no_electrodes_of_the_head() -> None:
    assert chosen("A1", "A2") == ("A1", "A2")


def test_what_is_left_out_over_the_brain_is_said() -> None:
    notes = choose([Channel(name, "uV", 500.0) for name in ("C3", "C4", "O1", "O2", "I", "II")]).notes
    assert len(notes) == 4
    assert notes[0] == "Signal C3 is left out: it is recorded at the head."
