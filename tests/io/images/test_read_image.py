import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from napari_retina_seg.io import SUFFIXES, read_image
from napari_retina_seg.types.errors import ReadError
from napari_retina_seg.types.image import Modality


def test_importing_the_readers_is_cheap():
    code = (
        "import sys, napari_retina_seg.io\n"
        "heavy = {'tensorflow', 'keras', 'napari', 'qtpy', 'PyQt6', 'pydicom', 'tifffile', 'PIL'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_reading_every_format_brings_in_neither_tensorflow_nor_qt(valid_files):
    code = (
        "import sys\nfrom napari_retina_seg.io import read_image\n"
        "for path in sys.argv[1:]: read_image(path)\n"
        "print(sorted({'tensorflow', 'keras', 'napari', 'qtpy', 'PyQt6'} & set(sys.modules)))"
    )
    files = [str(path) for path in sorted(valid_files.iterdir())]
    command = [sys.executable, "-c", code, *files]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_suffixes_are_lower_case_with_a_dot():
    assert all(suffix.startswith(".") and suffix.islower() for suffix in SUFFIXES)
    assert len(set(SUFFIXES)) == len(SUFFIXES)


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".PNG", ".xyz", ""])
def test_content_decides_not_the_suffix(tmp_path, suffix):
    pixels = np.arange(600, dtype=np.uint8).reshape(20, 30)
    path = tmp_path / f"picture{suffix}"
    Image.fromarray(pixels).save(path, format="png")
    np.testing.assert_array_equal(read_image(path).pixels, pixels)


def test_name_and_source_are_the_files(tmp_path):
    path = tmp_path / "Auge links · Übersicht 眼.png"
    Image.fromarray(np.eye(20, dtype=np.uint8)).save(path)
    image = read_image(str(path))
    assert image.name == "Auge links · Übersicht 眼"
    assert image.source == str(path)


def test_a_deep_picture_with_a_strange_name(tmp_path):
    import cv2

    pixels = np.random.default_rng(0).integers(0, 65536, (20, 30, 3)).astype(np.uint16)
    path = tmp_path / "眼 é.png"
    path.write_bytes(cv2.imencode(".png", pixels[..., ::-1])[1].tobytes())
    np.testing.assert_array_equal(read_image(path).pixels, pixels)


def test_one_pixel_can_be_opened(tmp_path):
    Image.fromarray(np.full((1, 1), 7, np.uint8)).save(tmp_path / "dot.png")
    assert read_image(tmp_path / "dot.png").pixels.tolist() == [[7]]


@pytest.mark.parametrize("value", [0, 255])
def test_a_constant_picture_can_be_opened(tmp_path, value):
    Image.fromarray(np.full((64, 64), value, np.uint8)).save(tmp_path / "flat.png")
    assert read_image(tmp_path / "flat.png").pixels.shape == (64, 64)


def test_all_nan_can_be_opened_and_is_of_no_modality(tmp_path):
    np.save(tmp_path / "nan.npy", np.full((64, 64), np.nan, np.float32))
    assert read_image(tmp_path / "nan.npy").modality is Modality.UNKNOWN


def refused(path):
    with pytest.raises(ReadError) as caught:
        read_image(path)
    text = str(caught.value)
    assert text.endswith(".")
    assert "\n" not in text
    return text


def test_missing_file(tmp_path):
    assert "no file" in refused(tmp_path / "nothing.png")


def test_folder(tmp_path):
    assert "is a folder" in refused(tmp_path)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".npy", ".dcm", ".xyz"])
def test_zero_bytes(tmp_path, suffix):
    (tmp_path / f"empty{suffix}").touch()
    assert "empty" in refused(tmp_path / f"empty{suffix}")


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".txt", ""])
def test_text_is_no_image_whatever_it_is_called(tmp_path, suffix):
    path = tmp_path / f"notes{suffix}"
    path.write_text("These are notes of a visit, not an image.\n" * 20)
    assert "image" in refused(path)


def test_a_name_that_no_file_can_have(tmp_path):
    assert "can't be opened" in refused(tmp_path / ("x" * 300 + ".png"))
    assert refused("nul\0.png")


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such files")
def test_a_device_is_not_read_for_ever():
    assert "not a regular file" in refused("/dev/zero")


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are another thing there")
def test_no_permission(tmp_path):
    path = tmp_path / "secret.png"
    Image.fromarray(np.eye(20, dtype=np.uint8)).save(path)
    path.chmod(0)
    tmp_path.chmod(0o755)
    code = (
        "import os, sys\nfrom napari_retina_seg.types.errors import ReadError\n"
        "from napari_retina_seg.io import read_image\n"
        "if os.getuid() == 0: os.setuid(65534)\n"
        "try: read_image('secret.png')\nexcept ReadError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert "ask for read permission" in done.stdout
