"""DRIVE as its authors hand it out: vessels by two observers, with fields of view."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from napari_retina_seg.datasets.labelled import LabelledImage
from napari_retina_seg.datasets.layouts.layout import (
    Layout,
    absent,
    file_readers,
    find_files,
    find_given_field,
    read_binary,
)
from napari_retina_seg.types.image import Modality
from napari_retina_seg.types.labels import FUNDUS_VESSELS
from napari_retina_seg.types.splits import SplitName

_PARTS: tuple[tuple[str, SplitName], ...] = (("training", "train"), ("test", "test"))


def _read(folder: Path) -> tuple[LabelledImage, ...]:
    # Some copies come without the tracings of the test photographs: those can't be used here.
    return tuple(
        _image(path, folder / part, split)
        for part, split in _PARTS
        if (folder / part / "1st_manual").is_dir()
        for path in find_files(folder / part / "images").values()
    )


def _image(path: Path, part: Path, split: SplitName) -> LabelledImage:
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


LAYOUT = Layout("'training/images' beside 'training/1st_manual' (DRIVE)", _read)
