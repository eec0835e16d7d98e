"""Files of a project: written whole, identified by their hash, compared with their record."""

from __future__ import annotations

import contextlib
import errno
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from napari_retina_seg.io.atomic import sync_folder, write_durably
from napari_retina_seg.io.images.content import is_zarr
from napari_retina_seg.io.images.files import files_beside
from napari_retina_seg.types.errors import ProjectError, ReadError

_CHUNK = 2**20  # bytes


class IntegrityProblemKind(StrEnum):
    """Kind of an integrity problem."""

    MISSING = "missing"
    CUT = "cut"
    ALTERED = "altered"
    UNREADABLE = "unreadable"
    DATABASE = "database"
    OUTSIDE = "outside"
    ORPHAN = "orphan"


@dataclass(frozen=True)
class IntegrityProblem:
    """A problem that `check` found.

    Attributes
    ----------
    kind : IntegrityProblemKind
        Its kind.
    path : Path
        Which file.
    sentence : str
        What is wrong, and what to do.
    """

    kind: IntegrityProblemKind
    path: Path
    sentence: str

    @property
    def serious(self) -> bool:
        """Whether data may be lost; orphaned files do no harm."""
        return self.kind is not IntegrityProblemKind.ORPHAN


@dataclass(frozen=True)
class StoredFile:
    """A file of the project.

    Attributes
    ----------
    sha256 : str
        Hash of its content.
    suffix : str
        With the dot.
    size : int
        Bytes.
    """

    sha256: str
    suffix: str
    size: int


def write_file(path: Path, content: bytes) -> None:
    """Write a file atomically and durably: temporary file, fsync, rename, fsync of the folder.

    Parameters
    ----------
    path : Path
        Target; its folder may be missing, but not the folder above, which is the project's.
    content : bytes
        The whole file.

    Raises
    ------
    ProjectError
        If it can't be written; nothing is written then.
    """
    with _writing(path):
        for folder in (path.parent.parent, path.parent):
            if not folder.is_dir():
                # Not its parents: no local folder must replace a network folder that is gone.
                folder.mkdir(exist_ok=True)
                sync_folder(folder.parent)
        write_durably(path, content)


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file's content; raises `OSError`."""
    if path.exists() and not path.is_file():  # a pipe or device would be read for ever
        raise OSError(errno.EINVAL, "it is not a regular file")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_source(path: Path) -> str:
    """Return the SHA-256 that identifies an image: of its file, and of all that belong to it.

    An XML export of a device is an image of several files, and so are some others, an OME-Zarr
    among them; see `files_beside`.

    Raises
    ------
    OSError
        If one can't be read.
    """
    parts = [] if is_zarr(path) else [hash_file(path)]
    try:
        others = sorted(set(files_beside(path)))
    except ReadError:  # it is no such image, or no longer one
        others = []
    if parts and not others:
        return parts[0]
    if is_zarr(path):  # chunks that change places make another image
        parts += (f"{hash_file(file)} {file.relative_to(path).as_posix()}" for file in others)
    else:
        parts += map(hash_file, others)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def inspect_file(path: Path, stored: StoredFile) -> IntegrityProblem | None:
    """Compare a file with its record; None if it is intact."""
    try:
        size = path.stat().st_size
        if size == stored.size and hash_file(path) == stored.sha256:
            return None
    except FileNotFoundError:
        return say_missing(path, str(path))
    except OSError as error:
        return IntegrityProblem(
            IntegrityProblemKind.UNREADABLE,
            path,
            f"'{path}' can't be read ({error.strerror}): check the disk and the permissions.",
        )
    return say_altered(path, str(path), size, stored)


def say_missing(path: Path, name: str) -> IntegrityProblem:
    """Return the finding about a file that is not there; `name` is what it is called."""
    sentence = f"'{name}' is missing: restore it from a backup of the project."
    return IntegrityProblem(IntegrityProblemKind.MISSING, path, sentence)


def say_altered(path: Path, name: str, size: int, stored: StoredFile) -> IntegrityProblem:
    """Return the finding about a file that is not as it was saved, by its size."""
    if size < stored.size:
        return IntegrityProblem(
            IntegrityProblemKind.CUT,
            path,
            f"'{name}' was cut short ({size} of {stored.size} bytes): restore it from a backup.",
        )
    return IntegrityProblem(
        IntegrityProblemKind.ALTERED,
        path,
        f"'{name}' was altered since it was saved: restore it from a backup.",
    )


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ProjectError(
            f"'{path.parent}' can't be written ({error.strerror or error}), so nothing was saved:"
            " free some space, restore the folder or ask for permission, then save again."
        ) from error
