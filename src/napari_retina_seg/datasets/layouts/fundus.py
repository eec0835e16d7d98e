"""Photographs with vessels as their authors hand them out: CHASE_DB1, DRIVE and HRF."""

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
from napari_retina_seg.types.splits import SplitName

_FIRST, _SECOND = "_1stHO.png", "_2ndHO.png"


def _read_chase_db1(folder: Path) -> tuple[LabelledImage, ...]:
    return tuple(map(_chase_db1_image, find_visible(folder, f"*{_FIRST}")))


def _chase_db1_image(mask: Path) -> LabelledImage:
    name = mask.name.removesuffix(_FIRST)
    path, second = mask.with_name(f"{name}.jpg"), mask.with_name(name + _SECOND)
    return LabelledImage(
        name=name,
        dataset="chase_db1",
        group=name.removeprefix("Image_")[:2],  # both eyes of a child: 01L and 01R
        modality=Modality.FUNDUS,
        scheme=FUNDUS_VESSELS.name,
        path=path,
        **file_readers(path),
        read_labels=partial(read_binary, mask),
        references=({"second_observer": partial(read_binary, second)} if second.is_file() else {}),
        read_field=find_given_field(path),
    )


CHASE_DB1 = Layout(f"'Image_01L.jpg' beside 'Image_01L{_FIRST}' (CHASE_DB1)", _read_chase_db1)


_PARTS: tuple[tuple[str, SplitName], ...] = (("training", "train"), ("test", "test"))


def _read_drive(folder: Path) -> tuple[LabelledImage, ...]:
    # Some copies come without the tracings of the test photographs: those can't be used here.
    return tuple(
        _drive_image(path, folder / part, split)
        for part, split in _PARTS
        if (folder / part / "1st_manual").is_dir()
        for path in find_files(folder / part / "images").values()
    )


def _drive_image(path: Path, part: Path, split: SplitName) -> LabelledImage:
    number = path.stem.split("_", maxsplit=1)[0]
    first = part / "1st_manual" / f"{number}_manual1.gif"
    second = part / "2nd_manual" / f"{number}_manual2.gif"
    return LabelledImage(
        name=path.stem,
        dataset="drive",
        group=number,  # one photograph of each patient
        modality=Modality.FUNDUS,
        scheme=FUNDUS_VESSELS.name,
        path=path,
        **file_readers(path),
        read_labels=(
            partial(read_binary, first)
            if first.is_file()
            else absent(f"'{path.name}' has no tracing '{first}': put it back.")
        ),
        split=split,
        references=({"second_observer": partial(read_binary, second)} if second.is_file() else {}),
        read_field=find_given_field(path),
    )


DRIVE = Layout("'training/images' beside 'training/1st_manual' (DRIVE)", _read_drive)


_ARTERIES_VEINS = "_av.png"


def _read_hrf(folder: Path) -> tuple[LabelledImage, ...]:
    if (folder / "images").is_dir() and (folder / "manual1").is_dir():
        return tuple(map(_official, find_files(folder / "images").values()))
    masks = find_visible(folder, f"*{_ARTERIES_VEINS}")
    return tuple(
        _hrf_image(mask.with_name(f"{name}.jpg"), partial(_read_vessels, mask))
        for mask in masks
        for name in [mask.name.removesuffix(_ARTERIES_VEINS)]
    )


def _official(path: Path) -> LabelledImage:
    mask = path.parents[1] / "manual1" / f"{path.stem}.tif"
    return _hrf_image(
        path,
        partial(read_binary, mask)
        if mask.is_file()
        else absent(f"'{path.name}' has no tracing '{mask}': put it back."),
    )


def _hrf_image(
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


HRF = Layout(
    f"'images/01_h.jpg' beside 'manual1/01_h.tif', or '01_h.jpg' beside '01_h{_ARTERIES_VEINS}'"
    " (HRF)",
    _read_hrf,
)
