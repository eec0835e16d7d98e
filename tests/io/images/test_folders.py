"""What a folder holds, by the names and by the content of its files."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import FileMetaDataset

from napari_retina_seg.io import is_image_content, read_image
from napari_retina_seg.io.images.folders import list_folder, list_tree
from napari_retina_seg.io.images.series import group_series
from napari_retina_seg.io.masks import encode_grey_png, save_mask
from napari_retina_seg.io.names import image_name
from napari_retina_seg.types.errors import ReadError
from napari_retina_seg.types.labels import OCT_LAYERS

GREY = np.arange(70 * 90, dtype=np.uint16).reshape(70, 90)
OPT = "1.2.840.10008.5.1.4.1.1.77.1.5.4"
ARCHIVE_NAMES = (
    "1.2.840.113619.2.1",
    "1.2.840.113619.2.2",
    "I1000002.DCM",
    "IM000001",
    "scan.dcm.1",
    "OP.1.2.3.44",
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("scan.png", "scan"),
        ("scan.TIFF", "scan"),
        ("eye.1.dcm", "eye.1"),
        ("I1000002.DCM", "I1000002"),
        ("mask.nii.gz", "mask"),
        ("1.2.840.113619.2.1", "1.2.840.113619.2.1"),
        ("IM000001", "IM000001"),
        ("scan.dcm.1", "scan.dcm.1"),
        ("Dr. Meier", "Dr. Meier"),
        (".png", ".png"),
    ],
)
def test_only_a_known_suffix_is_cut_from_a_name(name, expected):
    assert image_name(Path("folder.v2") / name) == expected


@pytest.fixture
def archive(make_dicom, tmp_path):
    """Return a folder of DICOM files as archives name them."""
    folder = tmp_path / "archive"
    folder.mkdir()
    for k, name in enumerate(ARCHIVE_NAMES):
        make_dicom(GREY + k, OPT).save_as(folder / name)
    return folder


def test_dicom_is_found_by_its_content(archive):
    contents = list_folder(archive)
    assert [path.name for path in contents.images] == sorted(ARCHIVE_NAMES)
    assert contents.message == ""
    names = {read_image(path).name for path in contents.images}
    assert len(names) == len(ARCHIVE_NAMES)


@pytest.mark.parametrize("implicit", [True, False])
def test_dicom_without_the_mark_at_its_start(make_dicom, tmp_path, implicit):
    dataset = make_dicom(GREY, OPT)
    dataset.file_meta = FileMetaDataset()
    dataset.preamble = None
    dataset.save_as(tmp_path / "1.2.3.4", implicit_vr=implicit, little_endian=True)
    assert list_folder(tmp_path).images == (tmp_path / "1.2.3.4",)
    np.testing.assert_array_equal(read_image(tmp_path / "1.2.3.4").pixels, GREY)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "GIF", "WEBP"])
def test_pictures_are_found_by_their_content(tmp_path, form):
    Image.fromarray(GREY.astype(np.uint8)).save(tmp_path / "export", form)
    assert list_folder(tmp_path).images == (tmp_path / "export",)


def test_what_is_skipped_is_named_with_its_reason(make_dicom, sequence, archive):
    (archive / "notes.txt").write_text("BM is no bitmap\n")
    (archive / "README").write_text("P5 is no picture\n")
    (archive / "empty").touch()
    (archive / "older").mkdir()
    (archive / "IM000001_mask.png").write_bytes(b"x")
    (archive / "IM000001_checks.json").write_text("{}")
    report = make_dicom(GREY, "1.2.840.10008.5.1.4.1.1.104.1")
    del report.PixelData, report.Rows, report.Columns
    report.save_as(archive / "SR1")
    segment = sequence(SegmentNumber=1, SegmentLabel="RNFL")
    mask = make_dicom(GREY.astype(np.uint8), "1.2.840.10008.5.1.4.1.1.66.4")
    mask.SegmentSequence = segment
    mask.save_as(archive / "SEG1")
    contents = list_folder(archive)
    assert [path.name for path in contents.images] == sorted(ARCHIVE_NAMES)
    assert {one.path.name: one.reason for one in contents.passed_over} == {
        "notes.txt": "not an image",
        "README": "not an image",
        "empty": "empty",
        "older": "a folder",
        "IM000001_mask.png": "a result for another image",
        "IM000001_checks.json": "a result for another image",
        "SR1": "DICOM without pixels, Encapsulated PDF Storage",
        "SEG1": "a mask of RNFL (DICOM Segmentation)",
    }
    assert contents.message.startswith("Skipped 8 files: ")
    assert contents.message.endswith(" and 3 more.")


def test_folders_in_a_folder_are_looked_into_where_asked(archive):
    (archive / "notes.txt").touch()
    contents = list_tree([archive.parent, archive / "IM000001"])
    assert len(contents.images) == len(ARCHIVE_NAMES) + 1
    assert [one.path.name for one in contents.passed_over] == ["notes.txt"]


def test_a_link_back_adds_nothing_twice(archive):
    (archive / "again").symlink_to(archive, target_is_directory=True)
    contents = list_tree([archive, archive])
    assert len(contents.images) == len(ARCHIVE_NAMES)
    assert not contents.passed_over


def test_a_folder_that_cant_be_listed_is_named(archive, monkeypatch):
    locked = archive / "locked"
    locked.mkdir()
    listed = Path.iterdir

    def iterdir(path):
        if path == locked:
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    with pytest.raises(ReadError, match=r"locked' can't be read \(Permission denied\)"):
        read_image(locked)
    contents = list_tree([archive])
    assert len(contents.images) == len(ARCHIVE_NAMES)
    assert [one.path for one in contents.passed_over] == [locked]


def test_a_folder_with_one_image_is_that_image(make_dicom, tmp_path):
    make_dicom(GREY, OPT).save_as(tmp_path / "IM1")
    (tmp_path / "notes.txt").touch()
    np.testing.assert_array_equal(read_image(tmp_path).pixels, GREY)


def test_a_folder_with_more_or_none_is_refused(archive, tmp_path):
    with pytest.raises(ReadError, match=r"folder with 6 images in it: choose an image file"):
        read_image(archive)
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "a.txt").write_text("x")
    with pytest.raises(ReadError, match=r"with no image in it.*'a.txt' \(not an image\)"):
        read_image(tmp_path / "none")


def test_what_is_no_file_has_no_content(tmp_path):
    assert not is_image_content(tmp_path)
    assert not is_image_content(tmp_path / "missing")


def test_headers_that_cant_be_parsed_are_reported_when_they_are_read(archive):
    """An element of an unknown type fails when it is asked for, not when it is read."""
    path = archive / "IM000001"
    content = path.read_bytes()
    rows = b"\x28\0\x10\0US"
    assert rows in content
    path.write_bytes(content.replace(rows, b"\x28\0\x10\0U\xeb"))
    contents = list_folder(archive)
    assert [each.name for each in contents.images] == sorted(ARCHIVE_NAMES)
    assert len(group_series(contents.images)) == len(ARCHIVE_NAMES)
    with pytest.raises(ReadError, match=r"IM000001' .* DICOM"):
        read_image(path)


def test_masks_are_no_images_and_are_named(tmp_path):
    save_mask(tmp_path / "a.png", np.ones((4, 5), np.uint8), OCT_LAYERS)
    save_mask(tmp_path / "b.tif", np.ones((2, 4, 5), np.uint8), OCT_LAYERS)
    (tmp_path / "c.png").write_bytes(encode_grey_png(np.ones((4, 5), np.uint8), OCT_LAYERS))
    (tmp_path / "d.nii.gz").write_bytes(b"x")
    Image.fromarray(np.eye(9, dtype=np.uint8)).save(tmp_path / "image.png")
    contents = list_folder(tmp_path)
    assert [path.name for path in contents.images] == ["image.png"]
    assert contents.message == (
        "Skipped 4 files: 'a.png' (a mask), 'b.tif' (a mask), 'c.png' (a mask), 'd.nii.gz'"
        " (NIfTI, which is opened by itself)."
    )
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "a.json").write_text("{}")
    contents = list_folder(tmp_path)
    assert "'a.json' (the classes of a mask)" in contents.message
    named = "'a.png', 'b.tif', 'c.png', 'd.nii.gz'"
    assert contents.describe_masks("Import them.") == f"4 masks not added: {named}. Import them."
    assert contents.others.message == "Skipped 1 file: 'notes.txt' (not an image)."
    assert list_tree([tmp_path / "image.png"]).describe_masks("Import them.") == ""
