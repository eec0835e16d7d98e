"""Boundaries of B-scans by Tian et al. 2015: images, masks and heights side by side."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from napari_retina_seg.datasets.labelled import LabelledImage
from napari_retina_seg.datasets.layouts.layout import Layout, file_readers, find_visible
from napari_retina_seg.io.formats.endings import check_ending
from napari_retina_seg.io.masks import read_classes
from napari_retina_seg.types.errors import DataError
from napari_retina_seg.types.image import Modality
from napari_retina_seg.types.labels import OCT_LAYERS

_MASK, _HEIGHTS = "_mask.png", "_boundaries.csv"


def _read(folder: Path) -> tuple[LabelledImage, ...]:
    masks = find_visible(folder, f"*{_MASK}")
    stated = (folder / "splits.json").is_file() or any(folder.glob(f"*{_HEIGHTS}"))
    return tuple(map(_image, masks)) if stated else ()


def _image(mask: Path) -> LabelledImage:
    name = mask.name.removesuffix(_MASK)
    path, heights = (mask.with_name(name + ending) for ending in (".png", _HEIGHTS))
    return LabelledImage(
        name=name,
        dataset="oct_layers",
        group=name.split("_", maxsplit=1)[0],
        modality=Modality.OCT,
        scheme=OCT_LAYERS.name,
        path=path,
        **file_readers(path),
        read_labels=partial(read_classes, mask),
        read_heights=partial(_read_heights, heights) if heights.is_file() else None,
    )


def _read_heights(path: Path) -> npt.NDArray[np.float64]:
    try:
        text = path.read_text(encoding="utf-8")
        check_ending(path, text, ends_lines=False)
        rows = np.loadtxt(text.splitlines(), delimiter=",", skiprows=1, ndmin=2)
    except (OSError, ValueError) as error:
        raise DataError(
            f"'{path}' can't be read as boundary heights: it needs a header, then a row of numbers"
            " for each column of the image."
        ) from error
    return np.maximum.accumulate(rows.T, axis=0)


LAYOUT = Layout(f"'*{_MASK}' beside '*{_HEIGHTS}' and images (Tian et al. 2015)", _read)
