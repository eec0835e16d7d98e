"""Open DICOM Segmentations as Labels layers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from napari.layers import Image
from napari.types import LayerDataTuple
from napari.utils.notifications import show_warning

from napari_retina_seg._napari.mask_files import place
from napari_retina_seg._napari.results import MaskInfo, mask_options
from napari_retina_seg.io import is_dicom_content


def segmentation_layers(
    path: Path, images: Sequence[Image] | None = None
) -> list[LayerDataTuple] | None:
    """Read a DICOM Segmentation; None for any other file.

    Parameters
    ----------
    path : Path
        The file.
    images : sequence of Image, optional
        The image layers that it may lie on; by default those that are open.

    Returns
    -------
    list of LayerDataTuple or None
        One Labels layer, on the open image that it was drawn on, or of its own pixel sizes. Its
        values are those of the scheme whose classes the segments are, or else the numbers of the
        segments.

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
    if mask.warning:
        show_warning(mask.warning)
    options, image = place(mask.name, mask.labels.shape, mask.spacing, images)
    if mask.scheme is not None:
        info = MaskInfo(image, mask.scheme, spacing=mask.spacing, ignore=mask.ignore)
        options |= mask_options(info)
    return [(mask.labels, {"name": mask.name, **options}, "labels")]
