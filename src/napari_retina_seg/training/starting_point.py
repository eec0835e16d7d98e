"""The weights that a training begins with: a model's, a run's, or a file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from napari_retina_seg.models.registry import (
    SPEC_FILE,
    WEIGHTS_FILE,
    ModelFolder,
    find_model,
    open_model,
)
from napari_retina_seg.training.run_folder import RunFolder
from napari_retina_seg.types.errors import DataError, ModelError

_ENDINGS = (".h5", ".hdf5")


@dataclass(frozen=True)
class StartingPoint:
    """Weights to begin with.

    Attributes
    ----------
    weights : Path
        Keras weights file.
    model : ModelFolder or None
        The model that they belong to, from which classes, architecture and lineage are taken;
        None for a file of which nothing else is known.
    """

    weights: Path
    model: ModelFolder | None = None

    @property
    def sha256(self) -> str:
        """Hash of the weights file."""
        return hashlib.sha256(self.weights.read_bytes()).hexdigest()


def find_starting_point(source: str | Path) -> StartingPoint:
    """Find the weights that a user names.

    Parameters
    ----------
    source : str or Path
        Name of a model, model folder, folder of a training run, or a ``.h5`` file with the weights
        of the recipe's architecture.

    Raises
    ------
    DataError
        If there is no such thing, or it is damaged.
    """
    path = Path(source)
    if path.is_file():
        return _from_file(path)
    if RunFolder(path).best_weights.is_file():
        return _from_run(RunFolder(path))
    try:
        model = find_model(source)
        model.check_weights()
    except ModelError as error:
        if path.is_dir() and not (path / SPEC_FILE).exists():
            raise DataError(
                f"'{path}' holds neither a model ({SPEC_FILE}) nor a training run"
                f" ({RunFolder(path).best_weights.name}) to start from: name another folder."
            ) from error
        raise DataError(f"There is nothing to start from: {error}") from error
    return StartingPoint(model.weights, model)


def _from_run(run: RunFolder) -> StartingPoint:
    if not (run.model / SPEC_FILE).is_file():
        return StartingPoint(run.best_weights)
    return StartingPoint(run.best_weights, _open(run.model))


def _from_file(path: Path) -> StartingPoint:
    """Return a weights file, with the model or run in whose folder it lies."""
    if path.suffix.lower() not in _ENDINGS:
        raise DataError(
            f"'{path}' is not a weights file: name a Keras file that ends with .weights.h5 or .h5,"
            " a model, or the folder of a training run."
        )
    run = RunFolder(path.parent)
    if path.name == run.best_weights.name:
        return _from_run(run)
    if path.name == WEIGHTS_FILE and (path.parent / SPEC_FILE).is_file():
        return StartingPoint(path, _open(path.parent))
    return StartingPoint(path)


def _open(folder: Path) -> ModelFolder:
    try:
        return open_model(folder)
    except ModelError as error:
        raise DataError(f"There is nothing to start from: {error}") from error
