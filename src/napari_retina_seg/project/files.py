"""Files named by the hash of their content: written once, whole, and checked whenever read."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from napari_retina_seg.core.errors import ProjectError
from napari_retina_seg.io.atomic import Draft, sync_folder

_CHUNK = 2**20  # bytes


class ProblemKind(StrEnum):
    """What `check` may find."""

    MISSING = "missing"
    CUT = "cut"
    ALTERED = "altered"
    UNREADABLE = "unreadable"
    DATABASE = "database"
    ORPHAN = "orphan"


@dataclass(frozen=True)
class IntegrityProblem:
    """Something that `check` found.

    Attributes
    ----------
    kind : Trouble
        Of what kind.
    path : Path
        Which file.
    sentence : str
        What it is, and what to do.
    """

    kind: ProblemKind
    path: Path
    sentence: str

    @property
    def serious(self) -> bool:
        """Whether something is lost or may be; files that nothing refers to do no harm."""
        return self.kind is not ProblemKind.ORPHAN


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


class FileStore:
    """A folder of files ``ab/abcdef….png``.

    Parameters
    ----------
    root : Path
        The folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, sha256: str, suffix: str) -> Path:
        """Return where a file is kept."""
        return self.root / sha256[:2] / f"{sha256}{suffix}"

    def put(self, content: bytes, suffix: str) -> StoredFile:
        """Keep a content; if it is there already, and whole, nothing is written.

        Raises
        ------
        ProjectError
            If it can't be written; nothing is left behind then.
        """
        stored = StoredFile(hashlib.sha256(content).hexdigest(), suffix, len(content))
        path = self.path(stored.sha256, suffix)
        if not _holds(path, stored):
            write_file(path, content)
        return stored

    def read(self, stored: StoredFile) -> bytes:
        """Return a content.

        Raises
        ------
        ProjectError
            If the file is missing, cut short or altered.
        """
        path = self.path(stored.sha256, stored.suffix)
        finding = inspect_file(path, stored)
        if finding is not None:
            raise ProjectError(finding.sentence)
        return path.read_bytes()

    def walk(self) -> Iterator[Path]:
        """Go through all files that are there, whether anything refers to them or not."""
        return (path for path in sorted(self.root.rglob("*")) if path.is_file())


def write_file(path: Path, content: bytes) -> None:
    """Write a file beside its place, flush it, put it there, and flush the folder.

    Parameters
    ----------
    path : Path
        Where to; its folder may be missing, the folder above not: that one was a project's.
    content : bytes
        The whole file.

    Raises
    ------
    ProjectError
        If it can't be written; nothing is left behind then.
    """
    with _writing(path):
        for folder in (path.parent.parent, path.parent):
            if not folder.is_dir():
                # Not its parents: where a network folder was, no local one must take its place.
                folder.mkdir(exist_ok=True)
                sync_folder(folder.parent)
        draft = Draft(path)
        try:
            draft.file.write(content)
            draft.keep()
        except BaseException:  # Ctrl-C too leaves nothing behind
            draft.drop()
            raise
        sync_folder(path.parent)


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file's content; raises `OSError`."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def inspect_file(path: Path, stored: StoredFile) -> IntegrityProblem | None:
    """Compare a file with what is known of it; None if it is whole."""
    try:
        size = path.stat().st_size
        if size == stored.size and hash_file(path) == stored.sha256:
            return None
    except FileNotFoundError:
        return IntegrityProblem(
            ProblemKind.MISSING,
            path,
            f"'{path}' is missing: put it back from a backup of the project.",
        )
    except OSError as error:
        return IntegrityProblem(
            ProblemKind.UNREADABLE,
            path,
            f"'{path}' can't be read ({error.strerror}): check the disk and the permissions.",
        )
    if size < stored.size:
        return IntegrityProblem(
            ProblemKind.CUT,
            path,
            f"'{path}' was cut short ({size} of {stored.size} bytes): put it back from a backup.",
        )
    return IntegrityProblem(
        ProblemKind.ALTERED,
        path,
        f"'{path}' was altered since it was saved: put it back from a backup.",
    )


def _holds(path: Path, stored: StoredFile) -> bool:
    return path.exists() and inspect_file(path, stored) is None


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ProjectError(
            f"'{path.parent}' can't be written ({error.strerror or error}), so nothing was saved:"
            " make room, bring the folder back or ask for permission, then save again."
        ) from error
