"""The examination, whose digits must be the same wherever it runs."""

from threadpoolctl import ThreadpoolController

import ecg
from ecg.pipeline import examine
from ecg.simulation import SCENARIOS, simulate


def test_an_examination_has_the_same_digits_with_one_thread_and_with_two() -> None:
    """A cohort's tables compare by byte, and a cluster gives a worker one thread where a laptop has all.

    These are recordings whose digits differed before one thread was used; most never did.
    """
    libraries = ThreadpoolController()
    for name in ("right_axis", "atrial_fibrillation"):
        record = simulate(SCENARIOS[name], seed=7).record
        with libraries.limit(limits=1, user_api="blas"):
            alone = examine(record)
        with libraries.limit(limits=2, user_api="blas"):
            together = examine(record)
            measured = ecg.measure(record)
        assert repr(together.measurements) == repr(measured) == repr(alone.measurements)
        assert together.quality == alone.quality
