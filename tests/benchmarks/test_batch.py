"""The benchmark of the cohort job."""

from benchmarks.batch import weights_of


def test_the_cohort_benchmark_says_that_its_models_are_the_stand_in():
    assert {part: name.split("/")[0] for part, name in weights_of("stand-in").items()} == {
        "clinical": "stand-in", "features": "stand-in",
    }  # fmt: skip
