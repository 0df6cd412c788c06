"""`GraphMetrics`: what is asked, found and refused, counted where every recording passes."""

from ray.serve.metrics import Counter

from deployments.serve.ray_errors import as_ecg_error, is_queue_full
from ecg.errors import AnalysisLost, ModelNotReady, Overloaded
from ecg.report import Report


class GraphMetrics:
    """Counters with labels of bounded number: no patient, no record, no text of a file."""

    def __init__(self) -> None:
        self._recordings = Counter(
            "ecg_recordings",
            description="Recordings answered, by the format they came in and their quality",
            tag_keys=("format", "quality"),
        )
        self._conclusions = Counter(
            "ecg_conclusions",
            description="Answers with a clinical part, by who decided it",
            tag_keys=("source",),
        )
        self._labels = Counter(
            "ecg_labels_found",
            description="Rhythms and abnormalities found; over ecg_conclusions, how frequent each is",
            tag_keys=("label",),
        )
        self._refusals = Counter(
            "ecg_refusals",
            description="Recordings refused for want of capacity, by cause",
            tag_keys=("cause",),
        )

    def answered(self, report: Report, clinical: bool) -> None:
        """Count a report; its labels where it has a clinical part."""
        examination = report.analysis.examination
        form = report.analysis.record.format or "other"
        self._recordings.inc(tags={"format": form, "quality": examination.quality.grade})
        if not clinical:
            return
        conclusion = report.conclusion
        self._conclusions.inc(tags={"source": conclusion.source})
        found = {conclusion.rhythm, *conclusion.abnormalities} - {None}
        for label in found or {"none"}:
            self._labels.inc(tags={"label": str(label)})

    def refused(self, error: BaseException) -> None:
        """Count an error when it is a refusal that says "come again"."""
        said = as_ecg_error(error)
        if is_queue_full(error):
            cause = "queue"
        elif isinstance(said, ModelNotReady):
            cause = "model_not_ready"
        elif isinstance(error, Overloaded):
            return  # of an admission limit, which counts its own
        elif isinstance(said, (AnalysisLost, Overloaded)):
            cause = "replica_lost"
        else:
            return
        self._refusals.inc(tags={"cause": cause})
