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
        Candidates for the mask's image; by default the open ones.

    Returns
    -------
    list of LayerDataTuple or None
        One Labels layer on the mask's image if that is open, otherwise with its own pixel sizes.
        The values are those of the scheme that matches the segments, or else the segment numbers.

    Raises
    ------
    ReadError
        If it can't be read as a mask.
    """
    if not is_dicom_content(path):
        return None
    from napari_retina_seg.io.formats.dicom_masks import is_dicom_mask, read_dicom_mask

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
