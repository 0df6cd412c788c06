"""Log records without what exceptions say: a message may repeat bytes of a request, and a log outlives it.

Serve logs whatever a deployment raises with its whole traceback, refusals of a caller's input included, and so does
the HTTP server under it. What stays of an exception in a log is its type and where it was raised. A refusal, which is
told to the caller, keeps its type only.
"""

import logging
from typing import Any

from ecg.errors import EcgError

#: As many causes of a cause are shown.
_MOST_CAUSES = 8


def hide_messages() -> None:
    """From here on, every log record of this process is made without the messages of exceptions."""
    former = logging.getLogRecordFactory()
    if getattr(former, "hides_messages", False):
        return

    def made(*args: Any, **options: Any) -> logging.LogRecord:
        record = former(*args, **options)
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            bare = without_message(error)
            record.exc_info = (type(bare), bare, bare.__traceback__)
        return record

    made.hides_messages = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(made)


def without_message(error: BaseException, depth: int = 0) -> BaseException:
    """An exception of a type of the same name that says nothing, with the traceback and the causes of `error`."""
    kind = type(error)
    bare: BaseException = type(kind.__name__, (Exception,), {"__module__": kind.__module__})()
    if isinstance(error, EcgError) or depth == _MOST_CAUSES:
        bare.__suppress_context__ = True
        return bare
    bare.__traceback__ = error.__traceback__
    if error.__cause__ is not None:
        bare.__cause__ = without_message(error.__cause__, depth + 1)
    elif error.__context__ is not None and not error.__suppress_context__:
        bare.__context__ = without_message(error.__context__, depth + 1)
    return bare
