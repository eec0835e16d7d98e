"""Writing that leaves a whole file or none."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from napari_retina_seg.core.errors import WriteError


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
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:80]}.")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes private files; a mask is to be read by whom the folder is for.
        Path(temporary).chmod(0o666 & ~_umask())
        Path(temporary).replace(path)
    except BaseException as error:  # Ctrl-C too leaves nothing behind
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        if not isinstance(error, OSError):
            raise
        raise WriteError(
            f"'{path}' can't be written: {error.strerror or error}. Choose a folder with room and"
            " write permission."
        ) from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
