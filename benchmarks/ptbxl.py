"""Rule findings and intervals on PTB-XL, as `../shared/data/ptbxl_40hz` has it (folds 1 to 6, 0.5 to 40 Hz, 250 Hz).

    python -m benchmarks.ptbxl [--every N]

Sensitivity and specificity are over all recordings: an open finding of a positive has not found it. Rhythm labels are
judged where the recording has a rhythm statement. Normal: labelled NORM and nothing but a sinus rhythm beside it.
Without the folder: PTB-XL 1.0.3 is at https://physionet.org/content/ptb-xl (CC BY 4.0).
"""

import argparse
from collections.abc import Iterator

import numpy as np

from benchmarks.datasets import DATA, rows
from benchmarks.progress import shown
from benchmarks.results import Section
from benchmarks.scoring import Detection, detection
from ecg.leads import LIMB_LEADS, STANDARD_LEADS
from ecg.pipeline import Examination, examine
from ecg.record import EcgRecord

FOLDER = DATA / "ptbxl_40hz"
FS_HZ = 250.0
THOUSANDTHS = 1e-3
RHYTHM = frozenset(["SR", "AFIB", "STACH", "SARRH", "SBRAD", "PACE", "SVARR", "BIGU", "AFLT", "SVTAC", "PSVT", "TRIGU"])
TRUTH = {
    "Sinus rhythm": "SR STACH SBRAD SARRH",
    "Atrial fibrillation": "AFIB",
    "Atrial flutter": "AFLT",
    "Tachycardia": "STACH SVTAC PSVT",
    "Bradycardia": "SBRAD",
    "Premature ventricular contraction": "PVC BIGU TRIGU",
    "1st degree atrioventricular block": "1AVB",
    "Atrioventricular block": "1AVB 2AVB 3AVB",
    "Right bundle branch block": "CRBBB",
    "Left bundle branch block": "CLBBB",
    "Accessory pathway conduction": "WPW",
    "Infarction": "IMI ASMI ILMI AMI ALMI LMI IPLMI IPMI PMI",
}
BY_RHYTHM = ("Sinus rhythm", "Atrial fibrillation", "Atrial flutter")
INTERVALS = ("pr_interval", "qrs_duration", "qt_interval")
PRINTED = ("Infarction", "Accessory pathway conduction")  # whose open shares are printed, and nothing demanded
PERCENTILES = (2.5, 50.0, 97.5)


def recordings(every: int = 1) -> Iterator[tuple[frozenset[str], EcgRecord]]:
    """SCP statements and recording, every so many; the limb leads have their relative heights, no lead has a unit."""
    labels = {row["record"]: row for row in rows(FOLDER / "labels.csv")}
    for path in sorted(FOLDER.glob("fold*.npz")):
        content = np.load(path, allow_pickle=False)
        for name, samples in list(zip(content["record"], content["signal"], strict=True))[::every]:
            row = labels[str(name)]
            signal = samples.astype(np.float32) * np.float32(THOUSANDTHS)
            for lead in LIMB_LEADS:
                signal[STANDARD_LEADS.index(lead)] *= np.float32(row[f"scale_{lead}"])
            statements = frozenset(row["scp_statements"].split(";"))
            yield statements, EcgRecord(signal, STANDARD_LEADS, FS_HZ, None, str(name))


def detections(examined: list[tuple[frozenset[str], Examination]]) -> list[Detection]:
    """How each label of `TRUTH` was answered."""
    found = []
    for label, codes in TRUTH.items():
        pairs = [
            (bool(statements & set(codes.split())), answer(examination, label))
            for statements, examination in examined
            if label not in BY_RHYTHM or statements & RHYTHM
        ]
        found.append(detection(label, pairs))
    return found


def answer(examination: Examination, label: str) -> bool | None:
    return next(finding.present for finding in examination.findings if finding.label == label)


def normal_intervals(examined: list[tuple[frozenset[str], Examination]]) -> dict[str, tuple[int, int, list[float]]]:
    """Of the normal recordings: how many, how many without the value, and its `PERCENTILES`, by interval."""
    normal = [one for statements, one in examined if "NORM" in statements and statements <= {"NORM", "SR"}]
    table = {}
    for name in INTERVALS:
        values = [value for one in normal if (value := getattr(one.measurements, name).value) is not None]
        percentiles = np.percentile(values, PERCENTILES).tolist() if values else []
        table[name] = (len(normal), len(normal) - len(values), percentiles)
    return table


def ptbxl() -> Section:
    """The chapter of the conformance report."""
    if not FOLDER.is_dir():
        return Section(
            "PTB-XL", f"{FOLDER} is not there: PTB-XL is at https://physionet.org/content/ptb-xl (CC BY 4.0)."
        )
    chosen = list(recordings())
    examined = [(statements, examine(record)) for statements, record in shown(chosen, "recordings", len(chosen))]
    rows_of = normal_intervals(examined)
    counts = tuple(
        (f"normal {name}", f"{', '.join(f'{value:.0f}' for value in percentiles)} ms, {missing} of {n} null", "")
        for name, (n, missing, percentiles) in rows_of.items()
    )
    intro = (
        f"{len(examined)} recordings of folds 1 to 6, 0.5 to 40 Hz at 250 Hz; percentiles {PERCENTILES} of the normal."
    )
    found = detections(examined)
    shares = tuple(
        (
            f"{row.label}, open",
            f"{_percent(row.open_positive, row.positives)} of the positives, "
            f"{_percent(row.open_negative, row.negatives)} of the negatives",
            "" if row.label in PRINTED else "≤ 5 % each",
        )
        for row in found
    )
    figures = {f"ptbxl.{row.label}.missed": float(row.positives - row.found) for row in found}
    figures |= {f"ptbxl.{row.label}.false": float(row.false) for row in found}
    figures |= {f"ptbxl.{row.label}.open": float(row.open_positive + row.open_negative) for row in found}
    return Section("PTB-XL", intro, labels=tuple(found), counts=counts + shares, figures=figures)


def _percent(part: int, of: int) -> str:
    return f"{100 * part / max(1, of):.1f} %"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, help="take every so many of the recordings")
    arguments = parser.parse_args()
    if not FOLDER.is_dir():
        print(f"{FOLDER} is not there: see the top of this file")
        return 1
    chosen = list(recordings(arguments.every))
    examined = [(statements, examine(record)) for statements, record in shown(chosen, "recordings", len(chosen))]
    print(f"{'':36s} {'pos':>5s} {'neg':>5s}  sens  spec  open+ open-")
    for row in detections(examined):
        shares = (
            row.sensitivity,
            row.specificity,
            row.open_positive / max(1, row.positives),
            row.open_negative / max(1, row.negatives),
        )
        cells = " ".join("    –" if share is None else f"{share:5.3f}" for share in shares)
        print(f"{row.label:36s} {row.positives:5d} {row.negatives:5d} {cells}")
    for name, (n, missing, percentiles) in normal_intervals(examined).items():
        print(f"normal {name:16s} n {n}, null {missing}, {', '.join(f'{value:.0f}' for value in percentiles)} ms")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
