"""Writer contribution of napari: save a mask with the names and colours of its classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import napari
import numpy as np
from napari.layers import Image
from napari.utils.notifications import show_error
from npe2 import PluginManager

from napari_retina_seg._napari.layer_sizes import pixel_sizes, spacing_of
from napari_retina_seg._napari.layers import KEY, Position, finest, retina_image
from napari_retina_seg._napari.mask_files import open_images
from napari_retina_seg._napari.masks.linked_layers import mask_of, questionable_of
from napari_retina_seg._napari.masks.unsaved_masks import UnsavedMasks
from napari_retina_seg._napari.results import MaskInfo
from napari_retina_seg._napari.shortcuts import PLUGIN
from napari_retina_seg.imaging.invalid_pixels import find_no_data
from napari_retina_seg.io.formats.card import read_sidecar, sidecar_of
from napari_retina_seg.io.formats.nifti import SUFFIXES as NIFTI
from napari_retina_seg.io.formats.nifti import write_nifti
from napari_retina_seg.io.formats.raster import write_png, write_tiff
from napari_retina_seg.io.formats.record import Attribution, MaskRecord
from napari_retina_seg.io.names import image_name
from napari_retina_seg.types.errors import RetinaSegError, WriteError
from napari_retina_seg.types.image import Spacing
from napari_retina_seg.types.text import displayed

_WRITERS = {".png": write_png, ".tif": write_tiff, ".tiff": write_tiff}
_WRITERS |= dict.fromkeys(NIFTI, write_nifti)


def write_mask(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write a mask of the plugin with its classes, and other labels as napari does.

    Failures are shown as a message.

    TIFF and NIfTI contain names, colours and pixel sizes; a PNG contains the colours, and
    ``<stem>.json`` next to it the rest.

    Parameters
    ----------
    path : str
        Ends in ``.png``, ``.tif``, ``.tiff``, ``.nii`` or ``.nii.gz``; without an ending a plane
        becomes a PNG and a volume a TIFF.
    data : array
        The Labels layer's values.
    attributes : dict
        The layer's state; its metadata contains the label scheme.

    Returns
    -------
    list of str
        The written file; empty on failure.
    """
    try:
        if isinstance(attributes.get("metadata", {}).get(KEY), MaskInfo):
            return [str(save_mask(Path(path), data, attributes))]
        return _pass_on(path, data, attributes)
    except RetinaSegError as error:
        show_error(displayed(str(error)))
        return []


def save_mask(path: Path, data: Any, attributes: dict[str, Any]) -> Path:
    """Write a mask of the plugin to a file, which appears when it is complete.

    Parameters
    ----------
    path : Path
        As in `write_mask`.
    data : array
        The Labels layer's values.
    attributes : dict
        The layer's state, with a `MaskInfo` in its metadata.

    Returns
    -------
    Path
        The written file.

    Raises
    ------
    WriteError
        If the mask can't be written under this name.
    """
    known = attributes["metadata"][KEY]
    values = np.asarray(data)
    leading = tuple(axis for axis in range(values.ndim - 3) if values.shape[axis] == 1)
    labels = _in_scheme(values.squeeze(leading), known)
    file = _with_ending(path, labels)
    _write(file, _record(file, labels, known, attributes))
    _mark_saved(known)
    return file


def _mark_saved(known: MaskInfo) -> None:
    """Note that a mask of the current viewer is saved; napari passes no layers to writers."""
    viewer = napari.current_viewer()
    for layer in () if viewer is None else viewer.layers:
        if layer.metadata.get(KEY) is known:
            UnsavedMasks.of(viewer).mark_saved(layer)


def _pass_on(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write labels without classes with the next writer, since napari asks this one first."""
    name = path.lower()
    for writer in PluginManager.instance().iter_compatible_writers(["labels"]):
        fits = not Path(path).suffix or name.endswith(tuple(writer.filename_extensions))
        if writer.plugin_name != PLUGIN and fits:
            written = writer.exec(args=(path, data, attributes))
            return [written] if isinstance(written, str) else list(written or [])
    raise WriteError(
        f"'{attributes.get('name', 'The layer')}' is not a mask of this plugin: save it as .tif."
    )


def _with_ending(path: Path, labels: np.ndarray) -> Path:
    """Add a file extension if the name has none, as the default name in the dialog."""
    if path.suffix and " " not in path.suffix:  # "eye.1 · mask" has none either
        return path
    file = path.with_name(f"{path.name}{'.png' if labels.ndim == 2 else '.tif'}")
    if file.exists():  # the dialog did not ask about this name
        raise WriteError(f"'{file}' already exists: save the mask under another name.")
    return file


def _in_scheme(values: np.ndarray, known: MaskInfo) -> np.ndarray:
    """Return the values as uint8; raises `WriteError` for values beyond the scheme."""
    largest = int(values.max(initial=0))
    if largest >= len(known.scheme):
        raise WriteError(
            f"The mask holds the value {largest}, but '{known.scheme.name}' has the classes 0 to"
            f" {len(known.scheme) - 1}: paint those pixels with a class of the legend first."
        )
    return values.astype(np.uint8)


def _record(
    path: Path, labels: np.ndarray, known: MaskInfo, attributes: dict[str, Any]
) -> MaskRecord:
    made = known.provenance
    # The editor is unknown: only project versions count as ground truth.
    attribution = Attribution(
        model=made.model if made else None,
        weights_sha256=made.weights_sha256 if made else None,
        program=made.version if made else "",
    )
    return MaskRecord(
        labels,
        scheme=known.scheme,
        name=image_name(path),
        spacing=_spacing(attributes, known, labels.ndim),
        attribution=attribution,
        ignore=_ignored(labels, known),
        placement=known.placement,
        is_named_by_file=True,
    )


def _ignored(labels: np.ndarray, known: MaskInfo) -> np.ndarray | None:
    """Return the pixels that the file excludes from scores and training.

    These are questionable regions of any class, and pixels without image data that have not been
    painted.
    """
    ignored = _no_data(labels, known) & (labels == 0)
    marked = _questionable(known)
    if marked is not None and marked.size == labels.size:
        ignored |= marked.reshape(labels.shape)
    return ignored if ignored.any() else None


def _questionable(known: MaskInfo) -> np.ndarray | None:
    """Return the questionable regions of the linked layer, or those stored in the mask."""
    viewer = napari.current_viewer()
    for layer in () if viewer is None else viewer.layers:
        mask = mask_of(layer)
        if mask is not None and mask.metadata.get(KEY) is known:
            marked = questionable_of(viewer, mask)
            if marked is not None:
                return marked
    return known.questionable


def _no_data(labels: np.ndarray, known: MaskInfo) -> np.ndarray:
    """Return where the image has no data: as found at prediction, or else from its pixels."""
    found = np.zeros(labels.shape, bool)
    part, ignore = found, known.ignore
    if ignore is None:
        image = _image_of(known)
        ignore = None if image is None else _no_data_of(image, labels.shape)
    elif known.index is not None and labels.ndim == 3:
        part = found[known.index]
    if ignore is not None and ignore.shape == part.shape:
        part[:] = ignore
    return found


def _image_of(known: MaskInfo) -> Image | None:
    """Return the open image of a mask; napari passes no layers to writers."""
    linked = None if known.image_layer is None else known.image_layer()
    if linked is not None:
        return linked
    return next((each for each in open_images() if each.name == known.image), None)


def _no_data_of(image: Image, shape: tuple[int, ...]) -> np.ndarray | None:
    """Return the pixels of an open image without data, if the mask has its shape."""
    raster = tuple(map(int, finest(image).shape[: image.ndim]))
    if raster != (*(1,) * (len(raster) - len(shape)), *shape):
        return None
    return find_no_data(retina_image(image, Position((0,) * max(0, len(raster) - 3))))


def _spacing(attributes: dict[str, Any], known: MaskInfo, axes: int) -> Spacing:
    """Return the layer's pixel sizes, or those of its file if the layer is in pixels."""
    sizes = pixel_sizes(attributes)[-axes:]
    if sizes[-2:] == (None, None):
        return known.spacing
    return spacing_of(sizes, known.spacing)


def _write(path: Path, record: MaskRecord) -> None:
    endings = (ending for ending in _WRITERS if path.name.lower().endswith(ending))
    write = _WRITERS.get(next(endings, ""))
    if write is None:
        raise WriteError(f"'{path}' can't hold this mask: save it as .png, .tif or .nii.")
    beside = sidecar_of(path)
    if write is write_png and beside.exists() and read_sidecar(path) is None:
        raise WriteError(
            f"'{beside}' already exists and is about something else: save the mask under another"
            " name, or as .tif."
        )
    write(path, record)
