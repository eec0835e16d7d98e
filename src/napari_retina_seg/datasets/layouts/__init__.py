"""Read data sets in their published layouts, recognised by their files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from napari_retina_seg.datasets.labelled import LabelledImage
from napari_retina_seg.datasets.layouts import (
    duke,
    fundus,
    kermany,
    oct_layers,
    octid,
    pairs,
    stacks,
)
from napari_retina_seg.datasets.layouts.layout import Layout
from napari_retina_seg.datasets.layouts.options import ReadOptions, apply_options
from napari_retina_seg.types.errors import DataError
from napari_retina_seg.types.file_names import composed
from napari_retina_seg.types.splits import SPLITS

__all__ = ["LabelledImage", "ReadOptions", "read_data", "read_dataset"]

# Those with names of their own before those that any folder may have.
_LAYOUTS = (
    fundus.DRIVE,
    duke.LAYOUT,
    oct_layers.LAYOUT,
    fundus.CHASE_DB1,
    fundus.HRF,
    kermany.LAYOUT,
    pairs.LAYOUT,
    stacks.LAYOUT,
    octid.LAYOUT,
)
_SPLITS = "splits.json"

_Images = tuple[LabelledImage, ...]


def read_dataset(folder: Path, options: ReadOptions | None = None) -> tuple[LabelledImage, ...]:
    """List the images of a data set.

    Parameters
    ----------
    folder : Path
        A data set in one of the known layouts, which is recognised by its files. A ``splits.json``
        in it says which groups, or which images, are ``train``, ``val`` and ``test``.
    options : ReadOptions, optional
        Groups and mask values.

    Returns
    -------
    tuple of LabelledImage
        In the order of their names. An image without a mask, or a mask without an image, is
        among them, and says so when it is read.

    Raises
    ------
    DataError
        If the folder is in no known layout, or one is broken.
    """
    images = _find_images(folder)
    if not images:
        raise _unknown(folder)
    return apply_options(images, options or ReadOptions())


def read_data(
    paths: Sequence[Path], names: Sequence[str] = (), options: ReadOptions | None = None
) -> tuple[LabelledImage, ...]:
    """List the images of several data sets.

    Parameters
    ----------
    paths : sequence of Path
        Data sets, or folders whose subfolders are data sets.
    names : sequence of str, optional
        Which subfolders to take; by default all that hold a data set.
    options : ReadOptions, optional
        Groups and mask values.

    Returns
    -------
    tuple of LabelledImage
        Data set by data set.

    Raises
    ------
    DataError
        If there is no data set, one that is named is missing, or two have the same name.
    """
    found: dict[Path, _Images] = {}
    missing: set[str] = set()
    names = [composed(name) for name in names]
    for path in paths:
        images = _find_images(path)
        if images:
            found[path] = images
        else:
            found.update(_find_inside(path, names))
            missing.update(names)
    missing -= {composed(folder.name) for folder in found}
    if missing:
        folders = " or ".join(map(repr, map(str, paths)))
        raise DataError(
            f"There is no data set '{min(missing)}' in {folders}: put it there, or name its folder."
        )
    _check_names(found)
    options = options or ReadOptions()
    return tuple(image for images in found.values() for image in apply_options(images, options))


def _find_inside(path: Path, names: Sequence[str]) -> dict[Path, _Images]:
    """Return the data sets that are subfolders; each that is named must be one."""
    if not path.is_dir():
        raise _unknown(path)
    found = {}
    for folder in sorted(path.iterdir()):
        if folder.is_dir() and (not names or composed(folder.name) in names):
            images = _find_images(folder)
            if images:
                found[folder] = images
            elif names:
                raise _unknown(folder)
    if not found and not names:
        raise _unknown(path)
    return found


def _check_names(found: dict[Path, _Images]) -> None:
    owners: dict[str, Path] = {}
    for folder, images in found.items():
        other = owners.setdefault(images[0].dataset, folder)
        if other != folder:
            raise DataError(
                f"'{other}' and '{folder}' are both named '{images[0].dataset}': rename one of the"
                " folders, or leave it out."
            )


def _unknown(folder: Path) -> DataError:
    if not folder.is_dir():
        return DataError(f"There is no folder '{folder}': name one with a data set.")
    known = "; ".join(layout.expected for layout in _LAYOUTS)
    return DataError(f"No data set was found in '{folder}': expected one of {known}.")


def _find_images(folder: Path) -> _Images:
    for layout in _LAYOUTS:
        images = layout.read(folder) if folder.is_dir() else ()
        if images:
            images = tuple(_identify(image, layout) for image in images)
            images = tuple(sorted(images, key=lambda image: image.name))
            return _apply_splits(images, folder / _SPLITS)
    return ()


def _identify(image: LabelledImage, layout: Layout) -> LabelledImage:
    """Add the data set to an image, and normalise its name (NFC)."""
    return replace(
        image,
        layout=layout.expected,
        name=composed(image.name),
        group=composed(image.group),
        dataset=composed(image.dataset),
    )


def _apply_splits(images: _Images, path: Path) -> _Images:
    if not path.is_file():
        return images
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        split_of = {composed(name): side for side in SPLITS for name in known.get(side, ())}
        sides = [split_of.get(image.name) or split_of[image.group] for image in images]
        return tuple(replace(image, split=side) for image, side in zip(images, sides, strict=True))
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise DataError(
            f"'{path}' can't be read: it needs lists of groups called train, val and test."
        ) from error
    except KeyError as error:
        raise DataError(f"'{path}' does not say where the group {error} belongs: add it.") from (
            error
        )
