"""Small OME-Zarr images, as the package zarr writes them."""

from pathlib import Path
from typing import Any

import numpy as np

VOLUME = np.random.default_rng(0).integers(0, 256, (3, 16, 20)).astype(np.uint8)
SCALE = {"z": 0.12, "y": 0.0039, "x": 0.0117}


def write_zarr(
    path: Path,
    pixels: np.ndarray = VOLUME,
    *,
    version: str = "0.5",
    names: str = "zyx",
    unit: str | None = "millimeter",
    **options: Any,
) -> Path:
    """Write an image as OME-NGFF describes it, in Zarr's format 2 or 3."""
    import zarr  # an extra

    group = zarr.open_group(str(path), mode="w", zarr_format=2 if version == "0.4" else 3)
    array = group.create_array(
        "s0", data=pixels, **{"chunks": (2, 8, 20)[-pixels.ndim :]} | options
    )
    scale = {"type": "scale", "scale": [SCALE.get(name, 1.0) for name in names]}
    axes = [{"name": name, "type": "space", **({"unit": unit} if unit else {})} for name in names]
    image = {"axes": axes, "datasets": [{"path": "s0", "coordinateTransformations": [scale]}]}
    if version == "0.5":
        group.attrs["ome"] = {"version": "0.5", "multiscales": [image]}
    else:
        group.attrs["multiscales"] = [{"version": version, **image}]
    assert array.shape == pixels.shape
    return path
