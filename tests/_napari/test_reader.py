from dataclasses import replace

import numpy as np
import pytest
from napari.layers import Layer
from napari.utils.notifications import notification_manager
from PIL import Image as PillowImage

from napari_retina_seg._napari.layers import KEY
from napari_retina_seg._napari.reader import _stack, get_reader
from napari_retina_seg.core.image import RetinaImage


@pytest.fixture
def said():
    notification_manager.records.clear()
    yield notification_manager.records
    notification_manager.records.clear()


def test_an_image_is_read(tmp_path, bscan):
    path = tmp_path / "scan.PNG"
    PillowImage.fromarray(bscan).save(path)
    (data,) = get_reader(str(path))(str(path))
    layer = Layer.create(*data)
    assert np.array_equal(layer.data, bscan)
    assert layer.metadata[KEY].source == str(path)


def test_files_of_one_shape_are_stacked(tmp_path, volume):
    paths = [str(tmp_path / f"{index}.npy") for index in range(len(volume))]
    for path, plane in zip(paths, volume, strict=True):
        np.save(path, plane)
    ((pixels, _, _),) = get_reader(paths)(paths)
    assert np.array_equal(pixels, volume)


def test_a_stack_keeps_what_its_files_say_of_invalid_pixels(volume):
    invalid = np.ones(volume.shape[1:], bool)
    invalid[:, :9] = False
    images = [RetinaImage(plane, name=str(index)) for index, plane in enumerate(volume)]
    images[1] = replace(images[1], valid=invalid, warnings=("A bar is burnt in.",))
    stacked = _stack(images)
    assert stacked.valid[0].all()
    assert np.array_equal(stacked.valid[1], invalid)
    assert stacked.warnings == ("A bar is burnt in.",)
    assert _stack(images[2:]).valid is None


def test_files_of_two_shapes_are_not_stacked(tmp_path, bscan, said):
    paths = [str(tmp_path / "a.npy"), str(tmp_path / "b.npy")]
    np.save(paths[0], bscan)
    np.save(paths[1], bscan[:-1])
    assert get_reader(paths)(paths) == [(None,)]
    assert "open these one by one" in said[-1].message


def test_a_file_of_another_kind_is_left_to_others(tmp_path):
    assert get_reader(str(tmp_path / "notes.txt")) is None
    assert get_reader([]) is None


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"This is a letter."])
def test_a_broken_file_is_one_sentence(viewer, tmp_path, bscan, said, content):
    viewer.add_image(bscan, name="before")
    path = tmp_path / "scan.png"
    path.write_bytes(content)
    viewer.open(str(path), plugin="napari-retina-seg")
    assert [layer.name for layer in viewer.layers] == ["before"]
    (record,) = [each for each in said if path.name in each.message]
    assert str(record.severity) == "error"
    assert record.message.endswith(".")
    assert "Traceback" not in record.message


def test_an_empty_folder_is_one_sentence(tmp_path, said):
    assert get_reader(str(tmp_path))(str(tmp_path)) == [(None,)]
    assert tmp_path.name in said[-1].message


@pytest.mark.parametrize(
    ("key", "ndim", "kind"),
    [("fundus-photograph", 2, "fundus"), ("oct-bscan", 2, "oct"), ("oct-volume", 3, "oct")],
)
def test_samples_open(viewer, key, ndim, kind):
    viewer.open_sample("napari-retina-seg", key)
    (layer,) = viewer.layers
    assert layer.ndim == ndim
    assert layer.metadata[KEY].modality == kind
    assert layer.rgb == (kind == "fundus")
    assert kind == "fundus" or "phantom" in layer.metadata[KEY].source
