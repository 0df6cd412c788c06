"""Which signals of a file are the ECG, where electrodes of other organs have names like leads."""

import pytest

from ecg.errors import UnusableRecording
from ecg.formats.channels import Channel, choose


def chosen(*names: str) -> tuple[str, ...]:
    channels = [Channel(name, "uV", 500.0) for name in names]
    return tuple(names[i] for i in choose(channels).rows)


@pytest.mark.parametrize(
    "brain", [("C3", "C4", "O1", "O2"), ("C3-M2", "C4-M1"), ("Fp1-C3", "F4-C4"), ("C3:A2", "T3:A1")]
)
def test_electrodes_over_the_brain_are_no_chest_leads(brain: tuple[str, ...]) -> None:
    assert chosen(*brain, "ECG") == ("ECG",)
    with pytest.raises(UnusableRecording, match="No signal"):
        chosen(*brain)


def test_c1_to_c6_are_chest_leads_beside_limb_leads() -> None:
    names = ("I", "II", "III", "aVR", "aVL", "aVF", "C1", "C2", "C3", "C4", "C5", "C6")
    assert chosen(*names) == names


def test_what_is_left_out_over_the_brain_is_said() -> None:
    notes = choose([Channel(name, "uV", 500.0) for name in ("C3", "C4", "O1", "O2", "I", "II")]).notes
    assert len(notes) == 4
    assert notes[0] == "Signal C3 is left out: it is of the brain."
