"""What a caller states beside the bytes, for formats that do not say it themselves."""

from dataclasses import dataclass

from ecg.errors import InconsistentInput, MalformedInput
from ecg.leads import canonical_lead
from ecg.record import MILLIVOLTS_PER_UNIT, check_names


@dataclass(frozen=True)
class Stated:
    """Sampling rate in Hz, lead names in row order, unit of the samples, number of a recording in a file of many.

    `variable` is the name of the matrix in a MATLAB or HDF5 file of several. None where nothing was stated.
    """

    fs_hz: float | None = None
    leads: tuple[str, ...] | None = None
    unit: str | None = None
    index: int | None = None
    variable: str | None = None

    def check_alone(self) -> None:
        """Raise `MalformedInput` when one of several was asked for, in a file that holds a single recording."""
        if self.index not in (None, 0):
            raise MalformedInput("The file holds one recording.", "index", 0, self.index)
        if self.variable is not None:
            raise MalformedInput(
                "Matrices have names in MATLAB and HDF5 files only.", "variable", None, self.variable[:80]
            )

    def settle_fs(self, in_file: float | None) -> float:
        """The sampling rate in Hz, from the file or the statement; `MalformedInput` when neither says."""
        settled = self.fs_hz if in_file is None else in_file
        if settled is None:
            raise MalformedInput("The sampling rate is not stated.", "fs", "Hz", None)
        if in_file is not None and self.fs_hz is not None and in_file != self.fs_hz:
            raise InconsistentInput("The file states another sampling rate.", "fs", in_file, self.fs_hz)
        return settled

    def settle_leads(self, in_file: tuple[str, ...] | None) -> tuple[str, ...]:
        """Lead names in row order, from the file or the statement; `MalformedInput` when neither says."""
        settled = self.leads if in_file is None else in_file
        for names in (self.leads, in_file):
            if names is not None:
                check_names(names)
        if settled is None:
            raise MalformedInput("The lead names are not stated.", "lead_names", "one name a row", None)
        if self.leads is not None and [canonical_lead(n) for n in settled] != [canonical_lead(n) for n in self.leads]:
            raise InconsistentInput("The file names other leads.", "lead_names", list(settled), list(self.leads))
        return settled

    def settle_unit(self, in_file: str | None) -> str | None:
        """The unit of the samples, from the file or the statement; None when neither says."""
        if in_file and self.unit and _factor(in_file) != _factor(self.unit):
            raise InconsistentInput("The file states another unit.", "units", in_file, self.unit)
        return in_file or self.unit


def _factor(unit: str) -> float | str:
    """What tells a unit from another: its size, so that µV and uV are one; the word itself when it is unknown."""
    word = unit.strip().lower()
    return MILLIVOLTS_PER_UNIT.get(word, word)
