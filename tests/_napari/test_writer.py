import gzip
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtWidgets import QFileDialog
from tifffile import imread

from choose import choose_modality
from napari_retina_seg._napari.agreement.cases import CaseLayers, GradedCase
from napari_retina_seg._napari.correct.new_mask import NewMask
from napari_retina_seg._napari.job import JobStatus
from napari_retina_seg._napari.layers import KEY, ImageInfo
from napari_retina_seg._napari.masks.linked_layers import (
    LinkKind,
    remove_linked_layer,
    show_questionable,
)
from napari_retina_seg._napari.results import MaskInfo, mask_options
from napari_retina_seg.io.formats.nifti import read_nifti
from napari_retina_seg.io.formats.raster import read_png, read_tiff
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.image import Modality, RetinaImage
from napari_retina_seg.types.labels import OCT_LAYERS


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


@pytest.mark.parametrize(
    ("suffix", "read"), [("png", read_png), ("tif", read_tiff), ("nii", read_nifti)]
)
def test_names_colours_and_sizes_leave_with_it(viewer, mask, tmp_path, suffix, read):
    mask.scale, mask.units = (3.87, 11.8), ("um", "um")
    path = tmp_path / f"mask.{suffix}"
    viewer.layers.save(str(path), selected=True, plugin="napari-retina-seg")
    record = read(path)
    assert record.scheme == OCT_LAYERS
    assert record.spacing.axial.um == pytest.approx(3.87)
    assert record.spacing.lateral.um == pytest.approx(11.8)
    assert record.attribution.model == "tiny-oct"
    assert not record.attribution.is_truth
    assert np.array_equal(record.labels, mask.data)


@pytest.mark.parametrize(
    ("suffix", "read"), [("png", read_png), ("tif", read_tiff), ("nii.gz", read_nifti)]
)
def test_a_file_that_is_renamed_keeps_no_old_name_inside(viewer, mask, tmp_path, suffix, read):
    folder = tmp_path / "out"
    folder.mkdir()
    path = folder / f"MUELLER_HANS_OD.{suffix}"
    viewer.layers.save(str(path), selected=True, plugin="napari-retina-seg")
    for written in list(folder.iterdir()):
        written.rename(written.with_name(written.name.replace("MUELLER_HANS_OD", "study7")))
    content = b" ".join(one.read_bytes() for one in folder.iterdir())
    assert b"MUELLER" not in (gzip.decompress(content) if suffix == "nii.gz" else content)
    assert read(folder / f"study7.{suffix}").name == "study7"


def test_napari_offers_the_writer_of_masks_first_and_uses_it(viewer, mask, tmp_path, monkeypatch):
    def choose(*_, filter, **__):
        first = filter.split(";;")[0]
        assert "class mask" in first
        return str(tmp_path / "mine.png"), first

    monkeypatch.setattr("qtpy.QtWidgets.QFileDialog.getSaveFileName", choose)
    viewer.__wrapped__.window._qt_viewer._save_layers_dialog(selected=True)
    assert np.array_equal(read_png(tmp_path / "mine.png").labels, mask.data)
    written = viewer.layers.save(str(tmp_path / "other.png"), selected=True)
    assert written == [str(tmp_path / "other.png")]
    assert np.array_equal(read_png(tmp_path / "other.png").labels, mask.data)


def test_labels_without_classes_are_saved_as_napari_does_it(viewer, dock, tmp_path):
    viewer.add_labels(np.arange(12).reshape(3, 4) * 100, name="cells")
    for name in ("cells", "cells.tiff"):
        (written,) = viewer.layers.save(str(tmp_path / name), selected=True)
        assert np.array_equal(imread(written), np.arange(12).reshape(3, 4) * 100)
    notification_manager.records.clear()
    with pytest.warns(UserWarning, match="did not return any written paths"):
        viewer.layers.save(str(tmp_path / "cells.png"), selected=True)
    assert "save it as .tif" in notification_manager.records[0].message
    assert not list(tmp_path.glob("*.png"))
    notification_manager.records.clear()


@pytest.mark.parametrize("suffix", ["png", "nii.gz"])
def test_the_save_button_writes_the_mask_beside_its_image(
    viewer, dock, mask, tmp_path, monkeypatch, suffix
):
    folder, other = tmp_path / "scans", tmp_path / "masks"
    folder.mkdir()
    other.mkdir()
    np.save(folder / "scan.npy", viewer.layers["scan"].data)
    viewer.layers["scan"].metadata[KEY] = ImageInfo(source=str(folder / "scan.npy"))
    _, correct = viewer.window.add_plugin_dock_widget("napari-retina-seg", "Correct")
    offered = []

    def choose(dialog):
        offered.append(Path(dialog.selectedFiles()[0]))
        dialog.selectFile(str(other / f"mine_{len(offered)}.{suffix}"))
        return True

    monkeypatch.setattr(QFileDialog, "exec", choose)
    for number, widget in enumerate((dock, correct), start=1):
        widget.save_button.click()
        assert widget.status.result is JobStatus.SUCCEEDED, widget.status.text()
        read = read_png if suffix == "png" else read_nifti
        record = read(other / f"mine_{number}.{suffix}")
        assert np.array_equal(record.labels, mask.data)
    assert offered == [folder / "scan_mask.png", other / "scan_mask.png"]
    viewer.layers.selection.active = viewer.layers["scan"]
    assert not dock.save_button.isEnabled()


def test_a_mask_that_cannot_be_saved_leaves_nothing_and_gives_the_reason(
    viewer, dock, mask, tmp_path, monkeypatch
):
    mask.data[3, 3] = 9
    monkeypatch.setattr(QFileDialog, "exec", lambda _: True)
    monkeypatch.setattr(QFileDialog, "selectedFiles", lambda _: [str(tmp_path / "mine.png")])
    dock.save_button.click()
    assert dock.status.result is JobStatus.FAILED
    assert "holds the value 9" in dock.status.text()
    assert not list(tmp_path.glob("*.png"))


def test_a_json_about_something_else_is_not_replaced(viewer, mask, tmp_path):
    (tmp_path / "mask.json").write_text('{"mine": 1}')
    notification_manager.records.clear()
    with pytest.warns(UserWarning, match="did not return any written paths"):
        viewer.layers.save(str(tmp_path / "mask.png"), selected=True, plugin="napari-retina-seg")
    assert "about something else" in notification_manager.records[0].message
    assert (tmp_path / "mask.json").read_text() == '{"mine": 1}'
    notification_manager.records.clear()


def test_a_volume_is_saved_as_tiff(viewer, dock, run, masks, volume, tmp_path):
    viewer.add_image(volume, name="cube")
    choose_modality(dock.images, Modality.OCT)
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


def test_the_name_that_the_window_offers_gets_an_ending_and_replaces_nothing(
    viewer, mask, tmp_path, monkeypatch
):
    offered = "eye.1 · mask"
    asked = "qtpy.QtWidgets.QFileDialog.getSaveFileName"

    def choose(*_, filter, **__):
        kind = next(each for each in filter.split(";;") if "class mask" in each)
        return str(tmp_path / offered), kind

    monkeypatch.setattr(asked, choose)
    save = viewer.__wrapped__.window._qt_viewer._save_layers_dialog
    save(selected=True)
    file = tmp_path / f"{offered}.png"
    assert np.array_equal(read_png(file).labels, mask.data)
    written = file.read_bytes()
    mask.data[10:20, 10:20] = 4
    with pytest.raises((OSError, UserWarning)):  # napari warns, then raises
        save(selected=True)
    assert "already exists" in notification_manager.records[-1].message
    assert file.read_bytes() == written
    notification_manager.records.clear()
    volume = viewer.add_labels(
        np.zeros((3, 8, 9), np.uint8), metadata=mask.metadata, scale=(1, 1, 1)
    )
    viewer.layers.selection = {volume}
    save(selected=True)
    assert (tmp_path / f"{offered}.tif").is_file()


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_pixels_without_data_stay_ignored_in_files(
    viewer, dock, run, masks, bscan, tmp_path, suffix
):
    pixels = np.asarray(bscan).astype(np.float32)
    pixels[:, :12] = np.nan
    viewer.add_image(pixels, name="scan")
    choose_modality(dock.images, Modality.OCT)
    run(dock)
    (mask,) = masks()
    assert not mask.data[:, :12].any()
    mask.data[4:6, 4:6] = 3  # a person's word counts
    path = tmp_path / f"mask.{suffix}"
    viewer.layers.save(str(path), selected=True, plugin="napari-retina-seg")
    record = (read_png if suffix == "png" else read_tiff)(path)
    expected = np.zeros(pixels.shape, bool)
    expected[:, :12] = True
    expected[4:6, 4:6] = False
    np.testing.assert_array_equal(record.ignore, expected)
    (again,) = viewer.open(str(path), plugin="napari-retina-seg")
    np.testing.assert_array_equal(again.data, mask.data)
    np.testing.assert_array_equal(again.metadata[KEY].ignore, expected)


def save_and_read(viewer, layer, path):
    viewer.layers.selection = {layer}
    assert viewer.layers.save(str(path), selected=True, plugin="napari-retina-seg") == [str(path)]
    read = {".png": read_png, ".tif": read_tiff, ".gz": read_nifti}[path.suffix]
    return read(path)


@pytest.mark.parametrize("suffix", ["png", "tif", "nii.gz"])
def test_questionable_regions_and_missing_data_are_ignored_in_a_hand_made_mask(
    windowless, tmp_path, suffix
):
    viewer = windowless
    pixels = np.full((20, 30), 0.5, np.float32) + np.arange(30, dtype=np.float32) / 100
    pixels[:, :4] = np.nan
    viewer.add_image(pixels, name="scan")
    maker = NewMask(viewer)
    maker.refresh()
    maker.choose(OCT_LAYERS)
    maker.button.click()
    mask = viewer.layers[-1]
    viewer.layers["scan"].name = "renamed"
    viewer.add_image(np.ones_like(pixels), name="scan")  # not the image of the mask
    mask.data[5:10, 2:20] = 3
    marked = np.zeros(mask.data.shape, bool)
    marked[8:12, 15:25] = True
    show_questionable(viewer, mask, marked)
    expected = marked | (np.isnan(pixels) & (np.asarray(mask.data) == 0))
    record = save_and_read(viewer, mask, tmp_path / f"mask.{suffix}")
    np.testing.assert_array_equal(record.ignore, expected)
    np.testing.assert_array_equal(record.labels[~expected], np.asarray(mask.data)[~expected])


def test_a_volume_and_a_copy_of_a_mask_keep_what_is_questionable(windowless, tmp_path):
    viewer = windowless
    viewer.add_image(np.tile(np.arange(30, dtype=np.uint8), (1, 2, 20, 1)), name="cube")
    known = MaskInfo("cube", OCT_LAYERS)
    data = np.ones((1, 2, 20, 30), np.uint8)
    mask = viewer.add_labels(data, name="cube · mask", **mask_options(known))
    marked = np.zeros(data.shape, bool)
    marked[0, 1, 3:7] = True
    show_questionable(viewer, mask, marked)
    for number, layer in enumerate((mask, viewer.add_labels(data, metadata=mask.metadata))):
        record = save_and_read(viewer, layer, tmp_path / f"{number}.tif")
        np.testing.assert_array_equal(record.ignore, marked[0])
    remove_linked_layer(viewer, mask, LinkKind.QUESTIONABLE)  # a person took the marks back
    assert save_and_read(viewer, mask, tmp_path / "none.tif").ignore is None


def test_both_gradings_of_a_case_keep_what_is_questionable(windowless, tmp_path):
    viewer = windowless
    marked = np.zeros((2, 20, 30), bool)
    marked[0, 3:7], marked[1, :, 9] = True, True
    first, second = (
        Annotation(np.full((20, 30), value, np.uint8), ignore=part)
        for value, part in zip((1, 2), marked, strict=True)
    )
    people = SimpleNamespace(
        first=SimpleNamespace(author="Ann"), second=SimpleNamespace(author="Bob")
    )
    pixels = RetinaImage(np.tile(np.arange(30, dtype=np.uint8), (20, 1)), name="scan")
    layers = CaseLayers(viewer)
    layers.show(GradedCase(people, OCT_LAYERS, pixels, first, second))
    for place, author, expected in (("first", "Ann", marked[0]), ("second", "Bob", marked[1])):
        mask = viewer.layers[f"scan · {place} grader, {author}"]
        record = save_and_read(viewer, mask, tmp_path / f"{author}.png")
        np.testing.assert_array_equal(record.ignore, expected)
