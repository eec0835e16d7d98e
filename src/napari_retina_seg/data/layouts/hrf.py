"""The High-Resolution Fundus set: vessels, or arteries and veins, of 45 photographs."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from napari_retina_seg.core.image import Modality
from napari_retina_seg.data.labelled import LabelledImage
from napari_retina_seg.data.layouts.layout import Layout, read_plane
from napari_retina_seg.io.masks import read_classes

_ARTERIES_VEINS = "_av.png"


def _read(folder: Path) -> tuple[LabelledImage, ...]:
    return tuple(map(_image, sorted(folder.glob(f"*{_ARTERIES_VEINS}"))))


def _image(mask: Path) -> LabelledImage:
    name = mask.name.removesuffix(_ARTERIES_VEINS)
    path = mask.with_name(f"{name}.jpg")
    return LabelledImage(
        name=name,
        dataset="hrf",
        group=name,  # one photograph of each patient
        modality=Modality.FUNDUS,
        path=path,
        read_pixels=partial(read_plane, path),
        read_labels=partial(_read_vessels, mask),
    )


def _read_vessels(path: Path) -> npt.NDArray[np.uint8]:
    """Take arteries (1), veins (2) and what is either (3) for vessel."""
    return (read_classes(path) > 0).astype(np.uint8)


LAYOUT = Layout(f"'01_h.jpg' beside '01_h{_ARTERIES_VEINS}' (HRF)", _read)
