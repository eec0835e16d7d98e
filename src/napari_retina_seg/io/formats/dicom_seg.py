"""Masks as DICOM Segmentation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from napari_retina_seg.io._decoding import decoding
from napari_retina_seg.io.atomic import write_atomically
from napari_retina_seg.io.formats.card import Card, make_card, parse_card, restore
from napari_retina_seg.io.formats.dicom_header import read_header
from napari_retina_seg.io.formats.dicom_planes import read_planes
from napari_retina_seg.io.formats.dicom_source import CREATOR, make_source
from napari_retina_seg.io.formats.named import require_value
from napari_retina_seg.io.formats.record import IGNORE_NAME, Maker, MaskRecord
from napari_retina_seg.io.images.dicom_attributes import (
    is_segmentation,
    read_laterality,
    read_spacing,
)
from napari_retina_seg.io.images.dicom_file import check_claimed_size, read_attributes
from napari_retina_seg.io.images.dicom_slices import read_said_distance, slice_order
from napari_retina_seg.types.annotation import IGNORE
from napari_retina_seg.types.errors import ReadError, WriteError
from napari_retina_seg.types.image import Laterality, Spacing
from napari_retina_seg.types.labels import LabelClass, LabelScheme
from napari_retina_seg.types.pixel_size import SLICE_UM, plausible_um

_GROUP, _ELEMENT = 0x0099, 0x01  # of the private block with the card
_LABEL = 64  # characters that DICOM grants a segment's label
_BACKGROUND = ("125040", "DCM")  # value and scheme of its code
_CODED_MEANINGS = {"SCT:68703001": "Choroid"}
_SIDES = {Laterality.RIGHT: "R", Laterality.LEFT: "L"}

_LEAST = 8  # pixels of a frame: highdicom packs smaller ones so that no reader finds them
_Raster = npt.NDArray[np.uint8]


def write_dicom_seg(
    path: Path,
    record: MaskRecord,
    reference: Dataset | None = None,
    *,
    identified: bool = False,
) -> None:
    """Write a mask as binary segments, one for each class but background, and one for `ignore`.

    Classes without a code of their own have that of the retina, or of blood vessels; the label
    tells them apart. The file is manual, semi-automatic or automatic as its attribution says. A
    private block holds the card.

    Parameters
    ----------
    path : Path
        Where to; a file of this name is replaced.
    record : MaskRecord
        The mask.
    reference : Dataset, optional
        Header of the DICOM image that the mask belongs to. The UIDs of the image and its series,
        by which it is found, and the place of its frames are taken from it. Without it the mask
        refers to an image that exists nowhere, with the axes of the scan. Where the spacing is
        unknown 1 mm stands for it, since the standard demands a number; the card and the content's
        description say that it is none.
    identified : bool
        Whether the file belongs to the patient and study of the reference, as an archive needs it;
        else all attributes that identify the patient are empty, and the file is a new study.

    Raises
    ------
    WriteError
        If the reference is of another size, its frames have no place to be described with, the
        image has fewer than 8 pixels or slices nearer to each other than any scan's, or the file
        can't be written.
    """
    between = record.spacing.slice.um
    if record.is_volume and between is not None and plausible_um(between, SLICE_UM) is None:
        # By places that are nearly the same, a reader can't tell which slice comes first.
        raise WriteError(
            f"'{record.name}' states a distance of slices of {between:g} µm, which no scan has:"
            " correct it, or export the mask as NIfTI or TIFF."
        )
    if record.planes[0].size < _LEAST:
        raise WriteError(
            f"'{record.name}' has fewer than {_LEAST} pixels, too few for a DICOM segmentation:"
            " export the mask as PNG, NIfTI or TIFF."
        )
    source = make_source(record, reference, identified=identified)
    # The image's slices are in the order of their positions, its frames may not be.
    order = None if reference is None else slice_order(reference)
    try:
        dataset = _make(record, source, order)
        if reference is not None and not identified:
            _leave_study(dataset)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise WriteError(
            f"'{path}' can't refer to the DICOM image of '{record.name}', whose header is unusual:"
            " export the mask as NIfTI or TIFF."
        ) from error
    file = BytesIO()
    dataset.save_as(file)
    write_atomically(path, file.getvalue())


def _make(record: MaskRecord, source: Dataset, order: tuple[int, ...] | None) -> Any:
    from highdicom.seg import Segmentation
    from pydicom.uid import generate_uid

    from napari_retina_seg import __version__

    planes, segments = _number_segments(record)
    if order is not None:
        planes = planes[np.argsort(order)]
    unknown = record.spacing.axial.um is None or record.spacing.lateral.um is None
    dataset = Segmentation(
        source_images=[source],
        pixel_array=planes,
        segmentation_type="BINARY",
        segment_descriptions=segments,
        series_instance_uid=generate_uid(),
        series_number=1,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="napari-retina-seg",
        manufacturer_model_name="napari-retina-seg",
        software_versions=__version__[:_LABEL],
        device_serial_number="0",
        content_label="RETINA",
        content_description="Pixel size unknown: 1 mm is none" if unknown else None,
        omit_empty_frames=False,
        specific_character_set="ISO_IR 192",
    )
    if record.laterality in _SIDES:
        # Of the image and, in `_describe`, of each segment: a segmentation has no other place.
        dataset.ImageLaterality = _SIDES[record.laterality]
    block = dataset.private_block(_GROUP, CREATOR, create=True)
    block.add_new(_ELEMENT, "UT", make_card(record).text)
    return dataset


def _leave_study(dataset: Any) -> None:
    """Make the file a study of its own, which refers to an image of another one."""
    from pydicom.uid import generate_uid

    other = Dataset()
    other.StudyInstanceUID = dataset.StudyInstanceUID
    other.ReferencedSeriesSequence = dataset.ReferencedSeriesSequence
    del dataset.ReferencedSeriesSequence
    dataset.StudiesContainingOtherReferencedInstancesSequence = [other]
    dataset.StudyInstanceUID = generate_uid()


def _number_segments(record: MaskRecord) -> tuple[_Raster, list[Any]]:
    """Return segment numbers, which may leave none out, and what each of them is."""
    planes = record.planes
    segments = [_describe(record, label) for label in record.scheme.classes[1:]]
    if record.ignore is not None:
        number = len(record.scheme)
        questionable = LabelClass(number, IGNORE_NAME, IGNORE_NAME, "#808080")
        segments.append(_describe(record, questionable))
        planes = np.where(planes == IGNORE, np.uint8(number), planes)
    return planes, segments


def _describe(record: MaskRecord, label: LabelClass) -> Any:
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.color import CIELabColor
    from highdicom.seg import SegmentDescription
    from highdicom.sr import CodedConcept
    from pydicom.sr.codedict import codes

    attribution = record.attribution
    by_hand = "SEMIAUTOMATIC" if attribution.model else "MANUAL"
    # A mask without a known author is not called manual.
    kind = by_hand if attribution.maker is Maker.HUMAN else "AUTOMATIC"
    algorithm = None
    if kind != "MANUAL":
        algorithm = AlgorithmIdentificationSequence(
            name=(attribution.model or "unknown")[:_LABEL],
            family=codes.DCM.ArtificialIntelligence,
            version=(attribution.program or "unknown")[:_LABEL],
        )
    described = SegmentDescription(
        segment_number=label.value,
        segment_label=label.name[:_LABEL],
        segmented_property_category=codes.SCT.AnatomicalStructure,
        segmented_property_type=_code_of(label, record.scheme),
        algorithm_type=kind,
        algorithm_identification=algorithm,
        anatomic_regions=[codes.SCT.Eye],
        display_color=CIELabColor.from_rgb(*label.rgb),
    )
    if record.laterality in _SIDES:
        side = codes.SCT.Right if record.laterality is Laterality.RIGHT else codes.SCT.Left
        described.AnatomicRegionSequence[0].AnatomicRegionModifierSequence = [
            CodedConcept(side.value, side.scheme_designator, side.meaning)
        ]
    return described


def _code_of(label: LabelClass, scheme: LabelScheme) -> Any:
    from pydicom.sr.codedict import codes
    from pydicom.sr.coding import Code

    designator, _, value = (label.code or "").partition(":")
    if value:
        meaning = _CODED_MEANINGS.get(f"{designator}:{value}", label.name[:_LABEL])
        return Code(value, designator, meaning)
    return codes.SCT.Retina if scheme.surfaces else codes.SCT.BloodVessel


def read_dicom_seg(
    path: Path,
    scheme: LabelScheme | None = None,
    slices: int | None = None,
    remap: Mapping[int, int] | None = None,
    order: tuple[int, ...] | None = None,
) -> MaskRecord:
    """Read a mask from a DICOM Segmentation: a label map, or segments that do not overlap.

    Parameters
    ----------
    path : Path
        The file.
    scheme : LabelScheme, optional
        The classes, if another program wrote the file: found by the segments' labels, or by a code
        that one class alone has.
    slices : int, optional
        How many the image has: other programs leave empty ones out, so that of the file alone the
        last that is known is the last that holds a segment.
    remap : mapping, optional
        Numbers of segments and the classes that they are, in files of other programs.
    order : tuple of int, optional
        For each slice of the image which of its frames it is, as `dicom_slices.slice_order` says;
        by default what the positions in the file say.

    Returns
    -------
    MaskRecord
        Its slices in the order of those of the image that it refers to.

    Raises
    ------
    ReadError
        If it is no such file, belongs to several images, segments overlap, or one is none of the
        classes.
    """
    if not path.is_file():
        raise ReadError(f"There is no file '{path}': check its name and folder.")
    with decoding(path, "DICOM"):
        dataset = read_attributes(path)
        if not is_segmentation(dataset):
            raise ReadError(f"'{path}' is no DICOM Segmentation: open it as an image instead.")
        check_claimed_size(path, dataset)
        card = _find_card(path, dataset)
        # What other programs do to numbers and empty slices was not done to our own files.
        remap, slices = ({}, None) if card else (remap or {}, slices)
        classes = _find_classes(path, dataset, card.scheme if card else scheme, remap)
        planes = read_planes(path, dataset, slices, order)
        _check_numbers(path, planes, classes)
        table = np.zeros(max(classes) + 1, np.uint8)
        table[list(classes)] = list(classes.values())
        values = table[planes if len(planes) > 1 else planes[0]]
        record = restore(path, values, card, scheme, named=True)
        return record if card else _with_header(record, dataset)


def read_dicom_card(path: Path) -> Card | None:
    """Read what a DICOM file of this program says of its mask; None if another wrote it.

    Raises
    ------
    ReadError
        If it can't be read, or is damaged.
    """
    header = read_header(path)
    return None if header is None else _find_card(path, header)


def _with_header(record: MaskRecord, dataset: Dataset) -> MaskRecord:
    distance = read_said_distance(dataset) if record.is_volume else None
    spacing: Spacing = read_spacing(dataset, slice_mm=distance)
    return replace(record, spacing=spacing, laterality=read_laterality(dataset))


def _find_card(path: Path, dataset: Dataset) -> Card | None:
    try:
        block = dataset.private_block(_GROUP, CREATOR)
        text = block[_ELEMENT].value
    except KeyError:
        return None
    return parse_card(path, str(text))


def _find_classes(
    path: Path, dataset: Dataset, scheme: LabelScheme | None, remap: Mapping[int, int]
) -> dict[int, int]:
    """Return the class of each segment by its number."""
    if scheme is None:
        raise ReadError(f"'{path}' names its segments, but no scheme: name one.")
    named = {
        int(segment.SegmentNumber): segment
        for segment in dataset.SegmentSequence
        if int(segment.SegmentNumber) not in remap
    }
    classes = {0: 0}  # label maps may describe the background too
    for number, segment in named.items():
        classes[number] = 0 if _is_background(segment) else _find_class(path, segment, scheme)
    return classes | dict(remap)


def _check_numbers(path: Path, planes: _Raster, classes: Mapping[int, int]) -> None:
    unknown = sorted(set(np.unique(planes).tolist()) - set(classes))
    if unknown:
        raise ReadError(
            f"'{path}' has pixels of segment {unknown[0]}, which it does not describe: say which"
            f" class it is, as in {unknown[0]}:1."
        )


def _find_class(path: Path, segment: Dataset, scheme: LabelScheme) -> int:
    """Return a segment's class, by what another program calls it."""
    label, number = str(segment.SegmentLabel), int(segment.SegmentNumber)
    try:
        return require_value(path, label, scheme)
    except ReadError as error:
        coded = [
            one.value for one in scheme.classes[1:] if _code_of(one, scheme) in _codes(segment)
        ]
        if len(coded) == 1:
            return coded[0]
        raise ReadError(
            f"'{path}' calls segment {number} '{label}', not a class of '{scheme.name}': say"
            f" which one it is, as in {number}:1."
        ) from error


def _is_background(segment: Dataset) -> bool:
    codes = segment.get("SegmentedPropertyTypeCodeSequence") or ()
    return any((code.get("CodeValue"), code.get("CodingSchemeDesignator")) == _BACKGROUND
               for code in codes)  # fmt: skip


def _codes(segment: Dataset) -> list[Any]:
    from highdicom.sr import CodedConcept

    codes = segment.get("SegmentedPropertyTypeCodeSequence") or ()
    return [CodedConcept.from_dataset(code) for code in codes]
