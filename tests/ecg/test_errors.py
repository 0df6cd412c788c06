"""Every refusal survives the way between processes and has one status on the wire."""

import pickle

import pytest

from ecg import errors
from serve_app.edge import problems


def subclasses(kind: type) -> list[type]:
    return [kind, *(inner for direct in kind.__subclasses__() for inner in subclasses(direct))]


#: Ray makes classes of its own for errors that crossed processes, which other tests may have left behind.
ALL = [kind for kind in subclasses(errors.EcgError) if kind.__module__.startswith(("ecg.", "serve_app."))]


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_survives_pickling(kind: type[errors.EcgError]) -> None:
    error = pickle.loads(pickle.dumps(kind("what is wrong", "field", [1, 2], "got")))
    assert type(error) is kind
    assert (error.message, error.field, error.expected, error.got) == ("what is wrong", "field", [1, 2], "got")
    assert str(error) == "what is wrong"


def test_codes_are_distinct() -> None:
    assert len({kind.code for kind in ALL}) == len(ALL)


def test_the_tree_in_the_docstring_names_every_class() -> None:
    here = [kind for kind in ALL if kind.__module__ == "ecg.errors"]
    assert [kind.__name__ for kind in here if kind.__name__ not in (errors.__doc__ or "")] == []


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_every_refusal_is_a_client_error_or_an_invitation_to_come_back(kind: type[errors.EcgError]) -> None:
    status = problems.status_of(kind("x"))
    assert 400 <= status < 500 or status == 503
    response = problems.problem(kind("x", "f", 1, 2), "id", retry_after_s=3)
    assert response.status_code == status
    assert ("Retry-After" in response.headers) == (status in (429, 503))
