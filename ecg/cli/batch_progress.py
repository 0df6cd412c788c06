"""Progress over many files on the terminal, with the failure of one file kept from the others."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

from ecg.cli import describe
from ecg.errors import EcgError


class Batch(Progress):
    """A progress bar on standard error that also counts what failed.

    The bar is drawn on a terminal only; failures are always written, one line each.
    """

    def __init__(self, title: str, total: int) -> None:
        columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
        console = Console(file=sys.stderr)
        super().__init__(*columns, console=console, disable=not console.is_terminal)
        self._work = self.add_task(title, total=total)
        self._total = total
        self.failed = 0

    @contextmanager
    def item(self, name: str) -> Iterator[None]:
        """One file: a refusal or an unreadable file inside is reported and counted."""
        try:
            yield
        except (EcgError, OSError, UnicodeDecodeError) as error:
            self.failed += 1
            reason = describe(error) if isinstance(error, EcgError) else str(error)
            self.console.print(f"{name}: {reason}", markup=False, highlight=False, soft_wrap=True)
        self.advance(self._work)

    def summary(self) -> str:
        """Done and failed, for the last line on the terminal."""
        return f"{self._total - self.failed} done, {self.failed} failed"

    @property
    def exit_status(self) -> int:
        """0, or 1 when something failed."""
        return 1 if self.failed else 0
