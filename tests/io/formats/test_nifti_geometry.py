"""Voxels of a NIfTI file on the pixels of an image, in whatever order another program left them."""

from itertools import permutations, product

import nibabel
import numpy as np
import pytest
from nibabel.orientations import apply_orientation, inv_ornt_aff

from napari_retina_seg.io.formats.nifti import is_nifti, read_nifti, write_nifti
from napari_retina_seg.types.errors import ReadError
from napari_retina_seg.types.image import Placement, Spacing
from napari_retina_seg.types.labels import OCT_LAYERS

RIGHT = np.random.default_rng(3).integers(0, 8, (5, 7), np.uint8)
VOLUME = np.random.default_rng(4).integers(0, 8, (3, 5, 7), np.uint8)
ORDERS = [
    np.array(list(zip(axes, signs, strict=True)))
    for axes in permutations(range(3))
    for signs in product((1, -1), repeat=3)
]


def oblique():
    """Return the placement of a turned volume, 120 µm, 3.87 µm and 11.6 µm, in LPS."""
    turn, _ = np.linalg.qr(np.random.default_rng(5).normal(size=(3, 3)))
    matrix = np.eye(4)
    matrix[:3, :3] = turn @ np.diag([0.12, 0.00387, 0.0116])
    matrix[:3, 3] = (-31.5, 72.25, 1201.5)
    return Placement(matrix)


def save(path, array, affine, codes=True, unit="mm"):
    image = nibabel.Nifti1Image(array, affine)
    if not codes:
        image.header.set_sform(affine, 0)
        image.header.set_qform(affine, 0)
    image.header.set_xyzt_units(unit)
    nibabel.save(image, path)
    return path


def reoriented(path, order):
    """Let nibabel write a file's voxels in another order, with the affine that fits."""
    image = nibabel.load(path)
    values = apply_orientation(np.array(image.dataobj), order)  # of a file that is replaced
    affine = image.affine @ inv_ornt_aff(order, image.shape)
    header = image.header.copy()
    changed = nibabel.Nifti1Image(values, affine, header)
    nibabel.save(changed, path)
    return path


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: str(order.tolist()))
@pytest.mark.parametrize("placement", [None, oblique()], ids=["no place", "oblique"])
def test_our_own_file_is_read_in_any_order(tmp_path, make_record, order, placement):
    path = tmp_path / "a.nii.gz"
    record = make_record(VOLUME, placement=placement)
    write_nifti(path, record)
    found = read_nifti(reoriented(path, order))
    np.testing.assert_array_equal(found.labels, VOLUME)
    assert found.spacing == record.spacing


@pytest.mark.parametrize("order", ORDERS[::5], ids=lambda order: str(order.tolist()))
@pytest.mark.parametrize("world", [np.diag([1, 1, 1, 1]), np.diag([-1, -1, 1, 1])])
@pytest.mark.parametrize("values", [VOLUME, RIGHT[np.newaxis]], ids=["volume", "plane"])
def test_a_foreign_file_of_an_image_without_a_place(tmp_path, order, world, values):
    """NumPy with nibabel's identity, or SimpleITK on a PNG; then turned by another program."""
    affine = world @ np.diag([0.0116, 0.00387, 0.12, 1])
    path = save(tmp_path / "a.nii", values.T, affine)
    found = read_nifti(reoriented(path, order), OCT_LAYERS)
    np.testing.assert_array_equal(found.planes, values)
    sizes = (found.spacing.axial.um, found.spacing.lateral.um)
    assert sizes == pytest.approx((3.87, 11.6))


@pytest.mark.parametrize("order", ORDERS[::5], ids=lambda order: str(order.tolist()))
def test_a_foreign_file_on_an_image_with_a_place(tmp_path, order):
    placement = oblique()
    affine = np.diag([-1, -1, 1, 1]) @ placement.affine @ np.eye(4)[[2, 1, 0, 3]]
    path = reoriented(save(tmp_path / "a.nii", VOLUME.T, affine), order)
    found = read_nifti(path, OCT_LAYERS, placements=[placement])
    np.testing.assert_array_equal(found.labels, VOLUME)
    with pytest.raises(ReadError, match="can't be aligned with the image"):
        read_nifti(path, OCT_LAYERS)


@pytest.mark.parametrize("shape", [(7, 5), (7, 5, 1), (7, 5, 1, 1), (7, 5, 1, 1, 1)])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.float64])
def test_one_plane_may_have_axes_of_one_and_any_type(tmp_path, shape, dtype):
    path = save(tmp_path / "a.nii.gz", RIGHT.T.reshape(shape).astype(dtype), np.eye(4))
    np.testing.assert_array_equal(read_nifti(path, OCT_LAYERS).labels, RIGHT)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ""])
@pytest.mark.parametrize("order", ORDERS[::9], ids=lambda order: str(order.tolist()))
def test_the_second_version_is_read_like_the_first(tmp_path, suffix, order):
    first = nibabel.load(reoriented(save(tmp_path / "a.nii", VOLUME.T, np.eye(4)), order))
    path = tmp_path / f"b{suffix}"
    path.write_bytes(nibabel.Nifti2Image(np.asarray(first.dataobj), first.affine).to_bytes())
    assert is_nifti(path)
    np.testing.assert_array_equal(read_nifti(path, OCT_LAYERS).labels, VOLUME)


def test_without_a_stated_orientation_the_order_is_the_images(tmp_path):
    path = save(tmp_path / "a.nii", VOLUME.T, np.eye(4), codes=False)
    np.testing.assert_array_equal(read_nifti(path, OCT_LAYERS).labels, VOLUME)


def test_a_scale_of_values_that_are_no_classes_is_refused(tmp_path):
    image = nibabel.Nifti1Image(RIGHT.T[..., np.newaxis].astype(np.int16), np.eye(4))
    image.header.set_slope_inter(0.5, 0)
    nibabel.save(image, tmp_path / "a.nii")
    with pytest.raises(ReadError, match="not whole numbers"):
        read_nifti(tmp_path / "a.nii", OCT_LAYERS)


def turned(degrees):
    a = np.deg2rad(degrees)
    affine = np.eye(4)
    affine[:2, :2] = [[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]
    return affine


def moved(*offset):
    affine = np.eye(4)
    affine[:3, 3] = offset
    return affine


@pytest.mark.parametrize(
    "affine",
    [turned(10), turned(45), moved(-3, -2, -1), moved(50, 0, 0), moved(0, -1.2, 0)],
    ids=["turned", "diagonal", "centred", "elsewhere", "shifted"],
)
def test_voxels_of_another_grid_are_refused(tmp_path, affine):
    path = save(tmp_path / "a.nii", VOLUME.T, affine)
    with pytest.raises(ReadError, match="Save the mask on the grid of the image"):
        read_nifti(path, OCT_LAYERS)


def test_a_resampled_file_of_ours_is_refused(tmp_path, make_record):
    write_nifti(tmp_path / "a.nii", make_record(VOLUME))
    image = nibabel.load(tmp_path / "a.nii")
    fewer = nibabel.Nifti1Image(
        np.array(image.dataobj)[::2], image.affine @ np.diag([2, 1, 1, 1]), image.header
    )
    nibabel.save(fewer, tmp_path / "a.nii")
    with pytest.raises(ReadError, match="on the grid it was drawn on"):
        read_nifti(tmp_path / "a.nii")


def test_a_size_that_no_retina_has_is_unknown(tmp_path):
    """SimpleITK states mm for a PNG, whose pixels it takes to be 1 mm wide."""
    path = save(tmp_path / "a.nii", VOLUME.T, np.diag([-1, -1, 1, 1]))
    found = read_nifti(path, OCT_LAYERS).spacing
    assert (found.axial.um, found.lateral.um) == (None, None)


def test_simpleitk_finds_each_voxel_where_the_image_has_it(tmp_path, make_record):
    sitk = pytest.importorskip("SimpleITK")
    placement = oblique()
    write_nifti(tmp_path / "a.nii.gz", make_record(VOLUME, placement=placement))
    mask = sitk.ReadImage(str(tmp_path / "a.nii.gz"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(mask), VOLUME)
    for place in np.ndindex(VOLUME.shape):
        expected = placement.affine @ (*place, 1)
        point = mask.TransformIndexToPhysicalPoint(place[::-1])
        np.testing.assert_allclose(point, expected[:3], atol=1e-3)


def test_simpleitk_lays_a_mask_on_a_png(tmp_path, make_record):
    sitk = pytest.importorskip("SimpleITK")
    from PIL import Image

    Image.fromarray(RIGHT).save(tmp_path / "a.png")
    write_nifti(tmp_path / "a.nii", make_record(RIGHT, spacing=Spacing()))
    image = sitk.ReadImage(str(tmp_path / "a.png"))
    mask = sitk.ReadImage(str(tmp_path / "a.nii"))[:, :, 0]
    assert (mask.GetOrigin(), mask.GetSpacing()) == (image.GetOrigin(), image.GetSpacing())
    assert mask.GetDirection() == image.GetDirection()
    np.testing.assert_array_equal(sitk.GetArrayFromImage(mask), RIGHT)


def test_a_mask_that_simpleitk_wrote_lies_on_its_png(tmp_path):
    sitk = pytest.importorskip("SimpleITK")
    mask = sitk.GetImageFromArray(VOLUME)
    sitk.WriteImage(mask, str(tmp_path / "a.nii.gz"))
    np.testing.assert_array_equal(read_nifti(tmp_path / "a.nii.gz", OCT_LAYERS).labels, VOLUME)
    sitk.WriteImage(sitk.DICOMOrient(mask, "RAS"), str(tmp_path / "b.nii.gz"))
    np.testing.assert_array_equal(read_nifti(tmp_path / "b.nii.gz", OCT_LAYERS).labels, VOLUME)
