"""The handles of an open project, and conversion of rows to value objects."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import select
from sqlalchemy.orm import Session

from napari_retina_seg.project.database import Database
from napari_retina_seg.project.files import FileStore, StoredFile
from napari_retina_seg.project.states import GradingRound, State, visible_state
from napari_retina_seg.project.tables import FileRow, ImageRow, VersionRow
from napari_retina_seg.project.values import Change, Kind, ProjectImage, ProjectInfo, Version
from napari_retina_seg.types.errors import ProjectError
from napari_retina_seg.types.file_names import name_key
from napari_retina_seg.types.image import Laterality, Modality, Spacing
from napari_retina_seg.types.labels import LabelScheme
from napari_retina_seg.types.segmentation import Check

SCHEME = TypeAdapter(LabelScheme)
SPACING = TypeAdapter(Spacing)
CHANGE = TypeAdapter(Change)
CHECKS = TypeAdapter(tuple[Check, ...])


@dataclass(frozen=True, eq=False)
class Store:
    """Handles of an open project.

    Attributes
    ----------
    folder : Path
        Where it is.
    database : Database
        Its records.
    files : FileStore
        Its files.
    autosaves : Path
        Folder of unsaved work.
    author : str
        Who works on it.
    program : str
        Unique id of this process.
    info : ProjectInfo
        Its description.
    scheme_id : int
        Primary key of its label scheme.
    """

    folder: Path
    database: Database
    files: FileStore
    autosaves: Path
    author: str
    program: str
    info: ProjectInfo
    scheme_id: int

    @property
    def scheme(self) -> LabelScheme:
        """The classes of all masks."""
        return self.info.scheme

    def path_of(self, image: ImageRow) -> Path:
        """Return the path of an image's file."""
        return self.folder / image.path  # an absolute path stays as it is

    def read_file(self, session: Session, sha256: str) -> tuple[bytes, Path]:
        """Return a file's verified content and its path."""
        stored = stored_file(session.get_one(FileRow, sha256))
        return self.files.read(stored), self.files.path(sha256, stored.suffix)


def now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(UTC)


def same_person(one: str | None, other: str | None) -> bool:
    """Whether two names mean the same person, ignoring case and spaces."""
    return one is not None and other is not None and clean_name(one) == clean_name(other)


def clean_name(name: str) -> str:
    """Return a person's name normalised for comparison."""
    return " ".join(name_key(name).split())


def image_row(session: Session, image_id: int) -> ImageRow:
    """Return an image, or raise `ProjectError`."""
    row = session.get(ImageRow, image_id)
    if row is None:
        raise ProjectError(
            f"The project has no image {image_id}: see its queue for the images it has."
        )
    return row


def version_row(session: Session, image: ImageRow, number: int) -> VersionRow:
    """Return a version of an image, or raise `ProjectError`."""
    query = select(VersionRow).filter_by(image_id=image.id, number=number)
    row = session.scalars(query).one_or_none()
    if row is None:
        raise ProjectError(f"'{image.name}' has no version {number}: see its history.")
    return row


def stored_file(row: FileRow) -> StoredFile:
    """Return a row as a value."""
    return StoredFile(row.sha256, row.suffix, row.size)


def keep_file(session: Session, stored: StoredFile | None) -> str | None:
    """Add the row of a stored file; return its hash."""
    if stored is None:
        return None
    if session.get(FileRow, stored.sha256) is None:
        session.add(FileRow(sha256=stored.sha256, suffix=stored.suffix, size=stored.size))
        session.flush()
    return stored.sha256


def image_value(store: Store, row: ImageRow, *, blinded: bool) -> ProjectImage:
    """Return a row as a value.

    Parameters
    ----------
    store : Store
        The project.
    row : ImageRow
        The row.
    blinded : bool
        Whether it is for a person who must not see the first grading.
    """
    return ProjectImage(
        id=row.id,
        name=row.name,
        sha256=row.sha256,
        path=store.path_of(row),
        is_copy=row.copy_sha256 is not None,
        modality=Modality(row.modality),
        laterality=Laterality(row.laterality),
        spacing=SPACING.validate_python(row.spacing),
        patient=row.patient,
        shape=tuple(row.shape),
        added_by=row.added_by,
        added_at=row.added_at,
        state=visible_state(State(row.state), blinded=blinded),
        round=row.round,
        conflict=row.conflict,
        author=None if blinded else row.author,
        uncertainty=row.uncertainty if row.uncertainty >= 0 else None,
        warning=row.warning,
    )


def version_value(row: VersionRow) -> Version:
    """Return a row as a value."""
    return Version(
        id=row.id,
        image_id=row.image_id,
        number=row.number,
        parent=row.parent.number if row.parent is not None else None,
        kind=Kind(row.kind),
        reading=GradingRound(row.reading),
        round=row.round,
        state=State(row.state),
        conflict=row.conflict,
        scheme=row.scheme.definition["name"],
        author=row.author,
        model=row.model,
        weights_sha256=row.weights_sha256,
        program=row.program,
        seconds=row.seconds,
        change=_change(row.change),
        comment=row.comment,
        reason=row.reason,
        uncertainty=row.uncertainty,
        mask=row.mask,
        boundaries=row.boundaries,
        probabilities=row.probabilities,
        questionable=row.questionable,
        checks=tuple(CHECKS.validate_python(row.checks or [])),
        created_at=row.created_at,
    )


def _change(stored: dict[str, Any] | None) -> Change | None:
    return None if stored is None else CHANGE.validate_python(stored)
