import io

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_retina_seg.io import read_image
from napari_retina_seg.types.errors import ReadError
from raw_tiff import tiff_bytes

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (21, 33), np.uint8)
COLOR = RNG.integers(0, 256, (21, 33, 3), np.uint8)
DEEP = RNG.integers(0, 65536, (5, 21, 33)).astype(np.uint16)


@pytest.mark.parametrize("compression", [None, "lzw", "zlib", "packbits", "zstd"])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize(
    "pixels", [GREY, COLOR, DEEP, DEEP[0], DEEP.astype(np.float32)], ids=lambda p: str(p.shape)
)
def test_pixels_are_exact(tmp_path, compression, big, pixels):
    color = pixels.shape[-1] == 3
    tifffile.imwrite(
        tmp_path / "a.tif",
        pixels,
        compression=compression,
        bigtiff=big,
        photometric="rgb" if color else "minisblack",
    )
    image = read_image(tmp_path / "a.tif")
    assert (image.color, image.pixels.dtype) == (color, pixels.dtype)
    np.testing.assert_array_equal(image.pixels, pixels)


def test_big_endian_comes_in_the_machines_order(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", DEEP, byteorder=">", photometric="minisblack")
    image = read_image(tmp_path / "a.tif")
    assert image.pixels.dtype.isnative
    np.testing.assert_array_equal(image.pixels, DEEP)


def test_pages_written_one_by_one_are_a_volume(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for page in DEEP:
            writer.write(page, metadata=None, photometric="minisblack")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels, DEEP)


def test_colored_pages_are_a_volume(tmp_path):
    pixels = RNG.integers(0, 256, (4, 21, 33, 3), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb")
    image = read_image(tmp_path / "a.tif")
    assert (image.color, image.n_slices) == (True, 4)
    np.testing.assert_array_equal(image.pixels, pixels)


def test_separate_color_planes(tmp_path):
    planes = np.moveaxis(COLOR, -1, 0)
    tifffile.imwrite(tmp_path / "a.tif", planes, photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels, COLOR)


def test_a_palette_becomes_colors(tmp_path):
    colormap = RNG.integers(0, 256, (3, 256)).astype(np.uint16) * 257
    tifffile.imwrite(tmp_path / "a.tif", GREY, photometric="palette", colormap=colormap)
    expected = (colormap[:, GREY] >> 8).transpose(1, 2, 0)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels, expected)


def test_one_bit_is_black_and_white(tmp_path):
    bits = GREY > 128
    tifffile.imwrite(tmp_path / "a.tif", bits, photometric="minisblack")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels, bits * np.uint8(255))


def test_white_is_zero_is_turned_round(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", GREY, photometric="miniswhite")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels, 255 - GREY)


def test_pages_of_several_sizes_are_refused(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(GREY)
        writer.write(GREY[:10, :10])
    with pytest.raises(ReadError, match=r"several sizes or kinds \(10 × 10, 21 × 33 px\)"):
        read_image(tmp_path / "a.tif")


def test_of_a_pyramid_the_full_resolution_is_read(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(np.tile(GREY, (4, 4)), subifds=1, tile=(16, 16))
        writer.write(np.tile(GREY, (2, 2)), subfiletype=1, tile=(16, 16))
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels, np.tile(GREY, (4, 4)))


def test_channels_and_times_are_refused(tmp_path):
    pixels = RNG.integers(0, 256, (2, 3, 21, 33), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", pixels, imagej=True, metadata={"axes": "TCYX"})
    with pytest.raises(ReadError, match="T 2, C 3"):
        read_image(tmp_path / "a.tif")


def test_complex_values_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", GREY.astype(np.complex64))
    with pytest.raises(ReadError, match="complex64"):
        read_image(tmp_path / "a.tif")


def test_no_slice_of_a_cut_volume_is_dropped_unsaid(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for page in DEEP:
            writer.write(page, metadata=None, compression="lzw", photometric="minisblack")
    whole = (tmp_path / "a.tif").read_bytes()
    for share in np.linspace(0.05, 0.99, 40):
        (tmp_path / "a.tif").write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(ReadError):
            read_image(tmp_path / "a.tif")


def test_a_header_that_claims_too_much_is_refused_before_decoding(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", GREY, compression="zlib")
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as tiff:
        tiff.pages[0].tags["ImageWidth"].overwrite(60_000)
        tiff.pages[0].tags["ImageLength"].overwrite(60_000)
    with pytest.raises(ReadError, match="too short for what its header claims"):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize("back_to", [0, 1])
def test_a_list_of_pages_that_comes_back_is_refused(tmp_path, back_to):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for page in DEEP[:2]:
            writer.write(page, metadata=None, photometric="minisblack")
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        offsets = [page.offset for page in tiff.pages]
        count = len(tiff.pages[1].tags)
    content = bytearray((tmp_path / "a.tif").read_bytes())
    at = offsets[1] + 2 + 12 * count
    content[at : at + 4] = offsets[back_to].to_bytes(4, "little")
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(ReadError, match="damaged"):
        read_image(tmp_path / "a.tif")


def ome_planes(path, count, described):
    """Write planes of the values 1, 2, … of which OME describes another number."""
    text = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0"><Pixels'
        ' ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" SizeX="30" SizeY="20" SizeC="1"'
        f' SizeT="1" SizeZ="{described}"><TiffData/></Pixels></Image></OME>'
    )
    with tifffile.TiffWriter(path) as file:
        for index in range(count):
            plane = np.full((20, 30), 1 + index, np.uint8)
            file.write(plane, description=None if index else text, metadata=None)


def test_ome_planes_that_are_in_no_file_are_not_made_up(tmp_path):
    path = tmp_path / "a.ome.tif"
    ome_planes(path, 3, 5)
    with pytest.raises(ReadError, match="lacks 2 of the 5 planes"):
        read_image(path)


def test_a_list_of_more_planes_than_can_be_is_not_made(tmp_path):
    path = tmp_path / "a.ome.tif"
    ome_planes(path, 3, 10**9)
    with pytest.raises(ReadError, match="too short for what its header claims"):
        read_image(path)


def test_pages_that_ome_does_not_describe_are_reported(tmp_path):
    path = tmp_path / "a.ome.tif"
    ome_planes(path, 3, 2)
    image = read_image(path)
    assert [plane.max() for plane in image.pixels] == [1, 2]
    assert any("1 page more" in warning for warning in image.warnings)
    ome_planes(path, 3, 3)
    assert len(read_image(path).pixels) == 3
    assert not read_image(path).warnings


@pytest.mark.parametrize("compression", ["jpeg", "webp", "png", "jpeg2000"])
@pytest.mark.parametrize("tile", [None, (16, 32)])
def test_pictures_in_strips_and_tiles_are_read_where_they_fit(tmp_path, compression, tile):
    ramp = np.add.outer(np.arange(50), np.arange(70)).astype(np.uint8)
    pixels = np.dstack([ramp, ramp, ramp // 2])
    options = {"photometric": "rgb", "compression": compression, "tile": tile}
    tifffile.imwrite(tmp_path / "a.tif", pixels, **options)
    assert np.abs(read_image(tmp_path / "a.tif").pixels.astype(int) - pixels).mean() < 3


def test_a_picture_larger_than_its_strip_is_not_cut_to_size(tmp_path):
    file = io.BytesIO()
    Image.fromarray(np.zeros((20, 50), np.uint8)).save(file, format="JPEG")
    (tmp_path / "a.tif").write_bytes(tiff_bytes((20, 30), file.getvalue(), compression=7))
    with pytest.raises(ReadError, match="20 × 50 px where its header says 20 × 30"):
        read_image(tmp_path / "a.tif")
