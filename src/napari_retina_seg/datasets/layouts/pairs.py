"""Pairs of folders, ``images`` and ``masks``: matched by name, with or without a suffix."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from napari_retina_seg.datasets.labelled import LabelledImage
from napari_retina_seg.datasets.layouts.cards import describe, read_contents
from napari_retina_seg.datasets.layouts.layout import (
    SPLIT_NAMES,
    Layout,
    absent,
    file_readers,
    find_files,
    find_given_field,
)
from napari_retina_seg.io.masks import read_classes
from napari_retina_seg.types.errors import DataError
from napari_retina_seg.types.file_names import composed, last_part, name_key
from napari_retina_seg.types.image import Modality

_IMAGES, _MASKS = ("images",), ("masks", "labels")
_METADATA, _FILE_NAME = "metadata.jsonl", "file_name"  # of Hugging Face's image folders
_SUFFIX = re.compile(
    r"[ ._-]+(?:image|img|masks?|seg|segmentation|labels?|labelled|labeled|gt|ground[ _-]?truth"
    r"|annotations?|annotated|manual)$",
    re.IGNORECASE,
)


def _read(folder: Path) -> tuple[LabelledImage, ...]:
    images = list(_read_pair(folder, folder))
    if images:
        contents = read_contents(folder)
        return tuple(images if contents is None else describe(images, contents))
    for part in sorted(folder.iterdir()):
        split = SPLIT_NAMES.get(part.name.lower())
        if split and part.is_dir():
            images += [replace(image, split=split) for image in _read_pair(part, folder)]
    names = [image.name for image in images]
    if len(set(names)) < len(names):
        # The numbering starts again in each part: the same name is not the same eye.
        images = [_disambiguate(image) for image in images]
    return tuple(images)


def _disambiguate(image: LabelledImage) -> LabelledImage:
    name = f"{image.split}_{image.name}"
    return replace(image, name=name, group=name)


def _read_pair(folder: Path, dataset: Path) -> Iterator[LabelledImage]:
    images_in, masks_in = _subfolder(folder, _IMAGES), _subfolder(folder, _MASKS)
    if images_in is None or masks_in is None:
        return
    images, masks = find_files(images_in), find_files(masks_in)
    mask_of = _read_stated(folder / _METADATA, images, masks) or _match(images, masks)
    if not mask_of:
        raise DataError(
            f"No image in '{images_in}' ({_example(images)}) has a mask of its name in"
            f" '{masks_in}' ({_example(masks)}): give both the same name, or add '_mask' to"
            " the mask's."
        )
    for name, path in images.items():
        mask = masks[mask_of[name]] if name in mask_of else None
        yield _image(name, dataset, path, mask, masks_in)
    for name in masks.keys() - mask_of.values():
        yield replace(
            _image(name, dataset, masks[name], masks[name], masks_in),
            read_pixels=absent(
                f"The mask '{masks[name]}' has no image of its name in '{images_in}': add it, or"
                " remove the mask."
            ),
        )


def _image(
    name: str, dataset: Path, path: Path, mask: Path | None, masks_in: Path
) -> LabelledImage:
    return LabelledImage(
        name=name,
        dataset=dataset.resolve().name,
        group=name,
        group_guessed=True,
        modality=Modality.UNKNOWN,
        path=path,
        **file_readers(path),
        read_field=find_given_field(path),
        read_labels=(
            partial(read_classes, mask)
            if mask
            else absent(
                f"The image '{path}' has no mask of its name in '{masks_in}': add it, or take the"
                " image out."
            )
        ),
    )


def _subfolder(folder: Path, names: tuple[str, ...]) -> Path | None:
    found = {path.name.lower(): path for path in folder.iterdir() if path.is_dir()}
    return next((found[name] for name in names if name in found), None)


def _read_stated(path: Path, images: dict[str, Path], masks: dict[str, Path]) -> dict[str, str]:
    """Return the masks' stems by the images' as Hugging Face's list says them, if it does.

    Raises
    ------
    DataError
        If it can't be read.
    """
    if not path.is_file():
        return {}
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        rows = [json.loads(line) for line in lines if line.strip()]
        stated: dict[str, str] = {}
        for row in rows:
            others = (row[key] for key in row if key.endswith(_FILE_NAME) and key != _FILE_NAME)
            of_masks = [name for name in map(_stem, others) if name in masks]
            if of_masks and _stem(row[_FILE_NAME]) in images:
                stated[_stem(row[_FILE_NAME])] = of_masks[0]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"'{path}' can't be read: it needs a JSON object with a 'file_name' in each line."
        ) from error
    return stated


def _stem(name: str) -> str:
    return composed(Path(last_part(name)).stem)


def _match(images: dict[str, Path], masks: dict[str, Path]) -> dict[str, str]:
    """Return the mask's stem for each image's stem that has one."""
    by_key: dict[str, list[str]] = {}
    for stem in masks:
        by_key.setdefault(plain_stem(stem), []).append(stem)
    matched: dict[str, str] = {}
    for stem, path in images.items():
        candidates = [stem] if stem in masks else by_key.get(plain_stem(stem), [])
        if len(candidates) > 1:
            listed = " and ".join(f"'{masks[mask].name}'" for mask in candidates)
            raise DataError(f"The image '{path}' has several masks, {listed}: keep one of them.")
        matched.update((stem, mask) for mask in candidates)
    owners: dict[str, str] = {}
    for stem, mask in matched.items():
        other = owners.setdefault(mask, stem)
        if other != stem:
            raise DataError(
                f"The mask '{masks[mask]}' may be that of '{images[other].name}' and of"
                f" '{images[stem].name}': give it the name of its image."
            )
    return matched


def plain_stem(stem: str) -> str:
    """Return the common name of an image and its mask, without endings like ``_mask``."""
    return name_key(_SUFFIX.sub("", stem))


def _example(files: dict[str, Path]) -> str:
    return f"e.g. '{next(iter(files.values())).name}'" if files else "which holds no image file"


LAYOUT = Layout("folders 'images' and 'masks' with files of the same names", _read)
