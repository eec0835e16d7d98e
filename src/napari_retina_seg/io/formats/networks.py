"""Training folders for nnU-Net, and for Hugging Face and MONAI.

nnU-Net v2: documentation/dataset_format.md and ignore_label.md of MIC-DKFZ/nnUNet. Hugging Face:
`ImageFolder` with ``metadata.jsonl``, whose ``…_file_name`` become columns of images. MONAI: the
list of the Medical Segmentation Decathlon, as ``load_decathlon_datalist`` reads it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from napari_retina_seg.io.atomic import write_atomically
from napari_retina_seg.io.formats.card import restore
from napari_retina_seg.io.formats.contents import Contents, Picture
from napari_retina_seg.io.formats.record import IGNORE_NAME, MaskRecord
from napari_retina_seg.io.formats.training import TrainingFolder, TrainingItem
from napari_retina_seg.io.masks import encode_grey_png, read_classes
from napari_retina_seg.types.annotation import IGNORE
from napari_retina_seg.types.errors import ReadError, WriteError
from napari_retina_seg.types.file_names import find_same
from napari_retina_seg.types.labels import LabelScheme

NOTES = "napari_retina_seg.json"  # what this program says of the masks, for itself
_FOLDS = 5  # of nnU-Net's cross-validation
_SPLITS = {"train": "train", "val": "validation", "test": "test"}  # names of Hugging Face
_COLORS = ("R", "G", "B")


class NnunetFolder(TrainingFolder):
    """A data set of nnU-Net v2 while it is written.

    ``imagesTr/NAME_0000.png`` and ``labelsTr/NAME.png`` are pairs, ``dataset.json`` has channels
    and classes, and ``splits_final.json`` up to five folds by patient, to be put into
    ``nnUNet_preprocessed``. What is questionable has nnU-Net's label "ignore", the one after the
    last class.
    """

    _ignored = False
    _channels = 0

    def _write_pair(
        self, name: str, item: TrainingItem, index: int, mask: npt.NDArray[np.uint8]
    ) -> None:
        scheme = item.record.scheme
        pixels = item.planes[index]
        channels = 3 if pixels.ndim == 3 else 1
        if self._channels not in (0, channels):
            raise WriteError(
                f"'{name}' has {channels} channels and an image before it {self._channels}: nnU-Net"
                " needs the same in all, so export grey and colour images apart."
            )
        image = encode_image(name, pixels)
        self._channels = channels
        write_atomically(self._folder / "imagesTr" / f"{name}_0000.png", image)
        ignored = mask == IGNORE if len(scheme) <= IGNORE else np.zeros(mask.shape, bool)
        self._ignored |= bool(ignored.any())
        mask = np.where(ignored, np.uint8(len(scheme)), mask)
        write_atomically(self._folder / "labelsTr" / f"{name}.png", encode_grey_png(mask, scheme))

    def _write_contents(self, contents: Contents) -> None:
        names = _class_names(contents.records[0].scheme)
        labels = {name: value for value, name in enumerate(names)}
        if self._ignored:
            labels[IGNORE_NAME] = len(names)
        channels = _COLORS if self._channels == len(_COLORS) else ("grey",)
        described = {
            "channel_names": {str(place): name for place, name in enumerate(channels)},
            "labels": labels,
            "numTraining": len(contents.pictures),
            "file_ending": ".png",
            "overwrite_image_reader_writer": "NaturalImage2DIO",
        }
        _write_json(self._folder / "dataset.json", described)
        _write_json(self._folder / "splits_final.json", make_folds(contents.pictures))
        contents.write(self._folder, NOTES)


class HuggingFaceFolder(TrainingFolder):
    """A folder for Hugging Face's ``load_dataset("imagefolder")`` and for MONAI, while written.

    ``train/``, ``validation/`` and ``test/`` hold ``images/``, ``masks/`` and ``metadata.jsonl``,
    whose columns are ``image``, ``mask`` and ``patient``. ``dataset.json`` lists the same files
    for MONAI. Masks hold class values, and `IGNORE` where they are questionable.
    """

    def _write_pair(
        self, name: str, item: TrainingItem, index: int, mask: npt.NDArray[np.uint8]
    ) -> None:
        folder = self._folder / _SPLITS[item.split]
        image = encode_image(name, item.planes[index])
        write_atomically(folder / "images" / f"{name}.png", image)
        grey = encode_grey_png(mask, item.record.scheme)
        write_atomically(folder / "masks" / f"{name}.png", grey)

    def _write_contents(self, contents: Contents) -> None:
        lists: dict[str, list[dict[str, str]]] = defaultdict(list)
        rows: dict[str, list[str]] = defaultdict(list)
        for picture in contents.pictures:
            side = _SPLITS[picture.split]
            image, mask = (f"{kind}/{picture.name}.png" for kind in ("images", "masks"))
            row = {"file_name": image, "mask_file_name": mask, "patient": picture.group}
            rows[side].append(json.dumps(row, ensure_ascii=False))
            lists[side].append({"image": f"{side}/{image}", "label": f"{side}/{mask}"})
        for side, lines in rows.items():
            text = "\n".join(lines) + "\n"
            write_atomically(self._folder / side / "metadata.jsonl", text.encode())
        scheme = contents.records[0].scheme
        described = {
            "name": scheme.name,
            "labels": {str(value): name for value, name in enumerate(_class_names(scheme))},
            "ignore_index": IGNORE,
            "numTraining": len(lists["train"]),
            "training": lists["train"],
            "validation": lists["validation"],
            "test": lists["test"],
        }
        _write_json(self._folder / "dataset.json", described)
        contents.write(self._folder, NOTES)


def make_folds(pictures: Sequence[Picture]) -> list[dict[str, list[str]]]:
    """Divide images into folds for cross-validation, in the form of nnU-Net's splits.

    Parameters
    ----------
    pictures : sequence of Picture
        The images with their patients; all of a patient are in one fold.

    Returns
    -------
    list of dict
        Names of ``train`` and ``val`` for each of up to five folds; of a single patient one fold,
        which validates on what it trains on.
    """
    patients: dict[str, list[str]] = defaultdict(list)
    for picture in pictures:
        patients[picture.group].append(picture.name)
    members: list[list[str]] = [[] for _ in range(min(_FOLDS, len(patients)))]
    # The patients with most images first, each into the fold that has fewest.
    for group in sorted(patients, key=lambda group: (-len(patients[group]), group)):
        min(members, key=len).extend(patients[group])
    names = sorted(picture.name for picture in pictures)
    return [
        {
            "train": [name for name in names if name not in set(fold)] or names,
            "val": sorted(fold),
        }
        for fold in members
    ]


def encode_image(name: str, pixels: npt.NDArray[Any]) -> bytes:
    """Return ``(rows, columns)`` or ``(rows, columns, 3)`` RGB of 8 or 16 bits as a PNG.

    Raises
    ------
    WriteError
        If they are of another type, which a PNG can't hold.
    """
    if pixels.dtype not in (np.uint8, np.uint16):
        raise WriteError(
            f"The image '{name}' has {pixels.dtype} pixels, which no PNG holds: export it in a"
            " training folder, which has TIFF."
        )
    ordered = pixels[..., ::-1] if pixels.ndim == 3 else pixels
    done, encoded = cv2.imencode(".png", np.ascontiguousarray(ordered))
    if not done:
        raise WriteError(f"The image '{name}' can't be written as a PNG: is it damaged?")
    return bytes(encoded.tobytes())


def read_network_folder(folder: Path) -> tuple[MaskRecord, ...]:
    """Read the masks of a folder of this module, slices put together again.

    Raises
    ------
    ReadError
        If it is no such folder, or a mask is missing, damaged or of another size.
    """
    contents = Contents.read(folder, NOTES)
    planes: dict[int, list[Any]] = defaultdict(list)
    for picture in sorted(contents.pictures, key=lambda one: (one.record, one.slice)):
        scheme = contents.records[picture.record].scheme
        planes[picture.record].append(_read_mask(folder, picture, scheme))
    records = []
    for number, card in enumerate(contents.records):
        if len({plane.shape for plane in planes[number]}) != 1:
            raise ReadError(f"'{folder}' lacks masks of '{card.name}', or one was resized.")
        stack = np.stack(planes[number])
        records.append(restore(folder, stack[0] if len(card.shape) == 2 else stack, card, None))
    return tuple(records)


def _read_mask(folder: Path, picture: Picture, scheme: LabelScheme) -> npt.NDArray[Any]:
    name = f"{picture.name}.png"
    if not (folder / "labelsTr").is_dir():
        return read_classes(find_same(folder / _SPLITS[picture.split] / "masks", name))
    values = read_classes(find_same(folder / "labelsTr", name))
    return np.where(values == len(scheme), IGNORE, values) if len(scheme) <= IGNORE else values


def _class_names(scheme: LabelScheme) -> list[str]:
    """Return the class names; nnU-Net requires 0 to be "background"."""
    return ["background", *(label.name for label in scheme.classes[1:])]


def _write_json(path: Path, content: Any) -> None:
    write_atomically(path, json.dumps(content, indent=1, ensure_ascii=False).encode())
