"""CHASE_DB1 as Kingston University hands it out: one folder, two observers."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from napari_retina_seg.datasets.labelled import LabelledImage
from napari_retina_seg.datasets.layouts.layout import (
    Layout,
    file_readers,
    find_given_field,
    find_visible,
    read_binary,
)
from napari_retina_seg.types.image import Modality
from napari_retina_seg.types.labels import FUNDUS_VESSELS

_FIRST, _SECOND = "_1stHO.png", "_2ndHO.png"


def _read(folder: Path) -> tuple[LabelledImage, ...]:
    return tuple(map(_image, find_visible(folder, f"*{_FIRST}")))


def _image(mask: Path) -> LabelledImage:
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


LAYOUT = Layout(f"'Image_01L.jpg' beside 'Image_01L{_FIRST}' (CHASE_DB1)", _read)
