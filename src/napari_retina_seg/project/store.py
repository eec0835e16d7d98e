"""The handles of an open project, and conversion of rows to value objects."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter
from sqlalchemy import event, select
from sqlalchemy.orm import Session

from napari_retina_seg.project.checksums import CheckedSession
from napari_retina_seg.project.database import Database
from napari_retina_seg.project.files import StoredFile
from napari_retina_seg.project.states import State, visible_state
from napari_retina_seg.project.storage import FileStore, Storage
from napari_retina_seg.project.tables import (
    AutosaveRow,
    Base,
    FileRow,
    ImageRow,
    LeaseRow,
    ProjectRow,
    RemovalRow,
    VersionRow,
)
from napari_retina_seg.project.values import (
    Autosave,
    Lease,
    ProjectImage,
    ProjectInfo,
    Removal,
    Version,
)
from napari_retina_seg.types.confined import confined
from napari_retina_seg.types.errors import OutsideError, ProjectError
from napari_retina_seg.types.file_names import last_part, name_key, safe_name
from napari_retina_seg.types.image import Spacing
from napari_retina_seg.types.labels import LabelScheme

SCHEME = TypeAdapter(LabelScheme)
SPACING = TypeAdapter(Spacing)
_IMAGE = TypeAdapter(ProjectImage)
_VERSION = TypeAdapter(Version)
_LEASE = TypeAdapter(Lease)
_AUTOSAVE = TypeAdapter(Autosave)

T = TypeVar("T")

_LOADED = "loaded"  # key of `Session.info`: rows by their kind and image


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
    autosaves : Storage
        Unsaved work.
    author : str
        Who works on it.
    program : str
        Unique id of this process.
    info : ProjectInfo
        Its description.
    scheme_id : int
        Primary key of its label scheme.
    address : str
        Where its files are; empty if that is its folder.
    """

    folder: Path
    database: Database
    files: FileStore
    autosaves: Storage
    author: str
    program: str
    info: ProjectInfo
    scheme_id: int
    address: str

    @property
    def scheme(self) -> LabelScheme:
        """The classes of all masks."""
        return self.info.scheme

    def path_of(self, image: ImageRow) -> Path:
        """Return the path of an image's file.

        One outside of the project is absolute, as it was added. One that leads out of the project
        from inside is not: what has its name in the project is taken, which is missing. That of a
        copy in an object store is the path of its copy on this computer, which may be missing.
        """
        if Path(image.path).is_absolute() and image.copy_sha256 is None:
            return Path(image.path)
        try:
            if self.address and image.copy_sha256 is not None:
                return self.files.path(image.copy_sha256, Path(image.path).suffix)
            return confined(self.folder, image.path)
        except OutsideError:
            return self.folder / safe_name(last_part(image.path))

    def remote_of(self, image: ImageRow) -> str:
        """Return where an object store has the copy of an image; empty if there is none."""
        if not self.address or image.copy_sha256 is None:
            return ""
        name = self.files.name_of(image.copy_sha256, Path(image.path).suffix)
        try:
            return self.files.storage.locate(name)
        except OutsideError:  # what is named in its place is missing: see `path_of`
            return ""

    def check_files(self, session: Session) -> None:
        """Raise `ProjectError` if the files were moved since the project was opened."""
        if session.scalars(select(ProjectRow.files)).one() != self.address:
            raise ProjectError(
                "The files of the project were moved while it was open, so nothing was saved: open"
                " the project again."
            )

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


def list_once(session: Session, kind: type[T], image: ImageRow) -> list[T]:
    """Return the rows of a kind about an image, which are loaded once until something is saved.

    One decision asks for the same rows a dozen times, and a server may be far away.
    """
    session.flush()
    known: dict[object, list[T]] = session.info.setdefault(_LOADED, {})
    if (kind, image.id) not in known:
        rows = session.scalars(select(kind).filter_by(image_id=image.id))
        known[kind, image.id] = list(rows)
    return known[kind, image.id]


@event.listens_for(CheckedSession, "after_flush")
def _forget_loaded(session: Session, *_: object) -> None:
    session.info.pop(_LOADED, None)


def versions_of(session: Session, image: ImageRow) -> list[VersionRow]:
    """Return all versions of an image, oldest first.

    Choose among them in Python: their checksums are compared when they are loaded, so that none is
    passed over because of a damaged column.

    Raises
    ------
    ProjectError
        If one is missing between others.
    """
    rows = sorted(list_once(session, VersionRow, image), key=lambda row: row.number)
    if [row.number for row in rows] != list(range(1, len(rows) + 1)):
        raise ProjectError(
            f"A version of '{image.name}' is missing: run 'project check', or restore a backup of"
            " the database."
        )
    return rows


def version_row(session: Session, image: ImageRow, number: int) -> VersionRow:
    """Return a version of an image, or raise `ProjectError`."""
    row = next((row for row in versions_of(session, image) if row.number == number), None)
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


def image_value(
    store: Store, row: ImageRow, *, blinded: bool, removal: Removal | None = None
) -> ProjectImage:
    """Return a row as a value, for a person who may be blinded to the first grading."""
    return _to_value(
        _IMAGE,
        row,
        path=store.path_of(row),
        remote=store.remote_of(row),
        is_copy=row.copy_sha256 is not None,
        state=visible_state(State(row.state), blinded=blinded),
        author=None if blinded else row.author,
        uncertainty=row.uncertainty if row.uncertainty >= 0 else None,
        gain=row.gain if row.gain >= 0 else None,
        removal=removal,
    )


def version_value(row: VersionRow) -> Version:
    """Return a row as a value."""
    return _to_value(
        _VERSION,
        row,
        parent=None if row.parent is None else row.parent.number,
        scheme=row.scheme.definition["name"],
        checks=row.checks or (),
    )


def removal_value(row: RemovalRow) -> Removal:
    """Return a row as a value."""
    return Removal(row.removed_by, row.removed_at, row.reason, row.restored_by, row.restored_at)


def lease_value(row: LeaseRow) -> Lease:
    """Return a row as a value."""
    return _to_value(_LEASE, row)


def autosave_value(row: AutosaveRow) -> Autosave:
    """Return a row as a value."""
    return _to_value(_AUTOSAVE, row)


def _to_value(adapter: TypeAdapter[T], row: Base, **derived: object) -> T:
    """Validate the columns of a row, replaced or completed by what is derived from them."""
    columns = {one.key: getattr(row, one.key) for one in row.__mapper__.column_attrs}
    return adapter.validate_python(columns | derived)
