"""Record of the environment of a training, to reproduce it."""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_retina_seg import __version__
from napari_retina_seg.datasets.labelled import LabelledImage, content_hash

_PACKAGES = ("keras", "tensorflow", "jax", "torch", "numpy", "opencv-python", "scikit-image")


@dataclass(frozen=True)
class Conditions:
    """Conditions that must not change when a run is resumed.

    Attributes
    ----------
    backend : str
        Keras' backend.
    data_sha256 : str
        Of all images and masks as they are read, on either side. What is computed from them may
        differ in its last bits on another processor, on which the run may go on.
    start_sha256 : str or None
        Of the weights that it began with; None if they were random.
    images : tuple of str
        Hashes of the pixels of each image, sorted.
    encoder_sha256 : str or None
        Of the file with the weights that its encoder alone began with.
    """

    backend: str
    data_sha256: str
    start_sha256: str | None
    images: tuple[str, ...] = ()
    encoder_sha256: str | None = None

    @classmethod
    def of(
        cls,
        images: Iterable[LabelledImage],
        start_sha256: str | None,
        encoder_sha256: str | None = None,
    ) -> Conditions:
        """Record the conditions of a new run."""
        import keras

        data = hashlib.sha256()
        hashes: set[str] = set()
        for image in images:
            pixels = image.pixels()
            hashes.add(content_hash(pixels))
            field = None if image.read_field is None else image.read_field()
            arrays = (pixels, image.valid(), image.labels(), image.ignored(), field)
            for array in arrays:
                if array is not None:
                    data.update(f"{array.shape} {array.dtype}".encode())
                    data.update(array.tobytes())
            data.update(repr(image.spacing()).encode())
        return cls(
            keras.backend.backend(),
            data.hexdigest(),
            start_sha256,
            tuple(sorted(hashes)),
            encoder_sha256,
        )


def describe_environment() -> dict[str, Any]:
    """Return the versions of the relevant packages."""
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "program": __version__,
        "git revision": _git_revision(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": versions,
    }


def _git_revision() -> str | None:
    """Return the revision of the checkout that runs; None for an installed package."""
    here = Path(__file__)
    if _git(here, "ls-files", "--error-unmatch", here.name) is None:
        return None  # an environment inside another repository
    changed = _git(here, "status", "--porcelain", "--untracked-files=no")
    return f"{_git(here, 'rev-parse', 'HEAD')}{' with changes' if changed else ''}"


def _git(file: Path, *arguments: str) -> str | None:
    command = ["git", "-C", str(file.parent), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
