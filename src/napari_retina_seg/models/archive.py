"""Models as ZIP archives, to be handed on: spec, weights and card, and nothing that is executed."""

from __future__ import annotations

import io
import lzma
import zipfile
import zlib
from pathlib import Path

import platformdirs

from napari_retina_seg.io.atomic import atomic_folder, write_atomically, write_durably, writing
from napari_retina_seg.models.limits import LIMITS_FILE
from napari_retina_seg.models.registry import (
    CARD_FILE,
    SPEC_FILE,
    WEIGHTS_FILE,
    ModelFolder,
    add_model,
    check_name_free,
    open_model,
    read_spec,
)
from napari_retina_seg.types.confined import confined
from napari_retina_seg.types.errors import ModelError, OutsideError, WriteError

_REQUIRED = (SPEC_FILE, WEIGHTS_FILE)
_FILES = (*_REQUIRED, CARD_FILE, LIMITS_FILE)
_LARGEST = 4_000_000_000  # bytes of a model; more is no model, or a bomb
_UNREADABLE = (
    *(OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError),
    *(zlib.error, lzma.LZMAError),  # damaged data within a sound archive
)
_FIXED_DATE = (1980, 1, 1, 0, 0, 0)  # earliest date in ZIP: a real one would change the archive


def export_model(model: ModelFolder, path: Path) -> Path:
    """Write a model into a ZIP archive.

    Parameters
    ----------
    model : ModelFolder
        Which model; its weights are checked.
    path : Path
        Where to, a new file that ends with ``.zip``.

    Raises
    ------
    ModelError
        If the model is damaged.
    WriteError
        If there is such a file already, or it can't be written.
    """
    if path.suffix.lower() != ".zip":
        raise WriteError(f"'{path}' is no name for a ZIP archive: let it end with .zip.")
    if path.exists():
        raise WriteError(f"'{path}' exists already: name a new file.")
    model.check_weights()
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in _FILES:
            file = model.path / name
            if file.is_file():
                entry = zipfile.ZipInfo(f"{model.name}/{name}", _FIXED_DATE)
                archive.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED)
    write_atomically(path, content.getvalue())
    return path


def import_model(path: Path, folder: Path | None = None) -> ModelFolder:
    """Unpack a model from a ZIP archive, check it, and add it to the models that are listed.

    Parameters
    ----------
    path : Path
        The archive.
    folder : Path, optional
        New folder for the model; by default one of its name among the user's models.

    Raises
    ------
    ModelError
        If the archive holds no model, something else besides, or its weights are not those that
        its spec names, or there is a model of this name already.
    WriteError
        If the folder can't be written.
    """
    found = _read(path)
    spec = read_spec(found[SPEC_FILE], path)
    target = folder or models_folder() / spec.name
    check_name_free(spec.name, target.expanduser().resolve())
    if target.exists():
        raise ModelError(f"'{target}' exists already: name a new folder with --to.")
    with atomic_folder(target) as new, writing(target):
        for name, content in found.items():
            write_durably(confined(new, name), content)
        open_model(new)
    return add_model(target)


def models_folder() -> Path:
    """Return where imported models are kept."""
    return Path(platformdirs.user_data_dir("napari-retina-seg")) / "models"


def _read(path: Path) -> dict[str, bytes]:
    """Return the files of a model in an archive by their names."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            _check_entries(path, entries)
            return {_last(entry.filename): _unpack(archive, entry) for entry in entries}
    except _UNREADABLE as error:
        raise ModelError(
            f"'{path}' can't be read as a ZIP archive ({error}): ask for it again."
        ) from error


def _check_entries(path: Path, entries: list[zipfile.ZipInfo]) -> None:
    """Raise `ModelError` unless the files are those of one model, in one folder or none."""
    for entry in entries:
        try:
            confined(path.with_suffix(".unpacked"), entry.filename)
        except OutsideError as error:
            raise ModelError(f"'{path}' is no model: it holds {entry.filename!r}.") from error
    names = [_last(entry.filename) for entry in entries]
    folders = {entry.filename.rpartition("/")[0] for entry in entries}
    strange = sorted(set(names) - set(_FILES))
    if strange or len(set(names)) < len(names) or len(folders) > 1:
        what = strange[0] if strange else "the files of several models"
        raise ModelError(f"'{path}' is not one model: it holds {what!r}.")
    missing = [name for name in _REQUIRED if name not in names]
    if missing:
        raise ModelError(f"'{path}' holds no model: {missing[0]} is missing.")
    if sum(entry.file_size for entry in entries) > _LARGEST:
        raise ModelError(f"'{path}' is too large for a model: it was not unpacked.")


def _unpack(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    with archive.open(entry) as file:
        content = file.read(entry.file_size + 1)
    if len(content) != entry.file_size:
        raise zipfile.BadZipFile(f"{entry.filename} has another size than is stated")
    return content


def _last(name: str) -> str:
    return name.rpartition("/")[2]
