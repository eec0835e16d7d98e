"""Atomic writes: a complete file or folder, or none."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from napari_retina_seg.types.errors import WriteError
from napari_retina_seg.types.file_names import shorten

_LONGEST = 255  # bytes of a name, in the file systems of Linux and macOS; on Windows letters
_SENSIBLE = 60
_UNFINISHED = ".unfinished"  # at the end of the names of folders that are being written
_LOCK = "lock"  # a file in them, locked as long as their program runs
_BEGINNING_SECONDS = 10
_UNLOCKED_SECONDS = 24 * 60 * 60  # without a lock: its program was killed, or there are no locks
_BEGINNING = 40  # bytes of a name that its draft keeps: no draft's name is longer than the file's


class Draft:
    """A temporary file that replaces its target in one step when complete.

    Attributes
    ----------
    file : binary file
        To write to, and to read back.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._temporary = draft_path(path)
        # mkstemp makes private files; a mask is to be read by whom the folder is for.
        self.file = self._temporary.open("x+b")  # by its name, which libraries ask for

    def keep(self) -> None:
        """Flush the file and rename it to its target durably, replacing a file of that name."""
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        self._temporary.replace(self._path)
        sync_folder(self._path.parent)

    def drop(self) -> None:
        """Remove the temporary file."""
        with contextlib.suppress(OSError):  # what is left to flush may not fit on the disk
            self.file.close()
        with contextlib.suppress(OSError):
            self._temporary.unlink()


def draft_path(path: Path) -> Path:
    """Return the path of the hidden temporary file beside a target."""
    return path.with_name(f".{shorten(path.name, _BEGINNING)}.{secrets.token_hex(8)}")


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file atomically: temporary file, flush, rename.

    Parameters
    ----------
    path : Path
        Where to; missing folders are made.
    content : bytes
        The whole file.

    Raises
    ------
    WriteError
        If the folder can't be written or the disk is full; nothing is left behind then.
    """
    with writing(path):
        write_durably(path, content)


def write_durably(path: Path, content: bytes) -> None:
    """Write a file as `write_atomically` does, but raise `OSError`."""
    draft = Draft(path)
    try:
        draft.file.write(content)
        draft.keep()
    except BaseException:  # Ctrl-C too leaves nothing behind
        draft.drop()
        raise


def sync_folder(folder: Path) -> None:
    """Make sure that the names in a folder survive a power cut, where the system can do that."""
    with contextlib.suppress(OSError):  # Windows opens no folders, some network folders don't sync
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Return the error message for a file that can't be written.

    Raises
    ------
    WriteError
        For an `OSError`.
    """
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise WriteError(_too_long(path)) from error
        raise WriteError(
            f"'{path}' can't be written: {error.strerror or error}. Choose a folder with free"
            " space and write permission."
        ) from error


def check_folder(folder: Path) -> None:
    """Make a folder if it is missing, and check that something can be written to it.

    Raises
    ------
    WriteError
        If nothing can be.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise WriteError(
            f"Nothing can be written to '{folder}' ({error.strerror or error}): choose a folder"
            " with write permission."
        ) from error


def check_names(paths: Iterable[Path]) -> None:
    """Refuse files that can't be written because of the length of their names.

    Parameters
    ----------
    paths : iterable of Path
        Files that are to be written, all or none.

    Raises
    ------
    WriteError
        If the name of one is too long for the file system.
    """
    for path in paths:
        if len(os.fsencode(path.name)) > _LONGEST:
            raise WriteError(_too_long(path))


def _too_long(path: Path) -> str:
    return (
        f"'{path.name}' is too long for a file name: give the image a shorter name, of at most"
        f" {_SENSIBLE} letters."
    )


@contextlib.contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Create a folder under a temporary name, and rename it when complete.

    What programs that were killed left beside it, of this folder or another, is removed.

    Parameters
    ----------
    folder : Path
        Where to; missing parents are made. It may exist if there is nothing in it.

    Yields
    ------
    Path
        Where to write its files meanwhile.

    Raises
    ------
    WriteError
        If something is in the folder already, or it can't be written; nothing is left then.
    """
    with writing(folder):
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise WriteError(f"'{folder}' is not empty: choose a new folder.")
        folder.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(folder.parent)
        # Two levels down, where no search for data sets comes upon what a kill left behind.
        beginning = shorten(folder.name, _BEGINNING)
        workshop = Path(
            tempfile.mkdtemp(dir=folder.parent, prefix=f".{beginning}.", suffix=_UNFINISHED)
        )
        lock = FileLock(workshop / _LOCK)
        try:
            _lock(lock)
            new = workshop / "new"
            new.mkdir()
            yield new
            _sync_all(new)
            if folder.exists():  # not every system puts a folder in the place of an empty one
                folder.rmdir()
            new.replace(folder)
            sync_folder(folder.parent)
        finally:
            lock.release()
            shutil.rmtree(workshop, ignore_errors=True)


@contextlib.contextmanager
def draft_folder(folder: Path) -> Iterator[Path]:
    """Make a hidden folder in another one, for files that are to be moved there; then remove it.

    `remove_leftovers` removes what a kill leaves of it.

    Raises
    ------
    WriteError
        If it can't be made.
    """
    # mkdtemp makes private folders, of which files that are moved stay private on Windows.
    draft = folder / f".{secrets.token_hex(8)}{_UNFINISHED}"
    with writing(draft):
        draft.mkdir()
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _sync_all(folder: Path) -> None:
    """Make sure that files in a folder and their names survive a power cut."""
    for place, _, names in os.walk(folder):
        for name in names:
            # Libraries wrote them; one that can't be opened here is as it was left.
            with contextlib.suppress(OSError), (Path(place) / name).open("r+b") as file:
                os.fsync(file.fileno())
        sync_folder(Path(place))


def _lock(lock: FileLock) -> None:
    """Lock an unfinished folder, where the file system can do that."""
    try:
        lock.acquire()
    except (OSError, NotImplementedError):  # some network folders can't: then nobody removes it
        Path(lock.lock_file).unlink(missing_ok=True)


def _is_idle(workshop: Path) -> bool:
    """Whether nothing in an unfinished folder was written for a day."""
    newest = max((path.lstat().st_mtime for path in workshop.rglob("*")), default=0.0)
    return time.time() - newest > _UNLOCKED_SECONDS


def remove_leftovers(folder: Path) -> None:
    """Remove unfinished folders whose program was killed; those of running programs stay.

    Parameters
    ----------
    folder : Path
        Where `atomic_folder` makes folders.
    """
    for workshop in folder.glob(f".*{_UNFINISHED}"):
        lock = workshop / _LOCK
        try:
            # A program that has just begun may not have locked its folder yet.
            age = time.time() - workshop.lstat().st_mtime
            if workshop.is_symlink() or age < _BEGINNING_SECONDS:
                continue
            if lock.is_file():
                with FileLock(lock, timeout=0):
                    pass
            elif age < _UNLOCKED_SECONDS or not _is_idle(workshop):
                continue
        except (OSError, NotImplementedError, Timeout):
            continue
        shutil.rmtree(workshop, ignore_errors=True)
