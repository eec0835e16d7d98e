import csv
import os
import subprocess
import sys
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from napari_retina_seg.io.results import save_segmentation
from napari_retina_seg.types.errors import ImageError, WriteError
from napari_retina_seg.types.image import Modality, RetinaImage
from napari_retina_seg.types.labels import FUNDUS_VESSELS, OCT_LAYERS
from napari_retina_seg.types.segmentation import Check, Provenance, Segmentation

RNG = np.random.default_rng(0)
PROVENANCE = Provenance("scan.png", "model", "0" * 64, "0.1", "CPU", "float32", 0.1)
QUICK = settings(
    derandomize=True,
    deadline=None,
    max_examples=15,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

planes = hnp.array_shapes(min_dims=2, max_dims=2, max_side=40)
volumes = st.tuples(st.integers(1, 5), st.integers(2, 20), st.integers(2, 20))


def labels_of(shapes, classes):
    return hnp.arrays(np.uint8, shapes, elements=st.integers(0, classes - 1))


def segmentation_of(labels, scheme=OCT_LAYERS, *, boundaries=False, probabilities=False):
    *slices, rows, columns = labels.shape
    heights = RNG.random((*slices, len(scheme), columns), np.float32) * rows
    classes = RNG.random((*slices, len(scheme), rows, columns), np.float32)
    return Segmentation(
        labels,
        scheme=scheme,
        provenance=PROVENANCE,
        boundaries=np.sort(heights, axis=-2) if boundaries else None,
        probabilities=classes.astype(np.float16) if probabilities else None,
    )


def image_of(labels):
    return RetinaImage(RNG.integers(0, 256, labels.shape, np.uint8), modality=Modality.OCT)


def save(labels, folder, **options):
    wanted = options.get("probabilities", False)
    segmentation = segmentation_of(labels, probabilities=wanted, boundaries=True)
    return segmentation, save_segmentation(segmentation, image_of(labels), folder, "a", **options)


@QUICK
@given(labels_of(planes, 8))
def test_a_mask_comes_back_from_png(tmp_path, labels):
    _, (mask, *_) = save(labels, tmp_path)
    picture = Image.open(mask)
    assert (mask.name, picture.mode) == ("a_mask.png", "P")
    np.testing.assert_array_equal(np.asarray(picture), labels)
    np.testing.assert_array_equal(np.asarray(picture.convert("RGB")), OCT_LAYERS.palette[labels])


@QUICK
@given(labels_of(volumes, 8))
def test_a_mask_comes_back_from_tiff(tmp_path, labels):
    _, (mask, *_) = save(labels, tmp_path)
    assert mask.name == "a_mask.tif"
    with tifffile.TiffFile(mask) as tiff:
        assert len(tiff.pages) == len(labels)
        for page, plane in zip(tiff.pages, labels, strict=True):
            np.testing.assert_array_equal(page.asarray(), plane)
        colors = tiff.pages.first.colormap[:, : len(OCT_LAYERS)] >> 8
    np.testing.assert_array_equal(colors.T, OCT_LAYERS.palette)
    with Image.open(mask) as picture:
        for index, plane in enumerate(labels):
            picture.seek(index)
            np.testing.assert_array_equal(np.asarray(picture), plane)


def test_two_classes_are_0_and_1_and_not_a_bit(tmp_path):
    labels = RNG.integers(0, 2, (30, 40), np.uint8)
    image = RetinaImage(RNG.integers(0, 256, (30, 40, 3), np.uint8), color=True)
    mask, overlay = save_segmentation(
        segmentation_of(labels, FUNDUS_VESSELS), image, tmp_path, "photo"
    )
    assert mask.read_bytes()[24] == 8
    assert set(np.unique(np.asarray(Image.open(mask)))) == {0, 1}
    assert np.asarray(Image.open(overlay)).shape == (30, 40, 3)


def test_an_overlay_shows_the_colors_of_the_scheme(tmp_path):
    labels = np.zeros((40, 40), np.uint8)
    labels[10:20] = 1
    _, (_, overlay, _) = save(labels, tmp_path)
    line = np.asarray(Image.open(overlay))[10]
    assert (line == OCT_LAYERS.classes[1].rgb).all()


def test_the_overlay_of_a_volume_is_the_middle_slice(tmp_path):
    labels = np.zeros((5, 40, 30), np.uint8)
    labels[2, 10:20] = 1
    _, (_, overlay, _) = save(labels, tmp_path)
    assert (np.asarray(Image.open(overlay))[10] == OCT_LAYERS.classes[1].rgb).all()


def read_table(path):
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    return header, np.array(rows, float)


def test_boundaries_have_a_row_per_column(tmp_path):
    segmentation, written = save(np.ones((30, 40), np.uint8), tmp_path)
    header, rows = read_table(written[2])
    assert written[2].name == "a_boundaries.csv"
    assert header == [surface.name for surface in OCT_LAYERS.surfaces]
    np.testing.assert_allclose(rows.T, segmentation.boundaries, atol=5.1e-4)


def test_boundaries_of_a_volume_begin_with_the_slice(tmp_path):
    segmentation, written = save(np.ones((3, 30, 40), np.uint8), tmp_path)
    header, rows = read_table(written[2])
    assert header[:2] == ["slice", "ILM"]
    np.testing.assert_array_equal(rows[:, 0], np.repeat([0, 1, 2], 40))
    heights = rows[:, 1:].reshape(3, 40, -1).transpose(0, 2, 1)
    np.testing.assert_allclose(heights, segmentation.boundaries, atol=5.1e-4)


@pytest.mark.parametrize("shape", [(30, 40), (3, 30, 40)])
def test_probabilities_on_request(tmp_path, shape):
    segmentation, written = save(np.ones(shape, np.uint8), tmp_path, probabilities=True)
    assert written[-1].name == "a_probabilities.npz"
    with np.load(written[-1], allow_pickle=False) as archive:
        assert archive["probabilities"].dtype == np.float16
        np.testing.assert_array_equal(archive["probabilities"], segmentation.probabilities)
        assert tuple(archive["class_names"]) == OCT_LAYERS.names


def test_the_same_result_is_the_same_bytes(tmp_path):
    labels = RNG.integers(0, 8, (3, 30, 40), np.uint8)
    segmentation = segmentation_of(labels, boundaries=True, probabilities=True)
    image = image_of(labels)
    once = save_segmentation(segmentation, image, tmp_path / "1", "a", probabilities=True)
    again = save_segmentation(segmentation, image, tmp_path / "2", "a", probabilities=True)
    assert [path.read_bytes() for path in once] == [path.read_bytes() for path in again]


def test_probabilities_that_are_not_there_are_refused_before_anything_is_written(tmp_path):
    labels = np.ones((30, 40), np.uint8)
    with pytest.raises(ImageError, match="ask for them"):
        save_segmentation(
            segmentation_of(labels), image_of(labels), tmp_path, "a", probabilities=True
        )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("other", [(3, 30, 40), (30, 41), (31, 40)])
def test_a_mask_of_another_image_is_refused_before_anything_is_written(tmp_path, other):
    segmentation = segmentation_of(np.ones((30, 40), np.uint8))
    with pytest.raises(ImageError, match="segment"):
        save_segmentation(segmentation, image_of(np.ones(other, np.uint8)), tmp_path, "a")
    assert not list(tmp_path.iterdir())


def test_a_folder_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match=r"can't be written.*Choose a folder"):
        save(np.ones((30, 40), np.uint8), tmp_path / "file" / "results")


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are another thing there")
def test_a_folder_without_write_permission(tmp_path):
    folder = tmp_path / "closed"
    folder.mkdir()
    folder.chmod(0o555)
    tmp_path.chmod(0o755)
    done = run_writer(folder, "if os.getuid() == 0: os.setuid(65534)", tmp_path)
    assert "can't be written: Permission denied" in done
    assert not list(folder.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such limits")
def test_a_full_disk_leaves_no_half_file(tmp_path):
    limit = (
        "import resource, signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))"
    )
    folder = tmp_path / "full"
    done = run_writer(folder, limit, tmp_path)
    assert "can't be written" in done
    # The mask is small enough to be whole, the overlay is not.
    assert [path.name for path in folder.iterdir()] == ["a_mask.png"]
    assert np.asarray(Image.open(folder / "a_mask.png")).shape == (200, 200)


def run_writer(folder, prelude, cwd):
    """Save a mask in another process, after the prelude; return what is printed."""
    code = (
        "import os, sys\nimport numpy as np\n"
        "from pathlib import Path\n"
        "from napari_retina_seg.types.errors import WriteError\n"
        "from napari_retina_seg.types.image import RetinaImage\n"
        "from napari_retina_seg.types.labels import OCT_LAYERS\n"
        "from napari_retina_seg.types.segmentation import Check, Provenance, Segmentation\n"
        "from napari_retina_seg.io.results import save_segmentation\n"
        "labels = np.ones((200, 200), np.uint8)\n"
        "image = RetinaImage(np.random.default_rng(0).integers(0, 256, (200, 200), np.uint8))\n"
        "provenance = Provenance('', '', '', '', '', '', 0.0)\n"
        "segmentation = Segmentation(labels, scheme=OCT_LAYERS, provenance=provenance)\n"
        # Nothing may be left to import for a process that can read less than before.
        "save_segmentation(segmentation, image, Path('before'), 'a')\n"
        f"{prelude}\n"
        "try: save_segmentation(segmentation, image, Path(sys.argv[1]), 'a')\n"
        "except WriteError as error: print(error)"
    )
    relative = os.path.relpath(folder, cwd)
    command = [sys.executable, "-c", code, relative]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)
    assert done.stderr == ""
    return done.stdout


def test_no_name_of_image_or_folder_is_written_inside_the_files(tmp_path):
    """The names of the files say which image it is; who renames them has removed it."""
    labels = RNG.integers(0, 8, (20, 30), np.uint8)
    segmentation = replace(
        segmentation_of(labels, boundaries=True, probabilities=True),
        provenance=replace(PROVENANCE, source="/clinic/Meier/MUELLER_HANS_OD.png"),
        checks=(Check("uncertainty", "much is uncertain"),),
    )
    image = replace(image_of(labels), name="MUELLER_HANS_OD")
    written = save_segmentation(segmentation, image, tmp_path, "a", probabilities=True)
    assert len(written) == 5
    for path in written:
        content = path.read_bytes()
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as packed:
                content += b"".join(map(packed.read, packed.namelist()))
        for secret in (b"MUELLER", b"Meier", str(tmp_path).encode()):
            assert secret not in content
