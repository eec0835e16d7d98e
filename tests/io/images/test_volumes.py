"""NIfTI and MetaImage: volumes with the sizes that their headers state."""

import nibabel
import numpy as np
import pytest

from napari_retina_seg.io import read_image
from napari_retina_seg.io.formats.nifti import may_be_mask
from napari_retina_seg.io.images.folders import list_folder
from napari_retina_seg.io.images.vendor import slices
from napari_retina_seg.types.errors import ImageError, ReadError

VOLUME = np.random.default_rng(0).integers(0, 256, (3, 16, 20)).astype(np.uint8)
HEADER = """ObjectType = Image
NDims = 3
BinaryData = True
BinaryDataByteOrderMSB = {msb}
CompressedData = {packed}
ElementSpacing = 0.0117 0.0039 0.12
DimSize = 20 16 3
ElementType = {kind}
ElementDataFile = {raw}
"""


def sizes(image):
    return [size.um and round(size.um, 3) for size in vars(image.spacing).values()]


def write_mhd(folder, volume=VOLUME, *, name="oct", raw="oct.raw", kind="MET_UCHAR", **changes):
    (folder / raw).write_bytes(volume.tobytes())
    text = HEADER.format(kind=kind, raw=raw, msb=False, packed=False)
    for old, new in changes.items():
        text = text.replace(*new) if isinstance(new, tuple) else text.replace(old, new)
    path = folder / f"{name}.mhd"
    path.write_text(text)
    return path


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_nifti_image_has_its_sizes_and_its_place(tmp_path, suffix):
    path = tmp_path / f"scan{suffix}"
    affine = np.diag([-0.0117, -0.0039, 0.12, 1.0]) + np.eye(4)[3] * 0
    affine[:3, 3] = 5, 6, 7
    saved = nibabel.Nifti1Image(VOLUME.transpose(2, 1, 0).astype(np.int16) * 3, affine)
    saved.header.set_xyzt_units("mm")
    nibabel.save(saved, path)
    image = read_image(path)
    np.testing.assert_array_equal(image.pixels, VOLUME.astype(int) * 3)
    assert sizes(image) == [120, 3.9, 11.7]
    np.testing.assert_allclose(image.placement.affine[:3, 3], [-5, -6, 7])
    assert image.name == "scan"
    assert not may_be_mask(path)


@pytest.mark.parametrize("dtype", [[("R", "u1"), ("G", "u1"), ("B", "u1")], np.complex64])
def test_a_nifti_without_grey_levels_is_refused_in_a_sentence(tmp_path, dtype):
    path = tmp_path / "scan.nii"
    nibabel.save(nibabel.Nifti1Image(np.zeros((20, 16, 3), dtype), np.eye(4)), path)
    assert not may_be_mask(path)
    with pytest.raises(ImageError, match="whole or real numbers"):
        read_image(path)


def test_a_damaged_nifti_is_refused_in_silence(tmp_path, caplog):
    path = tmp_path / "scan.nii"
    nibabel.save(nibabel.Nifti1Image(VOLUME, np.eye(4)), path)
    content = bytearray(path.read_bytes())
    content[70:72] = b"\xff\x7f"  # a type that there is not
    path.write_bytes(content)
    with pytest.raises(ReadError, match="damaged or cut short"):
        read_image(path)
    assert not caplog.records


def test_a_nifti_mask_is_known_by_its_values(tmp_path):
    nibabel.save(nibabel.Nifti1Image(VOLUME % 9, np.eye(4)), tmp_path / "mask.nii.gz")
    assert may_be_mask(tmp_path / "mask.nii.gz")
    dark = nibabel.Nifti1Image(VOLUME // 9, np.eye(4))
    nibabel.save(dark, tmp_path / "dark.nii.gz")
    assert not may_be_mask(tmp_path / "dark.nii.gz"), "few values, but no areas"


@pytest.mark.parametrize(("volume", "kind"), [
    (VOLUME, "MET_UCHAR"), (VOLUME.astype("<u2") * 200, "MET_USHORT"),
    (VOLUME.astype("<f4") / 7, "MET_FLOAT"),
])  # fmt: skip
def test_a_metaimage_has_every_slice_and_size(tmp_path, volume, kind):
    image = read_image(write_mhd(tmp_path, volume, kind=kind))
    np.testing.assert_array_equal(image.pixels, volume)
    assert sizes(image) == [120, 3.9, 11.7]


def test_simpleitk_reads_the_same_metaimage(tmp_path):
    import SimpleITK

    path = tmp_path / "scan.mhd"
    other = SimpleITK.GetImageFromArray(VOLUME.astype(np.uint16))
    other.SetSpacing((0.01, 0.004, 0.2))
    SimpleITK.WriteImage(other, str(path))
    image = read_image(path)
    np.testing.assert_array_equal(image.pixels, VOLUME)
    assert sizes(image) == [200, 4, 10]


def test_a_case_of_retouch_is_one_image(tmp_path):
    write_mhd(tmp_path)
    write_mhd(tmp_path, VOLUME % 4, name="reference", raw="reference.raw")
    found = list_folder(tmp_path)
    assert [path.name for path in found.images] == ["oct.mhd"]
    assert [one.reason for one in found.passed_over] == ["a reference of RETOUCH"]
    np.testing.assert_array_equal(read_image(tmp_path).pixels, VOLUME)


@pytest.mark.parametrize(("changes", "message"), [
    ({"DimSize = 20 16 3": "DimSize = 20 16 4"}, "states 1,280 bytes of values"),
    ({"DimSize = 20 16 3": "DimSize = -20 -16 3"}, "bytes of values"),
    ({"DimSize = 20 16 3": "DimSize = many"}, "damaged or cut short"),
    ({"CompressedData = False": "CompressedData = True"}, "uncompressed grey image"),
    ({"MET_UCHAR": "MET_STRING"}, "uncompressed grey image"),
    ({"oct.raw": "../oct.raw"}, "needs its raw file"),
    ({"oct.raw": "gone.raw"}, "needs its raw file 'gone.raw'"),
])  # fmt: skip
def test_a_metaimage_that_does_not_fit_is_refused(tmp_path, changes, message):
    with pytest.raises(ReadError, match=message):
        read_image(write_mhd(tmp_path, **changes))


def test_a_large_metaimage_is_read_slice_by_slice(tmp_path, monkeypatch):
    path = write_mhd(tmp_path)
    monkeypatch.setattr(slices, "_AT_ONCE", 100)
    image = read_image(path)
    assert not isinstance(image.pixels, np.ndarray)
    np.testing.assert_array_equal(image.plane(2), VOLUME[2])
