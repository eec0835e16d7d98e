import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from napari_retina_seg.io import read_image
from napari_retina_seg.types.errors import ReadError
from napari_retina_seg.types.image import Modality, Spacing

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (21, 33), np.uint8)
COLOR = RNG.integers(0, 256, (21, 33, 3), np.uint8)
DEEP = RNG.integers(0, 65536, (21, 33)).astype(np.uint16)
DEEP_COLOR = RNG.integers(0, 65536, (21, 33, 3)).astype(np.uint16)


def saved(folder, pixels, name, **options):
    path = folder / name
    picture = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    picture.save(path, **options)
    return path


@pytest.mark.parametrize("suffix", ["png", "bmp", "ppm"])
@pytest.mark.parametrize("pixels", [GREY, COLOR], ids=["grey", "color"])
def test_lossless_pixels_are_exact(tmp_path, suffix, pixels):
    image = read_image(saved(tmp_path, pixels, f"a.{suffix}"))
    assert image.pixels.dtype == np.uint8
    assert image.color == (pixels.ndim == 3)
    assert image.spacing == Spacing()
    np.testing.assert_array_equal(image.pixels, pixels)


@pytest.mark.parametrize("pixels", [GREY, COLOR], ids=["grey", "color"])
def test_jpeg_is_decoded_as_pillow_does(tmp_path, pixels):
    path = saved(tmp_path, pixels, "a.jpg", quality=95)
    np.testing.assert_array_equal(read_image(path).pixels, np.asarray(Image.open(path)))


@pytest.mark.parametrize("suffix", ["png", "pgm"])
def test_16_bit_grey_is_exact(tmp_path, suffix):
    image = read_image(saved(tmp_path, DEEP, f"a.{suffix}"))
    assert image.pixels.dtype == np.uint16
    np.testing.assert_array_equal(image.pixels, DEEP)


@pytest.mark.parametrize("suffix", ["png", "ppm"])
def test_16_bit_colors_are_exact(tmp_path, suffix):
    cv2.imwrite(str(tmp_path / f"a.{suffix}"), DEEP_COLOR[..., ::-1])
    image = read_image(tmp_path / f"a.{suffix}")
    assert image.pixels.dtype == np.uint16
    np.testing.assert_array_equal(image.pixels, DEEP_COLOR)


def test_16_bit_alpha_is_kept(tmp_path):
    pixels = np.dstack([DEEP_COLOR, DEEP])
    cv2.imwrite(str(tmp_path / "a.png"), pixels[..., [2, 1, 0, 3]])
    np.testing.assert_array_equal(read_image(tmp_path / "a.png").pixels, pixels)


def test_alpha_is_kept(tmp_path):
    pixels = np.dstack([COLOR, GREY])
    image = read_image(saved(tmp_path, pixels, "a.png"))
    assert image.color
    np.testing.assert_array_equal(image.pixels, pixels)


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("suffix", ["png", "bmp"])
def test_grey_saved_as_color_is_grey(tmp_path, channels, suffix):
    pixels = np.dstack([GREY, GREY, GREY, np.full_like(GREY, 255)])[..., :channels]
    image = read_image(saved(tmp_path, np.ascontiguousarray(pixels), f"a.{suffix}"))
    assert not image.color
    np.testing.assert_array_equal(image.pixels, GREY)


def test_grey_with_alpha(tmp_path):
    opaque = Image.fromarray(GREY).convert("LA")
    np.testing.assert_array_equal(read_image(saved(tmp_path, opaque, "a.png")).pixels, GREY)
    glassy = opaque.copy()
    glassy.putalpha(100)
    image = read_image(saved(tmp_path, glassy, "b.png"))
    assert image.color
    np.testing.assert_array_equal(image.pixels[..., 1], GREY)
    assert (image.pixels[..., 3] == 100).all()


def test_a_palette_becomes_colors(tmp_path):
    picture = Image.fromarray(COLOR).quantize(16)
    image = read_image(saved(tmp_path, picture, "a.png"))
    np.testing.assert_array_equal(image.pixels, np.asarray(picture.convert("RGB")))


def test_one_bit_is_black_and_white(tmp_path):
    bits = GREY > 128
    for name in ("a.png", "a.pbm", "a.bmp"):
        image = read_image(saved(tmp_path, Image.fromarray(bits), name))
        assert image.pixels.dtype == np.uint8
        np.testing.assert_array_equal(image.pixels, bits * np.uint8(255))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photograph_is_turned_upright_as_opencv_does(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path, COLOR, "a.jpg", quality=95, subsampling=0, exif=exif)
    image = read_image(path)
    expected = cv2.imread(str(path))[..., ::-1]
    assert image.pixels.shape == expected.shape
    assert np.abs(image.pixels.astype(int) - expected).max() <= 3


def test_broken_exif_does_not_spoil_a_photograph(tmp_path):
    path = saved(tmp_path, COLOR, "a.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f broken")
    assert read_image(path).pixels.shape == COLOR.shape


def test_grey_frames_of_a_gif_are_slices(tmp_path):
    frames = RNG.integers(0, 256, (4, 21, 33), np.uint8)
    first, *others = (Image.fromarray(frame) for frame in frames)
    path = saved(tmp_path, first, "a.gif", save_all=True, append_images=others)
    image = read_image(path)
    assert image.is_volume
    np.testing.assert_array_equal(image.pixels, frames)


def test_the_first_of_colored_frames_is_read(tmp_path):
    colors = [Image.new("RGB", (33, 21), name) for name in ("red", "lime", "blue")]
    path = saved(tmp_path, colors[0], "a.gif", save_all=True, append_images=colors[1:])
    image = read_image(path)
    assert image.pixels.shape == (21, 33, 3)
    assert (image.pixels == (255, 0, 0)).all()


def test_a_gif_mask_is_grey(tmp_path):
    mask = (GREY > 128) * np.uint8(255)
    np.testing.assert_array_equal(read_image(saved(tmp_path, mask, "a.gif")).pixels, mask)


def test_cmyk_becomes_rgb(tmp_path):
    path = saved(tmp_path, Image.fromarray(COLOR).convert("CMYK"), "a.jpg")
    assert read_image(path).pixels.shape == COLOR.shape


def test_a_header_that_claims_too_much_is_refused_before_decoding(tmp_path):
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    content = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk
    content += struct.pack(">II", zlib.crc32(chunk), 50) + b"IDAT" + b"\0" * 50
    (tmp_path / "bomb.png").write_bytes(content)
    with pytest.raises(ReadError, match="too short for what its header claims"):
        read_image(tmp_path / "bomb.png")


def test_real_images_are_recognised(shared_data):
    photograph = read_image(shared_data / "chase_db1" / "Image_01L.jpg")
    assert (photograph.modality, photograph.color) == (Modality.FUNDUS, True)
    assert photograph.pixels.shape == (960, 999, 3)
    scan = read_image(shared_data / "oct_layers" / "Subject1_01.png")
    assert (scan.modality, scan.color) == (Modality.OCT, False)
