"""Where the files of a project are: in its folder or, for people without one, an object store."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from pathlib import Path

from napari_retina_seg.project.files import (
    IntegrityProblem,
    IntegrityProblemKind,
    StoredFile,
    inspect_file,
    write_file,
)
from napari_retina_seg.types.confined import confined
from napari_retina_seg.types.errors import OutsideError, ProjectError

FILES, AUTOSAVES = "files", "autosave"  # the two parts of a project's files


class Storage(ABC):
    """A set of files with names such as ``ab/abcdef….png``, each written whole or not at all.

    Its methods raise `OutsideError` for names that lead elsewhere, `ServerAwayError` if an object
    store can't be reached, and `ProjectError` if it refuses.

    Parameters
    ----------
    root : Path
        Folder in which files are, or in which copies of them are kept.
    """

    is_remote = False

    def __init__(self, root: Path) -> None:
        self.root = root

    def local(self, name: str) -> Path:
        """Return the path of a file or, of an object store, of its copy on this computer."""
        return confined(self.root, name, within=self.root.parent)

    @abstractmethod
    def locate(self, name: str) -> str:
        """Return what a file is called in messages."""

    @abstractmethod
    def names(self) -> list[str]:
        """Return the names of all files, referenced or not."""

    @abstractmethod
    def exists(self, name: str) -> bool:
        """Whether there is such a file."""

    @abstractmethod
    def write(self, name: str, content: bytes) -> None:
        """Write a file durably."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """Return a content as it is; raises `OSError` if there is no such file."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Remove a file; raises `OSError` if it is not there."""

    @abstractmethod
    def inspect(self, name: str, stored: StoredFile) -> IntegrityProblem | None:
        """Compare a file with its record; None if it is intact."""

    @abstractmethod
    def fetch(self, name: str, stored: StoredFile) -> Path:
        """Return the path of an intact file; raises `ProjectError` if it is missing or altered."""


class FolderStorage(Storage):
    """Files in the folder of the project."""

    def locate(self, name: str) -> str:
        """Return its path."""
        return str(self.root / name)

    def names(self) -> list[str]:
        """Return the names of all files."""
        found = sorted(path for path in self.root.rglob("*") if path.is_file())
        return [path.relative_to(self.root).as_posix() for path in found]

    def exists(self, name: str) -> bool:
        """Whether there is such a file."""
        return (self.root / name).exists()

    def write(self, name: str, content: bytes) -> None:
        """Write a file atomically."""
        write_file(self.local(name), content)

    def read(self, name: str) -> bytes:
        """Return a content."""
        return self.local(name).read_bytes()

    def remove(self, name: str) -> None:
        """Remove a file."""
        self.local(name).unlink()

    def inspect(self, name: str, stored: StoredFile) -> IntegrityProblem | None:
        """Compare a file with its record."""
        try:
            return inspect_file(self.local(name), stored)
        except OutsideError as error:
            return IntegrityProblem(IntegrityProblemKind.OUTSIDE, self.root, str(error))

    def fetch(self, name: str, stored: StoredFile) -> Path:
        """Return the path of an intact file."""
        path = self.local(name)
        problem = inspect_file(path, stored)
        if problem is not None:
            raise ProjectError(problem.sentence)
        return path


class FileStore:
    """Files that are named by their hash, and verified when they are read.

    Parameters
    ----------
    storage : Storage
        Where they are.
    """

    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    @staticmethod
    def name_of(sha256: str, suffix: str) -> str:
        """Return the name of a file."""
        return f"{sha256[:2]}/{sha256}{suffix}"

    def path(self, sha256: str, suffix: str) -> Path:
        """Return where a file is on this computer, or would be.

        Raises
        ------
        OutsideError
            If that would be outside of the project.
        """
        return self.storage.local(self.name_of(sha256, suffix))

    def locate(self, stored: StoredFile) -> str:
        """Return what a file is called in messages."""
        return self.storage.locate(self.name_of(stored.sha256, stored.suffix))

    def find(self, content: bytes, suffix: str) -> StoredFile:
        """Return the file that a content is stored as, whether it is there or not."""
        return StoredFile(hashlib.sha256(content).hexdigest(), suffix, len(content))

    def put(self, content: bytes, suffix: str) -> StoredFile:
        """Store a content; in a folder nothing is written if it is there already and intact.

        Raises
        ------
        ProjectError
            If it can't be written; nothing is written then.
        """
        stored = self.find(content, suffix)
        if self.storage.is_remote or self.inspect(stored) is not None:
            self.storage.write(self.name_of(stored.sha256, suffix), content)
        return stored

    def read(self, stored: StoredFile) -> bytes:
        """Return a stored content.

        Raises
        ------
        ProjectError
            If the file is missing, cut short or altered.
        """
        return self.storage.fetch(self.name_of(stored.sha256, stored.suffix), stored).read_bytes()

    def inspect(self, stored: StoredFile) -> IntegrityProblem | None:
        """Compare a file with its record; None if it is intact."""
        return self.storage.inspect(self.name_of(stored.sha256, stored.suffix), stored)
