"""XML documents, read with a bound on their size and without entities."""

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError

from ecg.errors import InputTooLarge, MalformedInput, UnusableRecording

MAX_ELEMENTS = 200_000
_LOOKED_AT = 200  # characters of a text in which letters are looked for
_LETTERS = re.compile(r"[^\W\d_]")
_PERSONAL = re.compile(
    r"name|id$|ident|number|order|patient|subject|person|birth|address|phone|mail|md|doctor|physic|nurse|tech|operator|"
    r"editor|reader|refer|attend|confirm|author|investig|site|instit|depart|facil|hospital|clinic|ward|room|bed|locat|"
    r"comment|remark|note|reason|histor|medic|visit|text|descr|race|priority|custom|user",
    re.IGNORECASE,
)
_OF_DEVICE = re.compile(
    r"manufact|model|software|device|wave|lead|unit|filter|document|statement|stmt|measure|number(?:of|channels)",
    re.IGNORECASE,
)
_NAMESPACE = re.compile(r"^\{[^}]*\}")


def read_xml(data: bytes) -> Element:
    """The root element, all tags without their namespace. Raises `MalformedInput` or `InputTooLarge`."""
    try:
        from defusedxml import DefusedXmlException
        from defusedxml.ElementTree import fromstring
    except ImportError:
        raise missing_extra("XML") from None
    if data.count(b"<") > 2 * MAX_ELEMENTS:
        raise InputTooLarge("The XML document has too many elements.", "file", MAX_ELEMENTS, data.count(b"<") // 2)
    try:
        root: Element = fromstring(data)
    except DefusedXmlException:
        raise MalformedInput("The XML document declares entities.", "file", "no entities", None) from None
    except ParseError as error:
        line, column = error.position
        where = f"The document is no XML from line {line}, column {column + 1} on."
        raise MalformedInput(where, "file", "an XML document", None) from None
    except (ValueError, LookupError):
        raise MalformedInput("The encoding of the XML document is not known.", "file", "UTF-8", None) from None
    for element in root.iter():
        element.tag = _NAMESPACE.sub("", element.tag)
    return root


def missing_extra(what: str) -> UnusableRecording:
    """The refusal of a file whose decoder is not installed."""
    return UnusableRecording(
        f"{what} files need the extra: pip install 'ecg-serve[formats]'.", "file", "ecg-serve[formats]"
    )


def child(element: Element | None, path: str) -> Element | None:
    """The first element at a path below, also of no element."""
    return None if element is None else element.find(path)


def text_at(element: Element | None, path: str) -> str | None:
    """The text of the first element at a path below, stripped; None when there is none."""
    found = child(element, path)
    return (found.text or "").strip() or None if found is not None else None


def attribute_at(element: Element | None, path: str, name: str) -> str | None:
    """An attribute of the first element at a path below."""
    found = child(element, path)
    return None if found is None else found.get(name)


def texts(element: Element, path: str) -> Iterator[str]:
    """The texts of all elements at a path below that have one."""
    for found in element.iterfind(path):
        if found.text and found.text.strip():
            yield found.text.strip()


def identifying(root: Element, fields: dict[str, str]) -> tuple[str, ...]:
    """Names of the fields, by path, that the document fills in, and a word for others that say by their tag what they
    may hold."""
    found = [name for path, name in fields.items() if text_at(root, path)]
    if any(_may_identify(element) for element in root.iter()):
        found.append("other texts")
    return tuple(dict.fromkeys(found))


def _may_identify(element: Element) -> bool:
    tag = str(element.tag)
    text = f"{element.text or ''}{element.get('extension') or ''}"
    return bool(_LETTERS.search(text[:_LOOKED_AT]) and _PERSONAL.search(tag) and not _OF_DEVICE.search(tag))
