"""Read data sets in the layouts in which they are handed out, with their splits."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from napari_retina_seg.core.errors import DataError
from napari_retina_seg.core.image import Modality


@dataclass(frozen=True)
class LabelledImage:
    """One image of a data set with its expert mask; the files are read when they are needed.

    Attributes
    ----------
    name : str
        Stem of the image file.
    dataset : str
        Name of the data set.
    split : str
        ``train``, ``val`` or ``test``.
    group : str
        Patient or eye; all images of a group are in one split.
    modality : Modality
        OCT or fundus.
    image_path, mask_path : Path
        Where pixels and classes are.
    second_path : Path or None
        A second observer's mask.
    heights_path : Path or None
        Boundary heights as CSV, a row for each column of the image.
    """

    name: str
    dataset: str
    split: str
    group: str
    modality: Modality
    image_path: Path
    mask_path: Path
    second_path: Path | None = None
    heights_path: Path | None = None

    def pixels(self) -> npt.NDArray[np.uint8]:
        """Return ``(rows, columns)`` or ``(rows, columns, 3)`` RGB."""
        grey = self.modality is Modality.OCT
        pixels = _decode(self.image_path, cv2.IMREAD_GRAYSCALE if grey else cv2.IMREAD_COLOR)
        return pixels if grey else pixels[..., ::-1]

    def labels(self) -> npt.NDArray[np.uint8]:
        """Return the classes, ``(rows, columns)``; any vessel is 1."""
        return self._classes(self.mask_path)

    def second_labels(self) -> npt.NDArray[np.uint8]:
        """Return the second observer's classes, ``(rows, columns)``."""
        if self.second_path is None:
            raise DataError(f"'{self.name}' of {self.dataset} has no second observer's mask.")
        return self._classes(self.second_path)

    def heights(self) -> npt.NDArray[np.float64]:
        """Return the boundaries, ``(boundaries, columns)`` in px, in anatomical order."""
        if self.heights_path is None:
            raise DataError(f"'{self.name}' of {self.dataset} has no boundary heights.")
        rows = np.loadtxt(self.heights_path, delimiter=",", skiprows=1)
        return np.maximum.accumulate(rows.T, axis=0)

    def _classes(self, path: Path) -> npt.NDArray[np.uint8]:
        mask = _decode(path, cv2.IMREAD_GRAYSCALE)
        return mask if self.modality is Modality.OCT else (mask > 0).astype(np.uint8)


def read_dataset(folder: Path) -> tuple[LabelledImage, ...]:
    """List the images of a data set folder that has a ``splits.json``.

    Parameters
    ----------
    folder : Path
        One of the layouts OCT layers (Tian et al. 2015), CHASE_DB1, HRF with artery/vein masks;
        it is recognised by the names of its files.

    Returns
    -------
    tuple of LabelledImage
        In the order of their names.

    Raises
    ------
    DataError
        If the folder is none of these, or an image has no mask.
    """
    for suffix, read in _LAYOUTS.items():
        masks = sorted(folder.glob(f"*{suffix}"))
        if masks and (folder / "splits.json").is_file():
            splits = json.loads((folder / "splits.json").read_text())
            return tuple(read(mask, mask.name.removesuffix(suffix), splits) for mask in masks)
    raise DataError(
        f"'{folder}' is not a data set this program knows: expected a splits.json beside masks"
        f" that end in {', '.join(_LAYOUTS)}."
    )


def _read_oct(mask: Path, name: str, splits: dict[str, Any]) -> LabelledImage:
    group = name.split("_", maxsplit=1)[0]
    return LabelledImage(
        name=name,
        dataset="oct_layers",
        split=_split_of(group, splits),
        group=group,
        modality=Modality.OCT,
        image_path=mask.with_name(f"{name}.png"),
        mask_path=mask,
        heights_path=mask.with_name(f"{name}_boundaries.csv"),
    )


def _read_chase(mask: Path, name: str, splits: dict[str, Any]) -> LabelledImage:
    group = name.removeprefix("Image_")[:2]
    return LabelledImage(
        name=name,
        dataset="chase_db1",
        split=_split_of(group, splits),
        group=group,
        modality=Modality.FUNDUS,
        image_path=mask.with_name(f"{name}.jpg"),
        mask_path=mask,
        second_path=mask.with_name(f"{name}_2ndHO.png"),
    )


def _read_hrf(mask: Path, name: str, splits: dict[str, Any]) -> LabelledImage:
    return LabelledImage(
        name=name,
        dataset="hrf",
        split=_split_of(name, splits),
        group=name,
        modality=Modality.FUNDUS,
        image_path=mask.with_name(f"{name}.jpg"),
        mask_path=mask,
    )


_LAYOUTS: dict[str, Callable[[Path, str, dict[str, Any]], LabelledImage]] = {
    "_mask.png": _read_oct,
    "_1stHO.png": _read_chase,
    "_av.png": _read_hrf,
}


def _split_of(group: str, splits: dict[str, Any]) -> str:
    for split in ("train", "val", "test"):
        if group in splits.get(split, ()):
            return split
    raise DataError(f"splits.json does not say where '{group}' belongs.")


def _decode(path: Path, flags: int) -> npt.NDArray[np.uint8]:
    if not path.is_file():
        raise DataError(f"'{path.name}' is missing in {path.parent}.")
    pixels = cv2.imdecode(np.fromfile(path, np.uint8), flags)
    if pixels is None:
        raise DataError(f"'{path}' can't be decoded: is the file complete?")
    return np.asarray(pixels, np.uint8)
