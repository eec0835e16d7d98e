"""XML of other programs, which is not trusted."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

from napari_retina_seg.types.errors import ReadError


class _NoEntities(ET.TreeBuilder):
    """Refuses documents that define entities (expansion attacks)."""

    def doctype(self, *_: object) -> None:
        raise ET.ParseError("it has a document type")


def read_xml(path: Path) -> ET.Element:
    """Read an XML file; letters that are not in its encoding are replaced.

    Raises
    ------
    ReadError
        If there is none, or it is damaged, or defines entities.
    """
    try:
        content = path.read_bytes()
        try:
            return _parse(content)
        except ET.ParseError:
            # Devices write names in the system's encoding and call it UTF-8.
            return _parse(content.decode("utf-8", "replace"))
    except FileNotFoundError as error:
        raise ReadError(f"There is no file '{path}': check its name and folder.") from error
    except (OSError, ET.ParseError, ValueError, RecursionError) as error:
        raise ReadError(
            f"'{path}' can't be read as XML: it is damaged or cut short. Export it again."
        ) from error


def _parse(content: bytes | str) -> ET.Element:
    parser = ET.XMLParser(target=_NoEntities())  # noqa: S314 - entities are refused
    parser.feed(content)
    root: ET.Element = parser.close()
    return root
