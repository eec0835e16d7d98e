"""The pixels of a DICOM file: more is brighter, colours are RGB, padding is marked as invalid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.pixels import apply_color_lut, convert_color_space
from pydicom.uid import UID, JPEG2000TransferSyntaxes

from napari_retina_seg.io.images.dicom_attributes import read_rescale_slopes
from napari_retina_seg.io.images.dicom_codestream import Codestream, check_frames, frames_of
from napari_retina_seg.io.images.dicom_file import check_claimed_size
from napari_retina_seg.io.images.dicom_jpeg import decode_array, find_decoder
from napari_retina_seg.types.errors import ReadError

_COLORS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
_PADDING = {
    "PixelPaddingValue": "PixelPaddingRangeLimit",
    "FloatPixelPaddingValue": "FloatPixelPaddingRangeLimit",
    "DoubleFloatPixelPaddingValue": "DoubleFloatPixelPaddingRangeLimit",
}
# A padding value this far outside of all others, as part of their range, is never a measurement.
_APART = 0.05
_STRIP = 2**20  # pixels that are converted at a time
_SOLID = 5  # px across: padding is a band or a wedge, not the specks in which noise reaches zero

_Pixels = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Decoded:
    """The pixels of a file, in its own order of frames.

    Attributes
    ----------
    pixels : array
        ``(rows, columns)`` or ``(frames, rows, columns)``, with a last axis of 3 or 4 if `color`.
    color : bool
        Whether the last axis holds RGB or RGBA.
    valid : array or None
        bool: False where the file says there is padding; None if nowhere.
    """

    pixels: _Pixels
    color: bool
    valid: npt.NDArray[np.bool_] | None = None


def decode_pixels(path: Path, dataset: Dataset) -> Decoded:
    """Decode the pixels of a dataset; call it inside of `guard.decoding`.

    Parameters
    ----------
    path : Path
        The file it was read from.
    dataset : Dataset
        With pixels, and its transfer syntax in its ``file_meta``.

    Returns
    -------
    Decoded
        Colours are converted to RGB. Of the transformations from stored to displayed values
        (PS3.3 C.11) those are applied that turn bright into dark or have a table of their own;
        linear ones are left out, which change neither contrast nor order.

    Raises
    ------
    ReadError
        If the pixels are compressed in a way that can't be decoded, are not of the size that
        the header states, or their colours are unknown.
    """
    _check_syntax(path, dataset)
    samples = int(dataset.get("SamplesPerPixel", 1))
    check_claimed_size(path, dataset)
    stream = None
    if dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        stream = check_frames(path, dataset)
    if samples > 1:
        return Decoded(_decode_colors(path, dataset, stream), True)
    if str(dataset.PhotometricInterpretation) == "PALETTE COLOR":
        indices = decode_array(dataset)
        return Decoded(_by_strips(indices, lambda strip: apply_color_lut(strip, dataset), 0), True)
    return _decode_grey(path, dataset)


def known_name(uid: object) -> str:
    """Name a UID of the standard; an altered header may hold anything in place of it."""
    known = UID(str(uid))
    return known.name if known.type else "something unknown"


def _check_syntax(path: Path, dataset: Dataset) -> None:
    syntax = dataset.file_meta.TransferSyntaxUID
    try:
        if find_decoder(syntax).is_available:
            return
    except NotImplementedError:
        pass
    raise ReadError(
        f"'{path}' is compressed as {known_name(syntax)}, which can't be decoded here: export it"
        " uncompressed (Explicit VR Little Endian) or as PNG or TIFF."
    )


def _decode_colors(path: Path, dataset: Dataset, stream: Codestream | None) -> _Pixels:
    photometric = str(dataset.PhotometricInterpretation)
    if photometric not in _COLORS or int(dataset.SamplesPerPixel) != 3:
        raise ReadError(
            f"'{path}' holds colours as {photometric}, which can't be converted to RGB here: export"
            " it as RGB, PNG or TIFF."
        )
    speaks = stream is not None and stream.is_lossy_jpeg and not stream.is_silent
    if stream is not None and speaks and stream.precision == 8:
        return _decode_jpeg_colors(dataset)
    # The decoder of JPEG 2000 undoes the transformation that is stated in the codestream.
    j2k = dataset.file_meta.TransferSyntaxUID in JPEG2000TransferSyntaxes
    if j2k and stream is not None and stream.holds_ybr:
        dataset.PhotometricInterpretation = "RGB"
    if str(dataset.PhotometricInterpretation) != "YBR_FULL":
        return np.asarray(decode_array(dataset))
    stored = decode_array(dataset, raw=True)
    return _by_strips(stored, lambda strip: convert_color_space(strip, "YBR_FULL", "RGB"), 3)


def _by_strips(stored: _Pixels, convert: Callable[[_Pixels], _Pixels], channels: int) -> _Pixels:
    """Convert rows a strip at a time: the converters take ten times the memory of the pixels."""
    spatial = stored.shape if channels != stored.shape[-1] else stored.shape[:-1]
    rows = stored.reshape(-1, *stored.shape[len(spatial) - 1 :])
    first = convert(rows[:1])
    out = np.empty((len(rows), *first.shape[1:]), first.dtype)
    step = max(1, _STRIP // spatial[-1])
    for start in range(0, len(rows), step):
        out[start : start + step] = convert(rows[start : start + step])
    return out.reshape(*spatial, first.shape[-1])


def _decode_jpeg_colors(dataset: Dataset) -> _Pixels:
    """Decode 8-bit JPEG in colour by what its codestream says, whatever the header claims.

    Many files state RGB for what is luminance and chrominance, or the reverse.
    """
    frames = [_decode_jpeg(frame) for frame in frames_of(dataset)]
    count = int(dataset.get("NumberOfFrames") or 1)
    if len(frames) != count:
        raise ValueError(f"{len(frames)} of {count} frames")
    return np.stack(frames) if count > 1 else frames[0]


def _decode_jpeg(frame: bytes) -> npt.NDArray[np.uint8]:
    with Image.open(BytesIO(frame), formats=("JPEG",)) as picture:
        return np.asarray(picture.convert("RGB"))


def _decode_grey(path: Path, dataset: Dataset) -> Decoded:
    pixels = _decode_stored(dataset)
    if int(dataset.BitsAllocated) == 1:
        return Decoded(pixels * np.uint8(255), False)
    padding = _find_padding(dataset, pixels)
    bits = int(dataset.get("BitsStored", 8))
    table = _read_table(dataset, "ModalityLUTSequence")
    if table is not None:
        pixels, bits = _look_up(table, pixels), table.bits
    if _is_inverted(path, dataset):
        pixels = _invert(pixels, bits)
    return Decoded(pixels, False, None if padding is None else ~padding)


def _decode_stored(dataset: Dataset) -> _Pixels:
    """Decode grey values, which in older files need not be the lowest of the allocated bits."""
    stored = int(dataset.get("BitsStored") or 0)
    lowest = int(dataset.get("HighBit") or 0) + 1 - stored
    if lowest <= 0 or not stored or dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        return decode_array(dataset)
    raw = decode_array(dataset, correct_unused_bits=False)
    unused = 8 * raw.dtype.itemsize - lowest - stored
    if unused < 0:
        raise ValueError(f"{stored} bits from bit {lowest} on")
    # Shifted to the top and back, so that signs are extended as the type says.
    return np.asarray((raw << unused) >> (unused + lowest))


def _is_inverted(path: Path, dataset: Dataset) -> bool:
    """Whether more is darker, after all transformations that the header states."""
    white_is_zero = str(dataset.PhotometricInterpretation) == "MONOCHROME1"
    inverted = white_is_zero or str(dataset.get("PresentationLUTShape", "")) == "INVERSE"
    tables = [_read_table(dataset, f"{kind}LUTSequence") for kind in ("VOI", "Presentation")]
    falling = {slope < 0 for slope in read_rescale_slopes(dataset)}
    if len(falling) > 1:
        raise ReadError(
            f"'{path}' holds frames in which more is brighter and others in which it is darker:"
            " export them as files of their own."
        )
    turns = list(falling)
    turns += [bool(each.values[0] > each.values[-1]) for each in tables if each is not None]
    return bool((inverted + sum(turns)) % 2)


def _invert(pixels: _Pixels, bits: int) -> _Pixels:
    if pixels.dtype.kind != "u":
        return -pixels if pixels.dtype.kind == "f" else ~pixels
    largest = pixels.dtype.type(2**bits - 1)
    return np.asarray(largest - np.minimum(pixels, largest))


@dataclass(frozen=True, eq=False)
class _Table:
    """A lookup table: what its first entry stands for, and how many bits its entries have."""

    first: int
    bits: int
    values: _Pixels


def _read_table(dataset: Dataset, keyword: str) -> _Table | None:
    """Read the first table of a sequence; None where there is none."""
    items = dataset.get(keyword)
    if not items or "LUTData" not in items[0]:
        return None
    count, first, bits = (int(number) for number in items[0].LUTDescriptor)
    count = count or 2**16  # PS3.3 C.11.1.1: 65,536 does not fit into 16 bits
    data = items[0].LUTData
    if isinstance(data, bytes):
        order = "<" if dataset.file_meta.TransferSyntaxUID.is_little_endian else ">"
        values = np.frombuffer(data, np.uint8 if len(data) < 2 * count else f"{order}u2")
    else:
        values = np.atleast_1d(np.asarray(data))
    dtype = np.uint8 if bits <= 8 else np.uint16
    if int(dataset.get("PixelRepresentation", 0)) and first >= 2**15:
        first -= 2**16  # written as unsigned for pixels that are signed
    return _Table(first, bits, values[:count].astype(dtype))


def _look_up(table: _Table, pixels: _Pixels) -> _Pixels:
    places = np.clip(pixels.astype(np.int32) - table.first, 0, len(table.values) - 1)
    return np.asarray(table.values[places])


def _find_padding(dataset: Dataset, pixels: _Pixels) -> npt.NDArray[np.bool_] | None:
    """Return where pixels are padding (PS3.3 C.7.5.1.1.2); None if nowhere."""
    limits = _padding_limits(dataset, pixels.dtype)
    if limits is None:
        return None
    found = (pixels >= limits[0]) & (pixels <= limits[1])
    stored, allocated = (int(dataset.get(f"Bits{word}", 0)) for word in ("Stored", "Allocated"))
    if stored < allocated and not dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        # The value may be one that the stored bits can't express.
        raw = decode_array(dataset, correct_unused_bits=False, view_only=True)
        found |= (raw >= limits[0]) & (raw <= limits[1])
    if not found.any():
        return None
    if not _is_apart(limits, pixels, ~found):
        planes = found.reshape(-1, *found.shape[-2:])
        found = np.stack([_solid(plane) for plane in planes]).reshape(found.shape)
    return found if found.any() else None


def _padding_limits(dataset: Dataset, dtype: np.dtype[Any]) -> tuple[Any, Any] | None:
    """Return the smallest and the largest value of padding, in the type of the pixels."""
    for value, limit in _PADDING.items():
        values = [_as_pixel(dataset.get(keyword), dtype) for keyword in (value, limit)]
        if values[0] is not None:
            other = values[0] if values[1] is None else values[1]
            return min(values[0], other), max(values[0], other)
    return None


def _as_pixel(value: Any, dtype: np.dtype[Any]) -> Any:
    """Return a value as a pixel holds it, also if it was written with the other sign."""
    if value is None or value == "":
        return None
    if dtype.kind == "f":
        return dtype.type(value)
    number = int.from_bytes(value, "little") if isinstance(value, bytes) else int(value)
    bits = 8 * dtype.itemsize
    number %= 2**bits
    if dtype.kind == "i" and number >= 2 ** (bits - 1):
        number -= 2**bits
    return dtype.type(number)


def _is_apart(limits: tuple[Any, Any], pixels: _Pixels, measured: npt.NDArray[np.bool_]) -> bool:
    """Whether padding can't be mistaken for what was measured."""
    if not measured.any():
        return True
    low = float(pixels.min(where=measured, initial=pixels.max()))
    high = float(pixels.max(where=measured, initial=pixels.min()))
    gap = _APART * (high - low)
    return bool(float(limits[1]) < low - gap or float(limits[0]) > high + gap)


def _solid(found: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Keep the areas that are wide somewhere, or lie wide against the border."""
    area = found.astype(np.uint8)
    core = cv2.erode(
        area,
        np.ones((_SOLID, _SOLID), np.uint8),
        borderType=cv2.BORDER_CONSTANT,
        borderValue=1,
    )
    _, names = cv2.connectedComponents(area, connectivity=4)
    return found & np.isin(names, np.unique(names[(core > 0) & found]))
