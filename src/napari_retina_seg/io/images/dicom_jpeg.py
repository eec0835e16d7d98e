"""JPEG in DICOM files, lossless and with up to 16 bits too, decoded by imagecodecs.

pydicom's own plugin for these transfer syntaxes needs pylibjpeg-libjpeg, which is under the GPL.
The functions are named as pydicom looks for them in a plugin (`pydicom.pixels.decoders`).
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from pydicom.pixels import get_decoder, pixel_array
from pydicom.pixels.decoders.base import Decoder, DecodeRunner
from pydicom.uid import UID, JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1

_SYNTAXES = (JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1)
_END = b"\xff\xd9"
DECODER_DEPENDENCIES = dict.fromkeys(_SYNTAXES, ("imagecodecs",))


def find_decoder(syntax: UID) -> Decoder:
    """Return the decoder for a transfer syntax.

    Raises
    ------
    NotImplementedError
        If there is none.
    """
    return _jpeg_decoder(syntax) if syntax in _SYNTAXES else get_decoder(syntax)


def decode_array(dataset: Dataset, **options: Any) -> npt.NDArray[Any]:
    """Decode the pixels of a dataset; colours become RGB.

    Parameters
    ----------
    dataset : Dataset
        With its transfer syntax in its ``file_meta``.
    **options
        Those of `pydicom.pixels.pixel_array`.
    """
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax not in _SYNTAXES:
        return np.asarray(pixel_array(dataset, **options))
    return np.asarray(_jpeg_decoder(syntax).as_array(dataset, **options)[0])


@cache
def _jpeg_decoder(syntax: UID) -> Decoder:
    # Not added to pydicom's own decoders, which other programs in this process may use.
    decoder = Decoder(syntax)
    decoder.add_plugin("imagecodecs", (__name__, "_decode_frame"))
    return decoder


def is_available(uid: str) -> bool:
    """Whether this plugin decodes a transfer syntax."""
    return uid in _SYNTAXES


def _decode_frame(source: bytes, runner: DecodeRunner) -> bytearray:
    """Decode one frame and leave its colours as they are stored."""
    import imagecodecs

    if not source.rstrip(b"\0\xff").endswith(_END):  # libjpeg would fill up what is missing
        raise ValueError("a frame is cut short")
    colors = "RGB" if runner.samples_per_pixel == 3 else None  # the same twice: no conversion
    pixels = imagecodecs.jpeg8_decode(source, colorspace=colors, outcolorspace=colors)
    runner.set_option("bits_allocated", 8 * pixels.itemsize)
    runner.set_option("planar_configuration", 0)
    return bytearray(pixels.tobytes())
