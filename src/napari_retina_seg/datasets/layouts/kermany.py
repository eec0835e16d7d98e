"""B-scans of Kermany et al. 2018 with masks of lesions: the names tell the patients."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from napari_retina_seg.datasets.labelled import LabelledImage
from napari_retina_seg.datasets.layouts import pairs
from napari_retina_seg.datasets.layouts.layout import Layout, find_files
from napari_retina_seg.types.image import Modality
from napari_retina_seg.types.labels import OCT_LESIONS

_NAME = re.compile(r"((?:CNV|DME|DRUSEN|NORMAL)-\d+)-\d+")  # diagnosis, patient, number


def _read(folder: Path) -> tuple[LabelledImage, ...]:
    # The same scans may lie anywhere with other masks: only lesions come with this split.
    if not (folder / "splits.json").is_file() or not (folder / "images").is_dir():
        return ()
    if not all(map(_NAME.fullmatch, find_files(folder / "images"))):
        return ()
    return tuple(map(_identify, pairs.LAYOUT.read(folder)))


def _identify(image: LabelledImage) -> LabelledImage:
    found = _NAME.fullmatch(image.name)
    group = found[1] if found else image.group  # a mask without an image
    return replace(
        image,
        group=group,
        group_guessed=False,
        modality=Modality.OCT,
        scheme=OCT_LESIONS.name,
    )


LAYOUT = Layout(
    "'splits.json' beside 'images' called 'CNV-1-2' and 'masks' (Kermany et al. 2018)", _read
)
