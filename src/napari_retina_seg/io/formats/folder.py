"""Create folders atomically."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from napari_retina_seg.io.atomic import sync_folder, writing
from napari_retina_seg.types.errors import WriteError
from napari_retina_seg.types.file_names import shorten

_INSIDE = "new"
_BEGINNING = 40  # bytes of a name


@contextlib.contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Create a folder under a temporary name, and rename it when complete.

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
        # Two levels down, where no search for data sets comes upon what a kill left behind.
        workshop = Path(
            tempfile.mkdtemp(dir=folder.parent, prefix=f".{shorten(folder.name, _BEGINNING)}.")
        )
        try:
            new = workshop / _INSIDE
            new.mkdir()
            yield new
            if folder.exists():  # not every system puts a folder in the place of an empty one
                folder.rmdir()
            new.replace(folder)
            sync_folder(folder.parent)
        finally:
            shutil.rmtree(workshop, ignore_errors=True)
