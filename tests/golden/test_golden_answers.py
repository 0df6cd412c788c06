"""The answers to 40 recordings, by every way of asking, are those of `answers.jsonl`."""

from pathlib import Path

from tests.golden.answers import Answers, answers, differences, stored


def test_the_answers_are_those_on_file(tmp_path: Path) -> None:
    expected, found = stored(), answers(tmp_path)
    assert len({recording for recording, _, _ in found}) == 40
    changed = list(differences(_flat(expected), _flat(found)))
    # Changed on purpose? `python -m tests.golden.answers` writes them anew; the diff belongs to the commit.
    assert not changed, "\n".join(changed[:20])


def _flat(answers: Answers) -> dict[str, object]:
    return {" ".join(place): value for place, value in answers.items()}


def test_a_difference_is_found() -> None:
    expected = {"a": [1.0, {"b": None}], "c": "x"}
    assert list(differences(expected, {"a": [1.0001, {"b": None}], "c": "x"})) == []
    assert list(differences(expected, {"a": [1.1, {"b": 0}], "d": "x"})) == [
        ".a[0]: 1.0 became 1.1",
        ".a[1].b: None became 0",
        ".c only in the file",
        ".d only in the answer",
    ]
