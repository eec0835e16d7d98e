import numpy as np
import pytest
from napari.utils.notifications import notification_manager

from napari_retina_seg._napari.layers import KEY
from napari_retina_seg.core.image import Modality
from napari_retina_seg.core.labels import OCT_LAYERS


@pytest.fixture
def mask(viewer, dock, run, masks, bscan):
    viewer.add_image(bscan, name="scan")
    run(dock)
    return masks()[0]


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_a_corrected_mask_is_saved_and_taken_up_again(viewer, dock, mask, tmp_path, suffix):
    mask.data[10:20, 10:20] = 4
    path = tmp_path / f"mask.{suffix}"
    assert viewer.layers.save(str(path), selected=True, plugin="napari-retina-seg") == [str(path)]
    (again,) = viewer.open(str(path), plugin="napari-retina-seg")
    assert again.metadata[KEY].scheme == OCT_LAYERS
    assert np.array_equal(again.data, mask.data)
    assert dock.legend.layer == again
    assert "Outer plexiform layer" in " ".join(again.get_status((15, 15), world=True).values())


def test_a_volume_is_saved_as_tiff(viewer, dock, run, masks, volume, tmp_path):
    viewer.add_image(volume, name="cube")
    dock.images.set_modality(Modality.OCT)
    dock.images.whole.setChecked(True)
    run(dock)
    path = str(tmp_path / "mask.tif")
    viewer.layers.save(path, selected=True, plugin="napari-retina-seg")
    (again,) = viewer.open(path, plugin="napari-retina-seg")
    assert np.array_equal(again.data, masks()[0].data)


def test_a_value_without_a_class_is_a_sentence(viewer, mask, tmp_path):
    notification_manager.records.clear()
    mask.data[3, 3] = 9
    with pytest.warns(UserWarning, match="did not return any written paths"):
        viewer.layers.save(str(tmp_path / "a.png"), selected=True, plugin="napari-retina-seg")
    assert "holds the value 9" in notification_manager.records[0].message
    assert not list(tmp_path.glob("*.png"))
    notification_manager.records.clear()
