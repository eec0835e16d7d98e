"""Colours are converted to what other programs show, or refused by name."""

import io
import zlib

import cv2
import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_retina_seg.io import read_image
from napari_retina_seg.io.masks import read_classes, read_region
from napari_retina_seg.types.errors import ReadError
from raw_tiff import (
    GREY,
    PALETTE,
    RGB,
    SEPARATED,
    SHORT,
    YCBCR,
    old_jpeg,
    pack_bits,
    stored_as,
    subsampled_ycbcr,
    tiff_bytes,
)

RNG = np.random.default_rng(0)


def photograph(rows: int = 41, columns: int = 50) -> np.ndarray:
    y, x = np.mgrid[:rows, :columns]
    wave = 128 + 60 * np.sin(x / 7)
    return np.dstack([x * 255 // columns, y * 255 // rows, wave]).astype(np.uint8)


def seen(tmp_path, content: bytes, name: str = "a.tif") -> np.ndarray:
    (tmp_path / name).write_bytes(content)
    return read_image(tmp_path / name).pixels


def difference(tmp_path, content: bytes) -> float:
    return float(np.abs(seen(tmp_path, content).astype(int) - photograph()).mean())


# What the colours' lower resolution costs; read as RGB the difference is over 70.
SUBSAMPLINGS = {(1, 1): 1, (2, 1): 3, (1, 2): 3, (2, 2): 3, (4, 1): 5, (4, 2): 5, (4, 4): 7}


@pytest.mark.parametrize(("subsampling", "largest"), SUBSAMPLINGS.items(), ids=str)
@pytest.mark.parametrize("compression", [1, 5, 8])
def test_ycbcr_of_every_subsampling(tmp_path, subsampling, largest, compression):
    data, tags = subsampled_ycbcr(photograph(), *subsampling)
    data = {1: bytes, 5: imagecodecs.lzw_encode, 8: zlib.compress}[compression](data)
    content = tiff_bytes(
        (41, 50), data, kind=YCBCR, bits=(8, 8, 8), compression=compression, tags=tags
    )
    assert difference(tmp_path, content) < largest


@pytest.mark.parametrize("subsampling", [(1, 1), (2, 2)])
@pytest.mark.parametrize("compression", [5, 8])
def test_damaged_ycbcr_is_refused_and_not_left_black(tmp_path, subsampling, compression):
    data, tags = subsampled_ycbcr(photograph(), *subsampling)
    data = {5: imagecodecs.lzw_encode, 8: zlib.compress}[compression](data[: len(data) // 2])
    content = tiff_bytes(
        (41, 50), data, kind=YCBCR, bits=(8, 8, 8), compression=compression, tags=tags
    )
    with pytest.raises(ReadError, match="damaged"):
        seen(tmp_path, content)


@pytest.mark.parametrize("orientation", [3, 6, 7])
def test_subsampled_ycbcr_is_turned_upright(tmp_path, orientation):
    data, tags = subsampled_ycbcr(stored_as(photograph(), orientation), 2, 2)
    shape = stored_as(photograph(), orientation).shape[:2]
    content = tiff_bytes(
        shape, data, kind=YCBCR, bits=(8, 8, 8), orientation=orientation, tags=tags
    )
    assert difference(tmp_path, content) < 3


@pytest.mark.parametrize("subsampling", [1, 2])
def test_old_jpeg_in_tiff(tmp_path, subsampling):
    assert difference(tmp_path, old_jpeg(photograph(), subsampling)) < 3


@pytest.mark.parametrize("photometric", ["ycbcr", "rgb"])
@pytest.mark.parametrize("subsampling", [(1, 1), (2, 2)])
def test_jpeg_in_tiff(tmp_path, photometric, subsampling):
    # tifffile writes values of the colour space that they are said to be of.
    mode = {"ycbcr": "YCbCr", "rgb": "RGB"}[photometric]
    tifffile.imwrite(
        tmp_path / "a.tif",
        np.asarray(Image.fromarray(photograph()).convert(mode)),
        photometric=photometric,
        compression="jpeg",
        compressionargs={"level": 95},
        subsampling=subsampling,
    )
    assert difference(tmp_path, (tmp_path / "a.tif").read_bytes()) < 3


@pytest.mark.parametrize("mode", ["YCbCr", "CMYK"])
@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "jpeg"])
def test_what_pillow_writes(tmp_path, mode, compression):
    options = {"quality": 95} if compression == "jpeg" else {}
    picture = Image.fromarray(photograph()).convert(mode)
    picture.save(tmp_path / "a.tif", compression=compression, **options)
    assert difference(tmp_path, (tmp_path / "a.tif").read_bytes()) < 3


def test_16_bit_cmyk(tmp_path):
    cmyk = np.asarray(Image.fromarray(photograph()).convert("CMYK")).astype(np.uint16) * 257
    content = tiff_bytes((41, 50), cmyk.tobytes(), kind=SEPARATED, bits=(16,) * 4)
    np.testing.assert_allclose(seen(tmp_path, content) / 257.0, photograph(), atol=0.51)


def test_a_cmyk_jpeg_of_adobe(tmp_path):
    path = tmp_path / "a.jpg"
    Image.fromarray(photograph()).convert("CMYK").save(path, quality=97)
    assert np.abs(read_image(path).pixels.astype(int) - photograph()).mean() < 3


@pytest.mark.parametrize(
    ("kind", "bits", "name"),
    [
        (8, (8, 8, 8), "CIELAB"),
        (9, (8, 8, 8), "ICCLAB"),
        (32844, (16,), "LOGL"),
        (32803, (8,), "CFA"),
    ],
)
def test_colors_that_can_not_be_converted_are_refused_by_name(tmp_path, kind, bits, name):
    data = bytes(20 * 30 * len(bits) * bits[0] // 8)
    with pytest.raises(ReadError, match=f"{name} colours: export it as grey or RGB"):
        seen(tmp_path, tiff_bytes((20, 30), data, kind=kind, bits=bits))


def test_inks_other_than_cmyk_are_refused(tmp_path):
    content = tiff_bytes(
        (20, 30), bytes(2400), kind=SEPARATED, bits=(8,) * 4, tags={332: (SHORT, [2])}
    )
    with pytest.raises(ReadError, match="other inks"):
        seen(tmp_path, content)


@pytest.mark.parametrize(
    "values",
    [
        RNG.integers(0, 256, (20, 30), np.uint8),
        RNG.integers(0, 65536, (20, 30)).astype(np.uint16),
        RNG.integers(0, 2**32, (20, 30)).astype(np.uint32),
        RNG.integers(-128, 128, (20, 30)).astype(np.int8),
        RNG.integers(-32768, 32768, (20, 30)).astype(np.int16),
        RNG.random((20, 30)).astype(np.float16),
        RNG.random((20, 30)).astype(np.float32),
        RNG.normal(0, 900, (20, 30)).astype(np.float64),
    ],
    ids=lambda values: str(values.dtype),
)
def test_white_is_zero_of_every_type(tmp_path, values):
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="miniswhite")
    shown = read_image(tmp_path / "a.tif").pixels
    assert shown.dtype == values.dtype
    stored, brightness = values.astype(float).ravel(), shown.astype(float).ravel()
    assert np.corrcoef(stored, brightness)[0, 1] == pytest.approx(-1, abs=1e-4)


def test_white_is_zero_keeps_what_is_no_number(tmp_path):
    values = np.linspace(0, 1, 600, dtype=np.float32).reshape(20, 30)
    values[0, :5] = np.nan
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="miniswhite")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels, 1 - values)


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 6, 8])
def test_few_bits_are_stretched_as_a_picture_and_counted_as_a_mask(tmp_path, bits):
    values = RNG.integers(0, 2**bits, (20, 30)).astype(np.uint8)
    values[0, :2] = 0, 2**bits - 1
    shown = seen(tmp_path, tiff_bytes((20, 30), pack_bits(values, bits), bits=(bits,)))
    np.testing.assert_allclose(shown, values * (255 / (2**bits - 1)), atol=0.51)
    np.testing.assert_array_equal(read_classes(tmp_path / "a.tif"), values)


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_sensor_values_stay_as_they_are(tmp_path, bits):
    values = RNG.integers(0, 2**bits, (20, 30)).astype(np.uint16)
    shown = seen(tmp_path, tiff_bytes((20, 30), pack_bits(values, bits), bits=(bits,)))
    np.testing.assert_array_equal(shown, values)


@pytest.mark.parametrize("bits", [1, 2, 4, 6, 10, 12])
@pytest.mark.parametrize("planar", [1, 2])
def test_colors_of_any_number_of_bits_span_the_range_of_their_type(tmp_path, bits, planar):
    values = RNG.integers(0, 2**bits, (20, 30, 3)).astype(np.uint16)
    if planar == 1:
        data, tags = pack_bits(values, bits), {}
    else:
        planes = [pack_bits(values[..., channel], bits) for channel in range(3)]
        offsets = [8 + len(planes[0]) * index for index in range(3)]
        tags = {
            273: (4, offsets),
            279: (4, [len(plane) for plane in planes]),
            284: (SHORT, [2]),
        }
        data = b"".join(planes)
    shown = seen(tmp_path, tiff_bytes((20, 30), data, kind=RGB, bits=(bits,) * 3, tags=tags))
    full = 255 if bits <= 8 else 65535
    assert shown.dtype == (np.uint8 if bits <= 8 else np.uint16)
    np.testing.assert_allclose(shown, values * (full / (2**bits - 1)), atol=0.51)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palettes_of_any_number_of_bits(tmp_path, bits):
    values = RNG.integers(0, 2**bits, (20, 30)).astype(np.uint8)
    values[0, :2] = 0, 2**bits - 1
    colors = RNG.integers(0, 65536, (3, 2**bits))
    tags = {320: (SHORT, colors.ravel().tolist())}
    content = tiff_bytes((20, 30), pack_bits(values, bits), kind=PALETTE, bits=(bits,), tags=tags)
    np.testing.assert_array_equal(seen(tmp_path, content), (colors.T >> 8)[values])
    np.testing.assert_array_equal(read_classes(tmp_path / "a.tif"), values)


@pytest.mark.parametrize(("sort", "kept"), [(0, False), (1, True), (2, True)])
def test_a_palette_with_alpha(tmp_path, sort, kept):
    stored = RNG.integers(0, 256, (20, 30, 2), np.uint8)
    colors = RNG.integers(0, 65536, (3, 256))
    tags = {320: (SHORT, colors.ravel().tolist()), 338: (SHORT, [sort])}
    content = tiff_bytes((20, 30), stored.tobytes(), kind=PALETTE, bits=(8, 8), tags=tags)
    shown = seen(tmp_path, content)
    np.testing.assert_array_equal(shown[..., :3], (colors.T >> 8)[stored[..., 0]])
    assert shown.shape[2] == (4 if kept else 3)
    if kept:
        np.testing.assert_array_equal(shown[..., 3], stored[..., 1])
    np.testing.assert_array_equal(read_classes(tmp_path / "a.tif"), stored[..., 0])


@pytest.mark.parametrize("planar", [1, 2])
@pytest.mark.parametrize("samples", [2, 4, 5])
def test_several_grey_samples_are_not_taken_for_the_first_of_them(tmp_path, samples, planar):
    stored = RNG.integers(0, 256, (20, 30, samples), np.uint8)
    data = stored if planar == 1 else np.moveaxis(stored, -1, 0)
    path = tmp_path / "bands.tif"
    how = "contig" if planar == 1 else "separate"
    tifffile.imwrite(path, data, photometric="minisblack", planarconfig=how, metadata=None)
    with pytest.raises(ReadError, match=f"has {samples} values per pixel"):
        read_image(path)
    with pytest.raises(ReadError, match=f"has {samples} values per pixel"):
        read_classes(path)


def test_three_grey_samples_are_taken_for_colors_and_it_is_reported(tmp_path):
    stored = RNG.integers(0, 256, (20, 30, 3), np.uint8)
    path = tmp_path / "bands.tif"
    tifffile.imwrite(path, stored, photometric="minisblack", planarconfig="contig", metadata=None)
    image = read_image(path)
    np.testing.assert_array_equal(image.pixels, stored)
    assert "taken as red, green and blue" in image.warnings[0]


@pytest.mark.parametrize(
    ("kind", "sort", "kept"), [(RGB, 0, False), (RGB, 2, True), (GREY, 2, True)]
)
def test_further_samples_are_alpha_only_where_the_file_states_it(tmp_path, kind, sort, kept):
    channels = 1 if kind == GREY else 3
    stored = RNG.integers(0, 256, (20, 30, channels + 1), np.uint8)
    content = tiff_bytes(
        (20, 30),
        stored.tobytes(),
        kind=kind,
        bits=(8,) * (channels + 1),
        tags={338: (SHORT, [sort])},
    )
    shown = np.atleast_3d(seen(tmp_path, content))
    np.testing.assert_array_equal(shown[..., 0], stored[..., 0])
    assert shown.shape[2] == (4 if kept else channels)
    if kept:
        np.testing.assert_array_equal(shown[..., 3], stored[..., -1])


@pytest.mark.parametrize("compression", [32809, 99, 34677])
def test_an_unknown_compression_is_refused_by_name_and_not_called_damaged(tmp_path, compression):
    content = tiff_bytes((20, 30), bytes(600), compression=compression)
    with pytest.raises(ReadError, match=r"compressed as .*, which can't be decoded here") as caught:
        seen(tmp_path, content)
    assert "damaged" not in str(caught.value)


@pytest.mark.parametrize("bits", [(5, 6, 5), (24,)])
def test_strange_bits_are_refused_and_not_called_damaged(tmp_path, bits):
    kind = RGB if len(bits) == 3 else GREY
    with pytest.raises(ReadError, match="bits, which can't be decoded here") as caught:
        seen(tmp_path, tiff_bytes((20, 30), bytes(1800), kind=kind, bits=bits))
    assert "damaged" not in str(caught.value)


def test_imagej_channels_are_colors_only_as_a_composite(tmp_path):
    planes = np.moveaxis(photograph(), -1, 0)
    for mode in ("composite", "grayscale"):
        tifffile.imwrite(
            tmp_path / f"{mode}.tif", planes, imagej=True, metadata={"axes": "CYX", "mode": mode}
        )
    image = read_image(tmp_path / "composite.tif")
    np.testing.assert_array_equal(image.pixels, photograph())
    assert "taken as red, green and blue" in image.warnings[0]
    with pytest.raises(ReadError, match="C 3"):
        read_image(tmp_path / "grayscale.tif")


@pytest.mark.parametrize("named", [False, True])
def test_ome_channels_are_colors_unless_they_are_something_else(tmp_path, named):
    metadata = {"axes": "CYX"}
    if named:
        metadata["Channel"] = {"Name": ["Infrared", "Autofluorescence", "Red-free"]}
    planes = np.moveaxis(photograph(), -1, 0)
    tifffile.imwrite(tmp_path / "a.ome.tif", planes, photometric="minisblack", metadata=metadata)
    if named:
        with pytest.raises(ReadError, match="C 3"):
            read_image(tmp_path / "a.ome.tif")
    else:
        np.testing.assert_array_equal(read_image(tmp_path / "a.ome.tif").pixels, photograph())


def test_a_thumbnail_beside_the_image_is_skipped(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(photograph(), photometric="rgb")
        writer.write(photograph()[::8, ::8], photometric="rgb", subfiletype=1)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").pixels, photograph())


def encoded(picture: Image.Image, **options) -> bytes:
    file = io.BytesIO()
    picture.save(file, **options)
    return file.getvalue()


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_png_of_few_grey_levels(tmp_path, bits):
    values = RNG.integers(0, 2**bits, (20, 30)).astype(np.uint8)
    content = grey_png(values, bits)
    shown = seen(tmp_path, content, "a.png")
    np.testing.assert_allclose(shown, values * (255 / (2**bits - 1)), atol=0.51)
    np.testing.assert_array_equal(read_classes(tmp_path / "a.png"), values)


def grey_png(values: np.ndarray, bits: int) -> bytes:
    rows = pack_bits(values, bits)
    step = len(rows) // len(values)
    lines = b"".join(b"\0" + rows[at : at + step] for at in range(0, len(rows), step))
    header = np.array(values.shape[::-1], ">u4").tobytes() + bytes([bits, 0, 0, 0, 0])
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(map(_chunk, chunks))


def _chunk(named: tuple[bytes, bytes]) -> bytes:
    name, body = named
    length, check = len(body).to_bytes(4, "big"), zlib.crc32(name + body).to_bytes(4, "big")
    return length + name + body + check


@pytest.mark.parametrize("pixels", [photograph(), photograph()[..., 0]], ids=["color", "grey"])
def test_a_transparent_color_changes_no_other(tmp_path, pixels):
    clear = tuple(int(value) for value in np.atleast_1d(pixels[3, 3]))
    options = {"transparency": clear if pixels.ndim == 3 else clear[0]}
    content = encoded(Image.fromarray(pixels), format="PNG", **options)
    np.testing.assert_array_equal(seen(tmp_path, content, "a.png"), pixels)
    if pixels.ndim == 2:
        np.testing.assert_array_equal(read_classes(tmp_path / "a.png"), pixels)


@pytest.mark.parametrize("channels", [2, 4])
def test_16_bit_png_with_alpha(tmp_path, channels):
    deep = RNG.integers(0, 65536, (20, 30, channels)).astype(np.uint16)
    (tmp_path / "a.png").write_bytes(deep_png(deep))
    shown = read_image(tmp_path / "a.png").pixels
    expected = deep if channels == 4 else deep[..., [0, 0, 0, 1]]
    np.testing.assert_array_equal(shown, expected)


def deep_png(pixels: np.ndarray, *frames: np.ndarray) -> bytes:
    """Return a 16-bit PNG; with frames an animation whose first frame is the picture."""
    color_type = {1: 0, 2: 4, 3: 2, 4: 6}[np.atleast_3d(pixels).shape[2]]
    size = np.array(pixels.shape[1::-1], ">u4").tobytes()
    chunks = [(b"IHDR", size + bytes([16, color_type, 0, 0, 0]))]
    if frames:
        chunks.append((b"acTL", np.array([1 + len(frames), 0], ">u4").tobytes()))
    number = 0
    for index, frame in enumerate((pixels, *frames)):
        if frames:
            control = np.array([0, 0], ">u4").tobytes() + np.array([1, 10], ">u2").tobytes()
            chunks.append((b"fcTL", np.array([number], ">u4").tobytes() + size + control + b"\0\0"))
            number += 1
        lines = b"".join(b"\0" + row.astype(">u2").tobytes() for row in frame)
        body = zlib.compress(lines)
        if index:
            chunks.append((b"fdAT", np.array([number], ">u4").tobytes() + body))
            number += 1
        else:
            chunks.append((b"IDAT", body))
    return b"\x89PNG\r\n\x1a\n" + b"".join(map(_chunk, [*chunks, (b"IEND", b"")]))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_16_bit_animation_is_not_black(tmp_path, channels):
    frames = [
        np.squeeze(RNG.integers(1, 65536, (20, 30, channels)).astype(np.uint16)) for _ in range(2)
    ]
    (tmp_path / "a.png").write_bytes(deep_png(*frames))
    image = read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(image.pixels, frames[0])
    assert "only the first is read" in image.warnings[0]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("share", [0.4, 0.7, 0.95])
def test_a_cut_16_bit_png_is_refused(tmp_path, channels, share):
    pixels = np.squeeze(RNG.integers(0, 65536, (60, 80, channels)).astype(np.uint16))
    content = cv2.imencode(".png", pixels)[1].tobytes()
    with pytest.raises(ReadError, match=r"a\.png"):
        seen(tmp_path, content[: int(len(content) * share)], "a.png")


def test_frames_of_a_grey_webp_are_slices(tmp_path):
    frames = RNG.integers(0, 256, (3, 20, 30), np.uint8)
    first, *others = (Image.fromarray(np.dstack([frame] * 3)) for frame in frames)
    first.save(tmp_path / "a.webp", lossless=True, save_all=True, append_images=others)
    np.testing.assert_array_equal(read_image(tmp_path / "a.webp").pixels, frames)


@pytest.mark.parametrize("alpha", [False, True])
def test_webp_is_read_as_pillow_does(tmp_path, alpha):
    picture = Image.fromarray(photograph())
    if alpha:
        picture.putalpha(90)
    picture.save(tmp_path / "a.webp", quality=80)
    shown = read_image(tmp_path / "a.webp").pixels
    np.testing.assert_array_equal(shown, np.asarray(Image.open(tmp_path / "a.webp")))


@pytest.mark.parametrize("white", [1, 3, 100, 255, 4095, 65535])
@pytest.mark.parametrize("plain", [False, True])
def test_pgm_of_any_largest_value(tmp_path, white, plain):
    values = RNG.integers(0, white + 1, (20, 30))
    header = f"P{2 if plain else 5}\n# made by hand\n30 20\n{white}\n".encode()
    dtype = ">u2" if white > 255 else "u1"
    body = " ".join(map(str, values.ravel())).encode() if plain else values.astype(dtype).tobytes()
    shown = seen(tmp_path, header + body, "a.pgm")
    expected = values if white > 255 else values * (255 / white)
    np.testing.assert_allclose(shown, expected, atol=0.51)
    np.testing.assert_array_equal(read_classes(tmp_path / "a.pgm"), values)


@pytest.mark.parametrize("white", [7, 255, 1023, 65535])
@pytest.mark.parametrize("plain", [False, True])
def test_ppm_of_any_largest_value(tmp_path, white, plain):
    values = RNG.integers(0, white + 1, (20, 30, 3))
    header = f"P{3 if plain else 6} 30 20 {white}\n".encode()
    dtype = ">u2" if white > 255 else "u1"
    body = " ".join(map(str, values.ravel())).encode() if plain else values.astype(dtype).tobytes()
    full = 65535 if white > 255 else 255
    shown = seen(tmp_path, header + body, "a.ppm")
    np.testing.assert_allclose(shown, values * (full / white), atol=0.51)


@pytest.mark.parametrize("plain", [False, True])
def test_pbm(tmp_path, plain):
    black = RNG.integers(0, 2, (20, 29)).astype(np.uint8)
    if plain:
        content = b"P1 29 20\n" + b"\n".join(bytes(row + ord("0")) for row in black)
    else:
        content = b"P4\n29 20\n" + np.packbits(black, axis=1).tobytes()
    np.testing.assert_array_equal(seen(tmp_path, content, "a.pbm"), 255 * (1 - black))
    np.testing.assert_array_equal(read_region(tmp_path / "a.pbm"), black == 0)


def test_a_12_bit_jpeg(tmp_path):
    y, x = np.mgrid[:40, :48]
    values = (x * 60 + y * 20).astype(np.uint16)
    content = imagecodecs.jpeg8_encode(values, level=98, bitspersample=12)
    shown = seen(tmp_path, content, "a.jpg")
    assert np.abs(shown.astype(int) - values).max() < 40


def test_a_lossless_jpeg(tmp_path):
    content = imagecodecs.jpeg8_encode(photograph(), lossless=True)
    np.testing.assert_array_equal(seen(tmp_path, content, "a.jpg"), photograph())


def test_a_bitmap_stored_from_top_to_bottom(tmp_path):
    content = bytearray(encoded(Image.fromarray(photograph()), format="BMP"))
    upside_down = seen(tmp_path, bytes(content), "a.bmp")[::-1]
    rows = int.from_bytes(content[22:26], "little", signed=True)
    content[22:26] = (-rows).to_bytes(4, "little", signed=True)
    np.testing.assert_array_equal(seen(tmp_path, bytes(content), "a.bmp"), upside_down)
