"""Whether altered files end in an image or a sentence: no traceback, no hang, no full memory.

    python benchmarks/fuzz_readers.py [--mutations 1000] [--formats png ...] [--seed 0]

alters a small file of each format so many times (bits, headers, extreme numbers, lengths,
cuts), reads it as an image and as a mask in a child process, and writes ``docs/fuzz_readers.json``.
The child may take `MEMORY` more than it has after a sound file, and `SECONDS` for each file. The
exit status is 1 if anything but a `ReadError` came of a file.
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import resource
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cv2
import nibabel
import numpy as np
import pydicom
import tifffile
from PIL import Image
from pydicom.data import get_testdata_file

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))
import e2e_files  # noqa: E402
import vendor_files  # noqa: E402

RESULTS = ROOT / "docs/fuzz_readers.json"
MEMORY = 400 * 2**20  # bytes; sound files take less than 1 MB
RESERVED = 8 * 2**30  # bytes that may be reserved without being taken
SECONDS = 20.0
PNG = b"\x89PNG\r\n\x1a\n"
EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 10**6, 65_000)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutations", type=int, default=1000, help="of each format")
    parser.add_argument("--formats", nargs="*", help="only these, beside those of an earlier run")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    formats = sound_files()
    rule = {"mutations of each format": options.mutations, "seed": options.seed}
    results = read_earlier(rule) if options.formats else {}
    for name in options.formats or formats:
        results[name] = fuzz(name, formats[name], options.mutations, options.seed)
        print(name, results[name].outcomes, flush=True)
        write(results, rule)  # what is done counts, should the rest be cut off
    failures = [failure for result in results.values() for failure in result.failures]
    print(*failures, f"{len(results)} formats, {len(failures)} failures", sep="\n")
    return int(bool(failures))


def sound_files() -> dict[str, bytes]:
    """Return a small file of each format."""
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 256, (24, 31), np.uint8)
    color = rng.integers(0, 256, (24, 31, 3), np.uint8)
    deep = rng.integers(0, 65536, (24, 31, 3)).astype(np.uint16)
    pages = rng.integers(0, 65536, (3, 24, 31)).astype(np.uint16)
    frames = [Image.fromarray(page) for page in rng.integers(0, 256, (3, 24, 31), np.uint8)]
    picture = Image.fromarray(color)
    animation: dict[str, Any] = {"save_all": True, "append_images": frames[1:]}
    colormap = rng.integers(0, 65536, (3, 256)).astype(np.uint16)
    lines = np.full((3, 2, 31), 9.0, np.float32)
    return {
        "png": _saved(picture, "PNG"),
        "png 16 bit": cv2.imencode(".png", deep)[1].tobytes(),
        "png palette": _saved(picture.quantize(16), "PNG", transparency=3),
        "png animation": _saved(frames[0], "PNG", **animation),
        "jpeg": _saved(picture, "JPEG"),
        "jpeg cmyk": _saved(picture.convert("CMYK"), "JPEG", progressive=True),
        "bmp": _saved(picture, "BMP"),
        "gif": _saved(frames[0], "GIF", **animation),
        "webp": _saved(picture, "WEBP", lossless=True),
        "ppm": _saved(picture, "PPM"),
        "pgm 16 bit": b"P5 31 24 4095\n" + (pages[0] >> 4).astype(">u2").tobytes(),
        "tiff": _tiff(color, photometric="rgb", compression="lzw"),
        "tiff pages": _tiff(pages, photometric="minisblack", compression="zlib"),
        "tiff bigtiff": _tiff(grey, photometric="miniswhite", bigtiff=True, tile=(16, 16)),
        "tiff jpeg": _tiff(color, photometric="rgb", compression="jpeg"),
        "tiff ycbcr": _tiff(color, photometric="ycbcr", compression="zlib"),
        "tiff palette": _tiff(grey, photometric="palette", colormap=colormap),
        "npy": _array(np.save, pages),
        "npz": _array(np.savez_compressed, pages),
        "dicom": Path(str(get_testdata_file("CT_small.dcm"))).read_bytes(),
        "dicom jpeg": Path(str(get_testdata_file("SC_rgb_small_odd_jpeg.dcm"))).read_bytes(),
        "dicom rle": _rle(pages[0]),
        "heidelberg vol": vendor_files.vol_bytes(pages / np.float32(65536), lines=lines),
        "heidelberg e2e": e2e_files.e2e_bytes(
            [e2e_files.Exam(pages, grey, lines={0: lines[:, 0], 1: lines[:, 1] + 9})]
        ),
        "nii": _nifti(pages),
        "oct bioptigen": vendor_files.bioptigen_bytes(pages),
        "topcon fda": vendor_files.topcon_bytes(
            [
                ("@IMG_JPEG", vendor_files.topcon_pictures((pages >> 8).astype(np.uint8))),
                ("@IMG_FUNDUS", vendor_files.topcon_face(color)),
                ("@CONTOUR_INFO", vendor_files.topcon_line("MULTILAYERS_1", lines[:, 0])),
                ("@PARAM_SCAN_04", vendor_files.topcon_sizes(6.0, 4.5, 2.6)),
            ]
        ),
    }


def _saved(picture: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, format=kind, **options)
    return file.getvalue()


def _tiff(pixels: np.ndarray, **options: Any) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, **options)
    return file.getvalue()


def _array(save: Callable[..., None], pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    save(file, pixels)
    return file.getvalue()


def _nifti(pixels: np.ndarray) -> bytes:
    image = nibabel.Nifti1Image(pixels.transpose(2, 1, 0), np.diag([0.01, 0.004, 0.1, 1]))
    image.header.set_xyzt_units("mm")
    return bytes(image.to_bytes())


def _rle(pixels: np.ndarray) -> bytes:
    dataset = pydicom.dcmread(str(get_testdata_file("CT_small.dcm")))
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.PixelData = pixels.tobytes()
    dataset.PixelRepresentation = 0
    dataset.compress(pydicom.uid.RLELossless, generate_instance_uid=False)
    file = io.BytesIO()
    dataset.save_as(file)
    return file.getvalue()


def mutate(content: bytes, rng: np.random.Generator) -> bytes:
    """Alter a file as faulty disks, programs and people do; headers more often than pixels."""
    altered = bytearray(content)
    for _ in range(int(rng.integers(1, 5))):
        if len(altered) < 8:
            break
        at = int(rng.random() ** 3 * (len(altered) - 4))
        kind = int(rng.integers(6))
        if kind == 0:
            altered[at] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            altered[at] = int(rng.integers(256))
        elif kind == 2:
            order = "little" if rng.random() < 0.5 else "big"
            width = int(rng.choice([1, 2, 4]))
            value = int(rng.choice(EXTREMES)) & (256**width - 1)
            altered[at : at + width] = value.to_bytes(width, order)  # type: ignore[arg-type]
        elif kind == 3:
            del altered[at : at + int(rng.integers(1, 64))]
        elif kind == 4:
            altered[at:at] = altered[at : at + int(rng.integers(1, 64))]
        elif rng.random() < 0.3:
            del altered[int(rng.random() * len(altered)) :]
    if altered.startswith(PNG) and rng.random() < 0.7:
        # Or nearly all end at the first sum that does not agree.
        return with_checksums(bytes(altered))
    return bytes(altered)


def with_checksums(content: bytes) -> bytes:
    """Make the checksums of a PNG's chunks agree with what they hold."""
    mended, at = bytearray(content), len(PNG)
    while at + 12 <= len(content):
        end = at + 8 + int.from_bytes(content[at : at + 4], "big")
        mended[end : end + 4] = zlib.crc32(content[at + 4 : end]).to_bytes(4, "big")
        at = end + 4
    return bytes(mended[: len(content)])


@dataclass
class FuzzResult:
    """How the altered files of a format ended."""

    outcomes: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    slowest_s: float = 0.0


def fuzz(name: str, content: bytes, mutations: int, seed: int) -> FuzzResult:
    """Read altered files in child processes, a new one after each that had to be ended."""
    result = FuzzResult()
    done = 0
    context = multiprocessing.get_context("spawn")
    while done < mutations:
        ours, theirs = context.Pipe()
        suffix = f".{name.split(maxsplit=1)[0]}"
        arguments = (theirs, content, suffix, range(done, mutations), seed)
        child = context.Process(target=read_all, args=arguments)
        child.start()
        theirs.close()
        done = _follow(ours, child, name, done, mutations, result)
        child.kill()
        child.join()
    return result


def _follow(
    ours: Connection, child: Any, name: str, done: int, end: int, result: FuzzResult
) -> int:
    """Take in what a child says of each file; return the next one that is to be read."""
    patience = 120.0  # until the libraries are there
    while done < end:
        began = time.monotonic()
        try:
            outcome, said = ours.recv() if ours.poll(patience) else ("hang", f"{patience:.0f} s")
        except EOFError:
            child.join(5)
            outcome, said = "crash", f"exit status {child.exitcode}"
        if outcome == "ready":
            patience = SECONDS
            continue
        result.slowest_s = round(max(result.slowest_s, time.monotonic() - began), 2)
        result.outcomes[outcome] = result.outcomes.get(outcome, 0) + 1
        if outcome not in ("opened", "refused"):
            result.failures.append(f"{name}, mutation {done}: {outcome}: {said}")
        done += 1
        if outcome in ("hang", "crash"):
            break
    return done


def read_all(pipe: Connection, content: bytes, suffix: str, numbers: range, seed: int) -> None:
    """Read a sound file, then the altered ones; tell the outcome of each."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"image{suffix}"
        path.write_bytes(content)
        _read(path)
        before = _memory("VmRSS")
        # Some decoders reserve what a header claims, and take what there is of it.
        resource.setrlimit(resource.RLIMIT_AS, (_memory("VmSize") + RESERVED,) * 2)
        pipe.send(("ready", ""))
        for number in numbers:
            path.write_bytes(mutate(content, np.random.default_rng([seed, number])))
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
            outcome, said = _read(path)
            taken = _memory("VmHWM") - before
            if taken > MEMORY:
                outcome, said = "over memory", f"{taken / 2**20:.0f} MiB"
            pipe.send((outcome, said))


def _read(path: Path) -> tuple[str, str]:
    from napari_retina_seg.io import read_image
    from napari_retina_seg.io.masks import read_class_values
    from napari_retina_seg.types.errors import ReadError

    outcome = "opened", ""
    for reader in (read_image, read_class_values):
        try:
            reader(path)
        except ReadError as error:
            if reader is read_image:
                outcome = "refused", str(error)
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            return "traceback", f"{reader.__name__} raised {type(error).__name__}: {error}"
    return outcome


def _memory(name: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024


def read_earlier(rule: dict[str, int]) -> dict[str, FuzzResult]:
    """Return the formats of an earlier run by the same rule."""
    if not RESULTS.exists():
        return {}
    earlier = json.loads(RESULTS.read_text(encoding="utf-8"))
    if any(earlier[key] != value for key, value in rule.items()):
        return {}
    return {name: FuzzResult(**result) for name, result in earlier["formats"].items()}


def write(results: dict[str, FuzzResult], rule: dict[str, int]) -> None:
    """Write the outcomes, and their sum."""
    total: Counter[str] = Counter()
    for result in results.values():
        total.update(result.outcomes)
    formats = {name: asdict(result) for name, result in results.items()}
    allowed = {"seconds allowed": SECONDS, "MiB allowed": MEMORY // 2**20}
    results = {**rule, **allowed, "all": dict(total), "formats": formats}
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
