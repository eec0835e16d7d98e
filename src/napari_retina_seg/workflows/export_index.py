"""The index of an export: what was exported by whom, and which images nobody could grade."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from napari_retina_seg import __version__
from napari_retina_seg.io.atomic import write_atomically
from napari_retina_seg.io.formats.card import Card
from napari_retina_seg.project.filters import Filters
from napari_retina_seg.project.states import MASK_COUNTS, State
from napari_retina_seg.project.view import ProjectView
from napari_retina_seg.types.errors import ReadError, RetinaSegError
from napari_retina_seg.types.labels import LabelScheme
from napari_retina_seg.workflows.export_options import Format, Identities
from napari_retina_seg.workflows.naming import Names
from napari_retina_seg.workflows.selection import Selection

INDEX = "export.json"
_KIND = "napari-retina-seg export"


class Ungradable(BaseModel):
    """An image that a person could not grade.

    Attributes
    ----------
    name : str
        Exported name of the image.
    image_sha256 : str
        Hash of its file.
    author : str
        Who could not grade it.
    reason : str
        Why; empty in exports that hide identities, as it may name the patient.
    made_at : datetime
        When.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    image_sha256: str
    author: str
    reason: str = ""
    made_at: datetime


class ExportIndex(BaseModel):
    """The provenance that an export records."""

    kind: str = _KIND
    version: int = 1
    program: str = f"napari-retina-seg {__version__}"
    format: Format
    made_by: str
    made_at: str
    identities: Identities
    scheme: LabelScheme
    masks: list[Card]
    ungradable: list[Ungradable] = []

    def write(self, folder: Path) -> None:
        """Write it into the folder of the export."""
        write_atomically(folder / INDEX, self.model_dump_json(indent=1).encode())


class _Listed(BaseModel):
    """The part of an index that an import reads."""

    kind: str
    ungradable: list[Ungradable] = []


def find_ungradable(project: ProjectView, selection: Selection, names: Names) -> list[Ungradable]:
    """List the ungradable images of a project that a selection does not leave out."""
    if selection.states != MASK_COUNTS:  # certain states were asked for
        return []
    images = project.images(Filters(states=frozenset({State.UNGRADABLE})))
    wanted = [image for image in images if selection.wants(image)]
    found = []
    for image, name in zip(wanted, names.choose(wanted), strict=True):
        version = next(
            (each for each in reversed(project.history(image.id)) if each.state == image.state),
            None,
        )
        if version is None or version.author is None or not selection.takes(version):
            continue
        reason = version.reason if names.identities is Identities.KEEP else ""
        found.append(
            Ungradable(
                name=name,
                image_sha256=image.sha256,
                author=version.author,
                reason=reason,
                made_at=version.created_at,
            )
        )
    return found


def read_ungradable(path: Path) -> tuple[Ungradable, ...]:
    """Read which images of an export were ungradable; none for any other folder.

    Raises
    ------
    ReadError
        If the index is damaged.
    """
    file = path / INDEX
    if not file.is_file():
        return ()
    try:
        index = _Listed.model_validate_json(file.read_bytes())
    except OSError as error:
        raise ReadError(f"'{file}' can't be read: {error.strerror or error}.") from error
    except (ValidationError, RetinaSegError) as error:
        raise ReadError(
            f"'{file}' is damaged: export again, or remove it to import the masks alone."
        ) from error
    return tuple(index.ungradable) if index.kind == _KIND else ()
