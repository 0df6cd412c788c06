"""The written API document and the code agree on the names that both hold."""

from ecg.cardioai.receipts import Outcome
from ecg.labels import LABEL_NAMES
from ecg.quality.result import GRADES
from ecg.store.states import State
from serve_app.edge import bulk, recordings
from serve_app.openapi import document
from serve_app.pages import ROUTES


def test_names_that_the_code_has_too() -> None:
    written = document()
    content = {
        path: ways.get("post", {}).get("requestBody", {}).get("content") for path, ways in written["paths"].items()
    }
    assert set(content["/analyze"]) == set(recordings.CONTENT_TYPES)
    assert set(content[bulk.PATH]) == set(recordings.BULK_CONTENT_TYPES)
    assert [stated["name"] for stated in written["paths"]["/analyze"]["post"]["parameters"]] == list(
        recordings.PARAMETERS
    )
    bulk_parameters = [stated["name"] for stated in written["paths"][bulk.PATH]["post"]["parameters"]]
    assert bulk_parameters == list(recordings.BULK_PARAMETERS)
    schemas = {name: schema.get("properties", {}) for name, schema in written["components"]["schemas"].items()}
    assert schemas["Label"]["name"]["enum"] == list(LABEL_NAMES)
    assert schemas["Quality"]["grade"]["enum"] == list(GRADES)
    assert schemas["Receipt"]["status"]["enum"] == list(Outcome)
    assert schemas["Receipt"]["state"]["enum"] == [*State, None]


def test_every_operation_stands_under_a_heading() -> None:
    """Swagger puts what has none under "default"."""
    written = document()
    headings = {tag["name"] for tag in written["tags"]}
    tags = [operation.get("tags") for ways in written["paths"].values() for operation in ways.values()]
    assert None not in tags
    assert {name for of_one in tags for name in of_one} == headings


def test_the_icon_that_browsers_ask_for_is_there() -> None:
    assert "/favicon.ico" in ROUTES
