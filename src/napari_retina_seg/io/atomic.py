"""Writing that leaves a whole file or none."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from napari_retina_seg.core.errors import WriteError


class Draft:
    """A file beside its place, which it takes in one step when it is whole.

    Attributes
    ----------
    file : binary file
        To write to, and to read back.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:80]}.")
        os.close(handle)
        self._temporary = Path(temporary)
        self.file = self._temporary.open("w+b")  # by its name, which libraries ask for

    def keep(self) -> None:
        """Flush the file and put it in its place; a file of this name there is replaced."""
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        # mkstemp makes private files; a mask is to be read by whom the folder is for.
        self._temporary.chmod(0o666 & ~_umask())
        self._temporary.replace(self._path)

    def drop(self) -> None:
        """Leave nothing behind."""
        with contextlib.suppress(OSError):  # what is left to flush may not fit on the disk
            self.file.close()
        with contextlib.suppress(OSError):
            self._temporary.unlink()


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file beside its place, flush it and put it there in one step.

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
        draft = Draft(path)
        try:
            draft.file.write(content)
            draft.keep()
        except BaseException:  # Ctrl-C too leaves nothing behind
            draft.drop()
            raise


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say in a sentence why a file can't be written.

    Raises
    ------
    WriteError
        For an `OSError`.
    """
    try:
        yield
    except OSError as error:
        raise WriteError(
            f"'{path}' can't be written: {error.strerror or error}. Choose a folder with room and"
            " write permission."
        ) from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
