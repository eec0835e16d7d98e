"""The weights that an encoder begins with: ImageNet's, or a file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from napari_retina_seg.models.config import EncoderUNetConfig
from napari_retina_seg.models.recipe import Recipe
from napari_retina_seg.types.errors import DataError

IMAGENET = "imagenet"
_ENDINGS = (".h5", ".hdf5")


@dataclass(frozen=True)
class _Published:
    """A file of Keras Applications: where it is, its MD5 sum by Keras, and its licence."""

    url: str
    md5: str
    licence: str

    @property
    def name(self) -> str:
        return self.url.rsplit("/", 1)[-1]


PUBLISHED = {
    "efficientnetb0": _Published(
        "https://storage.googleapis.com/keras-applications/efficientnetb0_notop.h5",
        "50bc09e76180e00e4465e1a485ddc09d",
        "Apache-2.0",
    ),
    "vgg16": _Published(
        "https://storage.googleapis.com/tensorflow/keras-applications/vgg16/"
        "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "6d6bbae143d832006294945121d1f1fc",
        "CC BY 4.0",
    ),
}


@dataclass(frozen=True)
class EncoderWeights:
    """A file with the weights that an encoder begins with.

    Attributes
    ----------
    path : Path
        The file.
    description : str
        What it is, for the card, with its hash.
    licence : str
        Under which it is published, as far as known.
    sha256 : str
        Its hash.
    """

    path: Path
    description: str
    licence: str
    sha256: str


def find_encoder_weights(
    recipe: Recipe, *, is_started: bool = False, cache: Path | None = None
) -> EncoderWeights | None:
    """Find the weights that the encoder of a recipe begins with, and download them if need be.

    Parameters
    ----------
    recipe : Recipe
        Names them in ``training.encoder_weights``.
    is_started : bool
        Whether the whole network begins with weights already.
    cache : Path, optional
        Where downloads are kept; by default where Keras keeps them.

    Returns
    -------
    EncoderWeights or None
        None if the encoder begins at random.

    Raises
    ------
    DataError
        If there is no such file, or it can't be downloaded.
    """
    source = recipe.training.encoder_weights
    if source is None or not isinstance(recipe.architecture, EncoderUNetConfig):
        return None
    if is_started:
        raise DataError(
            "--start-from replaces all weights, those of training.encoder_weights, too: give only"
            " one of the two."
        )
    encoder = recipe.architecture.encoder
    published = PUBLISHED[encoder]
    if source == IMAGENET:
        path = _download(published, cache)
        sha256 = _sha256(path)
        what = f"weights from ImageNet (Keras Applications, {published.name}, SHA-256 {sha256})"
        return EncoderWeights(path, what, f"{published.licence} for the encoder's weights", sha256)
    path = Path(source).expanduser()
    if path.suffix.lower() not in _ENDINGS or not path.is_file():
        raise DataError(
            f"There are no encoder weights '{source}': training.encoder_weights is 'imagenet', or a"
            f" Keras .h5 or .weights.h5 file of {encoder} without its classifier."
        )
    sha256 = _sha256(path)
    what = f"weights from the file '{path.name}' (SHA-256 {sha256})"
    return EncoderWeights(path, what, "not stated for the encoder's weights", sha256)


def _download(published: _Published, cache: Path | None) -> Path:
    import keras

    try:
        return Path(
            keras.utils.get_file(
                published.name,
                published.url,
                cache_subdir="models",
                file_hash=published.md5,
                cache_dir=None if cache is None else str(cache),
            )
        )
    except Exception as error:
        raise DataError(
            f"The ImageNet weights can't be downloaded from {published.url} ({_reason(error)}):"
            " check the network, or fetch this file on another machine and set"
            " training.encoder_weights to its path."
        ) from error


def _reason(error: Exception) -> str:
    """Return why a download failed, without the address that Keras puts before it."""
    return str(error).rsplit(" -- ", 1)[-1].strip().rstrip(".") or type(error).__name__


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
