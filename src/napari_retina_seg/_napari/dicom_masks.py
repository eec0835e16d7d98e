"""Open DICOM Segmentations as Labels layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari.types import LayerDataTuple

from napari_retina_seg._napari.layers import image_layers
from napari_retina_seg._napari.results import MaskInfo, mask_options
from napari_retina_seg.core.image import RetinaImage
from napari_retina_seg.io import is_dicom_content


def segmentation_layers(path: Path) -> list[LayerDataTuple] | None:
    """Read a DICOM Segmentation; None for any other file.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    list of LayerDataTuple or None
        One Labels layer of its pixel sizes. Its values are those of the scheme whose classes the
        segments are, or else the numbers of the segments.

    Raises
    ------
    ReadError
        If it can't be read as a mask.
    """
    if not is_dicom_content(path):
        return None
    from napari_retina_seg.io.exchange.dicom_masks import is_dicom_mask, read_dicom_mask

    if not is_dicom_mask(path):
        return None
    mask = read_dicom_mask(path)
    image = RetinaImage(mask.labels, spacing=mask.spacing, name=mask.name)
    ((_, placed, _),) = image_layers(image)
    options: dict[str, Any] = {
        key: placed[key] for key in ("name", "scale", "units", "axis_labels")
    }
    if mask.scheme is not None:
        options |= mask_options(MaskInfo("", mask.scheme))
    return [(mask.labels, options, "labels")]
