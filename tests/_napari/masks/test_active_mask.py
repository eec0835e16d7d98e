"""The active mask that the docks of a viewer share, and the image that a mask is made from."""

import numpy as np
import pytest
from qtpy.QtWidgets import QWidget

from napari_retina_seg._napari.layers import KEY, image_fields
from napari_retina_seg._napari.masks.active_mask import ActiveMask
from napari_retina_seg._napari.results import MaskInfo, mask_options
from napari_retina_seg.types.labels import OCT_LAYERS


@pytest.fixture
def closing(qtbot):
    """Return a dock that closes."""
    widget = QWidget()
    qtbot.addWidget(widget)
    return widget


@pytest.fixture
def active(viewer, closing):
    active = ActiveMask.of(viewer)
    yield active
    active.release(closing)


def add_mask(viewer, info=None, **options):
    info = info or MaskInfo("scan", OCT_LAYERS)
    return viewer.add_labels(np.zeros((8, 9), np.uint8), **mask_options(info), **options)


def test_docks_share_one_until_the_last_releases_it(viewer, active, closing):
    other = ActiveMask.of(viewer)
    assert other is active
    other.release(closing)
    mask = add_mask(viewer)
    assert active.mask == mask
    active.release(closing)
    viewer.layers.clear()
    assert active.mask == mask  # it does not follow any more
    again = ActiveMask.of(viewer)
    assert again is not active
    assert again.mask is None
    again.release(closing)


def test_a_closed_dock_hears_no_more_while_another_goes_on(viewer, active, closing, qtbot):
    class Section(QWidget):
        def __init__(self, parent=None) -> None:
            super().__init__(parent)
            self.changes = 0

        def count(self) -> None:
            self.changes += 1

    inside, other = Section(closing), Section()
    qtbot.addWidget(other)
    for section in (inside, other):
        ActiveMask.of(viewer).subscribe(changed=section.count)
    add_mask(viewer)
    active.release(closing)
    viewer.layers.clear()
    assert (inside.changes, other.changes) == (1, 2)
    active.release(other)


def test_a_mask_stays_active_while_nothing_is_selected(viewer, active, qtbot):
    mask = add_mask(viewer, name="mask")
    with qtbot.waitSignal(active.selected):
        viewer.layers.selection.clear()
    assert active.mask == mask
    image = viewer.add_image(np.zeros((8, 9)), name="scan")
    assert viewer.layers.selection.active == image
    assert active.mask is None
    assert "Select a mask" in active.disabled_reason


def test_a_class_is_reported_once_and_not_for_new_colours(viewer, active):
    mask, reported = add_mask(viewer), []
    active.class_changed.connect(lambda: reported.append(active.value))
    mask.selected_label = 2
    mask.selected_label = 2
    mask.colormap = mask_options(mask.metadata[KEY])["colormap"]
    assert reported == [2]


def test_the_image_of_a_mask_is_found_whatever_its_name(viewer, active, dock):
    image = viewer.add_image(np.zeros((8, 9)), name="scan")
    mask = add_mask(viewer, MaskInfo(scheme=OCT_LAYERS, **image_fields(image)))
    image.name = "renamed"
    decoy = viewer.add_image(np.zeros((8, 9)), name="scan")
    assert dock.images.layer == decoy
    viewer.layers.selection.active = mask
    assert active.image == image
    assert dock.images.layer == image


def test_a_mask_from_a_file_keeps_the_image_that_it_was_found_on(viewer, active):
    image = viewer.add_image(np.zeros((8, 9)), name="scan")
    mask = add_mask(viewer)  # which knows the name alone
    assert active.image == image
    image.name = "renamed"
    viewer.add_image(np.zeros((8, 9)), name="scan")
    viewer.layers.selection.active = mask
    assert active.image == image
