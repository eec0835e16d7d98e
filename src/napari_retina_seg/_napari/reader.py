"""Reader contribution of napari: open retinal images with `napari_retina_seg.io`."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import napari
from napari.layers import Image, Layer
from napari.types import LayerDataTuple
from napari.utils.notifications import show_error, show_warning

from napari_retina_seg._napari.acquisitions import acquisition_layers
from napari_retina_seg._napari.en_face import link_en_faces
from napari_retina_seg._napari.layers import KEY, ImageInfo
from napari_retina_seg._napari.mask_files import (
    open_images,
    place_waiting_masks,
    read_mask_layer,
    segmentation_layers,
)
from napari_retina_seg.io import SUFFIXES, is_image_content, is_zarr, read_images
from napari_retina_seg.io.formats.nifti import is_nifti
from napari_retina_seg.io.images.folders import FolderContents, PassedOver, list_folder
from napari_retina_seg.io.names import natural_key
from napari_retina_seg.types.errors import ReadError, RetinaSegError
from napari_retina_seg.types.image import RetinaImage
from napari_retina_seg.types.text import displayed

PathOrPaths = str | Path | Sequence[str | Path]

_MOST = 50  # images per folder that are opened as layers

_NOTHING: list[LayerDataTuple] = [(None,)]  # napari's value for a file without layers


def get_reader(path: PathOrPaths) -> Callable[[PathOrPaths], list[LayerDataTuple]] | None:
    """Return the function that reads a path, or None if the plugin can't read it.

    Files without a known suffix, as DICOM files in archives, are recognised by their first bytes.

    Parameters
    ----------
    path : str, Path, or list of them
        Several paths are stacked into one volume, in the order of the numbers in their names.
    """
    paths = _as_paths(path)
    return read if paths and all(map(_is_ours, paths)) else None


def _is_ours(path: Path) -> bool:
    known = path.suffix.lower() in SUFFIXES or is_nifti(path)
    return path.is_dir() or known or is_image_content(path)


def read(path: PathOrPaths) -> list[LayerDataTuple]:
    """Read one file, several into a volume, or all images of a folder.

    A file that can't be read is reported in one sentence: an exception would show a traceback and
    keep napari from opening the remaining files.
    """
    try:
        mask = read_mask_layer(Path(path)) if isinstance(path, str | Path) else None
        if mask is not None:
            return [mask]
        paths = _as_paths(path)
        if len(paths) == 1 and paths[0].is_dir() and not is_zarr(paths[0]):
            return _read_folder(paths[0])
        if len(paths) == 1:
            masks = segmentation_layers(paths[0])
            return masks or [each for one in read_images(paths[0]) for each in _image_layers(one)]
        from napari_retina_seg.io.images.series import read_slices  # brings in pydicom

        return _image_layers(read_slices(sorted(paths, key=natural_key)))
    except RetinaSegError as error:
        # The toast shows one line: with the folder, the reason would be cut off.
        folders = sorted({str(each.parent) + os.sep for each in _as_paths(path)}, key=len)
        sentence = str(error)
        for folder in reversed(folders):
            sentence = sentence.replace(folder, "")
        show_error(displayed(sentence))
        return _NOTHING


def _as_paths(path: PathOrPaths) -> list[Path]:
    return [Path(path)] if isinstance(path, str | Path) else [Path(each) for each in path]


def _image_layers(image: RetinaImage) -> list[LayerDataTuple]:
    for warning in image.warnings:
        show_warning(displayed(f"{image.name}: {warning}"))
    layers = acquisition_layers(image)
    place_waiting_masks(layers[0])
    if len(layers) > 1:
        link_en_faces(napari.current_viewer())
    return layers


def _read_folder(folder: Path) -> list[LayerDataTuple]:
    """Read the images and masks of a folder, and report skipped and unreadable files."""
    from napari_retina_seg.io.images.series import group_series, read_files

    contents = list_folder(folder)
    images = group_series(contents.images)
    if len(images) > _MOST:
        raise ReadError(
            f"'{folder}' holds {len(images)} images: more than {_MOST} are not opened at once:"
            f" choose image files in it, or add the folder to a project. {contents.message}".strip()
        )
    layers = []
    for image in images:
        try:
            layers += _image_layers(read_files(image))
        except RetinaSegError as error:
            show_error(displayed(str(error).replace(str(folder) + os.sep, "")))
    masks, others = _read_masks(contents.passed_over, layers)
    message = FolderContents(passed_over=others).message
    if not images and not masks:
        raise ReadError(
            f"'{folder}' has no images: choose image files in it, or add the folder to a project."
            f" {message}".strip()
        )
    if message:
        show_warning(displayed(message))
    return [*layers, *masks] or _NOTHING


def _read_masks(
    files: Sequence[PassedOver], images: Sequence[LayerDataTuple]
) -> tuple[list[LayerDataTuple], tuple[PassedOver, ...]]:
    """Read the masks among files that are not images, onto images opened with them.

    Returns
    -------
    tuple
        The masks, and the files that are not masks or can't be read, with the reason.
    """
    masks: list[LayerDataTuple] = []
    others = []
    beside: tuple[Image, ...] | None = None
    for file in files:
        if file.path.is_dir() or len(masks) == _MOST:
            others.append(file)
            continue
        if beside is None:
            beside = (*(Layer.create(*each) for each in images if _is_image(each)), *open_images())
        try:
            mask = read_mask_layer(file.path, beside)
            found = segmentation_layers(file.path, beside) or [] if mask is None else [mask]
        except RetinaSegError as error:
            others.append(PassedOver(file.path, _as_reason(error, file.path)))
            continue
        masks += found
        others += [] if found else [file]
    return masks, tuple(others)


def _is_image(data: LayerDataTuple) -> bool:
    return isinstance(data[1].get("metadata", {}).get(KEY), ImageInfo)


def _as_reason(error: RetinaSegError, path: Path) -> str:
    """Return an error message without the file name and the full stop."""
    return str(error).removeprefix(f"'{path}' ").rstrip(".")
