"""Data sets in the layouts in which they are handed out, each recognised by its files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from napari_retina_seg.core.errors import DataError
from napari_retina_seg.data.labelled import SPLITS, LabelledImage
from napari_retina_seg.data.layouts import chase_db1, hrf, oct_layers
from napari_retina_seg.data.layouts.options import ReadOptions, apply_options

__all__ = ["LabelledImage", "ReadOptions", "read_data", "read_dataset"]

# Those with names of their own before those that any folder may have.
_LAYOUTS = (oct_layers.LAYOUT, chase_db1.LAYOUT, hrf.LAYOUT)
_SPLITS = "splits.json"


def read_dataset(folder: Path, options: ReadOptions | None = None) -> tuple[LabelledImage, ...]:
    """List the images of a data set.

    Parameters
    ----------
    folder : Path
        A data set in one of the known layouts, which is recognised by its files. A ``splits.json``
        in it says which groups are ``train``, ``val`` and ``test``.
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
        known = "; ".join(layout.expected for layout in _LAYOUTS)
        reason = "There is no folder" if not folder.is_dir() else "No data set was found in"
        raise DataError(f"{reason} '{folder}'. Expected one of: {known}.")
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
    folders = [folder for path in paths for folder in _find_folders(path, names)]
    owners: dict[str, Path] = {}
    images: list[LabelledImage] = []
    for folder in dict.fromkeys(folders):
        found = read_dataset(folder, options)
        other = owners.setdefault(found[0].dataset, folder)
        if other != folder:
            raise DataError(
                f"'{other}' and '{folder}' are both called '{found[0].dataset}': rename one of the"
                " folders, or leave it out."
            )
        images.extend(found)
    return tuple(images)


def _find_folders(path: Path, names: Sequence[str]) -> list[Path]:
    if not path.is_dir() or _find_images(path):
        return [path]
    if names:
        return [path / name for name in names]
    found = [folder for folder in sorted(path.iterdir()) if folder.is_dir()]
    return [folder for folder in found if _find_images(folder)] or [path]


def _find_images(folder: Path) -> tuple[LabelledImage, ...]:
    for layout in _LAYOUTS:
        images = layout.read(folder) if folder.is_dir() else ()
        if images:
            images = tuple(replace(image, layout=layout.expected) for image in images)
            return _apply_splits(images, folder / _SPLITS)
    return ()


def _apply_splits(images: tuple[LabelledImage, ...], path: Path) -> tuple[LabelledImage, ...]:
    if not path.is_file():
        return images
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        split_of = {group: split for split in SPLITS for group in known.get(split, ())}
        return tuple(replace(image, split=split_of[image.group]) for image in images)
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise DataError(
            f"'{path}' can't be read: it needs lists of groups called train, val and test."
        ) from error
    except KeyError as error:
        raise DataError(f"'{path}' does not say where the group {error} belongs: add it.") from (
            error
        )
