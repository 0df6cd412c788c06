"""One thread for matrix products that are too small to gain from two."""

from contextlib import AbstractContextManager
from functools import lru_cache

from threadpoolctl import ThreadpoolController


def one_thread() -> AbstractContextManager[object]:
    """A context in which numpy and scipy multiply matrices in the calling thread alone.

    With two threads products round otherwise than with one, and a second one waits for most of the time, which costs
    its CPU time. One thread gives a laptop, a replica and a worker of a cohort job the same digits.
    """
    limited: AbstractContextManager[object] = _libraries().limit(limits=1, user_api="blas")
    return limited


@lru_cache(maxsize=1)
def _libraries() -> ThreadpoolController:
    """The libraries that numpy and scipy multiply with, looked up once."""
    return ThreadpoolController()
