"""Whatever turns a picture turns its mask: both lie on the grid that a person sees."""

import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_retina_seg.datasets.layouts import read_dataset
from napari_retina_seg.io import read_image
from napari_retina_seg.io.masks import (
    encode_mask,
    read_class_values,
    read_classes,
    read_mask,
    read_region,
)
from napari_retina_seg.types.errors import ReadError
from napari_retina_seg.types.labels import OCT_LAYERS
from raw_tiff import stored_as

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (20, 30), np.uint8)
COLOR = RNG.integers(0, 256, (20, 30, 3), np.uint8)
CLASSES = RNG.integers(0, 8, (20, 30), np.uint8)
ALL = pytest.mark.parametrize("orientation", range(1, 9))
TAG = 274


def write_tiff(path: Path, stored: np.ndarray, orientation: int, **options) -> Path:
    tifffile.imwrite(path, stored, extratags=[(TAG, "H", 1, orientation, True)], **options)
    return path


def write_pages(path: Path, orientations: tuple[int, ...]) -> np.ndarray:
    volume = RNG.integers(0, 256, (len(orientations), 20, 30), np.uint8)
    with tifffile.TiffWriter(path) as writer:
        for page, orientation in zip(volume, orientations, strict=True):
            writer.write(
                stored_as(page, orientation),
                metadata=None,
                photometric="minisblack",
                extratags=[(TAG, "H", 1, orientation, True)],
            )
    return volume


def exif(orientation: int) -> Image.Exif:
    made = Image.Exif()
    made[TAG] = orientation
    return made


@ALL
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize(
    ("upright", "options"),
    [
        (GREY, {"photometric": "minisblack"}),
        (GREY.astype(np.float32), {"photometric": "minisblack", "compression": "zlib"}),
        (GREY > 99, {"photometric": "minisblack"}),
        (COLOR, {"photometric": "rgb", "compression": "lzw", "tile": (16, 16)}),
        (COLOR.astype(np.uint16), {"photometric": "rgb"}),
    ],
    ids=["grey", "float", "bit", "color", "deep"],
)
def test_a_tiff_is_turned_upright(tmp_path, orientation, big, upright, options):
    stored = stored_as(upright, orientation)
    path = write_tiff(tmp_path / "a.tif", stored, orientation, bigtiff=big, **options)
    expected = upright * np.uint8(255) if upright.dtype == bool else upright
    np.testing.assert_array_equal(read_image(path).pixels, expected)


@ALL
def test_separate_color_planes_are_turned_upright(tmp_path, orientation):
    planes = np.moveaxis(stored_as(COLOR, orientation), -1, 0)
    path = write_tiff(
        tmp_path / "a.tif", planes, orientation, photometric="rgb", planarconfig="separate"
    )
    np.testing.assert_array_equal(read_image(path).pixels, COLOR)


@ALL
def test_the_orientation_of_the_first_page_is_that_of_all_if_no_other_states_one(
    tmp_path, orientation
):
    volume = RNG.integers(0, 256, (3, 20, 30), np.uint8)
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for number, page in enumerate(volume):
            tags = [] if number else [(TAG, "H", 1, orientation, True)]
            stored = stored_as(page, orientation)
            writer.write(stored, metadata=None, photometric="minisblack", extratags=tags)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels, volume)
    np.testing.assert_array_equal(read_class_values(tmp_path / "a.tif"), volume)


@ALL
def test_all_pages_of_a_tiff_are_turned_upright(tmp_path, orientation):
    volume = write_pages(tmp_path / "a.tif", (orientation,) * 3)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels, volume)


def test_each_page_is_turned_by_its_own_tag(tmp_path):
    volume = write_pages(tmp_path / "a.tif", (1, 3, 2, 4))
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels, volume)


def test_pages_that_lie_on_different_grids_are_refused(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for orientation in (1, 6):
            tag = (TAG, "H", 1, orientation, True)
            writer.write(GREY, metadata=None, photometric="minisblack", extratags=[tag])
    with pytest.raises(ReadError, match="turned against each other"):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize("strange", [0, 9, 255])
def test_a_tag_that_says_nothing_turns_nothing(tmp_path, strange):
    path = write_tiff(tmp_path / "a.tif", GREY, strange, photometric="minisblack")
    np.testing.assert_array_equal(read_image(path).pixels, GREY)


@ALL
@pytest.mark.parametrize("suffix", ["png", "webp", "jpg", "jfif"])
def test_a_picture_is_turned_by_its_exif(tmp_path, orientation, suffix):
    smooth = cv2.GaussianBlur(COLOR, (0, 0), 3)
    picture = Image.fromarray(stored_as(smooth, orientation))
    options = {"lossless": True} if suffix == "webp" else {}
    if suffix in ("jpg", "jfif"):
        options = {"quality": 98, "subsampling": 0, "format": "jpeg"}
    picture.save(tmp_path / f"a.{suffix}", exif=exif(orientation), **options)
    seen = read_image(tmp_path / f"a.{suffix}").pixels.astype(int)
    assert np.abs(seen - smooth).max() <= (4 if suffix.startswith("j") else 0)


@ALL
def test_a_grey_photograph_is_turned_by_its_exif(tmp_path, orientation):
    smooth = cv2.GaussianBlur(GREY, (0, 0), 3)
    picture = Image.fromarray(stored_as(smooth, orientation))
    picture.save(tmp_path / "a.jpg", quality=98, exif=exif(orientation))
    seen = read_image(tmp_path / "a.jpg").pixels.astype(int)
    assert np.abs(seen - smooth).max() <= 4


def with_exif_chunk(content: bytes, orientation: int, *, last: bool) -> bytes:
    """Put the chunk eXIf behind the header, or behind the pixels."""
    body = b"eXIf" + exif(orientation).tobytes().removeprefix(b"Exif\0\0")
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    at = len(content) - 12 if last else 33
    return content[:at] + chunk + content[at:]


@ALL
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_16_bit_png_is_turned_by_its_exif(tmp_path, orientation, last, channels):
    deep = RNG.integers(0, 65536, (20, 30, channels)).astype(np.uint16)
    order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[channels]
    stored = stored_as(deep[..., order], orientation)
    content = cv2.imencode(".png", stored)[1].tobytes()
    path = tmp_path / "a.png"
    path.write_bytes(with_exif_chunk(content, orientation, last=last))
    np.testing.assert_array_equal(read_image(path).pixels, np.squeeze(deep))


def palette_png(stored: np.ndarray, orientation: int, bits: int) -> bytes:
    picture = Image.fromarray(stored)
    picture.putpalette([200, 0, 0, *range(3, 48)])
    file = io.BytesIO()
    picture.save(file, format="PNG", bits=bits, exif=exif(orientation))
    return file.getvalue()


@ALL
def test_masks_lie_on_the_grid_of_their_images(tmp_path, orientation):
    stored = stored_as(CLASSES, orientation)
    (tmp_path / "palette.png").write_bytes(palette_png(stored, orientation, 4))
    Image.fromarray(stored).save(tmp_path / "grey.png", exif=exif(orientation))
    ours = encode_mask(stored, OCT_LAYERS, ".png")
    (tmp_path / "ours.png").write_bytes(with_exif_chunk(ours, orientation, last=False))
    colormap = np.zeros((3, 256), np.uint16)
    colormap[:, : len(OCT_LAYERS)] = OCT_LAYERS.palette.T.astype(np.uint16) * 257
    for name, big in (("ours.tif", False), ("big.tif", True)):
        options = {"photometric": "palette", "colormap": colormap, "bigtiff": big}
        write_tiff(tmp_path / name, stored, orientation, **options)
    for path in tmp_path.iterdir():
        np.testing.assert_array_equal(read_classes(path), CLASSES, err_msg=path.name)
        np.testing.assert_array_equal(read_region(path), CLASSES > 0, err_msg=path.name)
    for name in ("ours.png", "ours.tif", "big.tif"):
        labels, scheme = read_mask(tmp_path / name)
        assert scheme is OCT_LAYERS
        np.testing.assert_array_equal(labels, CLASSES, err_msg=name)


@ALL
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_masks_of_two_levels_lie_on_the_grid_of_their_images(tmp_path, orientation, photometric):
    region = CLASSES > 4
    stored = stored_as(region, orientation)
    stored = ~stored if photometric == "miniswhite" else stored
    path = write_tiff(tmp_path / "a.tif", stored, orientation, photometric=photometric)
    np.testing.assert_array_equal(read_classes(path), region)
    np.testing.assert_array_equal(read_region(path), region)
    Image.fromarray(stored_as(region, orientation)).save(tmp_path / "a.png", exif=exif(orientation))
    np.testing.assert_array_equal(read_classes(tmp_path / "a.png"), region)


def test_a_volume_of_masks_is_turned_with_its_image(tmp_path):
    classes = RNG.integers(0, 8, (3, 20, 30), np.uint8)
    colormap = RNG.integers(0, 65536, (3, 256)).astype(np.uint16)
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for page in classes:
            writer.write(
                stored_as(page, 8),
                metadata=None,
                photometric="palette",
                colormap=colormap,
                extratags=[(TAG, "H", 1, 8, True)],
            )
    np.testing.assert_array_equal(read_class_values(tmp_path / "a.tif"), classes)
    np.testing.assert_array_equal(read_region(tmp_path / "a.tif"), classes > 0)


def test_pixel_sizes_are_turned_with_the_pixels(tmp_path):
    for orientation, expected in ((1, (4.0, 12.0)), (3, (4.0, 12.0)), (6, (12.0, 4.0))):
        path = write_tiff(
            tmp_path / f"{orientation}.tif",
            GREY,
            orientation,
            photometric="minisblack",
            resolution=(1e4 / 12, 1e4 / 4),
            resolutionunit="CENTIMETER",
        )
        spacing = read_image(path).spacing
        assert (spacing.axial.um, spacing.lateral.um) == pytest.approx(expected)


def test_training_images_lie_on_their_masks(tmp_path):
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    image = np.where(CLASSES > 3, 220, 30).astype(np.uint8)
    truth = (CLASSES > 3).astype(np.uint8)
    for number in range(3):
        photo = np.dstack([image, image // 2, image // 3])
        stored = stored_as(photo, 3)
        write_tiff(tmp_path / "images" / f"i{number}.tif", stored, 3, photometric="rgb")
        Image.fromarray(truth).save(tmp_path / "masks" / f"i{number}.png")
    for labelled in read_dataset(tmp_path):
        pixels, labels = labelled.read_pixels(), labelled.read_labels()
        np.testing.assert_array_equal(pixels[..., 0] > 100, labels > 0)
