"""Every format gives back what went into it."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime
from functools import partial

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from mask_formats import (
    read_coco,
    read_cvat,
    read_labelme,
    read_vgg,
    write_coco,
    write_cvat,
    write_stacks,
    write_training_folder,
    write_vgg,
)
from napari_retina_seg.io.formats.boundaries import (
    read_boundary_csv,
    read_boundary_json,
    write_boundary_csv,
    write_boundary_json,
)
from napari_retina_seg.io.formats.dicom_seg import read_dicom_seg, write_dicom_seg
from napari_retina_seg.io.formats.labelme import write_labelme
from napari_retina_seg.io.formats.nifti import read_nifti, write_nifti
from napari_retina_seg.io.formats.raster import read_png, read_tiff, write_png, write_tiff
from napari_retina_seg.io.formats.record import Attribution, Maker, MaskRecord
from napari_retina_seg.io.formats.stacks import read_stacks
from napari_retina_seg.io.formats.training import TrainingItem, read_training_folder
from napari_retina_seg.types.errors import WriteError
from napari_retina_seg.types.image import Laterality, Length, Origin, Spacing
from napari_retina_seg.types.labels import SCHEMES
from napari_retina_seg.types.pixel_size import SLICE_UM


def one_of(read, path):
    (record,) = read(path)
    return record


def items(records):
    return [
        TrainingItem(record, np.zeros(record.labels.shape, np.uint8), record.name, "train")
        for record in records
    ]


def write_items(write, path, record, **options):
    write(path, items([record]), **options)


def write_list(write, path, record, **options):
    write(path, [record], **options)


def write_slices(path, record):
    path.mkdir()
    write_labelme(path, record)


def read_slices(path):
    (record,) = read_labelme(sorted(path.iterdir()))
    return record


FORMATS = {
    "png": (write_png, read_png),
    "tif": (write_tiff, read_tiff),
    "nii": (write_nifti, read_nifti),
    "nii.gz": (write_nifti, read_nifti),
    "dcm": (write_dicom_seg, read_dicom_seg),
    "rle.json": (partial(write_list, write_coco), partial(one_of, read_coco)),
    "polygons.json": (
        partial(write_list, write_coco, polygons=True),
        partial(one_of, read_coco),
    ),
    "vgg.json": (partial(write_list, write_vgg), partial(one_of, read_vgg)),
    "cvat.xml": (partial(write_list, write_cvat), partial(one_of, read_cvat)),
    "labelme": (write_slices, read_slices),
    "stacks": (partial(write_items, write_stacks), partial(one_of, read_stacks)),
    "training": (
        partial(write_items, write_training_folder),
        partial(one_of, read_training_folder),
    ),
}

sizes = st.floats(0.01, 400).map(lambda um: Length(um, Origin.FILE))
lengths = st.one_of(st.just(Length()), sizes)
texts = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=9)
sides = st.sampled_from(list(Laterality))
finished = st.builds(
    Attribution,
    maker=st.just(Maker.HUMAN),
    author=texts,
    state=st.sampled_from(["accepted", "adjudicated"]),
    model=st.none() | texts,
    program=texts,
    made_at=st.none() | st.datetimes(datetime(2000, 1, 1), timezones=st.just(UTC)),
)


@st.composite
def shapes_of_regions(draw, values):
    """Draw specks, or smooth regions that touch, enclose one another and fall apart."""
    shape = draw(hnp.array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=14))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    noise = rng.random(shape)
    if draw(st.booleans()):
        noise = ndimage.gaussian_filter(noise, 1.2)
    cuts = np.quantile(noise, draw(st.floats(0, 1)) * np.linspace(0, 1, values + 1)[1:-1])
    labels = np.digitize(noise, cuts).astype(np.uint8)
    return labels * np.uint8(draw(st.booleans()))  # now and then, there is nothing


@st.composite
def mask_records(draw):
    scheme = draw(st.sampled_from(list(SCHEMES.values())))
    labels = draw(shapes_of_regions(len(scheme)))
    ignore = None
    if draw(st.booleans()):
        ignore = draw(hnp.arrays(bool, labels.shape))
        labels = np.where(ignore, np.uint8(0), labels)
    return MaskRecord(
        labels,
        scheme=scheme,
        name=draw(st.sampled_from(["scan-1", "scan 2.b", "Übung"])),
        spacing=Spacing(draw(lengths), draw(lengths), draw(lengths)),
        laterality=draw(sides),
        attribution=draw(finished),
        image_suffix=draw(st.sampled_from([".png", ".dcm"])),
        image_sha256=draw(st.none() | st.just("ab" * 32)),
        ignore=ignore,
    )


def assert_same(found: MaskRecord, record: MaskRecord) -> None:
    for field in fields(MaskRecord):
        one, other = getattr(found, field.name), getattr(record, field.name)
        if field.name == "ignore":
            one = np.zeros(record.labels.shape, bool) if one is None else one
            other = np.zeros(record.labels.shape, bool) if other is None else other
        if isinstance(other, np.ndarray):
            np.testing.assert_array_equal(one, other, err_msg=field.name)
            assert one.dtype == other.dtype
        else:
            assert one == other, field.name


def small(shape):
    """Return a mask of the last class only."""
    accepted = Attribution(Maker.HUMAN, "b", "accepted")
    labels = np.full(shape, 7, np.uint8)
    return MaskRecord(labels, scheme=SCHEMES["oct-layers"], name="scan-1", attribution=accepted)


@pytest.mark.parametrize("suffix", FORMATS)
@example(record=small((2, 2)))
@example(record=small((2, 4)))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(record=mask_records())
def test_a_mask_comes_back_with_all_that_is_known_of_it(tmp_path_factory, suffix, record):
    if suffix == "png" and record.is_volume:
        record = MaskRecord(
            record.labels[0],
            scheme=record.scheme,
            name=record.name,
            spacing=record.spacing,
            ignore=None if record.ignore is None else record.ignore[0],
        )
    write, read = FORMATS[suffix]
    path = tmp_path_factory.mktemp("exchange") / f"mask.{suffix}"
    between = record.spacing.slice.um
    if suffix == "dcm" and record.is_volume and between and between < SLICE_UM[0]:
        with pytest.raises(WriteError, match="which no scan has"):
            write(path, record)
        return
    if suffix == "dcm" and record.planes[0].size < 8:
        with pytest.raises(WriteError, match="fewer than 8 pixels"):
            write(path, record)
        return
    write(path, record)
    assert_same(read(path), record)


@settings(max_examples=15)
@given(
    labels=hnp.arrays(np.uint8, (2, 5, 6), elements=st.integers(0, 7)),
    dtype=st.sampled_from([np.uint8, np.float32]),
)
def test_one_hot_stacks(tmp_path_factory, labels, dtype):
    record = MaskRecord(
        labels,
        scheme=SCHEMES["oct-layers"],
        name="a",
        attribution=Attribution(Maker.HUMAN, "b", "accepted"),
    )
    path = tmp_path_factory.mktemp("exchange") / "stacks"
    write_items(write_stacks, path, record, one_hot=True)
    masks = np.load(path / "masks.npy")
    np.testing.assert_array_equal(masks, np.eye(8, dtype=np.uint8)[labels])
    np.save(path / "masks.npy", masks.astype(dtype))
    assert_same(one_of(read_stacks, path), record)


@pytest.mark.parametrize(
    ("suffix", "write", "read"),
    [
        ("csv", write_boundary_csv, read_boundary_csv),
        ("json", write_boundary_json, read_boundary_json),
    ],
)
@settings(max_examples=25)
@given(
    data=st.data(),
    slices=st.sampled_from([(), (1,), (3,)]),
    name=st.sampled_from(["oct-layers", "duke-layers", "octid-layers"]),
    attribution=finished,
)
def test_boundaries_come_back_to_the_bit(
    tmp_path_factory, suffix, write, read, data, slices, name, attribution
):
    scheme = SCHEMES[name]
    heights = data.draw(
        hnp.arrays(
            np.float32,
            (*slices, len(scheme.surfaces), 4),
            elements=st.one_of(st.just(np.nan), st.floats(0, 500, width=32)),
        )
    )
    record = MaskRecord(
        np.zeros((*slices, 7, 4), np.uint8),
        scheme=scheme,
        name="scan",
        laterality=Laterality.RIGHT,
        attribution=attribution,
        boundaries=heights,
    )
    path = tmp_path_factory.mktemp("exchange") / f"lines.{suffix}"
    write(path, record)
    found = read(path, scheme)
    np.testing.assert_array_equal(found.heights, heights)
    assert (found.scheme, found.name, found.rows) == (scheme, "scan", 7)
    assert (found.laterality, found.attribution) == (Laterality.RIGHT, attribution)
