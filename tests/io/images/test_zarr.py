"""OME-Zarr as images: both versions, sizes in their units, and what is refused in a sentence."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from napari_retina_seg.cli.inputs import expand
from napari_retina_seg.io import read_image
from napari_retina_seg.io.formats.identity import find_identity
from napari_retina_seg.io.images.folders import list_folder, list_tree
from napari_retina_seg.io.images.series import group_series, read_files
from napari_retina_seg.io.images.vendor import slices
from napari_retina_seg.io.ome_zarr import writing_mask
from napari_retina_seg.project.files import hash_source
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.errors import ReadError
from napari_retina_seg.types.image import Spacing
from napari_retina_seg.types.labels import OCT_LAYERS
from zarr_files import VOLUME, write_zarr

zarr = pytest.importorskip("zarr", reason="an extra")


def sizes(image):
    return [size.um and round(size.um, 3) for size in vars(image.spacing).values()]


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("dtype", ["u1", ">u2", "f4"])
def test_a_volume_has_its_slices_and_sizes(tmp_path, version, dtype):
    pixels = VOLUME.astype(dtype)
    image = read_image(write_zarr(tmp_path / "scan.ome.zarr", pixels, version=version))
    np.testing.assert_array_equal(image.pixels, pixels)
    assert (image.name, sizes(image), image.warnings) == ("scan", [120, 3.9, 11.7], ())


def test_sizes_are_those_of_their_unit(tmp_path):
    plane = read_image(write_zarr(tmp_path / "a.zarr", VOLUME[0], names="yx", unit=None))
    assert (plane.pixels.shape, sizes(plane)) == ((16, 20), [None, None, None])
    path = write_zarr(tmp_path / "b.zarr", VOLUME[0], names="yx", unit="micrometer")
    text = (path / "zarr.json").read_text()
    (path / "zarr.json").write_text(text.replace("0.0039", "3.9").replace("0.0117", "11.7"))
    assert sizes(read_image(path)) == [None, 3.9, 11.7]


def test_axes_of_length_one_are_left_out_and_shards_are_read(tmp_path):
    path = write_zarr(tmp_path / "a.zarr", VOLUME[None, None], names="tczyx",
                      chunks=(1, 1, 1, 8, 20), shards=(1, 1, 3, 16, 20))  # fmt: skip
    image = read_image(path)
    np.testing.assert_array_equal(image.pixels, VOLUME)
    assert (sizes(image), image.warnings) == ([120, 3.9, 11.7], ())


def test_a_large_one_is_read_slice_by_slice(tmp_path, monkeypatch):
    monkeypatch.setattr(slices, "_AT_ONCE", 100)
    image = read_image(write_zarr(tmp_path / "a.zarr"))
    assert not isinstance(image.pixels, np.ndarray)
    np.testing.assert_array_equal(image.plane(2), VOLUME[2])


def test_parts_that_are_missing_are_said(tmp_path):
    path = write_zarr(tmp_path / "a.zarr")
    (path / "s0/c/1/0/0").unlink()
    assert "1 parts of the OME-Zarr are not stored" in read_image(path).warnings[0]
    (path / "s0/c/0/0/0").write_bytes(b"x")
    with pytest.raises(ReadError, match="damaged or cut short"):
        read_image(path)


def rewrite(old: str, new: str):
    def change(path: Path) -> None:
        file = path / "zarr.json"
        file.write_text(file.read_text().replace(old, new))

    return change


@pytest.mark.parametrize(("options", "change", "message"), [
    ({"pixels": VOLUME[None].repeat(3, 0), "names": "czyx", "chunks": (1, 2, 8, 20)}, None,
     "several times or channels .3 along c."),
    ({"names": "xyz"}, None, "the axes x, y, z: save it as z, y, x"),
    ({}, rewrite('"multiscales"', '"plate"'), "choose the folder of an image in it"),
    ({}, rewrite('"axes"', '"axis"'), "save it in one of these versions"),
    ({}, rewrite('"path": "s0"', '"path": "../s0"'), "outside of its folder"),
    ({}, rewrite('"path": "s0"', '"path": "s1"'), "damaged or cut short"),
    ({}, rewrite('"scale": [', '"scale": [1.0, '), "damaged or cut short"),
    ({}, lambda path: (path / "zarr.json").write_text("{"), "damaged or cut short"),
])  # fmt: skip
def test_what_is_no_such_image_is_refused_in_a_sentence(tmp_path, options, change, message):
    path = write_zarr(tmp_path / "a.zarr", **options)
    if change is not None:
        change(path)
    with pytest.raises(ReadError, match=message):
        read_image(path)


def test_a_huge_chunk_takes_no_memory(tmp_path):
    path = write_zarr(tmp_path / "a.zarr")
    file = path / "s0" / "zarr.json"
    stated = json.loads(file.read_text())
    stated["chunk_grid"]["configuration"]["chunk_shape"] = [10**5, 10**5, 10**5]
    file.write_text(json.dumps(stated))
    with pytest.raises(ReadError, match="more than the limit"):
        read_image(path)


def test_without_the_package_it_is_said_how_to_install_it(tmp_path, monkeypatch):
    path = write_zarr(tmp_path / "a.zarr")
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(ReadError, match=r"pip install napari-retina-seg\[zarr\]"):
        read_image(path)


def test_folders_and_commands_take_it_for_an_image(tmp_path):
    scan = write_zarr(tmp_path / "scan.ome.zarr")
    mask = tmp_path / "mask.ome.zarr"
    with writing_mask(mask, VOLUME.shape, OCT_LAYERS, Spacing(), {}) as written:
        for index in range(3):
            written.write(index, Annotation(np.zeros((16, 20), np.uint8)))
    found = list_folder(tmp_path)
    assert found.images == list_tree([tmp_path, scan]).images[:1] == (scan,)
    assert [(one.path, one.is_mask) for one in found.passed_over] == [(mask, True)]
    inputs = expand([str(scan), str(tmp_path / "s*.zarr")])
    assert inputs.paths == (scan,)
    (files,) = group_series(inputs.paths)
    assert (files.name, files.path) == ("scan", scan)
    np.testing.assert_array_equal(read_files(files).pixels, VOLUME)
    with pytest.raises(ReadError, match="is a mask, not an image"):
        read_image(mask)


def test_what_its_texts_say_of_a_patient_is_noticed(tmp_path):
    path = write_zarr(tmp_path / "a.zarr")
    assert find_identity(path) == ()
    zarr.open_group(str(path)).attrs["note"] = "patient: Doe"
    assert find_identity(path) == ("text in zarr.json",)


def test_what_others_add_to_the_folder_is_no_part_of_the_image(tmp_path):
    path = write_zarr(tmp_path / "eye.ome.zarr")
    before = hash_source(path)
    (path / ".DS_Store").write_bytes(b"\0")
    (path / "s0" / ".DS_Store").write_bytes(b"\0")
    group = zarr.open_group(str(path))
    labels = group.create_group("labels/retina")
    labels.attrs["ome"] = {"version": "0.5", "image-label": {}}
    assert hash_source(path) == before
    for hidden in path.rglob(".DS_Store"):
        hidden.unlink()  # zarr warns of it
    with pytest.warns(match="Consolidated metadata"):
        zarr.consolidate_metadata(str(path), zarr_format=3)
    np.testing.assert_array_equal(read_image(path).pixels, VOLUME)
    assert list_folder(tmp_path).images == (path,)
    before = hash_source(path)
    chunks = sorted(one for one in (path / "s0" / "c").rglob("*") if one.is_file())
    one, other = chunks[0].read_bytes(), chunks[-1].read_bytes()
    chunks[0].write_bytes(other)
    chunks[-1].write_bytes(one)
    assert hash_source(path) != before, "parts that changed places make another image"
