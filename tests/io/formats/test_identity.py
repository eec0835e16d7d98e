import re
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image, PngImagePlugin
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from mask_formats import write_coco
from napari_retina_seg.io.formats.boundaries import write_boundary_csv, write_boundary_json
from napari_retina_seg.io.formats.dicom_seg import write_dicom_seg
from napari_retina_seg.io.formats.identity import (
    find_identifiers,
    find_identity,
    pseudonymise,
)
from napari_retina_seg.io.formats.nifti import write_nifti
from napari_retina_seg.io.formats.raster import write_tiff
from napari_retina_seg.types.errors import ReadError, WriteError
from vendor_files import bioptigen_bytes

GREY = np.zeros((20, 20), np.uint8)
KEY = "0f" * 32


@pytest.fixture
def dicom(make_dicom):
    """Return a volume's header with a person in every corner of it."""
    dataset = make_dicom(np.zeros((3, 9, 11), np.uint8), "1.2.840.10008.5.1.4.1.1.77.1.5.4")
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.3.4", "1.2.3.5"
    dataset.PatientID = "MRN-A"
    dataset.ReferringPhysicianName = "Who^Doctor"
    dataset.PatientAddress = "Harley Street"
    dataset.OtherPatientIDs = "MRN-B"
    dataset.StudyID = "VISIT-C"
    dataset.AccessionNumber = "ORDER-D"
    dataset.BurnedInAnnotation = "YES"
    nested = Dataset()
    nested.PatientID = "MRN-A"
    nested.PersonName = "Roe^Richard"
    dataset.ReferencedPatientSequence = Sequence([nested])
    dataset.private_block(0x0021, "DEVICE", create=True).add_new(1, "LO", "Jane Doe")
    return dataset


def test_dicom_fields_are_named_and_their_values_are_not(tmp_path, dicom):
    dicom.save_as(tmp_path / "jane_1.dcm")
    assert set(find_identity(tmp_path / "jane_1.dcm")) == {
        "DICOM Accession Number",
        "DICOM Burned In Annotation",
        "DICOM Other Patient IDs",
        "DICOM Patient ID",
        "DICOM Patient's Address",
        "DICOM Patient's Birth Date",
        "DICOM Patient's Name",
        "DICOM Person Name",
        "DICOM Referring Physician's Name",
        "DICOM Study ID",
        "DICOM private elements",
        "file name (the patient's name or ID)",
    }


@pytest.mark.parametrize("name", ["scan.png", "scan.tif", "scan", "scan.dcm"])
@pytest.mark.parametrize("bare", [True, False])
def test_dicom_is_known_by_its_content(tmp_path, dicom, name, bare):
    dicom.save_as(tmp_path / "whole")
    content = (tmp_path / "whole").read_bytes()
    (tmp_path / name).write_bytes(content[132:] if bare else content)
    assert "DICOM Patient ID" in find_identity(tmp_path / name)


def test_a_picture_that_is_called_dicom_is_searched_as_a_picture(tmp_path):
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "Patient: Jane Doe")
    Image.fromarray(GREY).save(tmp_path / "a.png", pnginfo=info)
    for name in ("a.dcm", "a"):
        (tmp_path / name).write_bytes((tmp_path / "a.png").read_bytes())
        assert find_identity(tmp_path / name) == ("PNG Comment",)


def test_an_anonymous_dicom_says_nothing(tmp_path, make_dicom):
    dataset = make_dicom(GREY)
    for keyword in ("PatientName", "PatientID", "PatientBirthDate"):
        setattr(dataset, keyword, "")
    dataset.save_as(tmp_path / "scan.dcm")
    assert find_identity(tmp_path / "scan.dcm") == ()


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("scan_0017_left.png", ()),
        ("Normal (1).png", ()),
        ("1.2.840.10008.20190102.png", ("file name (a date)",)),
        ("e_1958-03-09.png", ("file name (a date)",)),
        ("09.03.1958 OD.png", ("file name (a date)",)),
        ("Doe, Jane.png", ("file name (a person's name)",)),
        ("Müller^Änne.png", ("file name (a person's name)",)),
        ("123419580309.png", ("file name (a number as of a patient)",)),
        ("DRUSEN-142234-1.png", ("file name (a number as of a patient)",)),
        ("img_000123.png", ()),
        ("scan_12345.png", ()),
        ("1.2.840.113619.2.5.png", ()),
        ("MUELLER_HANS_1950-03-02_OD.png", ("file name (a date)",)),
        ("mueller.hans.02.03.1950.png", ("file name (a date)",)),
        ("19500302_mueller.png", ("file name (a date)",)),
    ],
)
def test_names_of_files(tmp_path, name, found):
    Image.fromarray(GREY).save(tmp_path / name)
    assert find_identity(tmp_path / name) == found


def test_texts_in_pictures(tmp_path):
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "Patient: Jane Doe")
    info.add_text("Software", "a program")
    Image.fromarray(GREY).save(tmp_path / "a.png", pnginfo=info)
    assert find_identity(tmp_path / "a.png") == ("PNG Comment",)
    tifffile.imwrite(
        tmp_path / "a.tif", GREY, description="DOB 1.2.1950", extratags=[(315, 2, 0, "Jane", True)]
    )
    assert find_identity(tmp_path / "a.tif") == ("TIFF ImageDescription", "TIFF Artist")
    exif = Image.Exif()
    exif[0x9C9B] = b"n"
    exif[0x013B] = "Jane"
    Image.fromarray(GREY).save(tmp_path / "a.jpg", exif=exif)
    assert find_identity(tmp_path / "a.jpg") == ("JPEG Artist",)
    np.save(tmp_path / "a.npy", GREY)
    assert find_identity(tmp_path / "a.npy") == ()


def test_headers_of_devices(tmp_path):
    header = bytearray(2048)
    header[:12] = b"HSF-OCT-103\0"
    (tmp_path / "a.vol").write_bytes(header)
    assert find_identity(tmp_path / "a.vol") == ()
    header[140:144] = b"4711"
    header[164:172] = struct.pack("<d", 20000.0)
    (tmp_path / "a.vol").write_bytes(header)
    assert find_identity(tmp_path / "a.vol") == (
        "patient's ID in a Heidelberg file",
        "patient's birth date in a Heidelberg file",
    )
    (tmp_path / "a.xml").write_text(
        "<?xml version='1.0'?><HEDX><Patient><LastName>Doe</LastName><FirstNames> </FirstNames>"
        "<Birthdate>\n<Date><Year>1970</Year></Date></Birthdate><PatientID></PatientID></Patient>"
    )
    assert find_identity(tmp_path / "a.xml") == (
        "patient's last name in Heidelberg's XML",
        "patient's birth date in Heidelberg's XML",
    )
    (tmp_path / "a.e2e").write_bytes(b"CMDb" + bytes(100))
    assert find_identity(tmp_path / "a.e2e") == ("data of the patient in a Heidelberg E2E file",)
    (tmp_path / "a.OCT").write_bytes(bioptigen_bytes(np.zeros((1, 4, 6), np.uint16)))
    assert find_identity(tmp_path / "a.OCT") == ("description in a Bioptigen file",)
    with pytest.raises(ReadError, match="can't be opened"):
        find_identity(tmp_path / "absent.vol")


def test_a_pseudonym_needs_the_key():
    assert re.fullmatch("p[0-9a-f]{16}", pseudonymise("4711", KEY))
    assert pseudonymise("4711", KEY) == pseudonymise(" 4711 ", KEY)
    assert pseudonymise("Mu\u0308ller", KEY) == pseudonymise("M\u00fcller", KEY)
    assert len({pseudonymise(text, KEY) for text in ("4711", "4712", "04711")}) == 3
    assert pseudonymise("4711", KEY) != pseudonymise("4711", "1f" * 32)
    for key in ("", "0f" * 31, "xy" * 32):
        with pytest.raises(WriteError, match="64 hexadecimal digits"):
            pseudonymise("4711", key)
    with pytest.raises(WriteError, match="no name"):
        pseudonymise("  ", KEY)


def test_nothing_of_the_patient_is_in_an_export(tmp_path, dicom, make_record):
    heights = np.zeros((3, 8, 11), np.float32)
    record = make_record(name=pseudonymise("Doe^Jane", KEY), boundaries=heights)
    write_dicom_seg(tmp_path / "a.dcm", record, dicom)
    write_nifti(tmp_path / "a.nii", record)
    write_tiff(tmp_path / "a.tif", record)
    write_coco(tmp_path / "a.json", [record])
    write_boundary_json(tmp_path / "b.json", record)
    write_boundary_csv(tmp_path / "c.csv", record)
    values = (b"doe", b"jane", b"mrn-", b"19700101", b"harley", b"roe", b"visit-c", b"order-d")
    for path in tmp_path.iterdir():
        content = path.read_bytes().lower()
        assert not [value for value in values if value in content], path.name
    assert find_identity(tmp_path / "a.tif") == ()
    assert find_identity(tmp_path / "a.dcm") == ()


def test_what_can_not_be_read_is_noticed_as_such(tmp_path):
    assert find_identifiers(tmp_path / "gone.png") == ("what can't be read in the file",)


def test_large_pictures_are_looked_at_too(tmp_path, monkeypatch):
    info = PngImagePlugin.PngInfo()
    info.add_text("Patient", "Doe, Jane")
    Image.new("L", (30, 20)).save(tmp_path / "a.png", pnginfo=info)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert find_identifiers(tmp_path / "a.png") == ("PNG Patient",)


@pytest.mark.parametrize("chunk", [b"tEXtComment\0Patient: Smith", b"eXIf"])
def test_what_a_png_says_behind_its_pixels_is_found(tmp_path, chunk):
    path = tmp_path / "scan.png"
    Image.fromarray(GREY).save(path)
    if chunk == b"eXIf":
        exif = Image.Exif()
        exif[315] = "Dr. Smith"
        chunk += exif.tobytes().removeprefix(b"Exif\0\0")
    whole, end = path.read_bytes()[:-12], path.read_bytes()[-12:]
    length, check = struct.pack(">I", len(chunk) - 4), struct.pack(">I", zlib.crc32(chunk))
    path.write_bytes(whole + length + chunk + check + end)
    assert find_identifiers(path)
