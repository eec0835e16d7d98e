"""Masks as NIfTI on DICOM images, which say where they lie in the patient."""

from pathlib import Path

import nibabel
import numpy as np
import pytest
from nibabel.orientations import apply_orientation, inv_ornt_aff
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from napari_retina_seg.project.project import Project
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.labels import OCT_LAYERS
from napari_retina_seg.types.progress import finish
from napari_retina_seg.workflows.export_options import Format
from napari_retina_seg.workflows.exporting import iter_export
from napari_retina_seg.workflows.importing import iter_import_masks

SHAPE = (32, 48)
OPT = "1.2.840.10008.5.1.4.1.1.77.1.5.4"
MR = "1.2.840.10008.5.1.4.1.1.4"
TURN, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))
FIRST = np.array([-12.5, 40.25, 310.0])


def item(**attributes) -> Dataset:
    dataset = Dataset()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def start(sop: str, modality: str) -> Dataset:
    dicom = Dataset()
    dicom.file_meta = FileMetaDataset()
    dicom.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dicom.SOPClassUID = dicom.file_meta.MediaStorageSOPClassUID = sop
    dicom.SOPInstanceUID = dicom.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dicom.StudyInstanceUID, dicom.SeriesInstanceUID = "1.2.3", "1.2.3.4"
    dicom.FrameOfReferenceUID, dicom.Modality = "1.2.3.9", modality
    return dicom


def orientation() -> list[float]:
    """Return the directions of a row and of a column."""
    return [round(float(part), 12) for part in (*TURN[:, 0], *TURN[:, 1])]


def write_plane(path: Path) -> Path:
    dicom = start(MR, "OPT")
    dicom.ImageOrientationPatient, dicom.ImagePositionPatient = orientation(), FIRST.tolist()
    dicom.PixelSpacing, dicom.SliceThickness = [0.004, 0.012], 0.1
    dicom.set_pixel_data(scan(SHAPE), "MONOCHROME2", 8)
    dicom.save_as(path, enforce_file_format=True)
    return path


def write_volume(path: Path, frames: int = 3) -> Path:
    dicom = start(OPT, "OPT")
    dicom.NumberOfFrames = frames
    dicom.set_pixel_data(scan((frames, *SHAPE)), "MONOCHROME2", 8)
    dicom.NumberOfFrames = frames
    measures = item(PixelSpacing=[0.004, 0.012], SliceThickness=0.1)
    dicom.SharedFunctionalGroupsSequence = [
        item(
            PixelMeasuresSequence=[measures],
            PlaneOrientationSequence=[item(ImageOrientationPatient=orientation())],
        )
    ]
    dicom.PerFrameFunctionalGroupsSequence = [
        item(PlanePositionSequence=[item(ImagePositionPatient=position.tolist())])
        for position in (FIRST + 0.1 * k * np.cross(TURN[:, 0], TURN[:, 1]) for k in range(frames))
    ]
    dicom.save_as(path, enforce_file_format=True)
    return path


def scan(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, shape, np.uint8)


def drawn(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(9).integers(0, 8, shape, np.uint8)


def leave(ann: Project, path: Path, shape: tuple[int, ...], folder: Path) -> Path:
    """Add an image, draw on it, and export the mask."""
    (image,) = ann.add_images([path]).images
    ann.attach(image.id, Annotation(drawn(shape)), author="Ann")
    finish(iter_export(ann, folder, Format.NIFTI))
    (mask,) = folder.glob("*.nii.gz")
    return mask


def test_a_mask_lies_where_its_nifti_image_does(ann, tmp_path):
    affine = np.eye(4)
    affine[:3, :3] = [[0, 0, 0.1], [0.012, 0, 0], [0, -0.004, 0]]
    affine[:3, 3] = FIRST
    pixels = scan((3, *SHAPE)).transpose(2, 1, 0)
    image = nibabel.Nifti1Image(pixels, affine)
    image.header.set_xyzt_units("mm")
    nibabel.save(image, tmp_path / "a.nii.gz")
    mask = nibabel.load(leave(ann, tmp_path / "a.nii.gz", (3, *SHAPE), tmp_path / "out"))
    np.testing.assert_allclose(mask.affine, affine, atol=1e-5)
    np.testing.assert_array_equal(mask.get_fdata(), drawn((3, *SHAPE)).transpose(2, 1, 0))


def test_simpleitk_lays_an_exported_mask_on_its_dicom_image(ann, tmp_path):
    sitk = pytest.importorskip("SimpleITK")
    source = write_plane(tmp_path / "a.dcm")
    image = sitk.ReadImage(str(source))
    mask = sitk.ReadImage(str(leave(ann, source, SHAPE, tmp_path / "out")))
    assert mask.GetSize() == image.GetSize()
    for index in ((0, 0, 0), (47, 0, 0), (0, 31, 0), (13, 7, 0)):
        np.testing.assert_allclose(
            mask.TransformIndexToPhysicalPoint(index),
            image.TransformIndexToPhysicalPoint(index),
            atol=1e-4,
        )
    over = sitk.Resample(mask, image, sitk.Transform(), sitk.sitkNearestNeighbor)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(over)[0], drawn(SHAPE))


def test_a_volume_is_exported_where_its_frames_lie(ann, tmp_path):
    source = write_volume(tmp_path / "a.dcm")
    image = nibabel.load(leave(ann, source, (3, *SHAPE), tmp_path / "out"))
    placement = ann.read_image(1).placement.affine
    for place in ((0, 0, 0), (2, 0, 0), (1, 31, 0), (0, 3, 47)):
        in_ras = image.affine @ (*place[::-1], 1)
        np.testing.assert_allclose(in_ras * (-1, -1, 1, 1), placement @ (*place, 1), atol=1e-4)
    np.testing.assert_allclose(
        in_ras[:2], -(FIRST + 0.012 * TURN[:, 1] + 0.564 * TURN[:, 0])[:2], atol=1e-4
    )


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a"])
@pytest.mark.parametrize("bare", [True, False])
def test_a_dicom_image_of_any_name_keeps_its_place(ann, tmp_path, name, bare):
    content = write_plane(tmp_path / "as-written.dcm").read_bytes()
    source = tmp_path / name
    source.write_bytes(content[132:] if bare else content)
    image = nibabel.load(leave(ann, source, SHAPE, tmp_path / "out"))
    np.testing.assert_allclose(
        image.affine[:3, 3] * (-1, -1, 1), FIRST, atol=1e-3
    )  # LPS to NIfTI's RAS


def test_a_picture_that_is_called_dicom_has_no_place(ann, write_scan, tmp_path):
    source = write_scan("a.png", 1).rename(tmp_path / "a.dcm")
    assert leave(ann, source, (16, 24), tmp_path / "out").is_file()


@pytest.mark.parametrize("order", [[[0, -1], [1, 1], [2, -1]], [[2, 1], [0, -1], [1, -1]]])
@pytest.mark.parametrize("foreign", [False, True])
def test_a_mask_that_another_program_turned_is_imported_upright(ann, tmp_path, order, foreign):
    source = write_volume(tmp_path / "a.dcm")
    mask = leave(ann, source, (3, *SHAPE), tmp_path / "out")
    image = nibabel.load(mask)
    order = np.array(order)
    changed = nibabel.Nifti1Image(
        7 - apply_orientation(np.array(image.dataobj), order),
        image.affine @ inv_ornt_aff(order, image.shape),
        None if foreign else image.header,
    )
    nibabel.save(changed, tmp_path / "a.nii.gz")
    Project.create(tmp_path / "other", scheme=OCT_LAYERS, author="Eve").close()
    with Project(tmp_path / "other", author="Eve") as other:
        other.add_images([source])
        outcome = finish(iter_import_masks(other, tmp_path / "a.nii.gz", author="Eve"))
        assert not outcome.problems
        (version,) = outcome.versions
        found = other.annotation(version.image_id, version.number).labels
        np.testing.assert_array_equal(found, 7 - drawn((3, *SHAPE)))


def test_a_picture_needs_not_be_there_for_its_mask_to_leave(ann, write_scan, tmp_path):
    picture = write_scan("a.png", 1)
    (image,) = ann.add_images([picture]).images
    ann.attach(image.id, Annotation(np.ones(image.shape, np.uint8)), author="Ann")
    picture.unlink()
    assert finish(iter_export(ann, tmp_path / "out", Format.NIFTI)).masks == 1
