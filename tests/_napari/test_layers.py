import dask.array as da
import numpy as np
import pytest
from napari.layers import Image, Labels, Layer, Points

from napari_retina_seg._napari.layers import (
    Position,
    image_layers,
    is_image,
    modality,
    position,
    remember_modality,
    retina_image,
)
from napari_retina_seg.types.errors import ImageError
from napari_retina_seg.types.image import (
    Laterality,
    Length,
    Modality,
    Origin,
    Placement,
    RetinaImage,
    Spacing,
)


def opened(image: RetinaImage) -> Image:
    (data,) = image_layers(image)
    return Layer.create(*data)


def test_a_known_pixel_size_becomes_scale_and_units(volume):
    spacing = Spacing.from_um(slice=120, axial=3.87, lateral=11.8)
    layer = opened(RetinaImage(volume, modality=Modality.OCT, spacing=spacing))
    assert np.allclose(layer.scale, (120, 3.87, 11.8))
    assert [str(unit) for unit in layer.units] == ["micrometer"] * 3
    assert layer.axis_labels == ("slice", "row", "column")


def test_an_unknown_pixel_size_is_not_guessed(bscan):
    layer = opened(RetinaImage(bscan, spacing=Spacing.from_um(axial=3.87)))
    assert np.allclose(layer.scale, 1)
    assert [str(unit) for unit in layer.units] == ["pixel"] * 2


def test_what_the_file_said_comes_back(bscan):
    image = RetinaImage(
        bscan,
        modality=Modality.OCT,
        spacing=Spacing.from_um(axial=3.87, lateral=11.8),
        laterality=Laterality.LEFT,
        name="scan",
        source="/some/scan.dcm",
    )
    back = retina_image(opened(image))
    assert np.array_equal(back.pixels, bscan)
    assert (back.modality, back.spacing, back.laterality, back.name, back.source) == (
        image.modality,
        image.spacing,
        image.laterality,
        image.name,
        image.source,
    )


def placed(volume):
    valid = np.ones(volume.shape, bool)
    valid[:, :, :7] = False
    affine = np.array(
        [[0.12, 0, 0, -10], [0, 0, 0.0118, 20], [0, -0.004, 0, 5], [0, 0, 0, 1]], np.float64
    )
    return RetinaImage(
        volume,
        modality=Modality.OCT,
        spacing=Spacing.from_um(slice=120, axial=4, lateral=11.8),
        valid=valid,
        placement=Placement(affine),
        warnings=("Slices 3 and 4 are further apart than the others.",),
    )


def test_invalid_pixels_placement_and_warnings_come_back(volume):
    image = placed(volume)
    back = retina_image(opened(image))
    assert np.array_equal(back.valid, image.valid)
    assert np.array_equal(back.placement.affine, image.placement.affine)
    assert back.warnings == image.warnings


def test_axes_of_one_in_front_change_nothing(volume):
    image = placed(volume)
    layer = opened(image)
    wider = Image(volume[np.newaxis], metadata=layer.metadata)
    back = retina_image(wider, Position((0,), 0))
    assert np.array_equal(back.valid, image.valid)
    assert back.placement is not None


def test_the_order_in_which_the_viewer_shows_axes_changes_nothing(viewer, volume):
    image = placed(volume)
    layer = viewer.add_layer(opened(image))
    viewer.dims.roll()
    viewer.dims.transpose()
    back = retina_image(layer)
    assert np.array_equal(back.pixels, volume)
    assert np.array_equal(back.valid, image.valid)


@pytest.mark.parametrize("change", [lambda data: data[:, 3:], lambda data: data[1:]])
def test_pixels_that_a_person_replaced_have_no_place_of_the_file(volume, change):
    layer = opened(placed(volume))
    layer.data = change(volume)
    back = retina_image(layer)
    assert back.valid is None
    assert back.placement is None


def test_a_photograph_keeps_its_invalid_pixels(photograph):
    valid = np.ones(photograph.shape[:2], bool)
    valid[0] = False
    layer = opened(RetinaImage(photograph, color=True, valid=valid))
    assert np.array_equal(retina_image(layer).valid, valid)


def test_a_size_that_a_person_sets_changes_the_placement(volume):
    layer = opened(placed(volume))
    layer.scale = (240, 4, 11.8)
    affine = retina_image(layer).placement.affine
    assert np.allclose(affine[:3, 0], (0.24, 0, 0))
    assert np.allclose(affine[:3, 1], (0, 0, -0.004))
    assert np.allclose(affine[:3, 3], (-10, 20, 5))


def test_a_scale_that_the_user_sets_is_the_users(bscan):
    layer = opened(RetinaImage(bscan, spacing=Spacing.from_um(axial=3.87, lateral=11.8)))
    layer.scale = (0.004, 0.012)
    layer.units = ("mm", "mm")
    spacing = retina_image(layer).spacing
    assert spacing.axial.origin is Origin.USER
    assert spacing.axial.um == pytest.approx(4)
    assert spacing.lateral.um == pytest.approx(12)


@pytest.mark.parametrize(
    ("unit", "per_um"), [("um", 1), ("mm", 1e-3), ("cm", 1e-4), ("nm", 1e3), ("m", 1e-6)]
)
def test_a_layer_in_any_length_gives_micrometres(volume, unit, per_um):
    scale = np.array((120, 3.87, 11.6)) * per_um
    spacing = retina_image(Image(volume, scale=scale, units=[unit] * 3)).spacing
    found = (spacing.slice.um, spacing.axial.um, spacing.lateral.um)
    assert found == pytest.approx((120, 3.87, 11.6))
    assert spacing.axial.origin is Origin.USER


def test_axes_may_have_different_units(volume):
    layer = Image(volume, scale=(0.12, 3.87, 1.16e-3), units=("mm", "um", "cm"))
    spacing = retina_image(layer).spacing
    assert spacing.slice.um == pytest.approx(120)
    assert spacing.lateral.um == pytest.approx(11.6)


TURN = np.array([[np.cos(0.5), -np.sin(0.5), 7], [np.sin(0.5), np.cos(0.5), -3], [0, 0, 1]])


@pytest.mark.parametrize(
    "moved",
    [
        {"translate": (300, -200)},
        {"rotate": 30},
        {"affine": TURN},
        {"rotate": 30, "translate": (5, 5), "affine": TURN},
        {"scale": (-3.87, 11.6)},
    ],
)
def test_a_layer_that_was_moved_or_turned_keeps_its_size(bscan, moved):
    layer = Image(bscan, **{"scale": (3.87, 11.6), "units": ("um", "um")} | moved)
    spacing = retina_image(layer).spacing
    assert (spacing.axial.um, spacing.lateral.um) == pytest.approx((3.87, 11.6))


def test_an_affine_map_may_hold_the_size(bscan):
    layer = Image(bscan, affine=np.diag([0.00387, 0.0116, 1]), units=("mm", "mm"))
    spacing = retina_image(layer).spacing
    assert (spacing.axial.um, spacing.lateral.um) == pytest.approx((3.87, 11.6))


def test_turning_or_moving_leaves_the_files_size_the_files(bscan):
    layer = opened(RetinaImage(bscan, spacing=Spacing.from_um(axial=3.87, lateral=11.6)))
    layer.rotate, layer.translate = 45, (100, 100)
    assert retina_image(layer).spacing.axial.origin is Origin.FILE


def test_a_layer_in_millimetres_of_the_same_size_is_the_files(bscan):
    layer = opened(RetinaImage(bscan, spacing=Spacing.from_um(axial=3.87, lateral=11.6)))
    layer.scale, layer.units = (0.00387, 0.0116), ("mm", "mm")
    assert retina_image(layer).spacing == Spacing.from_um(axial=3.87, lateral=11.6)


def test_one_corrected_size_leaves_the_other_one_the_files(bscan):
    layer = opened(RetinaImage(bscan, spacing=Spacing.from_um(axial=3.87, lateral=11.6)))
    layer.scale = (3.87, 10)
    spacing = retina_image(layer).spacing
    assert spacing.axial.origin is Origin.FILE
    assert spacing.lateral == Length(10, Origin.USER)


def test_a_size_that_no_retina_has_is_unknown(bscan):
    layer = Image(bscan, scale=(1, 1), units=("m", "m"))
    assert retina_image(layer).spacing == Spacing()


def test_a_scale_in_pixels_is_no_size(bscan):
    assert retina_image(Image(bscan, scale=(2, 3))).spacing.axial == Length()


def test_pixels_are_handed_out_read_only(bscan):
    with pytest.raises(ValueError, match="read-only"):
        retina_image(Image(bscan)).pixels[0, 0] = 1


def test_a_lazy_layer_stays_lazy(volume):
    lazy = da.from_array(volume, chunks=(1, 96, 128))
    image = retina_image(Image(lazy))
    assert isinstance(image.pixels, da.Array)
    assert np.array_equal(image.plane(2), volume[2])


def test_of_a_multiscale_layer_the_finest_is_taken(bscan):
    layer = Image([bscan, bscan[::2, ::2]], multiscale=True)
    assert retina_image(layer).grid == bscan.shape


def test_colours_are_distinguished_from_slices(photograph):
    assert retina_image(Image(photograph, rgb=True)).color
    assert retina_image(Image(photograph.transpose(2, 0, 1), rgb=False)).is_volume


def test_leading_axes_give_the_volume_shown(volume):
    series = np.stack([volume, volume[::-1], volume + 1])
    layer = Image(series, scale=(1, 2, 1, 1), translate=(0, 10, 0, 0))
    at = position(layer, (1, 16, 0, 0))
    assert at == Position((1,), 3)
    assert np.array_equal(retina_image(layer, at).pixels, volume[::-1])


def test_the_viewer_may_count_in_other_units(volume):
    layer = Image(volume, scale=(0.1, 1, 1), units=("mm", "mm", "mm"))
    units = Image(volume, units=("um", "um", "um")).units
    assert position(layer, (300, 0, 0), units).index == 3


@pytest.mark.parametrize("point", [(-50, 0, 0), (np.nan, 0, 0), (1000, 0, 0)])
def test_a_viewer_beside_the_volume_gets_a_slice_of_it(volume, point):
    assert 0 <= position(Image(volume), point).index < len(volume)


def test_the_modality_is_guessed_once_and_can_be_changed(photograph, bscan):
    layer = Image(photograph, rgb=True)
    assert modality(layer) is Modality.FUNDUS
    remember_modality(layer, Modality.OCT)
    assert modality(layer) is Modality.OCT
    assert modality(Image(bscan)) is Modality.OCT


def test_the_guess_looks_at_the_slice_shown_of_a_coarse_level(bscan):
    noise = np.zeros_like(bscan)
    stack = np.stack([noise, bscan])
    layer = Image([stack, stack[:, ::2, ::2]], multiscale=True)
    assert modality(layer, Position((), 1)) is Modality.OCT


@pytest.mark.parametrize(
    ("layer", "word"),
    [
        (Labels(np.ones((8, 8), int), name="cells"), "Labels"),
        (Points(np.zeros((3, 2)), name="spots"), "Points"),
    ],
)
def test_a_layer_of_another_kind_is_no_image(layer, word):
    assert not is_image(layer)
    with pytest.raises(ImageError, match=f"'{layer.name}' is a {word} layer: select an image"):
        retina_image(layer)


@pytest.mark.parametrize("marker", [np.nan, np.finfo(np.float32).max, -9999])
@pytest.mark.parametrize("slices", [None, 3])
def test_markers_of_invalid_pixels_do_not_set_the_contrast(marker, slices) -> None:
    plane = np.random.default_rng(0).random((64, 80)).astype(np.float32)
    plane[:, :9] = marker
    pixels = plane if slices is None else np.stack([plane] * slices)
    ((_, options, _),) = image_layers(RetinaImage(pixels, modality=Modality.OCT))
    low, high = options["contrast_limits"]
    assert 0 <= low < 0.01
    assert 0.99 < high <= 1
