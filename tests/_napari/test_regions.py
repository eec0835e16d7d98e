import numpy as np
import pytest
from napari.layers import Image, Labels, Shapes

from napari_retina_seg._napari.explain.regions import region
from napari_retina_seg._napari.layers import Position
from napari_retina_seg._napari.results import ImagePart, MaskInfo
from napari_retina_seg.types.labels import OCT_LAYERS

# rows 20 to 30 and columns 40 to 60 of the image, whatever its grid
BOX = np.array([[20, 40], [20, 59], [29, 59], [29, 40]])
PAINTED = np.zeros((80, 100), np.uint8)
PAINTED[20:30, 40:60] = 3

GRIDS = {
    "pixels": {},
    "scaled": {"scale": (3.9, 11.8)},
    "moved": {"translate": (-20, 35)},
    "rotated": {"rotate": 90},
    "affine": {"affine": [[0, 2, 5], [1, 0, -3], [0, 0, 1]]},
}


def target(layer, index=0, whole=True):
    return ImagePart(layer, Position((), index), whole)


@pytest.mark.parametrize("grid", GRIDS)
def test_labels_on_the_grid_of_the_image(grid):
    image = Image(np.zeros((80, 100)), **GRIDS[grid])
    found = region(Labels(PAINTED, **GRIDS[grid]), target(image))
    assert np.array_equal(found.mask, PAINTED > 0)


@pytest.mark.parametrize("grid", GRIDS)
def test_shapes_drawn_in_the_world(grid):
    image = Image(np.zeros((80, 100)), **GRIDS[grid])
    world = np.array([image.data_to_world(corner) for corner in BOX])
    found = region(Shapes([world], shape_type="polygon"), target(image))
    assert np.array_equal(found.mask, PAINTED > 0)


def test_labels_on_a_coarser_grid():
    image = Image(np.zeros((80, 100)))
    half = Labels(PAINTED[::2, ::2], scale=(2, 2), translate=(0.5, 0.5), name="half")
    found = region(half, target(image))
    assert np.array_equal(found.mask, PAINTED > 0)
    assert found.description == "the region in 'half'"


def test_units_are_converted():
    image = Image(np.zeros((80, 100)), scale=(2, 2), units=("um", "um"))
    labels = Labels(PAINTED, scale=(0.002, 0.002), units=("mm", "mm"))
    assert np.array_equal(region(labels, target(image)).mask, PAINTED > 0)


def test_of_a_mask_the_selected_class():
    pixels = PAINTED.copy()
    pixels[50:60] = 5
    mask = Labels(pixels, name="m", metadata={"retina_seg": MaskInfo("scan", OCT_LAYERS)})
    mask.selected_label = 5
    found = region(mask, target(Image(np.zeros((80, 100)))))
    assert np.array_equal(found.mask, pixels == 5)
    assert found.description == "ONL in 'm'"


def test_one_slice_of_a_volume():
    image = Image(np.zeros((4, 80, 100)), scale=(9, 1, 1))
    volume = np.zeros((4, 80, 100), np.uint8)
    volume[2] = PAINTED
    labels = Labels(volume, scale=(9, 1, 1))
    assert np.array_equal(region(labels, target(image, 2, whole=False)).mask, PAINTED > 0)
    assert not region(labels, target(image, 1, whole=False)).mask.any()
    assert np.array_equal(region(labels, target(image)).mask, volume > 0)


def test_shapes_count_on_the_slice_that_they_were_drawn_on():
    image = Image(np.zeros((4, 80, 100)), scale=(9, 1, 1))
    on_slice = np.insert(BOX.astype(float), 0, 2, axis=1)
    shapes = Shapes([on_slice], shape_type="polygon", scale=(9, 1, 1))
    found = region(shapes, target(image)).mask
    assert np.array_equal(found[2], PAINTED > 0)
    assert not found[[0, 1, 3]].any()


def test_flat_shapes_count_on_every_slice():
    image = Image(np.zeros((4, 80, 100)))
    found = region(Shapes([BOX], shape_type="polygon"), target(image)).mask
    assert (found == (PAINTED > 0)).all()


def test_axes_that_the_image_lacks_are_looked_through():
    """A shape that was drawn while the slider of a stack stood at class 3."""
    image = Image(np.zeros((80, 100)))
    deep = np.insert(BOX.astype(float), 0, 3, axis=1)
    assert np.array_equal(
        region(Shapes([deep], shape_type="polygon"), target(image)).mask, PAINTED > 0
    )
    stack = np.zeros((8, 80, 100), np.uint8)
    stack[3] = PAINTED
    assert np.array_equal(region(Labels(stack), target(image)).mask, PAINTED > 0)


def test_no_shapes_cover_nothing():
    assert not region(Shapes(), target(Image(np.zeros((80, 100))))).mask.any()
