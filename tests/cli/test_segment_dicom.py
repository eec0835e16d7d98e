"""``segment`` on folders of DICOM files."""

import numpy as np
import pytest
import tifffile
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from napari_retina_seg.imaging.phantom import phantom_volume

NAMES = ("1.2.840.113619.2.1", "1.2.840.113619.2.2", "I1000002.DCM", "IM000001", "scan.dcm.1")


@pytest.fixture(scope="module")
def planes():
    return phantom_volume(0, 5, 96, 64).image.pixels


def write(path, pixels, **attributes):
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(None, {}, file_meta=meta, preamble=bytes(128))
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.77.1.5.4"
    dataset.SeriesInstanceUID = "1.2.3"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 8 * pixels.itemsize
    dataset.HighBit, dataset.PixelRepresentation = dataset.BitsStored - 1, 0
    dataset.PixelData = pixels.tobytes()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    path.parent.mkdir(exist_ok=True)
    dataset.save_as(path)


def test_files_as_archives_name_them_are_all_done(run, oct_model, planes, tmp_path):
    for name, plane in zip(NAMES, planes, strict=True):
        write(tmp_path / "archive" / name, plane)
    (tmp_path / "archive" / "notes.txt").write_text("x")
    result = run("segment", tmp_path / "archive", "-o", tmp_path / "o", "--model", oct_model.path)
    assert result.exit_code == 0, result.output
    assert "5 segmented" in result.stdout
    assert "'notes.txt' (not an image)" in result.stderr
    masks = {path.name for path in (tmp_path / "o").glob("*_mask.png")}
    assert masks == {f"{name.removesuffix('.DCM')}_mask.png" for name in NAMES}


def test_a_series_of_slices_is_one_volume(run, oct_model, planes, tmp_path):
    for k, plane in enumerate(planes):
        write(
            tmp_path / "series" / f"{9 - k}.dcm", plane, InstanceNumber=k,
            ImageOrientationPatient=[1, 0, 0, 0, 1, 0], PixelSpacing=[0.004, 0.012],
            ImagePositionPatient=[0, 0, (0, 0.1, 0.2, 0.3, 1)[k]],
        )  # fmt: skip
    both = {}
    for name, source in (("files", tmp_path / "series"), ("array", tmp_path / "volume.npy")):
        np.save(tmp_path / "volume.npy", planes)
        result = run("segment", source, "-o", tmp_path / name, "--model", oct_model.path)
        assert result.exit_code == 0, result.output
        (mask,) = (tmp_path / name).glob("*_mask.tif")
        both[name] = tifffile.imread(mask)
        if name == "files":
            assert mask.name == "series_mask.tif"
            assert "unevenly spaced" in result.stderr
    np.testing.assert_array_equal(both["files"], both["array"])
