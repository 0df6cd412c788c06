"""Write the model card from the figures of a training.

    python -m training.card --out build/small --card docs/model-card.md

Reads `evidence.json` and, where it is there, `together.json`; nothing in the card's tables is typed by hand.
"""

import argparse
import json
from pathlib import Path
from typing import Any

HEAD = """# Model card: the small model of the package

`ecg/models/small.safetensors` is a small ECG-FM: the same architecture at 0.83 million parameters (the published
network has 90 million), float16, {size:.1f} MB. It answers where the published checkpoints are neither cached nor
on a hub that can be reached (`weights: auto`), or where it is asked for (`--weights small`).

| | |
|---|---|
| file | SHA-256 `{sha256}`, seed {seed} |
| made by | `python -m training.small` ([training.md](training.md)) |
| learnt from | 6,000 simulated recordings (`ecg.simulation`); PTB-XL folds 1–5, 909 recordings |
| licence of PTB-XL | CC BY 4.0, <https://physionet.org/content/ptb-xl>; this file is an adaptation of it |
| speaks about | {speaking} of 17 labels; every other label is null with the reason "not validated" |
| probabilities | calibrated (Platt) on PTB-XL fold 6, prevalence as in PTB-XL |

## Must not be used for

- **Deciding about a patient.** It is no medical device, and nobody has shown that anyone is better off with it.
- Ruling anything out. A label that is silent or low does not say that the condition is absent.
- Children, pacemakers, rhythm strips, fewer than twelve leads: there is no evidence.
- Prevalences far from a hospital's resting ECGs: the probabilities are calibrated for PTB-XL alone.
- Comparing embeddings with those of the published model: it is another network, of another width (160).

`Tachycardia` and `Bradycardia` are what PTB-XL's readers stated (sinus or supraventricular): a fast atrial
fibrillation is often not called tachycardia by the model. The rules, which go by rate alone, then contradict it,
and both are shown.

## Evidence for each label

A label speaks when the lower 95 % bound of its AUROC is at least 0.90 with at least 15 positives, on recordings
that the judged net has not learnt from. *All* pools PTB-XL fold 6, LUDB and CinC-2021, judged by the shipped net,
and folds 4 and 5, judged by a net of the same method that has not seen them ([training.md](training.md)). *Shipped*
is without the latter: what is known of this very file. Fold 6 was also used to calibrate, which leaves an AUROC as
it is, and for nothing else. A positive is compared with negatives of its own set only.

| label | | all: AUROC (95 %) | positives | shipped: AUROC (95 %) | positives |
|---|---|---|---|---|---|
"""

ORIGINS = """
Positives of fewer than fifteen make a wide interval: a high AUROC beside "silent" is not evidence enough.

## By set

AUROC, and how many positives it stands on.

"""

GROUPS = """
## By sex, age and quality

AUROC of the labels that speak, and positives. Sex and age are those of PTB-XL, quality is the grade that the
service gives recordings of LUDB and CinC-2021.

"""

BRIER = """
## Calibration

Brier score on fold 6, calibrated in ten parts on the other nine, and that of always saying the prevalence.

| label | Brier | prevalence alone |
|---|---|---|
"""

ALIKE = """
## Filters and rates

Each recording of LUDB and CinC-2021 as it is, low-passed at 40 Hz, at 100 Hz and at 250 Hz: the share of recordings
whose four probabilities lie within 0.1. The aim is 0.95.

| label | share |
|---|---|
"""

NETS = """
## Another training

AUROC on fold 6 of the shipped net and of the judge, a net of another draw of batches and two fifths fewer
recordings. It is not a second seed of the whole training, which was not made.

| label | shipped | judge |
|---|---|---|
"""

TOGETHER = """
## Rules and model together

A decided rule moves the log odds of a calibrated probability by 2 towards it (`ecg.report.conclusion.weighed`); an
open rule moves nothing. A label counts as found from 0.5, and a label without a probability is the rules'. Where
rule and model contradict each other, `consistency` shows both. Sensitivities below are at the specificity of the
rules, on fold 6, LUDB and CinC-2021 together.

| label | positives | specificity | rules | model | both |
|---|---|---|---|---|---|
"""


def card(evidence: dict[str, Any], together: dict[str, Any], size_bytes: int) -> str:
    """The model card as Markdown."""
    rows = evidence["labels"]
    speaking = [name for name, row in rows.items() if row["speaks"]]
    text = HEAD.format(size=size_bytes / 1e6, sha256=evidence["sha256"], seed=evidence["seed"], speaking=len(speaking))
    for name, row in rows.items():
        says = "speaks" if row["speaks"] else "silent"
        pooled, own = row["all"], row["shipped"]
        text += f"| {name} | {says} | {_area(pooled)} | {pooled['positives']} | {_area(own)} | {own['positives']} |\n"
    text += ORIGINS + _matrix(rows, list(rows), "by_origin")
    text += GROUPS + _matrix(rows, speaking, "by_group")
    text += BRIER
    for name, row in rows.items():
        if row["brier"]:
            text += f"| {name} | {row['brier'][0]:.4f} | {row['brier'][1]:.4f} |\n"
    if evidence["alike"]:
        text += ALIKE + "".join(f"| {name} | {share:.3f} |\n" for name, share in evidence["alike"].items())
    text += NETS
    for name in speaking:
        text += f"| {name} | " + " | ".join(_number(area) for area in evidence["nets"][name]) + " |\n"
    if together:
        text += TOGETHER
        for name, row in together.items():
            figures = " | ".join(f"{row[key]:.3f}" for key in ("specificity", "rules", "model", "both"))
            text += f"| {name} | {row['positives']} | {figures} |\n"
    return text


def _area(found: dict[str, Any]) -> str:
    if found["auroc"] is None:
        return "–"
    return f"{found['auroc']:.3f} ({found['lower']:.3f}–{found['upper']:.3f})"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _matrix(rows: dict[str, Any], names: list[str], key: str) -> str:
    columns = list(dict.fromkeys(column for name in names for column in rows[name][key]))
    text = "| label | " + " | ".join(columns) + " |\n|" + "---|" * (len(columns) + 1) + "\n"
    for name in names:
        cells = []
        for column in columns:
            found = rows[name][key].get(column)
            known = found is not None and found["auroc"] is not None
            cells.append(f"{found['auroc']:.3f} ({found['positives']})" if known else "–")
        if set(cells) != {"–"}:
            text += f"| {name} | " + " | ".join(cells) + " |\n"
    return text


def main(arguments: list[str] | None = None) -> int:
    """Write the card; the exit status is 0."""
    parser = argparse.ArgumentParser(
        "python -m training.card", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder that training.small wrote to")
    parser.add_argument("--card", type=Path, required=True, help="file to write")
    args = parser.parse_args(arguments)
    together = args.out / "together.json"
    evidence = json.loads((args.out / "evidence.json").read_text())
    found = json.loads(together.read_text()) if together.exists() else {}
    args.card.write_text(card(evidence, found, (args.out / "small.safetensors").stat().st_size))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
