"""Floors on real recordings; they may only rise. docs/quality.md says which figures are fitted."""

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ecg.leads import STANDARD_LEADS
from ecg.quality import assess_quality
from ecg.record import EcgRecord
from ecg.simulation.artefacts import exchange
from ecg.simulation.scenario import Artefact
from ecg.simulation.shapes import lead_matrix

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
pytestmark = [pytest.mark.shared, pytest.mark.skipif(not DATA.is_dir(), reason="no ../shared/data")]
CINC2011_LEADS = ("I", "II", "III", "aVR", "aVF", "aVL", *STANDARD_LEADS[6:])


@pytest.fixture(scope="module")
def ludb() -> list[EcgRecord]:
    wfdb = pytest.importorskip("wfdb")
    found = []
    for path in sorted((DATA / "ludb").glob("*.hea")):
        read = wfdb.rdrecord(str(path.with_suffix("")))
        found.append(EcgRecord(read.p_signal.T, tuple(read.sig_name), float(read.fs), "mV", name=path.stem))
    assert len(found) == 104
    return found


def cinc2011() -> Iterator[tuple[EcgRecord, bool]]:
    rows = (DATA / "cinc2011_quality" / "labels.csv").read_text().splitlines()
    for row in csv.DictReader(rows):
        samples = np.loadtxt(DATA / "cinc2011_quality" / f"{row['record']}.txt", delimiter=",")[:, 1:].T
        record = EcgRecord(samples.astype(np.float32), CINC2011_LEADS, 500.0, None, row["record"])
        yield record, row["group_label"] == "acceptable"


def reversed_limbs(record: EcgRecord, pair: str) -> EcgRecord:
    """The record as it would be with two limb electrodes exchanged; augmented leads follow from the electrodes."""
    first, second = record.lead("I"), record.lead("II")
    right = -(first + second) / 3
    potentials = np.stack([right, right + first, right + second, *(record.lead(f"V{n}") for n in range(1, 7))])
    signal = lead_matrix() @ exchange(potentials, (Artefact("reversal", at=pair),))
    return EcgRecord(signal.astype(np.float32), STANDARD_LEADS, record.fs_hz, "mV")


def test_cinc2011_acceptability() -> None:
    right = [assess_quality(record).acceptable == acceptable for record, acceptable in cinc2011()]
    assert len(right) == 50
    assert np.mean(right) >= 0.92


def test_clean_recordings_are_seldom_faulted(ludb: list[EcgRecord]) -> None:
    qualities = [assess_quality(record) for record in ludb]
    assert np.mean([quality.grade in ("Excellent", "Good") for quality in qualities]) >= 0.94
    assert np.mean([quality.acceptable for quality in qualities]) >= 0.97
    assert np.mean([quality.lead_reversal is not None for quality in qualities]) <= 0.01
    assert np.mean([quality.possible_reversal is not None for quality in qualities]) <= 0.02


@pytest.mark.parametrize(
    ("pair", "named", "suspected"), [("LA/RA", 0.98, 0.98), ("RA/LL", 0.97, 0.97), ("LA/LL", 0.90, 0.93)]
)
def test_made_limb_lead_reversals_are_found(ludb: list[EcgRecord], pair: str, named: float, suspected: float) -> None:
    found = [assess_quality(reversed_limbs(record, pair)) for record in ludb]
    assert np.mean([quality.lead_reversal == pair for quality in found]) >= named
    assert np.mean([pair in (quality.lead_reversal, quality.possible_reversal) for quality in found]) >= suspected


def test_recordings_turned_over_are_not_reported_with_confidence(ludb: list[EcgRecord]) -> None:
    turned = [assess_quality(EcgRecord(-one.signal, one.leads, one.fs_hz, one.unit)) for one in ludb]
    assert np.mean([not quality.acceptable for quality in turned]) >= 0.83
    assert np.mean(["all leads" in (one.lead_reversal, one.possible_reversal) for one in turned]) >= 0.93


@pytest.mark.parametrize(("pair", "floor"), [((6, 7), 0.85), ((7, 8), 0.85), ((6, 8), 0.93), ((8, 9), 0.90)])
def test_made_precordial_exchanges_are_found(ludb: list[EcgRecord], pair: tuple[int, int], floor: float) -> None:
    found = []
    for record in ludb:
        signal = record.standard().signal.copy()
        signal[list(pair)] = signal[list(reversed(pair))]
        found.append(assess_quality(EcgRecord(signal, STANDARD_LEADS, record.fs_hz, "mV")).lead_reversal)
    assert np.mean([answer is not None for answer in found]) >= floor
