"""Deterministic encoding of masks and arrays as PNG, TIFF and ``.npz``."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.io import masks
from napari_retina_seg.io._compat import without_pillow_limit
from napari_retina_seg.io._decoding import decoding
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.errors import ProjectError
from napari_retina_seg.types.labels import LabelClass, LabelScheme

Labels = npt.NDArray[np.uint8]

QUESTIONABLE = LabelScheme(
    name="questionable",
    classes=(
        LabelClass(0, "Sure", "Sure", "#000000"),
        LabelClass(1, "Questionable", "Questionable", "#ffffff"),
    ),
)
_NEVER = (1980, 1, 1, 0, 0, 0)  # earliest date in ZIP: a real one would change the hash


def encode_mask(labels: Labels, scheme: LabelScheme) -> tuple[bytes, str]:
    """Return a PNG with the scheme's colours, or a multi-page TIFF of a volume, and its suffix."""
    suffix = ".tif" if labels.ndim == 3 else ".png"
    return masks.encode_mask(labels, scheme, suffix), suffix


def decode_mask(content: bytes, path: Path) -> Labels:
    """Return the class values of a mask that `encode_mask` wrote."""
    with decoding(path, "mask"):
        if path.suffix == ".tif":
            import tifffile

            return np.asarray(tifffile.imread(BytesIO(content)), np.uint8)
        from PIL import Image

        with without_pillow_limit(), Image.open(BytesIO(content)) as picture:
            return np.array(picture, np.uint8)


def encode_arrays(arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """Return a compressed ``.npz``."""
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            member = BytesIO()
            np.lib.format.write_array(member, np.ascontiguousarray(array), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", _NEVER)
            archive.writestr(entry, member.getbuffer(), zipfile.ZIP_DEFLATED, compresslevel=1)
    return file.getvalue()


def decode_arrays(content: bytes, path: Path) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays that `encode_arrays` wrote."""
    with decoding(path, "NumPy archive"), np.load(BytesIO(content), allow_pickle=False) as archive:
        return dict(archive)


def encode_annotation(annotation: Annotation) -> bytes:
    """Return an autosave as one ``.npz``."""
    parts = {
        "labels": annotation.labels,
        "boundaries": annotation.boundaries,
        "questionable": annotation.ignore,
    }
    return encode_arrays({name: part for name, part in parts.items() if part is not None})


def decode_annotation(content: bytes, path: Path) -> Annotation:
    """Return the drawing that `encode_drawing` wrote."""
    parts = decode_arrays(content, path)
    if "labels" not in parts:
        raise ProjectError(f"'{path}' holds no mask: it was not written by this program.")
    return Annotation(parts["labels"], parts.get("boundaries"), parts.get("questionable"))
