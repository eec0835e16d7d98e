"""The attributes of a DICOM file, with a limit on the size of deflated files."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, cast

import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from napari_retina_seg.io._decoding import check_size
from napari_retina_seg.types.errors import ReadError

_PREAMBLE, _MARK = 128, b"DICM"
_META_GROUP, _PIXEL_GROUP = 0x0002, 0x7FE0
_HEADER_BYTES = 2**24  # more than any header holds, functional groups of 10,000 frames included


def read_attributes(
    path: Path,
    *,
    pixels: bool = True,
    keywords: Sequence[str] | None = None,
    force: bool = False,
) -> Dataset:
    """Read the attributes of a DICOM file; call it inside of `guard.decoding`.

    Parameters
    ----------
    path : Path
        The file.
    pixels : bool
        Whether the pixels are wanted too.
    keywords : sequence of str, optional
        The attributes that are wanted; by default all.
    force : bool
        Whether the mark at the start of the file may be missing.

    Returns
    -------
    Dataset
        With a transfer syntax stated in its ``file_meta``. What was deflated is unpacked, and
        said to be Explicit VR Little Endian.

    Raises
    ------
    ReadError
        If it would unpack to more than its header explains.
    """
    wanted = None if keywords is None else list(keywords)
    with path.open("rb") as file:
        meta = _read_meta(file)
        if meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
            return _read_deflated(path, file, meta, pixels=pixels)
        file.seek(0)
        dataset = pydicom.dcmread(
            file, stop_before_pixels=not pixels, specific_tags=cast("Any", wanted), force=force
        )
    _state_syntax(dataset)
    return dataset


def _read_meta(file: BinaryIO) -> Dataset:
    """Read group 2, and leave the file at its end; nothing where the mark is missing."""
    if file.read(_PREAMBLE + len(_MARK))[_PREAMBLE:] != _MARK:
        return Dataset()
    return read_dataset(file, False, True, stop_when=lambda tag, _vr, _n: tag.group != _META_GROUP)


def _state_syntax(dataset: FileDataset) -> None:
    """State the transfer syntax of a bare dataset: the one in which it was just parsed."""
    implicit, little = dataset.original_encoding
    explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
    if getattr(dataset, "file_meta", None) is None:
        dataset.file_meta = FileMetaDataset()
    if "TransferSyntaxUID" not in dataset.file_meta:
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit


def _read_deflated(path: Path, file: BinaryIO, meta: Dataset, *, pixels: bool) -> Dataset:
    content = _inflate(path, file.read(), pixels=pixels)
    dataset = read_dataset(BytesIO(content), False, True, stop_when=None if pixels else _at_pixels)
    dataset.file_meta = FileMetaDataset(meta)
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.set_original_encoding(False, True, dataset.get("SpecificCharacterSet") or "iso8859")
    return dataset


def _inflate(path: Path, packed: bytes, *, pixels: bool) -> bytes:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    content = inflater.decompress(packed, _HEADER_BYTES)
    if inflater.eof or not pixels:
        return content
    header = read_dataset(BytesIO(content), False, True, stop_when=_at_pixels)
    limit = check_claimed_size(path, header) + _HEADER_BYTES  # some for what follows the pixels
    content += inflater.decompress(inflater.unconsumed_tail, limit)
    if not inflater.eof:
        raise ReadError(
            f"'{path}' would unpack to more than the image that its header describes: export it"
            " again, not deflated."
        )
    return content


def check_claimed_size(path: Path, header: Dataset) -> int:
    """Refuse a header that claims more pixels than may be opened, or than its file can hold.

    Returns
    -------
    int
        How many bytes they fill when they are decoded.

    Raises
    ------
    ReadError
        If it claims too much.
    """
    shape = (
        int(header.get("NumberOfFrames") or 1),
        int(header.Rows),
        int(header.Columns),
        int(header.get("SamplesPerPixel") or 1),
    )
    itemsize = -(-int(header.BitsAllocated) // 8)
    check_size(path, shape, color=True, itemsize=itemsize)
    return math.prod(shape) * itemsize


def _at_pixels(tag: BaseTag, _vr: str | None, _length: int) -> bool:
    return bool(tag.group >= _PIXEL_GROUP)
