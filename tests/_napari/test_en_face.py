"""Files of devices in napari: B-scans, lines and en-face image, and how they are linked."""

from types import SimpleNamespace

import numpy as np
import pytest
from napari.layers import Image, Labels, Shapes
from napari.utils.notifications import notification_manager
from qtpy.QtWidgets import QApplication

from e2e_files import Exam, e2e_bytes, stored
from napari_retina_seg._napari.layers import is_image, position, retina_image
from napari_retina_seg._napari.masks.annotations import copy_annotation
from napari_retina_seg._napari.reader import get_reader
from vendor_files import FACE, SCALE_X, SCALE_Z, intensities, write_vol, write_xml_export

LINES = np.tile(np.array([2.0, 12.0, 6.0], np.float32)[:, None], (3, 1, 20))


@pytest.fixture
def viewer(windowless):
    return windowless


@pytest.fixture
def opened(viewer, tmp_path):
    """Open a volume of a device as napari does, and return its layers."""
    path = str(write_vol(tmp_path / "scan.vol", intensities(), lines=LINES))
    for data, options, kind in get_reader(path)(path):
        getattr(viewer, f"add_{kind}")(data, **options)
    QApplication.processEvents()
    return {layer.name: layer for layer in viewer.layers}


def test_a_volume_comes_with_its_lines_and_its_en_face_image(viewer, opened):
    assert list(opened) == ["scan", "scan · device lines", "scan · en face (OD)",
                            "scan · scan position"]  # fmt: skip
    image, lines, face, marks = opened.values()
    assert isinstance(lines, Labels)
    assert isinstance(marks, Shapes)
    assert np.allclose(image.scale, (60, 1000 * SCALE_Z, 1000 * SCALE_X))
    assert np.array_equal(face.data, FACE)
    assert [is_image(layer) for layer in (image, face)] == [True, False]
    assert [layer.name for layer in viewer.layers.selection] == ["scan"]
    assert retina_image(image).acquisition.pattern == "raster"
    right_edge = face.data_to_world((0, FACE.shape[1] - 0.5))[1]
    assert right_edge < image.data_to_world((0, 0, -0.5))[2]  # they lie beside each other


def test_the_devices_lines_can_be_corrected(viewer, opened):
    lines = opened["scan · device lines"]
    assert not lines.visible
    assert np.array_equal(lines.scale, opened["scan"].scale)
    annotation = copy_annotation(viewer, lines)
    assert annotation.labels[1, :, 5].tolist() == [0] * 2 + [1] * 4 + [2] * 6 + [0] * 4
    np.testing.assert_array_equal(annotation.boundaries[2, :, 0], [2, 6, 12])


def test_the_current_b_scan_is_a_line_on_the_en_face_image(viewer, opened):
    image, _, face, marks = opened.values()
    for index in (0, 2):
        viewer.dims.set_point(0, image.data_to_world((index, 0, 0))[0])
        points = [face.world_to_data(point) for point in marks.data[0]]
        expected = face.metadata["retina_seg"].face.paths[index].points(20)[[0, -1]]
        np.testing.assert_allclose(points, expected, atol=1e-4)


def click(viewer, world, *, drag: bool = False) -> None:
    event = SimpleNamespace(position=tuple(world), type="mouse_press", modifiers=())
    running = [callback(viewer, event) for callback in viewer.mouse_drag_callbacks]
    for each in running:
        next(each, None)
    event.type = "mouse_move" if drag else "mouse_release"
    for each in running:
        next(each, None)


def test_a_click_there_leads_to_scan_and_column(viewer, opened):
    image, _, face, marks = opened.values()
    row, column = face.metadata["retina_seg"].face.paths[2].points(20)[13]
    world = (0, *face.data_to_world((row, column)))
    click(viewer, world, drag=True)
    assert len(marks.data) == 1
    click(viewer, world)
    assert position(image, viewer.dims.point).index == 2
    ends = [image.world_to_data((0, *point))[2] for point in marks.data[1]]
    np.testing.assert_allclose(ends, 13, atol=1e-4)
    ring = np.array([face.world_to_data(point) for point in marks.data[2]])
    np.testing.assert_allclose(ring.mean(axis=0), (row, column), atol=1e-4)
    assert np.ptp(ring, axis=0).max() < 12
    click(viewer, image.data_to_world((0, 3, 3)))  # beside the en-face image
    assert position(image, viewer.dims.point).index == 2


def test_what_is_linked_goes_with_its_layers(viewer, opened):
    before = len(viewer.mouse_drag_callbacks)
    viewer.layers.remove(opened["scan · en face (OD)"])
    assert "scan · scan position" not in viewer.layers
    assert len(viewer.mouse_drag_callbacks) == before - 1
    viewer.dims.set_point(0, 60)


def test_an_xml_export_is_dropped_as_one_volume(viewer, tmp_path):
    bscans = (255 * intensities()).astype(np.uint8)
    export = write_xml_export(tmp_path, bscans)
    for path in (export, tmp_path):
        first, face = get_reader(str(path))(str(path))
        assert np.array_equal(first[0], bscans)
        assert face[1]["name"] == "export · en face (OD)"
        assert isinstance(Image(first[0], **first[1]), Image)


def test_each_examination_of_a_file_is_dropped_as_an_image(viewer, tmp_path):
    path = tmp_path / "both.e2e"
    scans = stored(intensities())
    path.write_bytes(e2e_bytes([Exam(scans, FACE), Exam(scans[:1], eye=b"L")]))
    for opened in (path, tmp_path):
        layers = get_reader(str(opened))(str(opened))
        assert [layer[1]["name"] for layer in layers] == [
            "both-1", "both-1 · en face (OD)", "both-2",
        ]  # fmt: skip


def test_other_xml_is_left_to_others(tmp_path):
    path = tmp_path / "annotations.xml"
    path.write_text("<annotations/>")
    assert get_reader(str(path)) is None


def test_a_file_that_cant_be_read_is_refused_with_a_way_out(viewer, tmp_path):
    path = tmp_path / "scan.e2e"
    path.write_bytes(b"CMDb" + bytes(200))
    notification_manager.records.clear()
    assert get_reader(str(path))(str(path)) == [(None,)]
    assert "Copy or export it again" in notification_manager.records[-1].message
    notification_manager.records.clear()
