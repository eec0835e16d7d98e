"""Files that ask for more memory than they may have: sizes are checked before it is taken."""

import io
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

from napari_retina_seg.core.errors import ReadError
from napari_retina_seg.io import read_image
from napari_retina_seg.io.guard import TooLargeError
from napari_retina_seg.io.masks import read_classes, read_mask, read_region
from raw_tiff import SHORT, YCBCR, tiff_bytes

ZEROS = bytes(2**24)

linux = pytest.mark.skipif(sys.platform != "linux", reason="/proc tells the memory")


def deflated(size: int) -> bytes:
    packer = zlib.compressobj(9)
    parts = [packer.compress(ZEROS[: min(len(ZEROS), size - at)]) for at in range(0, size, 2**24)]
    return b"".join(parts) + packer.flush()


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
    return {
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


# Prints by how many bytes a reader's memory grew at its peak, and what it returned.
MEASURE = """
import sys
from pathlib import Path
from napari_retina_seg.core.errors import ReadError
from napari_retina_seg.io import masks, read_image

def told(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024

read = read_image if sys.argv[1] == "read_image" else getattr(masks, sys.argv[1])
path = Path(sys.argv[2])
read(Path(sys.argv[3]))  # brings in the libraries
Path("/proc/self/clear_refs").write_text("5")
before = told("VmRSS")
try:
    found = read(path)
    said = found.pixels.nbytes if hasattr(found, "pixels") else 0
except ReadError as error:
    said = error
print(told("VmHWM") - before, said)
"""


def measure(reader: str, path: Path, small: Path) -> tuple[int, str]:
    command = [sys.executable, "-c", MEASURE, reader, str(path), str(small)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    grown, said = done.stdout.strip().split(" ", 1)
    return int(grown), said


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("small") / "small.png"
    # A photograph without colours: all that looks at an image looks at it.
    noise = np.random.default_rng(0).integers(0, 256, (900, 900), np.uint8)
    Image.fromarray(noise).save(path)
    return path


@linux
def test_bombs_are_refused_before_they_take_memory(tmp_path, small):
    for name, content in bombs().items():
        path = tmp_path / name
        path.write_bytes(content)
        grown, said = measure("read_image", path, small)
        assert name in said, name
        assert grown < 150e6, f"{name}: {grown / 1e6:.0f} MB"


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
    size = 4000
    y, x = np.mgrid[:size, :size]
    grey = ((x * 7 + y * 3) % 251).astype(np.uint8)
    pixels = np.dstack([grey, grey // 2 + 60, 255 - grey]) if color else grey
    picture = Image.fromarray(pixels)
    for suffix in ("png", "jpg", "webp" if color else "gif"):
        options = {"compress_level": 1} if suffix == "png" else {}
        picture.save(tmp_path / f"a.{suffix}", **options)
    cv2.imwrite(str(tmp_path / "deep.png"), pixels.astype(np.uint16) * 257)
    photometric = "rgb" if color else "miniswhite"
    turned = [(274, "H", 1, 6, True)]
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric=photometric, extratags=turned)
    np.savez_compressed(tmp_path / "a.npz", pixels)
    for path in sorted(tmp_path.iterdir()):
        grown, decoded = measure("read_image", path, small)
        assert grown <= 4 * int(decoded), f"{path.name}: {grown / int(decoded):.1f} times"


def test_a_limit_that_is_none_is_refused(tmp_path):
    Image.new("L", (20, 20)).save(tmp_path / "a.png")
    with pytest.raises(ReadError, match="positive number"):
        read_image(tmp_path / "a.png", max_pixels=0)
