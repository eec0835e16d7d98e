"""Segmentations that other programs made of DICOM images, and the images they belong to."""

import shutil
from pathlib import Path

import highdicom as hd
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from helpers import write_png
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.io.formats.dicom_header import DicomIds, read_ids, read_referenced_ids
from napari_retina_seg.project.project import Project
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.labels import OCT_LAYERS
from napari_retina_seg.types.progress import finish
from napari_retina_seg.workflows.dicom_images import DicomImage, find_resent_image
from napari_retina_seg.workflows.export_options import Format
from napari_retina_seg.workflows.exporting import Identities, iter_export
from napari_retina_seg.workflows.importing import Imported, iter_import_masks

SHAPE = (64, 96)
OPT = "1.2.840.10008.5.1.4.1.1.77.1.5.4"


def item(**attributes) -> Dataset:
    dataset = Dataset()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def write_scan(path: Path, seed: int, series: str) -> Path:
    """Write a B-scan as a device does, with UIDs of its own."""
    dicom = Dataset()
    dicom.file_meta = FileMetaDataset()
    dicom.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dicom.SOPClassUID = dicom.file_meta.MediaStorageSOPClassUID = OPT
    dicom.SOPInstanceUID = dicom.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dicom.StudyInstanceUID, dicom.SeriesInstanceUID, dicom.Modality = "1.2.3", series, "OPT"
    for keyword in (
        *("PatientID", "PatientName", "PatientBirthDate", "PatientSex"),
        *("AccessionNumber", "StudyID", "StudyDate", "StudyTime"),
    ):
        setattr(dicom, keyword, "")
    dicom.set_pixel_data(phantom_bscan(seed, *SHAPE).image.pixels, "MONOCHROME2", 8)
    path.parent.mkdir(exist_ok=True)
    dicom.NumberOfFrames, dicom.FrameOfReferenceUID = 1, "1.2.3.9"
    measures = item(PixelSpacing=[0.004, 0.012], SliceThickness=0.1)
    dicom.SharedFunctionalGroupsSequence = [
        item(
            PixelMeasuresSequence=[measures],
            PlaneOrientationSequence=[item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
        )
    ]
    place = item(ImagePositionPatient=[0, 0, 0])
    dicom.PerFrameFunctionalGroupsSequence = [item(PlanePositionSequence=[place])]
    dicom.save_as(path, enforce_file_format=True)
    return path


def segment(path: Path, scan: Path, *, label: str = "INL") -> Path:
    """Outline something in a scan with another program, which calls files as it likes."""
    described = hd.seg.SegmentDescription(
        1, label, codes.SCT.AnatomicalStructure, codes.SCT.Retina, "MANUAL"
    )
    pixels = np.zeros((1, *SHAPE), np.uint8)
    pixels[:, 20:30] = 1
    uids = generate_uid(), 1, generate_uid(), 1
    source = [dcmread(scan)]
    hd.seg.Segmentation(source, pixels, "BINARY", [described], *uids, "m", "m", "1", "2").save_as(
        path
    )
    return path


@pytest.fixture
def scans(ann: Project, tmp_path: Path) -> list[Path]:
    """Add two DICOM scans of a series each, and a picture."""
    paths = [write_scan(tmp_path / f"{name}.dcm", n, f"1.2.3.{n}") for n, name in enumerate("ab")]
    paths.append(tmp_path / "c.png")
    write_png(paths[-1], phantom_bscan(2, *SHAPE).image.pixels)
    ann.add_images(paths)
    return paths


def enter(project: Project, path: Path, **more) -> Imported:
    return finish(iter_import_masks(project, path, author="Eve", **more))


def test_the_image_is_the_one_that_is_referred_to_whatever_the_file_is_called(ann, scans, tmp_path):
    seg = segment(tmp_path / "a.dcm.seg.dcm", scans[1])
    (version,) = enter(ann, seg).versions
    assert ann.image(version.image_id).name == "b"
    drawn = ann.annotation(version.image_id, version.number).labels
    assert (drawn[20:30] == 3).all()
    assert drawn.sum() == 3 * 10 * SHAPE[1]
    assert enter(ann, seg).known == 1


def test_an_image_that_was_sent_again_is_known_by_its_series_and_name(ann, scans, tmp_path):
    anew = write_scan(tmp_path / "anew.dcm", 0, "1.2.3.0")
    (problem,) = enter(ann, segment(tmp_path / "x.dcm", anew)).problems
    assert "nor one named 'x': add the image" in problem
    (version,) = enter(ann, segment(tmp_path / "a_seg.dcm", anew)).versions
    assert ann.image(version.image_id).name == "a"
    image = ann.image(version.image_id)
    nowhere = [DicomImage(image, DicomIds("", "1"))]
    assert find_resent_image(DicomIds("", "2"), nowhere, [image]) is None


def test_a_scan_without_the_mark_at_its_start_is_referred_to_like_any_other(ann, tmp_path):
    marked = write_scan(tmp_path / "marked.dcm", 0, "1.2.3.0")
    bare = tmp_path / "bare"
    dcmread(marked).save_as(bare, enforce_file_format=False)
    bare.write_bytes(bare.read_bytes().partition(b"DICM")[2])
    (image,) = ann.add_images([bare]).images
    (version,) = enter(ann, segment(tmp_path / "x.dcm", marked)).versions
    assert version.image_id == image.id
    finish(iter_export(ann, tmp_path / "out", Format.DICOM_SEG))
    assert read_referenced_ids(next((tmp_path / "out").glob("*.dcm"))) == read_ids(marked)


def test_the_other_eye_of_a_series_is_not_taken_for_this_one(ann, bob, tmp_path):
    left, right = (write_scan(tmp_path / f"{eye}.dcm", n, "1.2") for n, eye in enumerate("lr"))
    ann.add_images([left])
    (problem,) = enter(ann, segment(tmp_path / "r_seg.dcm", right)).problems
    assert "neither the DICOM image that" in problem
    Project.create(tmp_path / "both", scheme=OCT_LAYERS, author="Eve").close()
    with Project(tmp_path / "both", author="Eve") as both:
        (image,) = both.add_images([right]).images
        both.attach(image.id, Annotation(np.full(SHAPE, 2, np.uint8)), author="Eve")
        both.confirm_names([image.id])
        finish(iter_export(both, tmp_path / "out", Format.DICOM_SEG))
    (problem,) = enter(ann, tmp_path / "out").problems
    assert "no image 'r'" in problem
    # Called as the left one, but drawn on an image that its card knows better.
    same_name = write_scan(tmp_path / "more" / "l.dcm", 5, "1.2")
    with Project(tmp_path / "both", author="Eve") as both:
        (image,) = both.add_images([same_name]).images
        both.attach(image.id, Annotation(np.full(SHAPE, 3, np.uint8)), author="Eve")
        both.confirm_names([image.id])
        finish(iter_export(both, tmp_path / "two", Format.DICOM_SEG))
    (problem, _) = enter(ann, tmp_path / "two").problems
    assert "refers to another DICOM image than 'l' of this project" in problem
    ann.add_images([right])
    (version,) = enter(ann, tmp_path / "out").versions
    assert ann.image(version.image_id).name == "r"


def test_a_file_that_took_an_image_s_place_lends_it_no_uids(ann, scans, tmp_path):
    stranger = write_scan(tmp_path / "stranger.dcm", 5, "9.9.9")
    seg = segment(tmp_path / "a_seg.dcm", stranger)
    shutil.copy(stranger, scans[0])
    (problem,) = enter(ann, seg).problems
    assert "was changed since it was added" in problem
    shutil.copy(scans[1], scans[0])
    (version,) = enter(ann, segment(tmp_path / "x.dcm", scans[1])).versions
    assert ann.image(version.image_id).name == "b"


def test_an_image_that_is_there_twice_is_reported(ann, scans, tmp_path):
    again = dcmread(scans[0])
    again.ImageComments = "sent through another archive"
    again.save_as(tmp_path / "again.dcm")
    ann.add_images([tmp_path / "again.dcm"])
    (problem,) = enter(ann, segment(tmp_path / "a_seg.dcm", scans[0])).problems
    assert "Several images have the UIDs of 'a' (#1, #4): attach the mask to one" in problem


def test_a_mask_of_another_image_is_not_taken_for_its_name(ann, scans, tmp_path):
    stranger = write_scan(tmp_path / "stranger.dcm", 5, "9.9.9")
    (tmp_path / "segs").mkdir()
    for name in ("a.dcm", "who.dcm"):
        segment(tmp_path / "segs" / name, stranger)
    taken = enter(ann, tmp_path / "segs")
    assert not taken.versions
    other, neither = taken.problems
    assert "refers to another DICOM image than 'a' of this project: add the image" in other
    assert "neither the DICOM image that" in neither
    assert "nor one named 'who': add the image" in neither


def test_a_picture_is_found_by_its_name_if_the_size_is_right(ann, scans, tmp_path):
    segment(tmp_path / "c_seg.dcm", write_scan(tmp_path / "original.dcm", 2, "9.9.9"))
    (version,) = enter(ann, tmp_path / "c_seg.dcm").versions
    assert ann.image(version.image_id).name == "c"
    write_png(tmp_path / "d.png", np.zeros((10, 10), np.uint8))
    ann.add_images([tmp_path / "d.png"])
    (problem,) = enter(ann, segment(tmp_path / "d.dcm", tmp_path / "original.dcm")).problems
    assert "10 × 10 px" in problem


def test_what_a_segment_is_can_be_said(ann, scans, tmp_path):
    seg = segment(tmp_path / "x.dcm", scans[0], label="Couche 4")
    (problem,) = enter(ann, seg).problems
    assert "calls segment 1 'Couche 4', not a class of 'oct-layers'" in problem
    (version,) = enter(ann, seg, remap={1: 4}).versions
    assert (ann.annotation(version.image_id, version.number).labels[20:30] == 4).all()


def write_volume(path: Path, order: tuple[int, ...]) -> np.ndarray:
    """Write a volume with its frames stored in an order; return its slices."""
    write_scan(path, 0, "1.2.3.77")
    dicom = dcmread(path)
    planes = np.stack([phantom_bscan(seed, *SHAPE).image.pixels for seed in range(len(order))])
    dicom.set_pixel_data(planes[list(order)], "MONOCHROME2", 8)
    dicom.NumberOfFrames = len(order)
    dicom.PerFrameFunctionalGroupsSequence = [
        item(PlanePositionSequence=[item(ImagePositionPatient=[0, 0, 0.1 * k])]) for k in order
    ]
    dicom.save_as(path, enforce_file_format=True)
    return planes


def write_label_map(path: Path, scan: Path, labels: np.ndarray) -> Path:
    described = [
        hd.seg.SegmentDescription(
            label.value, label.abbreviation, codes.SCT.AnatomicalStructure, codes.SCT.Retina,
            "MANUAL",
        )
        for label in OCT_LAYERS.classes[1:]
    ]  # fmt: skip
    uids = generate_uid(), 1, generate_uid(), 1
    seg = hd.seg.Segmentation(
        [dcmread(scan)], labels, "LABELMAP", described, *uids, "m", "m", "1", "2"
    )
    seg.save_as(path)
    return path


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (1, 3, 0, 2)])
@pytest.mark.parametrize("name", ["mask.dcm", "1.2.840.113619.2.1"])
def test_a_label_map_lies_on_its_slices(ann, tmp_path, order, name):
    """Frames count from the stored order, slices from the positions; one slice is left out."""
    planes = write_volume(tmp_path / "vol.dcm", order)
    (image,) = ann.add_images([tmp_path / "vol.dcm"]).images
    slices = np.zeros((4, *SHAPE), np.uint8)
    for k in (0, 2, 3):
        slices[k, 20 + k : 30 + k] = k + 1
    stored = slices[list(order)]
    falling = order == (3, 2, 1, 0)  # in order too, and left so
    shown = stored if falling else slices
    np.testing.assert_array_equal(
        ann.read_image(image.id).pixels, planes[list(order)] if falling else planes
    )
    path = write_label_map(tmp_path / name, tmp_path / "vol.dcm", stored)
    (version,) = enter(ann, path).versions
    np.testing.assert_array_equal(ann.annotation(version.image_id, version.number).labels, shown)


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0)])
def test_a_volume_out_of_order_comes_back_as_it_left(ann, tmp_path, order):
    write_volume(tmp_path / "vol.dcm", order)
    (image,) = ann.add_images([tmp_path / "vol.dcm"]).images
    labels = np.zeros((3, *SHAPE), np.uint8)
    labels[0, 20:30], labels[1, 30:40] = 1, 2
    path = write_label_map(tmp_path / "mask.dcm", tmp_path / "vol.dcm", labels[list(order)])
    enter(ann, path)
    assert ann.image(image.id).shape == (3, *SHAPE)
    finish(iter_export(ann, tmp_path / "out", Format.DICOM_SEG, identities=Identities.KEEP))
    (written,) = (tmp_path / "out").rglob("*.dcm")
    seg = hd.seg.segread(written)
    uid = dcmread(tmp_path / "vol.dcm").SOPInstanceUID
    frames = seg.get_pixels_by_source_frame(uid, [1, 2, 3], combine_segments=True)
    np.testing.assert_array_equal(frames, labels[list(order)])


@pytest.mark.parametrize("name", ["mask.dcm", "1.2.840.113619.2.1"])
def test_a_segmentation_is_not_added_as_an_image(ann, scans, tmp_path, name):
    added = ann.add_images([segment(tmp_path / name, scans[0])])
    assert added.images == ()
    assert "is a mask of INL (DICOM Segmentation), not an image" in added.problems[0]
