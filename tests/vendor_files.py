"""Small files as OCT devices write them."""

import struct
from pathlib import Path
from typing import Any

import numpy as np

NO_DATA = np.float32(3.4028235e38)  # Heidelberg's marker, the largest float
PATIENT = "Doe-4711"  # in the headers, and nowhere else
RASTER, LINE, CIRCLE, RADIAL = 3, 1, 2, 5
SCALE_X, SCALE_Z, DISTANCE = 0.0118, 0.0039, 0.06  # mm
FACE = np.arange(64 * 72, dtype=np.uint32).astype(np.uint8).reshape(64, 72)
FACE_SCALE = 0.0120  # mm


def vol_header(**changes: Any) -> bytes:
    """Return the first 2048 bytes of a .vol file."""
    values = {
        "version": b"HSF-OCT-103", "columns": 20, "slices": 3, "rows": 16, "scale_x": SCALE_X,
        "distance": DISTANCE, "scale_z": SCALE_Z, "face_columns": FACE.shape[1],
        "face_rows": FACE.shape[0], "face_scale_x": FACE_SCALE, "face_scale_y": FACE_SCALE,
        "degrees": 30, "focus": -1.5, "eye": b"OD", "time": 131286184616218310, "pattern": RASTER,
        "header_size": 256 + 17 * 4 * 20,
    } | changes  # fmt: skip
    header = struct.pack("<12s3I3d2I2dId4sQiI", *values.values())
    if values["version"] >= b"HSF-OCT-101":  # identifiers of scan and patient, birth and visit
        header += struct.pack("<16s16sI21s3xdI24sd", b"716.0", b"", 4711, PATIENT.encode(), 20000.0,
                              4711, PATIENT.encode(), 42000.0)  # fmt: skip
    return header.ljust(2048, b"\0")


def vol_bscan(
    pixels: np.ndarray,
    place: tuple[float, float, float, float],
    lines: np.ndarray,
    *,
    version: bytes,
    quality: float,
    header_size: int,
) -> bytes:
    """Return a B-scan with its header; `place` is start x, start y, end x, end y in mm."""
    header = struct.pack("<12sI4d2I", version, header_size, *place, len(lines), 256)
    if version >= b"HSF-BS-101":
        header += struct.pack("<f", quality)
    header = header.ljust(256, b"\0") + lines.astype("<f4").tobytes()
    return header.ljust(header_size, b"\0") + pixels.astype("<f4").tobytes()


def raster_places(slices: int, columns: int, distance: float = DISTANCE) -> np.ndarray:
    """Return places from the bottom upwards, as the device scans."""
    top = 0.05 + distance * np.arange(slices)[::-1]
    width = np.full(slices, columns * SCALE_X)
    return np.stack([np.full(slices, 0.1), top, 0.1 + width, top], axis=1)


def vol_bytes(
    bscans: np.ndarray,
    *,
    version: int = 103,
    places: np.ndarray | None = None,
    lines: np.ndarray | None = None,
    face: np.ndarray = FACE,
    bscan_header: int | None = None,
    **changes: Any,
) -> bytes:
    """Return a .vol file; `lines` are ``(slices, lines, columns)``, `changes` of its header."""
    slices, rows, columns = bscans.shape
    places = raster_places(slices, columns) if places is None else places
    lines = np.zeros((slices, 0, columns)) if lines is None else lines
    size = bscan_header or 256 + 17 * 4 * columns
    header = {
        "version": b"HSF-OCT-%d" % version, "slices": slices, "rows": rows, "columns": columns,
        "header_size": size, "face_rows": face.shape[0], "face_columns": face.shape[1],
    }  # fmt: skip
    content = vol_header(**(header | changes)) + face.tobytes()
    for index in range(slices):
        content += vol_bscan(
            bscans[index], tuple(places[index]), lines[index], version=b"HSF-BS-%d" % version,
            quality=20.0 + index, header_size=size,
        )  # fmt: skip
    return content


def write_vol(path: Path, bscans: np.ndarray, **options: Any) -> Path:
    path.write_bytes(vol_bytes(bscans, **options))
    return path


def intensities(slices: int = 3, rows: int = 16, columns: int = 20) -> np.ndarray:
    """Return B-scans whose mean grows from slice to slice, between 0 and 1."""
    rng = np.random.default_rng(0)
    noise = rng.random((slices, rows, columns)).astype(np.float32)
    return noise * 0.1 + np.arange(slices, dtype=np.float32)[:, None, None] / slices


_XML_IMAGE = """
<Image>
 <ID>{number}</ID><ImageNumber>{number}</ImageNumber><Laterality>{eye}</Laterality>
 <ImageType><Type>{kind}</Type></ImageType>
 <OphthalmicAcquisitionContext>
  <Width>{columns}</Width><Height>{rows}</Height>
  <ScaleX>{scale_x}</ScaleX><ScaleY>{scale_y}</ScaleY>{context}
 </OphthalmicAcquisitionContext>
 <ImageData><ExamURL>file:///\\\\server\\Doe\\{file}</ExamURL></ImageData>{lines}
</Image>"""
_XML = """<?xml version="1.0" encoding="UTF-8"?>
<HEDX><BODY><Patient><LastName>{patient}</LastName><PatientID>0815</PatientID><Birthdate>1970</Birthdate><Study><Series>
<Laterality>{eye}</Laterality><NumImages>{count}</NumImages>{images}
</Series></Study></Patient></BODY></HEDX>"""
NUMBERED = (1, 2, 10)  # of which names sort otherwise


def write_xml_export(
    folder: Path,
    bscans: np.ndarray,
    *,
    numbers: tuple[int, ...] = NUMBERED,
    places: np.ndarray | None = None,
    lines: dict[str, np.ndarray] | None = None,
    face: np.ndarray | None = FACE,
    eye: str = "R",
    count: int | None = None,
    scale_y: str = str(SCALE_Z),
    **changes: str,
) -> Path:
    """Write uint8 B-scans as a Heidelberg XML export, listed in reversed order; return the XML."""
    from PIL import Image

    slices, rows, columns = bscans.shape
    places = raster_places(slices, columns) if places is None else places
    images = []
    for index, number in enumerate(numbers[:slices]):
        Image.fromarray(bscans[index]).save(folder / f"B{number}.TIF", format="tiff")
        left, top, right, bottom = places[index]
        drawn = "".join(
            f"<SegLine><Name>{name}</Name><Array>{' '.join(map(str, heights[index]))}</Array>"
            "</SegLine>" for name, heights in (lines or {}).items()
        )  # fmt: skip
        context = (
            f"<ImageQuality>{20 + index}</ImageQuality><Start><Coord><X>{left}</X><Y>{top}</Y>"
            f"</Coord></Start><End><Coord><X>{right}</X><Y>{bottom}</Y></Coord></End>"
        )
        images.append(_XML_IMAGE.format(
            number=number, eye=eye, kind="OCT", rows=rows, columns=columns, scale_x=SCALE_X,
            scale_y=scale_y, context=context, file=f"B{number}.tif",
            lines=f"<Segmentation>{drawn}</Segmentation>",
        ))  # fmt: skip
    if face is not None:
        Image.fromarray(face).save(folder / "NIR0.TIF", format="tiff")
        images.append(_XML_IMAGE.format(
            number=0, eye=eye, kind="LOCALIZER", rows=face.shape[0], columns=face.shape[1],
            scale_x=FACE_SCALE, scale_y=FACE_SCALE, context="", file="NIR0.tif", lines="",
        ))  # fmt: skip
    text = _XML.format(patient=PATIENT, eye=eye, count=len(images) if count is None else count,
                       images="".join(reversed(images)))  # fmt: skip
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    path = folder / "export.xml"
    path.write_text(text)
    return path


def topcon_bytes(chunks: list[tuple[str, bytes]], kind: bytes = b"FDA") -> bytes:
    """Return a Topcon file of named chunks, with a patient among them."""
    content = b"FOCT" + kind + struct.pack("<II", 2, 1000)
    for name, part in [("@PATIENT_INFO_02", PATIENT.encode().ljust(110, b"\0")), *chunks]:
        content += bytes([len(name)]) + name.encode() + struct.pack("<I", len(part)) + part
    return content + b"\0"


def topcon_raw(volume: np.ndarray, mode: int = 2, bits: int = 16) -> bytes:
    """Return the content of a chunk of uint16 B-scans; mode 2 is a raster, 3 a star."""
    slices, rows, columns = volume.shape
    header = struct.pack("<B4IBI", mode, columns, rows, bits, slices, 0, 2 * volume.size)
    return header + volume.astype("<u2").tobytes()


def topcon_pictures(volume: np.ndarray, mode: int = 2, kind: str = "JPEG2000") -> bytes:
    """Return the content of ``@IMG_JPEG``: B-scans compressed without loss."""
    slices, rows, columns = volume.shape
    content = struct.pack("<B6I", mode, 0, 0, columns, rows, slices, 0)
    for plane in volume:
        part = _encoded(plane, kind)
        content += struct.pack("<I", len(part)) + part
    return content


def _encoded(picture: np.ndarray, kind: str) -> bytes:
    from io import BytesIO

    from PIL import Image

    file = BytesIO()
    Image.fromarray(picture).save(file, kind)
    return file.getvalue()


def topcon_face(photograph: np.ndarray) -> bytes:
    """Return the content of ``@IMG_FUNDUS``, with its colours blue first."""
    part = _encoded(photograph[..., ::-1].copy(), "JPEG2000")
    rows, columns, _ = photograph.shape
    return struct.pack("<4I4sI", columns, rows, 24, 1, b"", len(part)) + part


def topcon_sizes(width_mm: float, height_mm: float, axial_um: float) -> bytes:
    """Return the content of ``@PARAM_SCAN_04``."""
    return struct.pack("<3I5d2B", 0, 0, 0, width_mm, height_mm, axial_um, 0, 0, 0, 0)


def topcon_line(name: str, heights: np.ndarray) -> bytes:
    """Return a ``@CONTOUR_INFO``: uint16 above the lower edge, the last B-scan first."""
    slices, columns = heights.shape
    header = struct.pack("<20s2B3I", name.encode(), 0, 0, columns, slices, 2 * heights.size)
    return header + heights[::-1].astype("<u2").tobytes()


def bioptigen_bytes(
    volume: np.ndarray,
    *,
    kind: int = 1,
    scans: int | None = None,
    repeats: int = 1,
    stated: int | None = None,
    lengths: tuple[float, float] = (8.0, 6.0),
) -> bytes:
    """Return a Bioptigen file of uint16 B-scans; kind 1 is a raster, 0 a line, 3 a star."""
    slices, rows, columns = volume.shape
    numbers = {"FRAMECOUNT": slices if stated is None else stated, "LINECOUNT": columns,
               "LINELENGTH": rows, "SAMPLEFORMAT": 1, "SCANTYPE": kind,
               "SCANS": slices if scans is None else scans, "FRAMES": repeats}  # fmt: skip
    content = b"\x2a\0\0\0\x67\0" + _field("FRAMEHEADER", b"")
    content += _field("DESCRIPTION", PATIENT.encode())
    content += b"".join(_field(key, struct.pack("<I", value)) for key, value in numbers.items())
    for key, value in zip(("AZSCANLENGTH", "ELSCANLENGTH"), lengths, strict=True):
        content += _field(key, struct.pack("<d", value))
    content += _field("SCANLENGTH", struct.pack("<d", lengths[0])) + _field("CONFIG", bytes(99))
    content += bytes(4)
    for plane in volume:
        content += _field("FRAMEDATA", b"") + _field("FRAMEDATETIME", bytes(16))
        content += _field("FRAMELINES", struct.pack("<I", columns))
        content += _field("FRAMESAMPLES", plane.T.astype("<u2").tobytes()) + bytes(4)
    return content


def _field(key: str, content: bytes) -> bytes:
    length = struct.pack("<I", len(key)) + key.encode()
    return length + struct.pack("<I", len(content)) + content


OPTOVUE_TEXT = """Patient = Doe-4711
Eye Scanned = OS
Window Height = 16 Pixels
Scan Length = 20 A-scans
Scan Usage = 2 frames
Scan Length = 30 A-scans
Scan Usage = 1 frames
"""


def write_optovue(folder: Path, scans: list[np.ndarray], text: str = OPTOVUE_TEXT) -> Path:
    """Write float32 B-scans as Optovue does, with their description beside them."""
    path = folder / "scan.OCT"
    turned = [np.rot90(plane, -1).astype("<f4") for scan in scans for plane in scan]
    path.write_bytes(b"".join(plane.tobytes() for plane in turned))
    path.with_suffix(".txt").write_text(text)
    return path
