"""Segmentations to files that other programs open."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict
from io import BytesIO, StringIO
from itertools import compress
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from napari_retina_seg.imaging.overlay import draw_overlay
from napari_retina_seg.io.atomic import check_names, write_atomically
from napari_retina_seg.io.masks import save_mask
from napari_retina_seg.types.errors import ImageError
from napari_retina_seg.types.image import RetinaImage
from napari_retina_seg.types.segmentation import Segmentation
from napari_retina_seg.types.text import csv_cell


def save_segmentation(
    segmentation: Segmentation,
    image: RetinaImage,
    folder: Path,
    stem: str,
    *,
    probabilities: bool = False,
) -> tuple[Path, ...]:
    """Write a mask, a picture of it, and what else there is of it.

    ``<stem>_mask.png`` holds the class values, with the scheme's palette; for a volume
    ``<stem>_mask.tif`` has a page for each slice. ``<stem>_overlay.png`` shows the image with
    the mask, of a volume the middle slice. Pixels without data are 255 in the mask, which states
    the image's pixel sizes where they are known. ``<stem>_boundaries.csv`` has a row for each
    column of the image and a column for each surface, in px from the top; for a volume the slice
    comes first. What is unknown is left empty. ``<stem>_checks.json`` says which checks fired, if
    any did, whether this is the kind of image that the model learnt from.

    Parameters
    ----------
    segmentation : Segmentation
        What to write.
    image : RetinaImage
        The image it belongs to.
    folder : Path
        Where to; made if missing. Files of these names there are replaced.
    stem : str
        How the names begin.
    probabilities : bool
        Whether to write ``<stem>_probabilities.npz`` too, with the arrays ``probabilities``
        (float16) and ``class_names``.

    Returns
    -------
    tuple of Path
        The files, mask first.

    Raises
    ------
    WriteError
        If one can't be written; those before it stay, nothing of it does. If a name is too long,
        none is written.
    ImageError
        If mask and image differ in shape, or there are no probabilities to write.
    """
    if probabilities and segmentation.probabilities is None:
        raise ImageError("This segmentation holds no probabilities: ask for them beforehand.")
    if segmentation.is_volume != image.is_volume or len(segmentation.labels) != len(image.pixels):
        raise ImageError(
            f"A mask of shape {segmentation.labels.shape} is not that of '{image.name}', whose"
            f" shape is {tuple(image.pixels.shape)}: segment the image again."
        )
    endings = ["_overlay.png", "_boundaries.csv", "_probabilities.npz", "_checks.json"]
    wanted = [True, segmentation.boundaries is not None, probabilities, bool(segmentation.checks)]
    check_names(folder / f"{stem}{ending}" for ending in compress(endings, wanted))
    overlay = _overlay(segmentation, image)
    written = [_write_mask(segmentation, image, folder, stem), folder / f"{stem}_overlay.png"]
    write_atomically(written[1], _overlay_png(overlay))
    if segmentation.boundaries is not None:
        written.append(folder / f"{stem}_boundaries.csv")
        write_atomically(written[-1], _boundary_table(segmentation))
    if probabilities:
        written.append(folder / f"{stem}_probabilities.npz")
        write_atomically(written[-1], _probability_archive(segmentation))
    if segmentation.checks:
        written.append(folder / f"{stem}_checks.json")
        write_atomically(written[-1], _list_checks(segmentation))
    return tuple(written)


def _list_checks(segmentation: Segmentation) -> bytes:
    listed = {
        "warning": segmentation.warning,
        "model": segmentation.provenance.model,
        "weights_sha256": segmentation.provenance.weights_sha256,
        "checks": [asdict(check) for check in segmentation.checks],
        "unchecked": segmentation.unchecked,
    }
    return json.dumps(listed, indent=1, ensure_ascii=False).encode()


def _overlay(segmentation: Segmentation, image: RetinaImage) -> npt.NDArray[np.uint8]:
    middle = image.n_slices // 2
    labels = segmentation.labels[middle] if segmentation.is_volume else segmentation.labels
    return draw_overlay(image.plane(middle), labels, segmentation.scheme)


def _write_mask(segmentation: Segmentation, image: RetinaImage, folder: Path, stem: str) -> Path:
    path = folder / f"{stem}_mask.{'tif' if segmentation.is_volume else 'png'}"
    save_mask(path, segmentation.raster(), segmentation.scheme, image.spacing)
    return path


def _overlay_png(picture: npt.NDArray[np.uint8]) -> bytes:
    # For a large photograph OpenCV is eight times faster than Pillow, and the file no larger.
    _, content = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    return bytes(content)


def _boundary_table(segmentation: Segmentation) -> bytes:
    heights = np.asarray(segmentation.boundaries)
    surfaces = [csv_cell(surface.name) for surface in segmentation.scheme.surfaces]
    text = StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*(["slice"] if heights.ndim == 3 else []), *surfaces])
    if heights.ndim == 2:
        writer.writerows(_rows(heights))
    else:
        for index, plane in enumerate(heights):
            writer.writerows([index, *row] for row in _rows(plane))
    return text.getvalue().encode()


def _rows(heights: npt.NDArray[np.float32]) -> list[list[str]]:
    return [["" if np.isnan(y) else f"{y:.3f}" for y in column] for column in heights.T]


def _probability_archive(segmentation: Segmentation) -> bytes:
    file = BytesIO()
    np.savez_compressed(
        file,
        probabilities=np.asarray(segmentation.probabilities, np.float16),
        class_names=np.array(segmentation.scheme.names),
    )
    return file.getvalue()
