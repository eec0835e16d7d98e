"""The High-Resolution Fundus set: 45 photographs with vessels, or with arteries and veins."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from napari_retina_seg.datasets.labelled import LabelledImage
from napari_retina_seg.datasets.layouts.layout import (
    Layout,
    absent,
    file_readers,
    find_files,
    find_given_field,
    find_visible,
    read_binary,
)
from napari_retina_seg.io.masks import read_classes
from napari_retina_seg.types.image import Modality
from napari_retina_seg.types.labels import FUNDUS_VESSELS

_ARTERIES_VEINS = "_av.png"


def _read(folder: Path) -> tuple[LabelledImage, ...]:
    if (folder / "images").is_dir() and (folder / "manual1").is_dir():
        return tuple(map(_official, find_files(folder / "images").values()))
    masks = find_visible(folder, f"*{_ARTERIES_VEINS}")
    return tuple(
        _image(mask.with_name(f"{name}.jpg"), partial(_read_vessels, mask))
        for mask in masks
        for name in [mask.name.removesuffix(_ARTERIES_VEINS)]
    )


def _official(path: Path) -> LabelledImage:
    mask = path.parents[1] / "manual1" / f"{path.stem}.tif"
    return _image(
        path,
        partial(read_binary, mask)
        if mask.is_file()
        else absent(f"'{path.name}' has no tracing '{mask}': put it back."),
    )


def _image(
    path: Path,
    read_labels: Callable[[], npt.NDArray[np.uint8]],
) -> LabelledImage:
    return LabelledImage(
        name=path.stem,
        dataset="hrf",
        group=path.stem,  # one photograph of each patient
        modality=Modality.FUNDUS,
        scheme=FUNDUS_VESSELS.name,
        path=path,
        **file_readers(path),
        read_labels=read_labels,
        read_field=find_given_field(path),
    )


def _read_vessels(path: Path) -> npt.NDArray[np.uint8]:
    """Take arteries (1), veins (2) and what is either (3) for vessel."""
    return (read_classes(path) > 0).astype(np.uint8)


LAYOUT = Layout(
    f"'images/01_h.jpg' beside 'manual1/01_h.tif', or '01_h.jpg' beside '01_h{_ARTERIES_VEINS}'"
    " (HRF)",
    _read,
)
