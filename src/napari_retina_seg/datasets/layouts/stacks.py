"""Stacks of images and of masks in ``.npy`` files, as the SegNet system keeps them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.datasets.labelled import LabelledImage
from napari_retina_seg.datasets.layouts.cards import is_guessed, read_contents, with_ignored
from napari_retina_seg.datasets.layouts.layout import SPLIT_NAMES, Layout, find_visible
from napari_retina_seg.imaging.preprocess import Plane
from napari_retina_seg.io.images.arrays import has_slices_last, open_stack
from napari_retina_seg.types.errors import DataError, RetinaSegError
from napari_retina_seg.types.image import Modality

_Stack = npt.NDArray[Any]
_IMAGES = {"images", "image", "imgs", "x"}
_MASKS = {"masks", "mask", "labels", "label", "y"}


def _read(folder: Path) -> tuple[LabelledImage, ...]:
    """Pair the stacks by what their names say beside "images" and "masks"."""
    images, masks = _find(folder, _IMAGES), _find(folder, _MASKS)
    if not images.keys() & masks.keys():
        images, masks = _find_by_content(folder)
        if not masks:
            return ()
    alone = [(images | masks)[key] for key in images.keys() ^ masks.keys()]
    if alone:
        raise DataError(
            f"'{alone[0]}' is without its counterpart: a stack of images needs one of masks, e.g."
            " 'train_images.npy' and 'train_masks.npy'."
        )
    found = tuple(
        image for key in sorted(images) for image in _read_pair(key, images[key], masks[key])
    )
    contents = read_contents(folder)
    if contents is None or not contents.records:
        return found
    known = tuple(with_ignored(image, contents.records[0].scheme) for image in found)
    if len(contents.pictures) != len(known):
        return known
    pairs = zip(known, contents.pictures, strict=True)
    return tuple(
        replace(image, group=picture.group, group_guessed=is_guessed(picture, contents))
        for image, picture in pairs
    )


def _find(folder: Path, tags: set[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in find_visible(folder, "*.npy"):
        parts = re.split(r"[ _-]+", path.stem.lower())
        rest = [part for part in parts if part not in tags]
        if len(rest) == len(parts):
            continue
        other = found.setdefault("_".join(rest), path)
        if other != path:
            raise DataError(
                f"'{other.name}' and '{path.name}' in '{folder}' hold the same kind of stack: keep"
                " one of them."
            )
    return found


def _find_by_content(folder: Path) -> tuple[dict[str, Path], dict[str, Path]]:
    """Find one-hot masks by what is in them, whatever they are called, and their images.

    Returns
    -------
    tuple of dict
        Images and masks by what the names of a pair have in common.

    Raises
    ------
    DataError
        If the images of a stack of masks can't be determined.
    """
    stacks = {path: _open(path) for path in find_visible(folder, "*.npy")}
    known = {path: stack for path, stack in stacks.items() if stack is not None}
    one_hot = {path: stack for path, stack in known.items() if _is_one_hot(stack)}
    images: dict[str, Path] = {}
    masks: dict[str, Path] = {}
    for path, stack in one_hot.items():
        fitting = [
            other
            for other, candidate in known.items()
            if other not in one_hot
            and len(candidate) == len(stack)
            and _channels_last(stack, _grid_of(candidate)).shape[1:3] == _grid_of(candidate)
        ]
        most = max((_shared(path, other) for other in fitting), default=0)
        closest = [other for other in fitting if _shared(path, other) == most]
        if len(closest) != 1:
            raise DataError(
                f"'{path}' holds one-hot masks, and {len(closest)} stacks beside it may be their"
                " images: call the two e.g. 'train_images.npy' and 'train_masks.npy'."
            )
        (partner,) = closest
        shared = _name_parts(path) & _name_parts(partner)
        key = "_".join(word for word in _in_order(path) if word in shared)
        if key in masks:
            key = path.stem
        images[key], masks[key] = partner, path
    return images, masks


def _open(path: Path) -> _Stack | None:
    """Return a stack; None if it is no array of three or four axes."""
    try:
        stack = open_stack(path)
    except RetinaSegError:
        return None
    return stack if stack.ndim in (3, 4) and stack.size else None


def _is_one_hot(stack: _Stack) -> bool:
    """Whether one channel of each pixel is set, in the first masks, the middle and the last."""
    if stack.ndim != 4:
        return False
    some = np.asarray(stack[sorted({0, len(stack) // 2, len(stack) - 1})])
    set_once = (
        some.shape[axis] > 1 and bool(((some != 0).sum(axis=axis) == 1).all()) for axis in (-1, 1)
    )
    return any(set_once) and len(np.unique(some)) == 2


def _channels_last(stack: _Stack, grid: tuple[int, ...]) -> _Stack:
    """Return a stack with its channels last, which other programs (PyTorch's) have first.

    Parameters
    ----------
    stack : array
        Of any number of axes.
    grid : tuple of int
        ``(rows, columns)`` of the images.
    """
    is_first = stack.ndim == 4 and stack.shape[2:] == grid and stack.shape[1:3] != grid
    return np.moveaxis(stack, 1, -1) if is_first else stack


def _grid_of(images: _Stack) -> tuple[int, ...]:
    """Return ``(rows, columns)`` of images with their channels last or first, or without any."""
    is_first = images.ndim == 4 and images.shape[1] in (1, 3) and images.shape[-1] not in (1, 3)
    return images.shape[2:] if is_first else images.shape[1:3]


def _in_order(path: Path) -> list[str]:
    return [word for word in re.split(r"[ ._-]+", path.stem.lower()) if word]


def _name_parts(path: Path) -> set[str]:
    return set(_in_order(path))


def _shared(one: Path, other: Path) -> int:
    return len(_name_parts(one) & _name_parts(other))


def _read_pair(key: str, images_at: Path, masks_at: Path) -> Iterator[LabelledImage]:
    images, masks = open_stack(images_at), open_stack(masks_at)
    grid = _grid_of(images)
    images, masks = _channels_last(images, grid), _channels_last(masks, grid)
    if images.ndim not in (3, 4) or (images.ndim == 4 and images.shape[-1] not in (1, 3)):
        raise DataError(
            f"'{images_at}' has the shape {images.shape}: expected (images, rows, columns), with a"
            " last axis of 1 or 3 if need be."
        )
    if has_slices_last(images.shape):
        raise DataError(
            f"'{images_at}' has the shape {images.shape}, with the images last: save images and"
            " masks as (images, rows, columns)."
        )
    if masks.ndim not in (3, 4):
        raise DataError(
            f"'{masks_at}' has the shape {masks.shape}: expected (images, rows, columns) of class"
            " values, with a last axis of 1, or of one channel per class."
        )
    if len(images) != len(masks):
        raise DataError(
            f"'{images_at}' holds {len(images)} images and '{masks_at}' {len(masks)} masks: save"
            " the same number of both, in the same order."
        )
    for index in range(len(images)):
        name = f"{key}_{index:04d}".lstrip("_")
        yield LabelledImage(
            name=name,
            dataset=images_at.parent.resolve().name,
            group=name,
            group_guessed=True,
            modality=Modality.UNKNOWN,
            path=images_at,
            read_pixels=partial(_plane, images, index),
            read_labels=partial(_classes, masks, index, masks_at),
            split=SPLIT_NAMES.get(key),
        )


def _plane(stack: _Stack, index: int) -> Plane:
    plane = np.array(stack[index])
    return plane[..., 0] if plane.ndim == 3 and plane.shape[-1] == 1 else plane


def _classes(stack: _Stack, index: int, path: Path) -> npt.NDArray[np.int64]:
    mask = np.array(stack[index])
    if mask.ndim == 3 and mask.shape[-1] > 1:
        if ((mask != 0).sum(axis=-1) != 1).any():
            raise DataError(
                f"Mask {index} of '{path}' has pixels of no class or of several: in a stack with a"
                " channel per class, background too, one channel of each pixel is set."
            )
        return np.asarray(mask.argmax(axis=-1))
    classes = mask.reshape(mask.shape[:2]).astype(np.int64)
    if not np.array_equal(classes, mask.reshape(mask.shape[:2])):
        raise DataError(f"Mask {index} of '{path}' has values that are not whole numbers.")
    return classes


LAYOUT = Layout("stacks 'images.npy' and 'masks.npy', or 'X.npy' and 'y.npy'", _read)
