"""The folder of a training run: recipe, log, and state for resuming."""

from __future__ import annotations

import csv
import io
import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.datasets.split import Split, split_json
from napari_retina_seg.io.atomic import write_atomically
from napari_retina_seg.models.recipe import Recipe
from napari_retina_seg.models.registry import SPEC_FILE
from napari_retina_seg.training.environment import Conditions, describe_environment
from napari_retina_seg.types.errors import DataError, WriteError

Array = npt.NDArray[Any]
Row = dict[str, float]

_CONDITIONS = {
    "split": "other images, or other splits",
    "backend": "another backend of Keras",
    "data_sha256": "other pixels or masks in the same files",
    "start_sha256": "other weights to start from",
    "encoder_sha256": "other weights of the encoder",
}
_SPARE = 5_000_000  # bytes for all but weights
_PLOTS = (
    ("loss", "val_loss"),
    ("val_dice",),
    ("shown_dice", "shown_iou", "shown_mcc", "shown_accuracy"),
)
_SECONDS_OF_CURVES = 10  # between two pictures, each of which takes as long as a short epoch


@dataclass(frozen=True, eq=False)
class RunState:
    """State of a run after an epoch, for resuming.

    Attributes
    ----------
    rows : list of dict
        The log, an epoch in each row.
    arrays : dict of list of array
        Variables by owner: ``model``, ``optimizer``, ``mean``.
    """

    rows: list[Row]
    arrays: dict[str, list[Array]]


@dataclass(frozen=True)
class RunFolder:
    """Paths of the parts of a run.

    Attributes
    ----------
    path : Path
        The folder.
    """

    path: Path

    @property
    def recipe(self) -> Path:
        """The recipe as used, every default written out."""
        return self.path / "recipe.toml"

    @property
    def split(self) -> Path:
        """The split of the images."""
        return self.path / "split.json"

    @property
    def best_weights(self) -> Path:
        """Weights of the best epoch, float32."""
        return self.path / "best.weights.h5"

    @property
    def log(self) -> Path:
        """The log, an epoch in each row."""
        return self.path / "log.csv"

    @property
    def curves(self) -> Path:
        """The log as a picture."""
        return self.path / "curves.png"

    @property
    def snapshot(self) -> Path:
        """A part of an image with its mask before and now."""
        return self.path / "snapshot.png"

    @property
    def model(self) -> Path:
        """The finished model folder."""
        return self.path / "model"

    @property
    def finished(self) -> bool:
        """Whether the run is complete, so that there is nothing to resume."""
        return (self.model / SPEC_FILE).is_file() and not self._state.exists()

    @property
    def _state(self) -> Path:
        return self.path / "state.npz"

    @property
    def _environment(self) -> Path:
        return self.path / "environment.json"

    def start(
        self, recipe: Recipe, split: Split, conditions: Conditions, left_out: Sequence[str]
    ) -> None:
        """Create the folder, and write recipe, split and environment."""
        write_atomically(self.split, split_json(split).encode())
        environment = {**describe_environment(), "seed": recipe.seed, **_recorded(conditions)}
        environment["left out"] = list(left_out)
        text = json.dumps(environment, indent=1) + "\n"
        write_atomically(self._environment, text.encode())
        # The recipe comes last: where it is, the folder is whole.
        write_atomically(self.recipe, recipe.toml().encode())

    def check_recipe(self, recipe: Recipe) -> None:
        """Raise `DataError` if the run was not begun with this recipe."""
        if not self.recipe.is_file():
            raise DataError(f"'{self.path}' is not a training run: there is nothing to resume.")
        if Recipe.read(self.recipe) != recipe:
            raise DataError(
                f"'{self.path}' was begun with another recipe, or other changes of it by --set:"
                " repeat the command with all its options and --resume, or name a new folder."
            )

    def check_conditions(self, split: Split, conditions: Conditions) -> None:
        """Raise `DataError` if the run was begun with other images, weights or another backend."""
        recorded = json.loads(self._environment.read_text(encoding="utf-8"))
        now = _recorded(conditions)
        differing = [name for name in now if recorded.get(name) != now[name]]
        if self.split.read_text(encoding="utf-8") != split_json(split):
            differing.insert(0, "split")
        if differing:
            raise DataError(
                f"'{self.path}' was begun with {_CONDITIONS[differing[0]]}: resume with the same"
                " command and files as before, or name a new folder."
            )

    def check_space(self, parameters: int) -> None:
        """Raise `WriteError` if the disk will be full before the run ends.

        A state holds the weights, two moments of each and perhaps their mean; while a new one is
        written the old one is still there, and so are the best weights.
        """
        needed = (2 * 4 + 2 * 1 + 1) * 4 * parameters + _SPARE
        folder = next(parent for parent in self.path.resolve().parents if parent.is_dir())
        free = shutil.disk_usage(folder).free
        if free < needed:
            raise WriteError(
                f"'{folder}' has {free / 1e6:.0f} MB of free space and the run needs"
                f" {needed / 1e6:.0f} MB: choose another folder, or free some space."
            )

    def save_best(self, model: Any) -> None:
        """Write a network's weights as the best so far."""
        import keras

        # Without the optimizer's state.
        uncompiled = keras.Model(model.inputs, model.outputs, name=model.name)
        # HDF5 crashes where a disk is full: the file is made elsewhere, and written as a whole.
        with tempfile.TemporaryDirectory() as elsewhere:
            path = Path(elsewhere) / self.best_weights.name
            uncompiled.save_weights(path)
            write_atomically(self.best_weights, path.read_bytes())

    def save_state(self, state: RunState) -> None:
        """Write the state and, from its rows, the log; a kill leaves the last epoch's or this."""
        named: dict[str, Any] = {
            f"{owner}/{number}": array
            for owner, arrays in state.arrays.items()
            for number, array in enumerate(arrays)
        }
        buffer = io.BytesIO()
        rows = np.frombuffer(json.dumps(state.rows).encode(), np.uint8)
        np.savez(buffer, rows=rows, **named)
        write_atomically(self._state, buffer.getvalue())
        self._write_log(state.rows)
        if _are_curves_due(state.rows):
            self.write_curves(state.rows)

    def read_state(self) -> RunState | None:
        """Return the state after the last whole epoch; None if there was none."""
        if not self._state.is_file():
            return None
        arrays: dict[str, list[Array]] = {}
        with np.load(self._state, allow_pickle=False) as stored:
            rows = json.loads(stored["rows"].tobytes())
            for name in stored.files:
                owner, _, number = name.partition("/")
                if number:
                    arrays.setdefault(owner, []).append(stored[name])
        return RunState(rows, arrays)

    def write_curves(self, rows: list[Row]) -> None:
        """Write the picture of the log."""
        write_atomically(self.curves, draw_curves(rows))

    def write_snapshot(self, png: bytes) -> None:
        """Write the picture on which the training is watched."""
        write_atomically(self.snapshot, png)

    def _write_log(self, rows: list[Row]) -> None:
        text = io.StringIO()
        names = dict.fromkeys(name for row in rows for name in row)
        writer = csv.DictWriter(text, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_atomically(self.log, text.getvalue().encode())

    def drop_state(self) -> None:
        """Remove the state for resuming, and temporary files of a killed process."""
        self._state.unlink(missing_ok=True)
        written = (self.split, self._environment, self.recipe, self.best_weights, self._state)
        for file in (*written, self.log, self.curves, self.snapshot):
            for half in self.path.glob(f".{file.name}.*"):
                half.unlink()


def _recorded(conditions: Conditions) -> dict[str, str | None]:
    """Return the conditions by name; the hash of all data stands for those of the images."""
    return {name: getattr(conditions, name) for name in _CONDITIONS if name != "split"}


def _are_curves_due(rows: list[Row]) -> bool:
    """Whether another `_SECONDS_OF_CURVES` of training ended with the last epoch."""
    seconds = sum(row["seconds"] for row in rows)
    before = seconds - rows[-1]["seconds"]
    return seconds // _SECONDS_OF_CURVES > before // _SECONDS_OF_CURVES


def draw_curves(rows: list[Row]) -> bytes:
    """Draw losses and scores over epochs, below each other as a dock is narrow; PNG."""
    from matplotlib.figure import Figure

    from napari_retina_seg.reports._plots import figure_png

    drawn = [found for keys in _PLOTS if (found := [key for key in keys if key in rows[0]])]
    classes = [key for key in rows[0] if key.startswith("shown_dice ")]
    drawn += [classes] if classes else []
    figure = Figure(figsize=(4.6, 2.4 * len(drawn)), layout="constrained")
    epochs = [row["epoch"] for row in rows]
    marker = "o" if len(rows) == 1 else ""
    for number, keys in enumerate(drawn, 1):
        axes = figure.add_subplot(len(drawn), 1, number)
        for key in keys:
            axes.plot(epochs, [row[key] for row in rows], label=_label(key), marker=marker)
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small", ncols=2)
    return figure_png(figure)


def _label(key: str) -> str:
    """Return what a column of the log is called in the picture."""
    words = key.removeprefix("shown_")
    if words == key:
        return key.replace("_", " ")
    _, _, name = words.partition(" ")
    return name or {"iou": "IoU", "mcc": "MCC", "dice": "Dice"}.get(words, words)
