"""Masks that are saved and opened again lie on their image."""

import nibabel
import numpy as np
import pytest
import tifffile
from nibabel.orientations import apply_orientation, inv_ornt_aff
from PIL import Image as Picture

from napari_retina_seg._napari.layers import KEY, ImageInfo, image_layers
from napari_retina_seg._napari.mask_files import is_named_after
from napari_retina_seg._napari.results import MaskInfo, mask_options
from napari_retina_seg.io.formats.dicom_seg import write_dicom_seg
from napari_retina_seg.io.formats.raster import read_png
from napari_retina_seg.io.formats.record import MaskRecord
from napari_retina_seg.io.masks import save_mask
from napari_retina_seg.types.image import Length, Origin, Placement, RetinaImage, Spacing
from napari_retina_seg.types.labels import OCT_LAYERS

PLUGIN = "napari-retina-seg"
SUFFIXES = ("png", "tif", "nii", "nii.gz")


@pytest.fixture
def viewer(windowless):
    return windowless


@pytest.fixture
def classes(bscan):
    return np.random.default_rng(0).integers(0, 8, bscan.shape, np.uint8)


def write_um(path, pixels):
    """Write a TIFF as ImageJ does, 3.87 × 11.6 µm."""
    known = {"unit": "um", "spacing": 120.0} | ({"axes": "ZYX"} if pixels.ndim == 3 else {})
    resolution = (1 / 11.6, 1 / 3.87)
    tifffile.imwrite(path, pixels, imagej=True, resolution=resolution, metadata=known)
    return str(path)


def add_mask(viewer, image, classes):
    from napari_retina_seg._napari.correct.new_mask import NewMask

    form = NewMask(viewer)
    viewer.layers.selection = {image}
    form.refresh()
    form.choose(OCT_LAYERS)
    form.make()
    mask = viewer.layers[-1]
    mask.data = classes
    return mask


def corners(layer):
    """Return where a layer's first and last pixel lie in µm, or in pixels."""
    ends = (np.zeros(layer.ndim), np.array(layer.data.shape[: layer.ndim]) - 1)
    units = [unit if str(unit) == "pixel" else "um" for unit in layer.units]
    return [
        [
            (value * unit).to(wanted).magnitude
            for value, unit, wanted in zip(
                layer.data_to_world(end), layer.units, units, strict=True
            )
        ]
        for end in ends
    ]


def assert_on(mask, image):
    np.testing.assert_allclose(corners(mask), corners(image), rtol=1e-4)


def save_as(viewer, mask, path):
    viewer.layers.selection = {mask}
    assert viewer.layers.save(str(path), selected=True, plugin=PLUGIN) == [str(path)]


@pytest.mark.parametrize("kind", ["plane", "volume"])
def test_a_mask_of_an_image_in_micrometres_lies_on_it(viewer, bscan, volume, tmp_path, kind):
    """Beside its image, and alone, where its own file says the size."""
    pixels = bscan if kind == "plane" else volume
    classes = np.random.default_rng(0).integers(0, 8, pixels.shape, np.uint8)
    (image,) = viewer.open(write_um(tmp_path / "scan.tif", pixels), plugin=PLUGIN)
    mask = add_mask(viewer, image, classes)
    suffixes = SUFFIXES if kind == "plane" else SUFFIXES[1:]
    for suffix in suffixes:
        save_as(viewer, mask, tmp_path / f"m.{suffix}")
    viewer.layers.remove(mask)
    for keep in (True, False):
        for suffix in suffixes:
            (again,) = viewer.open(str(tmp_path / f"m.{suffix}"), plugin=PLUGIN)
            np.testing.assert_array_equal(again.data, classes)
            assert_on(again, image)
            assert {str(unit) for unit in again.units} == {"micrometer"}
        if keep:
            viewer.layers.clear()


TURN = np.array([[0.8, -0.6, 30], [0.6, 0.8, -40], [0, 0, 1]])


MOVED = {
    "mm": {"scale": (0.00387, 0.0116), "units": ("mm", "mm")},
    "moved": {"scale": (3.87, 11.6), "units": ("um", "um"), "translate": (100, 200), "rotate": 20},
    "sheared": {"scale": (3.87, 11.6), "units": ("um", "um"), "affine": TURN, "shear": [0.2]},
    "affine": {"affine": np.diag([3.87, 11.6, 1]), "units": ("um", "um")},
    "pixels": {"scale": (2, 3)},
}


def test_a_mask_lies_on_an_image_that_was_moved(viewer, bscan, classes, tmp_path):
    for kind, moved in MOVED.items():
        image = viewer.add_image(bscan, name=kind, **moved)
        mask = add_mask(viewer, image, classes)
        for suffix in SUFFIXES:
            path = tmp_path / f"{kind}.{suffix}"
            save_as(viewer, mask, path)
            (again,) = viewer.open(str(path), plugin=PLUGIN)
            np.testing.assert_array_equal(again.data, classes)
            assert_on(again, image)
            assert again.units == image.units, kind
        viewer.layers.clear()


def test_a_mask_of_the_command_line_lies_on_its_image(viewer, bscan, classes, tmp_path):
    """With the size in the file, or without one on an image whose size was stated since."""
    sizes = Spacing.from_um(axial=3.87, lateral=11.6)
    for suffix in ("png", "tif"):
        save_mask(tmp_path / f"scan_mask.{suffix}", classes, OCT_LAYERS, sizes)
        (alone,) = viewer.open(str(tmp_path / f"scan_mask.{suffix}"), plugin=PLUGIN)
        (image,) = viewer.open(write_um(tmp_path / "scan.tif", bscan), plugin=PLUGIN)
        assert_on(alone, image)
        assert alone.metadata[KEY].image == image.name
        save_mask(tmp_path / f"b.{suffix}", classes, OCT_LAYERS)
        (unsized,) = viewer.open(str(tmp_path / f"b.{suffix}"), plugin=PLUGIN)
        assert_on(unsized, image)
        viewer.layers.clear()


def test_a_mask_opened_first_lies_on_an_image_without_a_size(viewer, bscan, classes, tmp_path):
    sizes = Spacing.from_um(axial=3.87, lateral=11.6)
    save_mask(tmp_path / "scan_mask.png", classes, OCT_LAYERS, sizes)
    Picture.fromarray(bscan).save(tmp_path / "scan.png")
    (mask,) = viewer.open(str(tmp_path / "scan_mask.png"), plugin=PLUGIN)
    (image,) = viewer.open(str(tmp_path / "scan.png"), plugin=PLUGIN)
    assert_on(mask, image)
    save_as(viewer, mask, tmp_path / "again.png")
    assert read_png(tmp_path / "again.png").spacing.axial.um == pytest.approx(3.87, rel=1e-4)


def test_a_mask_of_another_eye_keeps_its_own_size(viewer, bscan, classes, tmp_path):
    viewer.open(write_um(tmp_path / "scan.tif", bscan), plugin=PLUGIN)
    sizes = Spacing.from_um(axial=2.6, lateral=5.5)
    save_mask(tmp_path / "other.png", classes, OCT_LAYERS, sizes)
    (mask,) = viewer.open(str(tmp_path / "other.png"), plugin=PLUGIN)
    assert mask.scale == pytest.approx((2.6, 5.5), rel=1e-4)
    assert mask.metadata[KEY].image == ""


def test_of_several_images_the_name_decides(viewer, bscan, classes, tmp_path):
    for name, scale in (("scan", 2.0), ("scan2", 3.0), ("scanner", 4.0)):
        viewer.add_image(bscan, name=name, scale=(scale, scale))
    save_mask(tmp_path / "scan2_mask.png", classes, OCT_LAYERS)
    (mask,) = viewer.open(str(tmp_path / "scan2_mask.png"), plugin=PLUGIN)
    assert mask.scale == pytest.approx((3, 3))
    assert mask.metadata[KEY].image == "scan2"


def test_a_mask_of_one_time_point_lies_on_the_last_axes(viewer, volume, tmp_path):
    series = np.stack([volume, volume])
    image = viewer.add_image(series, scale=(1, 120, 3.87, 11.6), units=("s", "um", "um", "um"))
    save_mask(tmp_path / "a.tif", np.ones(volume.shape, np.uint8), OCT_LAYERS)
    (mask,) = viewer.open(str(tmp_path / "a.tif"), plugin=PLUGIN)
    assert mask.scale == pytest.approx(tuple(image.scale[1:]))


def test_who_said_the_size_is_kept(viewer, bscan, classes, tmp_path):
    (image,) = viewer.open(write_um(tmp_path / "scan.tif", bscan), plugin=PLUGIN)
    image.scale = (3.87, 12)
    mask = add_mask(viewer, image, classes)
    save_as(viewer, mask, tmp_path / "m.png")
    spacing = read_png(tmp_path / "m.png").spacing
    assert spacing.axial.origin is Origin.FILE
    assert spacing.lateral == Length(12, Origin.USER)


def test_a_nifti_mask_is_exported_in_the_space_of_its_image_and_imported_turned_back(
    viewer, volume, tmp_path
):
    affine = np.eye(4)
    affine[:3, :3] = np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0]]) * (0.12, 0.00387, 0.0116)
    affine[:3, 3] = (-20, 30, 40)
    spacing = Spacing.from_um(slice=120, axial=3.87, lateral=11.6)
    ((pixels, options, _),) = image_layers(
        RetinaImage(volume, name="cube", spacing=spacing, placement=Placement(affine))
    )
    image = viewer.add_image(pixels, **options)
    classes = np.random.default_rng(0).integers(0, 8, volume.shape, np.uint8)
    mask = add_mask(viewer, image, classes)
    save_as(viewer, mask, tmp_path / "m.nii.gz")
    saved = nibabel.load(tmp_path / "m.nii.gz")
    point = saved.affine @ (7, 5, 1, 1)
    np.testing.assert_allclose(point * (-1, -1, 1, 1), affine @ (1, 5, 7, 1), atol=1e-5)
    order = np.array([[2, 1], [0, -1], [1, -1]])
    turned = nibabel.Nifti1Image(
        apply_orientation(np.array(saved.dataobj), order),
        saved.affine @ inv_ornt_aff(order, saved.shape),
    )
    nibabel.save(turned, tmp_path / "foreign.nii")
    (again,) = viewer.open(str(tmp_path / "foreign.nii"), plugin=PLUGIN)
    np.testing.assert_array_equal(again.data, classes)
    assert_on(again, image)


def test_a_nifti_file_that_is_no_mask_is_an_image(viewer, tmp_path, bscan):
    nibabel.save(nibabel.Nifti1Image(bscan.T / 7, np.eye(4)), tmp_path / "a.nii")
    (image,) = viewer.open(str(tmp_path / "a.nii"), plugin=PLUGIN)
    assert isinstance(image.metadata["retina_seg"], ImageInfo)
    np.testing.assert_array_equal(image.data, bscan / 7)


def test_masks_keep_their_classes_and_colours(viewer, bscan, classes, tmp_path):
    mask = viewer.add_labels(classes, **mask_options(MaskInfo("", OCT_LAYERS)))
    save_as(viewer, mask, tmp_path / "m.nii.gz")
    (again,) = viewer.open(str(tmp_path / "m.nii.gz"), plugin=PLUGIN)
    assert again.metadata[KEY].scheme == OCT_LAYERS


def test_a_dicom_mask_lies_on_its_image_and_keeps_what_is_questionable(viewer, bscan, tmp_path):
    labels = np.ones(bscan.shape, np.uint8)
    ignore = np.zeros(bscan.shape, bool)
    ignore[:4] = True
    spacing = Spacing.from_um(axial=3.87, lateral=11.6)
    record = MaskRecord(
        np.where(ignore, np.uint8(0), labels),
        scheme=OCT_LAYERS,
        name="scan",
        spacing=spacing,
        ignore=ignore,
    )
    write_dicom_seg(tmp_path / "scan_mask.dcm", record)
    (image,) = viewer.open(write_um(tmp_path / "scan.tif", bscan), plugin=PLUGIN)
    image.translate = (100, 200)
    (mask,) = viewer.open(str(tmp_path / "scan_mask.dcm"), plugin=PLUGIN)
    assert_on(mask, image)
    known = mask.metadata[KEY]
    assert known.image == "scan"
    np.testing.assert_array_equal(known.ignore, ignore)


def test_one_name_is_one_name_however_its_accents_are_encoded():
    composed, decomposed = "m\u00fcller", "mu\u0308ller"
    assert is_named_after(f"{decomposed}_mask", composed)
    assert is_named_after(f"{composed}_mask", decomposed)
    assert not is_named_after("mullet", composed)
