"""Find patient identifiers in files, and replace them by pseudonyms."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from napari_retina_seg.io._compat import without_pillow_limit
from napari_retina_seg.io._decoding import decoding, max_pixels
from napari_retina_seg.io.formats.dicom_source import CREATOR
from napari_retina_seg.io.images.content import (
    E2E_STARTS,
    TOPCON,
    VOL_STARTS,
    is_bioptigen,
    is_read_as_dicom,
    is_zarr,
)
from napari_retina_seg.io.names import image_name
from napari_retina_seg.types.errors import ReadError, RetinaSegError, WriteError
from napari_retina_seg.types.file_names import composed, name_key

_KEY = re.compile(r"[0-9a-fA-F]{64}")
_DIGITS = 16  # of a pseudonym: two of a million patients share one with a chance of 1 in 3·10^7

# Of DICOM PS3.15's basic profile, what names a person or leads to one. Values that are names of
# persons (VR PN) are noticed whatever they are called.
_KEYWORDS = frozenset(
    {
        "AccessionNumber",
        "InsurancePlanIdentification",
        "MedicalRecordLocator",
        "MilitaryRank",
        "OtherPatientIDs",
        "PatientAddress",
        "PatientBirthDate",
        "PatientBirthTime",
        "PatientComments",
        "PatientID",
        "PatientTelecomInformation",
        "PatientTelephoneNumbers",
        "StudyID",
    }
)
# Places in the header of Heidelberg's .vol files; that of a birth date is a double.
_VOL_FIELDS = {"patient's ID": slice(140, 161), "patient's birth date": slice(164, 172)}
_VENDORS = {**dict.fromkeys(E2E_STARTS, "Heidelberg E2E"), TOPCON: "Topcon"}
_HEAD = 172
_XML_STARTS = (b"<?xml", b"\xef\xbb\xbf<?xml", b"<HEDX")
_XML_NAMES = {
    b"LastName": "patient's last name",
    b"FirstNames": "patient's first names",
    b"PatientID": "patient's ID",
    b"Birthdate": "patient's birth date",
}
# A field of Heidelberg's XML that has something in it.
_XML_FIELD = re.compile(rb"<(%s)>\s*(?!</)\S" % b"|".join(_XML_NAMES))

_FREE_TEXT = re.compile(r"patient|birth|geburt|naissance|nacimiento|\b(?:dob|mrn)\b", re.IGNORECASE)
_DATE = re.compile(
    r"(?<!\d)(?:(?:19|20)\d\d[-_. ]?(?:0[1-9]|1[0-2])[-_. ]?(?:0[1-9]|[12]\d|3[01])"
    r"|(?:0[1-9]|[12]\d|3[01])[-_. ](?:0[1-9]|1[0-2])[-_. ](?:19|20)\d\d)(?!\d)"
)
# DICOM's form of a name, and "Doe, Jane".
_PERSON = re.compile(r"[^\W\d_]{2,}(?:\^|, ?)[^\W\d_]{2,}")
# A number that is long enough for a patient's; neither a part of a UID nor a padded counter.
_NUMBER = re.compile(r"(?<![\d.])(?!00)\d{6,}(?![\d.])")
_FILE_NAME = "file name"
_SHORTEST = 3  # characters of a name or ID that are looked for in a file's name
_PNG_MARK = 8  # bytes at the beginning of a PNG
_PNG_TEXTS = (b"tEXt", b"zTXt", b"iTXt", b"eXIf")


def pseudonymise(text: str, key: str) -> str:
    """Replace a patient's ID or name by a keyed pseudonym (HMAC).

    The first 16 hexadecimal digits of HMAC-SHA-256 (RFC 2104) after a ``p``: the same for the same
    text and key. Spaces at the ends and the way accents are encoded make no difference.

    Parameters
    ----------
    text : str
        What is to be replaced.
    key : str
        64 hexadecimal digits, kept secret.

    Raises
    ------
    WriteError
        If the key is no such, or there is no text.
    """
    if not _KEY.fullmatch(key):
        raise WriteError("A key for pseudonyms is 64 hexadecimal digits: use the project's own.")
    plain = composed(text).strip()
    if not plain:
        raise WriteError("There is no name to be replaced by a pseudonym: give the patient's ID.")
    return "p" + hmac.new(bytes.fromhex(key), plain.encode(), hashlib.sha256).hexdigest()[:_DIGITS]


def find_identity(path: Path, name: str | None = None) -> tuple[str, ...]:
    """Return the kinds of patient identifiers in a file, its name included; never their values.

    Noticed are names of persons, IDs, birth dates and addresses in DICOM headers, at any depth,
    with private elements (but this program's own) and writing that is said to be burned into the
    pixels; patients in headers of Heidelberg and Topcon, and Bioptigen's description; texts in
    TIFF, PNG, JPEG, GIF and OME-Zarr that speak of a patient; and dates, names or numbers of six
    and more digits in the file's name. Text in the pixels is not read.

    Parameters
    ----------
    path : Path
        The file.
    name : str, optional
        What it was called, if it is kept under another name.

    Returns
    -------
    tuple of str
        E.g. ``DICOM Patient's Name``, each once; nothing if nothing was noticed.

    Raises
    ------
    ReadError
        If it can't be read.
    """
    name = image_name(path) if name is None else name
    if is_zarr(path):
        return tuple(dict.fromkeys([*_in_name(name), *_in_zarr(path)]))
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
        return tuple(dict.fromkeys([*_in_name(name), *_in_content(path, head, name)]))
    except OSError as error:  # it may vanish while it is read
        raise ReadError(f"The file '{path}' can't be opened: {error.strerror or error}.") from error


def find_identifiers(path: Path) -> tuple[str, ...]:
    """As `find_identity`, without raising errors."""
    try:
        return find_identity(path)
    except RetinaSegError:
        return ("what can't be read in the file",)


def contains_identifier(path: Path, name: str, patient: str | None) -> bool:
    """Whether an image's name may identify the patient; True if its file can't be read.

    Parameters
    ----------
    path : Path
        The file, whose header may name the patient.
    name : str
        What the image is called.
    patient : str or None
        The patient's ID, if known.
    """
    if patient is not None and name_key(patient) in name_key(name):
        return True
    try:
        found = find_identity(path, name)
    except ReadError:
        return True
    return any(what.startswith(_FILE_NAME) for what in found)


def _in_name(name: str) -> Iterator[str]:
    if _DATE.search(name):
        yield f"{_FILE_NAME} (a date)"
    if _PERSON.search(name):
        yield f"{_FILE_NAME} (a person's name)"
    if _NUMBER.search(_DATE.sub("", name)):
        yield f"{_FILE_NAME} (a number as of a patient)"


def _in_content(path: Path, head: bytes, name: str) -> Iterator[str]:
    if head.startswith(VOL_STARTS):
        for name, place in _VOL_FIELDS.items():
            if head[place].strip(b"\0 "):
                yield f"{name} in a Heidelberg file"
        return
    for start, vendor in _VENDORS.items():
        if head.startswith(start):
            yield f"data of the patient in a {vendor} file"
            return
    if is_bioptigen(head):
        yield "description in a Bioptigen file"
        return
    if head.startswith(_XML_STARTS):
        for field in _XML_FIELD.finditer(path.read_bytes()):
            yield f"{_XML_NAMES[field[1]]} in Heidelberg's XML"
        return
    if is_read_as_dicom(path):
        with decoding(path, "DICOM"):
            yield from _in_dicom(path, name)
    else:
        yield from _in_picture(path)


def _in_dicom(path: Path, name: str) -> Iterator[str]:
    from napari_retina_seg.io.images.dicom_file import read_attributes

    dataset = read_attributes(path, pixels=False, force=True)
    for element in dataset.iterall():
        if element.is_private:
            if CREATOR not in (element.private_creator, element.value):
                yield "DICOM private elements"
        elif _identifies(element):
            yield f"DICOM {element.name}"
    if str(dataset.get("BurnedInAnnotation", "")).upper() == "YES":
        yield "DICOM Burned In Annotation"
    parts = [*str(dataset.get("PatientName", "")).split("^"), str(dataset.get("PatientID", ""))]
    if any(len(word) >= _SHORTEST and name_key(word) in name_key(name) for word in parts):
        yield f"{_FILE_NAME} (the patient's name or ID)"


def _identifies(element: Any) -> bool:
    if element.VR != "PN" and element.keyword not in _KEYWORDS:
        return False
    return bool(str(element.value if element.value is not None else "").strip("^ []"))


def _in_zarr(path: Path) -> Iterator[str]:
    from napari_retina_seg.io.images.zarr_folder import zarr_files

    for file in zarr_files(path):
        is_text = file.name in (".zattrs", "zarr.json") or file.suffix == ".xml"
        if is_text and _FREE_TEXT.search(file.read_text("utf-8", errors="replace")):
            yield f"text in {file.name}"


def _in_picture(path: Path) -> Iterator[str]:
    from PIL import Image, UnidentifiedImageError

    with decoding(path, "image"), without_pillow_limit():
        try:
            picture = Image.open(path)
        except UnidentifiedImageError:
            return
        with picture:
            if picture.width * picture.height > max_pixels():  # reading it says so
                return
            for name, text in _texts(picture):
                if name == "Artist" or _FREE_TEXT.search(f"{name} {text}"):
                    yield f"{picture.format} {name}"


def _texts(picture: Any) -> Iterator[tuple[str, str]]:
    """Yield the metadata texts by their names."""
    from PIL import ExifTags

    if picture.format == "PNG" and _has_texts_behind(Path(picture.filename)):
        picture.load()  # reads what comes behind the pixels
    for name, value in picture.info.items():
        if isinstance(value, str | bytes) and name not in ("exif", "icc_profile"):
            yield str(name), _as_text(value)
    # Of a PNG without it Pillow would decode all pixels to look for it behind them.
    has_exif = picture.format != "PNG" or any("exif" in str(name) for name in picture.info)
    for tag, value in picture.getexif().items() if has_exif else ():
        if isinstance(value, str | bytes):
            yield ExifTags.TAGS.get(tag, f"tag {tag}"), _as_text(value)


def _has_texts_behind(path: Path) -> bool:
    """Whether a PNG has texts or EXIF behind its pixels."""
    seen = False
    with path.open("rb") as file:
        file.seek(_PNG_MARK)
        while len(head := file.read(8)) == 8:
            seen |= head[4:] == b"IDAT"
            if seen and head[4:] in _PNG_TEXTS:
                return True
            file.seek(int.from_bytes(head[:4], "big") + 4, 1)  # and its checksum
    return False


def _as_text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode(errors="replace")
