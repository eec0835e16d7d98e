"""Stacks ``images.npy`` and ``masks.npy``, as the SegNet system reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.io.atomic import write_atomically
from napari_retina_seg.io.formats.card import make_card, restore
from napari_retina_seg.io.formats.contents import CONTENTS, Contents, Picture
from napari_retina_seg.io.formats.record import MaskRecord, require_truth, shared_scheme
from napari_retina_seg.io.formats.training import TrainingItem, record_name
from napari_retina_seg.io.images.arrays import has_slices_last, open_stack
from napari_retina_seg.types.annotation import IGNORE
from napari_retina_seg.types.errors import ReadError, WriteError
from napari_retina_seg.types.labels import LabelScheme


def fill_stacks(
    folder: Path, items: Sequence[TrainingItem], *, one_hot: bool = False, patients: str = ""
) -> None:
    """Write ``images.npy`` and ``masks.npy``, slice after slice; ``dataset.json`` has the cards.

    Parameters
    ----------
    folder : Path
        Where it is built, out of sight.
    items : sequence of TrainingItem
        Masks of one scheme, all made or accepted by a person, and images of one shape and dtype.
    one_hot : bool
        Whether masks are ``(images, rows, columns, classes)`` of 0 and 1, rather than ``(images,
        rows, columns)`` of class values. One-hot masks can't mark questionable pixels.
    patients : str
        What ``dataset.json`` says of where its patients were found.

    Raises
    ------
    WriteError
        If a mask is no truth, shapes differ, something questionable would be lost, or the folder
        can't be written.
    """
    records = [item.record for item in items]
    require_truth(records)
    scheme = shared_scheme(records)
    kinds = {(item.planes.shape[1:], item.planes.dtype.name) for item in items}
    if len(kinds) > 1:
        listed = " and ".join(sorted(f"{kind} {shape}" for shape, kind in kinds))
        raise WriteError(
            f"A stack holds images of one size and type, and these are {listed}: export them as a"
            " training folder."
        )
    masks = np.concatenate([record.planes for record in records])
    if one_hot:
        masks = _encode(masks, scheme)
    write_atomically(folder / "images.npy", _saved(np.concatenate([i.planes for i in items])))
    write_atomically(folder / "masks.npy", _saved(masks))
    pictures = [
        Picture(
            name=record_name(item.record, index),
            group=item.group,
            split=item.split,
            record=number,
            slice=index,
        )
        for number, item in enumerate(items)
        for index in range(len(item.planes))
    ]
    cards = [make_card(record) for record in records]
    Contents(pictures=pictures, records=cards, patients=patients).write(folder)


def _encode(masks: npt.NDArray[np.uint8], scheme: LabelScheme) -> npt.NDArray[np.uint8]:
    if len(scheme) <= IGNORE and (masks == IGNORE).any():
        raise WriteError(
            "One-hot masks can't mark questionable pixels: export class values, or a training"
            " folder."
        )
    return np.eye(len(scheme), dtype=np.uint8)[masks]


def _saved(stack: npt.NDArray[Any]) -> bytes:
    file = BytesIO()
    np.save(file, stack)
    return file.getvalue()


def read_stacks(
    folder: Path, scheme: LabelScheme | None = None, remap: Mapping[int, int] | None = None
) -> tuple[MaskRecord, ...]:
    """Read the masks of ``masks.npy``, of class values or one-hot.

    Parameters
    ----------
    folder : Path
        With ``masks.npy``, and ``dataset.json`` if this program wrote it.
    scheme : LabelScheme, optional
        The classes if there is no such.
    remap : mapping, optional
        What values stand for in the file of another program, e.g. ``{255: 1}``.

    Raises
    ------
    ReadError
        If a file can't be read, or its values are none of the classes.
    """
    path = folder / "masks.npy"
    if not path.is_file():
        raise ReadError(f"There is no file '{path}': choose a folder with stacks.")
    masks = np.asarray(open_stack(path))
    is_foreign = not (folder / CONTENTS).is_file()
    is_turned = is_foreign and has_slices_last(masks.shape)
    if masks.ndim not in (3, 4) or not masks.size or is_turned:
        raise ReadError(
            f"'{path}' has the shape {masks.shape}: expected (images, rows, columns), with a last"
            " axis of one channel per class if need be."
        )
    masks = _decode(path, masks) if masks.ndim == 4 else masks
    if is_foreign:
        names = (folder / f"{index:04d}.npy" for index in range(len(masks)))
        pairs = zip(names, masks, strict=True)
        return tuple(restore(name, mask, None, scheme, remap=remap) for name, mask in pairs)
    cards = Contents.read(folder).records
    counts = [card.shape[0] if len(card.shape) == 3 else 1 for card in cards]
    if sum(counts) != len(masks):
        raise ReadError(
            f"'{path}' holds {len(masks)} masks, and '{CONTENTS}' beside it lists"
            f" {sum(counts)}: export them again, or take that file out and name the scheme."
        )
    parts = np.split(masks, np.cumsum(counts)[:-1])
    return tuple(
        restore(path, part if len(card.shape) == 3 else part[0], card, scheme)
        for part, card in zip(parts, cards, strict=True)
    )


def _decode(path: Path, masks: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if masks.shape[-1] == 1:
        return masks[..., 0]
    if ((masks != 0).sum(axis=-1) != 1).any():
        raise ReadError(
            f"'{path}' has pixels of no class or of several: in a stack with a channel per class,"
            " background too, one channel of each pixel is set."
        )
    return np.asarray(masks.argmax(axis=-1))
