"""Files that ask for more memory than they may have: sizes are checked before it is taken."""

import io
import os
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_retina_seg.io import read_image
from napari_retina_seg.io._decoding import TooLargeError
from napari_retina_seg.io.masks import read_classes, read_mask, read_region
from napari_retina_seg.types.errors import ReadError
from raw_tiff import LONG, SHORT, YCBCR, tiff_bytes

ZEROS = bytes(2**24)

linux = pytest.mark.skipif(sys.platform != "linux", reason="/proc tells the memory")


def deflated(size: int) -> bytes:
    """Pack so many zeros: packing one block and repeating it is faster."""
    count, rest = divmod(size, len(ZEROS))
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    block = packer.compress(ZEROS) + packer.flush(zlib.Z_FULL_FLUSH)
    last = packer.compress(ZEROS[:rest]) + packer.flush()
    checksum = 1
    for part in (*[ZEROS] * count, ZEROS[:rest]):
        checksum = zlib.adler32(part, checksum)
    return b"\x78\xda" + block * count + last + checksum.to_bytes(4, "big")


def png(rows: int, columns: int, body: bytes) -> bytes:
    header = np.array([columns, rows], ">u4").tobytes() + bytes([8, 2, 0, 0, 0])
    chunks = ((b"IHDR", header), (b"IDAT", body), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")
        for name, data in chunks
    )


def gif(count: int, size: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (size, size)).save(file, format="GIF")
    content = file.getvalue()
    frame = content.index(b"\x2c\0\0\0\0")
    return content[:frame] + content[frame:-1] * count + b"\x3b"


def gif_with_larger_frame(size: int) -> bytes:
    """Add a frame that claims a size of its own; to encode one of that size would take long."""
    small = gif(1, 16)
    frame = small.index(b"\x2c\0\0\0\0")
    return (
        small[:-1] + small[frame : frame + 5] + size.to_bytes(2, "little") * 2 + small[frame + 9 :]
    )


def picture_in_strip(suffix: str, compression: int, size: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (size, size)).save(file, format=suffix)
    return tiff_bytes((64, 80), file.getvalue(), compression=compression)


def npz(member: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("image.npy", member)
    return file.getvalue()


def npy_header(shape: tuple[int, ...], dtype: str) -> bytes:
    file = io.BytesIO()
    header = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue()


def bombs() -> dict[str, bytes]:
    scan = deflated(20_000 * 25_000)
    tiff_tags = {530: (SHORT, [1, 1])}
    tile = {322: (LONG, [60_000]), 323: (LONG, [60_000])}
    tile |= {324: (LONG, [8]), 325: (LONG, [len(scan)])}
    return {
        "larger.gif": gif_with_larger_frame(40_000),
        "jpeg.tif": picture_in_strip("JPEG", 7, 14_000),
        "j2k.tif": picture_in_strip("JPEG2000", 34712, 6_000),
        "tile.tif": tiff_bytes((100, 100), scan, compression=8, tags=tile),
        "frames.gif": gif(60, 4000),
        "picture.png": png(15_000, 60_000, deflated(200 * 2**20)),
        "pages.tif": tiff_bytes((20_000, 60_000), scan, compression=8),
        "floats.npz": npz(npy_header((20_000, 20_000), "<f8") + ZEROS + bytes(2**23)),
        "header.npz": npz(b"\x93NUMPY\x02\0\xff\xff\xff\x7f" + ZEROS),
        "strip.tif": tiff_bytes((100, 100), scan, compression=8),
        "colors.tif": tiff_bytes(
            (100, 100), scan, kind=YCBCR, bits=(8, 8, 8), compression=8, tags=tiff_tags
        ),
    }


# Prints for each file by how many bytes memory grew at its peak, and what reading it returned.
MEASURE = """
import gc, sys
from pathlib import Path
from napari_retina_seg.types.errors import ReadError
from napari_retina_seg.io import read_image

def told(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024

small, *paths = map(Path, sys.argv[1:])
for suffix in {path.suffix for path in paths}:
    read_image(small.with_suffix(suffix))  # brings in the libraries
for path in paths:
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    before = told("VmRSS")
    try:
        said = read_image(path).pixels.nbytes
    except ReadError as error:
        said = error
    print(told("VmHWM") - before, said)
"""


def measure(small: Path, paths: list[Path]) -> list[tuple[Path, int, str]]:
    command = [sys.executable, "-c", MEASURE, str(small), *map(str, paths)]
    # What is freed goes back to the system at once, or the next file would seem to take less.
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "0"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    lines = (line.split(" ", 1) for line in done.stdout.splitlines())
    return [(path, int(grown), said) for path, (grown, said) in zip(paths, lines, strict=True)]


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("small") / "small.png"
    # A photograph without colours: all that looks at an image looks at it.
    noise = np.random.default_rng(0).integers(0, 256, (900, 900), np.uint8)
    for suffix in ("png", "jpg", "gif", "webp"):
        Image.fromarray(noise).save(path.with_suffix(f".{suffix}"))
    tifffile.imwrite(path.with_suffix(".tif"), noise, compression="zlib")
    np.savez_compressed(path.with_suffix(".npz"), noise)
    return path


@linux
def test_bombs_are_refused_before_they_take_memory(tmp_path, small):
    for name, content in bombs().items():
        (tmp_path / name).write_bytes(content)
    for path, grown, said in measure(small, sorted(tmp_path.iterdir())):
        assert path.name in said
        assert grown < 150e6, f"{path.name}: {grown / 1e6:.0f} MB"


@pytest.mark.parametrize("reader", [read_image, read_classes, read_region])
def test_the_limit_holds_for_images_and_masks_and_names_how_to_raise_it(tmp_path, reader):
    (tmp_path / "frames.gif").write_bytes(gif(60, 4000))
    with pytest.raises(TooLargeError, match=r"60 × 4,000 × 4,000 .* --max-pixels"):
        reader(tmp_path / "frames.gif")
    assert read_mask(tmp_path / "frames.gif") is None


def samples(folder: Path, rows: int = 40, columns: int = 50) -> list[Path]:
    rng = np.random.default_rng(0)
    color = rng.integers(0, 256, (rows, columns, 3), np.uint8)
    for suffix in ("png", "jpg", "bmp", "gif", "webp", "ppm"):
        Image.fromarray(color).save(folder / f"a.{suffix}")
    cv2.imwrite(str(folder / "deep.png"), color.astype(np.uint16))
    tifffile.imwrite(folder / "a.tif", color, photometric="rgb")
    np.save(folder / "a.npy", color)
    np.savez_compressed(folder / "a.npz", color)
    return sorted(folder.iterdir())


def test_every_format_keeps_the_limit_of_a_call(tmp_path):
    for path in samples(tmp_path):
        limit = 6 * 40 * 50 // 4 if path.name == "deep.png" else 40 * 50
        assert read_image(path, max_pixels=limit).grid == (40, 50)
        with pytest.raises(TooLargeError, match=path.name):
            read_image(path, max_pixels=limit - 1)


def test_more_than_pillows_own_limit_is_opened(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    for path in samples(tmp_path):
        assert read_image(path).grid == (40, 50)
    assert Image.MAX_IMAGE_PIXELS == 100


def test_a_lossless_jpeg_keeps_the_limit(tmp_path):
    import imagecodecs

    content = imagecodecs.jpeg8_encode(np.zeros((40, 50), np.uint16), level=90, bitspersample=12)
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(TooLargeError):
        read_image(tmp_path / "a.jpg", max_pixels=1999)


@linux
@pytest.mark.parametrize("color", [False, True], ids=["grey", "color"])
def test_at_its_peak_reading_takes_four_times_the_image(tmp_path, small, color):
    size = 3000
    y, x = np.mgrid[:size, :size]
    grey = ((x * 7 + y * 3) % 251).astype(np.uint8)
    pixels = np.dstack([grey, grey // 2 + 60, 255 - grey]) if color else grey
    picture = Image.fromarray(pixels)
    for suffix in ("png", "jpg", "webp" if color else "gif"):
        fast = {"png": {"compress_level": 1}, "webp": {"method": 0}}
        picture.save(tmp_path / f"a.{suffix}", **fast.get(suffix, {}))
    cv2.imwrite(str(tmp_path / "deep.png"), pixels.astype(np.uint16) * 257)
    photometric = "rgb" if color else "miniswhite"
    turned = [(274, "H", 1, 6, True)]
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric=photometric, extratags=turned)
    np.savez_compressed(tmp_path / "a.npz", pixels)
    for path, grown, decoded in measure(small, sorted(tmp_path.iterdir())):
        assert grown <= 4 * int(decoded), f"{path.name}: {grown / int(decoded):.1f} times"


@linux
def test_colours_that_are_grey_take_little_more_than_the_colours(tmp_path, small):
    grey = (np.add.outer(np.arange(3000) * 3, np.arange(3000) * 7) % 251).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), np.dstack([grey] * 3))
    ((_, grown, said),) = measure(small, [tmp_path / "a.png"])
    assert int(said) == grey.nbytes
    assert grown <= 4.3 * grey.nbytes, f"{grown / grey.nbytes:.2f} times"


def test_a_limit_that_is_none_is_refused(tmp_path):
    Image.new("L", (20, 20)).save(tmp_path / "a.png")
    with pytest.raises(ReadError, match="positive number"):
        read_image(tmp_path / "a.png", max_pixels=0)
