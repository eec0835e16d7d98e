"""A volume that is stored as one DICOM file for each slice."""

import numpy as np
import pytest

from napari_retina_seg.io import read_image
from napari_retina_seg.io.images.series import ImageFiles, group_series, read_files, read_slices
from napari_retina_seg.types.errors import ReadError

OPT = "1.2.840.10008.5.1.4.1.1.77.1.5.4"
VOLUME = np.arange(5 * 7 * 9, dtype=np.uint16).reshape(5, 7, 9)
UPRIGHT = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]


@pytest.fixture
def write(make_dicom, tmp_path):
    """Return a function that writes slices, of which names count down as positions count up."""

    def write_slices(folder="series", places=range(5), series="1.2.3", **said):
        (tmp_path / folder).mkdir(exist_ok=True)
        paths = []
        for k, place in enumerate(places):
            dataset = make_dicom(
                VOLUME[k], OPT, SeriesInstanceUID=series, PixelSpacing=[0.004, 0.012]
            )
            dataset.InstanceNumber = k + 1
            if place is not None:
                dataset.ImageOrientationPatient = UPRIGHT
                dataset.ImagePositionPatient = [0.0, 0.0, 0.12 * place]
            for keyword, value in said.items():
                setattr(dataset, keyword, value[k] if isinstance(value, list) else value)
            paths.append(tmp_path / folder / f"{chr(ord('z') - k)}.dcm")
            dataset.save_as(paths[-1])
        return sorted(paths)

    return write_slices


def test_slices_are_one_volume_in_the_order_of_their_positions(write):
    paths = write()
    (group,) = group_series(paths)
    assert group == ImageFiles("series", tuple(reversed(paths)))
    assert "The 5 slices of the series 'series' are images of their own" in group.message
    image = read_files(group)
    np.testing.assert_array_equal(image.pixels, VOLUME)
    assert image.name == "series"
    assert image.source == str(paths[0].parent)
    spacing = image.spacing
    sizes = [spacing.slice.um, spacing.axial.um, spacing.lateral.um]
    assert sizes == pytest.approx([120, 4, 12])
    np.testing.assert_allclose(image.placement.affine[:3, 0], (0, 0, 0.12))
    np.testing.assert_allclose(image.placement.affine[:3, 3], 0)


def test_a_folder_of_slices_is_read_as_the_volume(write):
    np.testing.assert_array_equal(read_image(write()[0].parent).pixels, VOLUME)


def test_positions_count_more_than_numbers_and_names(write):
    paths = write(InstanceNumber=[5, 4, 3, 2, 1])
    np.testing.assert_array_equal(read_slices(paths).pixels, VOLUME)


@pytest.mark.parametrize("keyword", ["FrameOfReferenceUID", "StudyInstanceUID"])
def test_exporters_that_number_anew_what_slices_share(write, keyword):
    paths = write(**{keyword: [f"1.2.{k}" for k in range(5)]})
    assert len(group_series(paths)) == 1


def test_numbers_count_where_slices_to_be_stacked_have_no_position(write):
    paths = write(places=[None] * 5)
    assert len(group_series(paths)) == 5
    np.testing.assert_array_equal(read_slices(paths).pixels, VOLUME)
    assert read_slices(paths).spacing.slice.um is None


def test_uneven_slices_are_reported(write):
    image = read_slices(write(places=[0, 1, 2, 5, 6]))
    assert image.spacing.slice.um is None
    assert "unevenly spaced (120 to 360 µm" in image.warnings[0]


@pytest.mark.parametrize(
    "said",
    [
        {"places": [0, 1, 1, 2, 3]},  # two at one place, as repeated scans are
        {"SeriesInstanceUID": [f"1.2.{k}" for k in range(5)]},
        {"ImageOrientationPatient": [[1.0, 0.0, 0.0, 0.0, float(np.cos(a)), float(np.sin(a))]
                                     for a in (0, 0.5, 1, 1.5, 2)]},  # a radial scan
    ],
)  # fmt: skip
def test_other_files_are_images_by_themselves(write, said):
    paths = write(**said)
    assert [group.name for group in group_series(paths)] == ["v", "w", "x", "y", "z"]


def test_two_series_in_one_folder(write, tmp_path):
    paths = [*write(SeriesNumber=7), *write("other", series="4.5.6", SeriesNumber=8)]
    for path in paths[5:]:
        path.rename(tmp_path / "series" / f"b{path.name}")
    groups = group_series(sorted((tmp_path / "series").iterdir()))
    assert [group.name for group in groups] == ["series-8", "series-7"]
    assert [len(group.files) for group in groups] == [5, 5]


def test_invalid_pixels_move_with_their_slice(write):
    paths = write(PixelPaddingValue=int(VOLUME[3, 0, 0]), PixelData=[
        np.where(np.arange(9) < 5, VOLUME[3, 0, 0] if k == 3 else plane, plane).tobytes()
        for k, plane in enumerate(VOLUME)
    ])  # fmt: skip
    valid = read_slices(paths).valid
    assert not valid[3, :, :5].any()
    assert valid[[0, 1, 2, 4]].all()


def test_files_that_dont_fit_are_refused(write, tmp_path):
    paths = write(Rows=[7, 7, 7, 7, 6])
    with pytest.raises(ReadError, match="files of one shape can be stacked"):
        read_slices(paths)
    np.save(tmp_path / "volume.npy", VOLUME)
    with pytest.raises(ReadError, match="is a volume itself"):
        read_slices([tmp_path / "volume.npy"] * 2)


def test_pictures_stay_in_the_order_in_which_they_are_given(tmp_path):
    paths = [tmp_path / name for name in ("c.npy", "a.npy", "b.npy")]
    for path, plane in zip(paths, VOLUME, strict=False):
        np.save(path, plane)
    np.testing.assert_array_equal(read_slices(paths).pixels, VOLUME[:3])


def test_a_single_file_is_itself(write):
    path = write()[0]
    image = read_files(ImageFiles("v", (path,)))
    assert image.name == "v"
    assert not image.is_volume
