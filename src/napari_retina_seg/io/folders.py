"""Which files of a folder are images, and which are results that lie beside them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from napari_retina_seg.io import SUFFIXES

# What follows an image's name in those that `segment` and `explain` write.
_RESULT = re.compile(
    r"_((mask|overlay)\.png|mask\.tif|boundaries\.csv|probabilities\.npz|explain\.(png|svg|pdf)"
    r"|.+_(grad-cam(\+\+)?|hirescam|layercam)\.(npy|tif))"
)


def images_in(folder: Path) -> list[Path]:
    """List the images of a folder by name, without results of others that lie beside them."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    images = [path for path in files if path.suffix.lower() in SUFFIXES and path.name[0] != "."]
    stems = {path.stem for path in images}
    return [path for path in images if not _is_result(path.name, stems)]


def images_below(paths: Iterable[Path]) -> list[Path]:
    """List files, and the images of folders and of all folders in them; hidden ones are left."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += images_in(path)
            inner = (each for each in path.iterdir() if each.is_dir() and each.name[0] != ".")
            found += images_below(sorted(inner))
        else:
            found.append(path)
    return found


def _is_result(name: str, stems: set[str]) -> bool:
    cuts = (found.start() for found in re.finditer("_", name))
    return any(name[:cut] in stems and _RESULT.fullmatch(name[cut:]) for cut in cuts)
