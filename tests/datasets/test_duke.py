import numpy as np
import pytest
from scipy.io import savemat

from napari_retina_seg.datasets.layouts import read_dataset
from napari_retina_seg.types.errors import DataError, RetinaSegError
from napari_retina_seg.types.image import Modality

ROWS, COLUMNS, SCANS = 40, 30, 6


def tracing(first=3.0, spread=4.0):
    """Eight level boundaries, in MATLAB's rows."""
    return (first + spread * np.arange(8))[:, None] * np.ones((1, COLUMNS))


@pytest.fixture
def subject(tmp_path):
    """Return a writer of a subject of which B-scans 2 and 4 are traced."""
    images = np.random.default_rng(0).integers(0, 255, (ROWS, COLUMNS, SCANS)).astype(float)
    first = np.full((8, COLUMNS, SCANS), np.nan)
    second = first.copy()
    first[:, 5:25, 2] = tracing()[:, 5:25]
    second[:, 7:28, 2] = tracing(4)[:, 7:28]
    first[:, 10:20, 4] = tracing()[:, 10:20]
    content = {
        "images": images,
        "manualLayers1": first,
        "manualLayers2": second,
        "manualFluid1": np.zeros((ROWS, COLUMNS, SCANS)),
    }

    def write(name="Subject_01", without="", **changes):
        content.update(changes)
        kept = {key: value for key, value in content.items() if key != without}
        savemat(tmp_path / f"{name}.mat", kept, do_compression=True)
        return tmp_path, content

    return write


def test_only_scans_and_columns_with_tracings_are_taken(subject):
    folder, content = subject()
    both, alone = read_dataset(folder)
    assert [image.name for image in (both, alone)] == ["Subject_01_02", "Subject_01_04"]
    assert {image.full_group for image in (both, alone)} == {"duke/Subject_01"}
    assert (both.modality, both.scheme) == (Modality.OCT, "duke-layers")
    # Both graders traced columns 7 to 24; of scan 4 there is the first grader's tracing only.
    assert np.array_equal(both.pixels(), content["images"][:, 7:25, 2])
    assert both.pixels().dtype == np.uint8
    assert np.array_equal(alone.pixels(), content["images"][:, 10:20, 4])
    assert list(both.references) == ["grader2"]
    assert not alone.references


def test_classes_lie_between_the_boundaries(subject):
    folder, _ = subject()
    image = read_dataset(folder)[0]
    # MATLAB's row 3 is row 2 here: 2 rows of background, 7 layers of 4 rows, background again.
    column = [0] * 2 + [k for k in range(1, 8) for _ in range(4)] + [0] * 10
    assert (image.labels() == np.array(column)[:, None]).all()
    assert image.labels().shape == (ROWS, 18)
    assert np.array_equal(image.labels("grader2")[1:], image.labels()[:-1])
    np.testing.assert_array_equal(image.heights(), tracing()[:, 7:25] - 1)


def test_boundaries_that_cross_are_put_in_order(subject):
    layers = np.full((8, COLUMNS, SCANS), np.nan)
    layers[..., 1] = tracing()
    layers[3, 8, 1] = 4  # above the two before it
    folder, _ = subject(manualLayers1=layers)
    heights = read_dataset(folder)[0].heights()
    assert (np.diff(heights, axis=0) >= 0).all()
    assert heights[3, 8] == heights[2, 8]


def test_columns_with_a_gap_are_cut_at_it(subject):
    layers = np.full((8, COLUMNS, SCANS), np.nan)
    layers[..., 1] = tracing()
    layers[5, 12, 1] = np.nan
    layers[:, :2, 1] = 0  # what NaN becomes in whole numbers
    folder, content = subject(manualLayers1=layers)
    (image,) = read_dataset(folder)
    assert np.array_equal(image.pixels(), content["images"][:, 13:, 1])


def test_values_between_whole_numbers_are_kept(subject):
    images = np.random.default_rng(1).random((ROWS, COLUMNS, SCANS))
    folder, _ = subject(images=images)
    pixels = read_dataset(folder)[0].pixels()
    np.testing.assert_allclose(pixels, images[:, 7:25, 2], rtol=1e-6)


def test_one_grader_is_enough(subject):
    folder, content = subject(without="manualLayers2")
    image = read_dataset(folder)[0]
    assert not image.references
    assert np.array_equal(image.pixels(), content["images"][:, 5:25, 2])


@pytest.mark.parametrize(
    ("without", "message"),
    [
        ("manualLayers1", "is not a subject of Chiu et al. 2015: it needs 'manualLayers1'"),
        ("images", "is not a subject of Chiu et al. 2015: it needs its 'images'"),
    ],
)
def test_a_file_of_something_else_is_named_when_it_is_read(subject, without, message):
    folder, _ = subject(without=without)
    with pytest.raises(DataError, match=rf"Subject_01\.mat' {message}"):
        read_dataset(folder)[0].pixels()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "can't be read as MATLAB file"),
        (b"MATLAB 5.0 MAT-file".ljust(400), "can't be read as MATLAB file"),
        (b"MATLAB 7.3".ljust(124) + b"\x00\x02IM" + b"\x89HDF", "save it again with '-v7'"),
    ],
)
def test_a_damaged_subject_is_named_beside_good_ones(subject, content, message):
    folder, _ = subject()
    (folder / "Subject_02.mat").write_bytes(content)
    *good, bad = read_dataset(folder)
    assert [image.labels().shape for image in good] == [(40, 18), (40, 10)]
    with pytest.raises(RetinaSegError, match=rf"Subject_02\.mat' .*{message}"):
        bad.labels()
