"""Slices in the order of their positions, with their distance and their place."""

import numpy as np
import pytest
from pydicom.sequence import Sequence

from napari_retina_seg.io import read_image
from napari_retina_seg.types.errors import ReadError

OPT = "1.2.840.10008.5.1.4.1.1.77.1.5.4"
SEG, LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"
VOLUME = np.arange(5 * 7 * 9, dtype=np.uint16).reshape(5, 7, 9)
UPRIGHT = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]  # the normal is +z
B_SCAN = [1.0, 0.0, 0.0, 0.0, 0.0, -1.0]  # columns to the left, rows to the feet: normal +y
SHUFFLED = (0, 2, 4, 1, 3)


@pytest.fixture
def read(tmp_path):
    def write_and_read(dataset):
        dataset.save_as(tmp_path / "scan.dcm")
        return read_image(tmp_path / "scan.dcm")

    return write_and_read


@pytest.fixture
def volume(make_dicom, sequence):
    """Return a function from positions, and what else is known of frames, to a dataset."""

    def make(positions=None, *, axes=UPRIGHT, order=range(5), numbers=None, lines=None, **said):
        frames = []
        for k in order:
            frame = sequence(FrameContentSequence=sequence())[0]
            if positions is not None:
                frame.PlanePositionSequence = sequence(ImagePositionPatient=list(positions[k]))
            if numbers is not None:
                frame.FrameContentSequence[0].InStackPositionNumber = numbers[k]
            if lines is not None:
                frame.OphthalmicFrameLocationSequence = sequence(ReferenceCoordinates=lines[k])
            frames.append(frame)
        measures = sequence(PixelSpacing=[0.004, 0.012], **said)
        shared = sequence(PixelMeasuresSequence=measures)
        if axes is not None:
            shared[0].PlaneOrientationSequence = sequence(ImageOrientationPatient=axes)
        return make_dicom(
            VOLUME[list(order)], OPT, SharedFunctionalGroupsSequence=shared,
            PerFrameFunctionalGroupsSequence=Sequence(frames),
        )  # fmt: skip

    return make


def along_z(*places):
    return [(0.0, 0.0, float(place)) for place in places]


EVEN = along_z(0, 0.12, 0.24, 0.36, 0.48)


@pytest.mark.parametrize("order", [range(5), SHUFFLED, (3, 1, 4, 0, 2)])
def test_frames_are_in_the_order_of_their_positions(volume, read, order):
    image = read(volume(EVEN, order=order, SpacingBetweenSlices=0.12))
    np.testing.assert_array_equal(image.pixels, VOLUME)
    assert image.spacing.slice.um == pytest.approx(120)
    assert image.warnings == ()
    np.testing.assert_allclose(
        image.placement.affine,
        [[0, 0, 0.012, 0], [0, 0.004, 0, 0], [0.12, 0, 0, 0], [0, 0, 0, 1]],
    )


def test_positions_count_along_the_normal_of_the_slices(volume, read):
    """In a B-scan rows run into the eye: the positions in z are the same."""
    positions = [(-3.0, y, 1.5) for y in (2.0, 2.1, 2.2, 2.3, 2.4)]
    image = read(volume(positions, axes=B_SCAN, order=SHUFFLED))
    np.testing.assert_array_equal(image.pixels, VOLUME)
    assert image.spacing.slice.um == pytest.approx(100)
    corner, far = ((0, 0, 0, 1), (4, 6, 8, 1))
    np.testing.assert_allclose(image.placement.affine @ corner, (-3, 2, 1.5, 1))
    expected = (-3 + 8 * 0.012, 2.4, 1.5 - 6 * 0.004, 1)
    np.testing.assert_allclose(image.placement.affine @ far, expected)


def test_tilted_slices_have_their_perpendicular_distance(volume, read):
    """The positions may also move within the plane, as with an eye that turns."""
    positions = [(0.05 * k, 0.0, 0.12 * k) for k in range(5)]
    image = read(volume(positions, order=SHUFFLED))
    np.testing.assert_array_equal(image.pixels, VOLUME)
    assert image.spacing.slice.um == pytest.approx(120)
    np.testing.assert_allclose(image.placement.affine[:3, 0], (0.05, 0, 0.12))


def test_positions_without_an_orientation(volume, read):
    positions = [(0.0, 0.1 * k, 0.0) for k in range(5)]
    image = read(volume(positions, axes=None, order=SHUFFLED))
    np.testing.assert_array_equal(image.pixels, VOLUME)
    assert image.spacing.slice.um == pytest.approx(100)
    assert image.placement is None


def test_positions_that_count_down_are_in_order(volume, read):
    """Other files refer to frames by number: what is in order is left as it is."""
    image = read(volume(EVEN[::-1]))
    np.testing.assert_array_equal(image.pixels, VOLUME)
    np.testing.assert_allclose(image.placement.affine[:3, 0], (0, 0, -0.12))
    np.testing.assert_allclose(image.placement.affine[:3, 3], (0, 0, 0.48))


def test_positions_and_numbers_that_count_down_are_turned(volume, read):
    image = read(volume(EVEN, order=range(4, -1, -1), numbers=range(1, 6)))
    np.testing.assert_array_equal(image.pixels, VOLUME)


def test_positions_count_more_than_numbers(volume, read):
    image = read(volume(EVEN, order=SHUFFLED, numbers=(3, 5, 1, 2, 4)))
    np.testing.assert_array_equal(image.pixels, VOLUME)


@pytest.mark.parametrize("positions", [None, along_z(0, 0, 0, 0, 0)])
def test_numbers_count_where_there_are_no_positions(volume, read, positions):
    dataset = volume(positions, order=SHUFFLED, numbers=range(1, 6), SpacingBetweenSlices=0.1)
    image = read(dataset)
    np.testing.assert_array_equal(image.pixels, VOLUME)
    assert image.spacing.slice.um == pytest.approx(100)
    assert image.placement is None


def test_indices_count_where_nothing_else_does(volume, read):
    dataset = volume(order=SHUFFLED)
    for k, group in zip(SHUFFLED, dataset.PerFrameFunctionalGroupsSequence, strict=True):
        group.FrameContentSequence[0].DimensionIndexValues = [1 + k // 3, 1 + k % 3]
    np.testing.assert_array_equal(read(dataset).pixels, VOLUME)


@pytest.mark.parametrize("turned", [1, -1])
def test_lines_on_the_photograph_where_there_are_no_positions(volume, read, turned):
    ends = (50.0, 700.0)[::turned]
    lines = [[100.0 + 10 * k, ends[0], 100.0 + 10 * k, ends[1]] for k in range(5)]
    image = read(volume(lines=lines, order=SHUFFLED, SpacingBetweenSlices=0.1))
    np.testing.assert_array_equal(image.pixels, VOLUME)
    assert image.spacing.slice.um == pytest.approx(100)


def test_a_radial_scan_is_in_the_order_of_its_numbers(volume, read):
    angles = np.radians([0, 36, 72, 108, 144])
    lines = [
        [float(v) for v in (400 - 300 * s, 400 - 300 * c, 400 + 300 * s, 400 + 300 * c)]
        for s, c in zip(np.sin(angles), np.cos(angles), strict=True)
    ]
    image = read(volume(lines=lines, order=SHUFFLED, numbers=range(1, 6)))
    np.testing.assert_array_equal(image.pixels, VOLUME)
    assert image.spacing.slice.um is None


@pytest.mark.parametrize(
    ("places", "said"),
    [((0, 0.1, 3, 3.1, 4), "100 to 2900 µm"), ((0, 0.1, 0.1, 0.2, 0.3), "0 to 100 µm")],
)
def test_uneven_slices_are_reported(volume, read, places, said):
    image = read(volume(along_z(*places), order=SHUFFLED, SpacingBetweenSlices=0.12))
    np.testing.assert_array_equal(
        image.pixels, VOLUME[[0, 2, 1, 3, 4]] if places[1] == places[2] else VOLUME
    )
    assert image.spacing.slice.um is None
    assert image.placement is None
    assert len(image.warnings) == 1
    assert f"unevenly spaced ({said}" in image.warnings[0]


def test_positions_count_more_than_a_stated_distance(volume, read):
    image = read(volume(EVEN, SpacingBetweenSlices=0.05))
    assert image.spacing.slice.um == pytest.approx(120)
    assert "50 µm apart, their positions 120 µm" in image.warnings[0]


def test_a_thickness_is_no_distance(volume, read):
    assert read(volume(SliceThickness=0.01)).spacing.slice.um is None


def test_padding_moves_with_its_frame(volume, read):
    dataset = volume(EVEN, order=SHUFFLED)
    pixels = VOLUME.copy()
    pixels[4, :, :5] = 60000
    dataset.PixelData = pixels[list(SHUFFLED)].tobytes()
    dataset.PixelPaddingValue = 60000
    np.testing.assert_array_equal(read(dataset).valid, pixels < 60000)


def test_a_single_slice_has_a_place(make_dicom, read):
    image = read(
        make_dicom(VOLUME[0], OPT, PixelSpacing=[0.004, 0.012], SpacingBetweenSlices=0.12,
                   ImagePositionPatient=[1.0, 2.0, 3.0], ImageOrientationPatient=B_SCAN)
    )  # fmt: skip
    np.testing.assert_allclose(
        image.placement.affine,
        [[0, 0, 0.012, 1], [0.12, 0, 0, 2], [0, -0.004, 0, 3], [0, 0, 0, 1]],
    )
    assert image.spacing.slice.um is None


@pytest.mark.parametrize(
    "said",
    [
        {"ImagePositionPatient": [1.0, 2.0, 3.0]},
        {"ImagePositionPatient": [1.0, 2.0, 3.0], "ImageOrientationPatient": [1.0] * 6},
        {"ImageOrientationPatient": UPRIGHT},
    ],
)
def test_no_place_where_the_header_does_not_say_it(make_dicom, read, said):
    assert read(make_dicom(VOLUME[0], OPT, PixelSpacing=[0.004, 0.012], **said)).placement is None


@pytest.mark.parametrize("kind", [SEG, LABEL_MAP])
def test_a_segmentation_is_no_image(make_dicom, read, sequence, kind):
    segments = [
        sequence(SegmentNumber=k, SegmentLabel=label)[0]
        for k, label in enumerate(("Background", "RNFL", "INL"))
    ]
    dataset = make_dicom(VOLUME.astype(np.uint8), kind, SegmentSequence=Sequence(segments))
    dataset.Modality = "SEG"
    with pytest.raises(ReadError, match="is a mask of RNFL, INL"):
        read(dataset)
