import json
import subprocess
import sys
from dataclasses import replace

import cv2
import numpy as np
import pytest
import skimage.io
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from typer.testing import CliRunner

from mask_formats import write_stacks, write_training_folder
from napari_retina_seg.cli.app import app
from napari_retina_seg.datasets.layouts import ReadOptions, read_data, read_dataset
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.io.atomic import atomic_folder
from napari_retina_seg.io.formats.record import Attribution, Maker, require_truth
from napari_retina_seg.io.formats.stacks import read_stacks
from napari_retina_seg.io.formats.training import TrainingItem, assign_splits, read_training_folder
from napari_retina_seg.io.masks import SCHEME_KEY, read_mask
from napari_retina_seg.project.states import MASK_COUNTS
from napari_retina_seg.types.errors import ReadError, WriteError
from napari_retina_seg.types.image import Spacing
from napari_retina_seg.types.labels import OCT_LAYERS, OCTID_LAYERS


@pytest.fixture
def items(make_record):
    """Return two eyes of one patient, and a volume of another."""
    pictures = [phantom_bscan(seed, 64, 96) for seed in range(4)]
    planes = [picture.image.pixels for picture in pictures]
    labels = [picture.labels.astype(np.uint8) for picture in pictures]
    right, left = (make_record(labels[k], name=f"p1-{side}") for k, side in enumerate("rl"))
    volume = make_record(np.stack(labels[2:]), name="p2-r")
    return [
        TrainingItem(right, planes[0], "p1", "train"),
        TrainingItem(left, planes[1], "p1", "train"),
        TrainingItem(volume, np.stack(planes[2:]), "p2", "val"),
    ]


def run(*arguments):
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exit_code == 0, result.output
    return result.stdout


def test_it_is_taken_as_it_is(tmp_path, items):
    folder = tmp_path / "set"
    write_training_folder(folder, items)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set"]
    found = {image.name: image for image in read_dataset(folder)}
    assert list(found) == ["p1-l", "p1-r", "p2-r_0000", "p2-r_0001"]
    assert [image.split for image in found.values()] == ["train", "train", "val", "val"]
    for item in items:
        names = [name for name in found if name.startswith(item.record.name)]
        pixels = np.stack([found[name].pixels() for name in names])
        labels = np.stack([found[name].labels() for name in names])
        np.testing.assert_array_equal(pixels.reshape(item.pixels.shape), item.pixels)
        np.testing.assert_array_equal(labels.reshape(item.pixels.shape), item.record.labels)
    spacing = found["p1-l"].spacing()
    assert (spacing.axial.um, spacing.lateral.um) == pytest.approx((3.87, 11.8), rel=1e-6)
    grouped = read_dataset(folder, ReadOptions(groups=folder / "groups.csv"))
    assert {image.group for image in grouped} == {"p1", "p2"}
    assert not any(image.group_guessed for image in grouped)


def test_dataset_check_finds_nothing(tmp_path, items):
    folder = tmp_path / "set"
    write_training_folder(folder, items)
    said = run(
        "dataset", "check", folder, "-o", tmp_path / "out", "--groups", folder / "groups.csv"
    )
    assert said.startswith("No problem found that would stop or spoil a training.")


def test_the_folder_says_whose_masks_they_are(tmp_path, items):
    write_training_folder(tmp_path / "set", items)
    contents = json.loads((tmp_path / "set" / "dataset.json").read_text())
    assert [picture["group"] for picture in contents["pictures"]] == ["p1", "p1", "p2", "p2"]
    card = contents["records"][0]
    assert card["attribution"]["maker"] == "human"
    assert card["attribution"]["author"] == "grader-1"
    assert card["scheme"]["classes"][1]["name"] == "Retinal nerve fibre layer"
    splits = json.loads((tmp_path / "set" / "splits.json").read_text())
    assert splits == {"train": ["p1-r", "p1-l"], "val": ["p2-r_0000", "p2-r_0001"], "test": []}


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        ((64, 96), np.uint16),
        ((64, 96), np.float32),
        ((64, 96), np.float64),
        ((64, 96, 3), np.uint8),
    ],
)
def test_pixels_are_kept(tmp_path, items, shape, dtype):
    pixels = (np.random.default_rng(0).random(shape) * 200).astype(dtype)
    write_training_folder(tmp_path / "set", [replace(items[0], pixels=pixels)])
    (found,) = read_dataset(tmp_path / "set")
    assert found.pixels().dtype == dtype
    np.testing.assert_array_equal(found.pixels(), pixels)


def test_without_sizes_none_are_made_up(tmp_path, items):
    record = replace(items[0].record, spacing=Spacing())
    write_training_folder(tmp_path / "set", [replace(items[0], record=record)])
    (found,) = read_dataset(tmp_path / "set")
    assert found.spacing() == Spacing()


def test_what_is_questionable_is_255(tmp_path, items):
    ignore = np.zeros((64, 96), bool)
    ignore[:5] = True
    record = replace(items[0].record, ignore=ignore)
    write_training_folder(tmp_path / "set", [replace(items[0], record=record)])
    (found,) = read_dataset(tmp_path / "set")
    stored = np.array(Image.open(tmp_path / "set" / "masks" / "p1-r.png"))
    np.testing.assert_array_equal(stored, record.raster())
    np.testing.assert_array_equal(found.ignored(), ignore)
    (again,) = read_training_folder(tmp_path / "set")
    np.testing.assert_array_equal(again.ignore, ignore)


@pytest.mark.parametrize("write", [write_training_folder, write_stacks])
@pytest.mark.parametrize(
    ("attribution", "message"),
    [
        (Attribution(Maker.PREDICTION, model="unet"), "is an unreviewed prediction"),
        (Attribution(), "has no recorded author"),
        (Attribution(Maker.HUMAN, "a", "in progress"), r"not finished \(in progress\)"),
        (Attribution(Maker.HUMAN, "a", "ungradable"), r"not finished \(ungradable\)"),
    ],
)
def test_predictions_never_leave_as_truth(tmp_path, items, write, attribution, message):
    record = replace(items[0].record, attribution=attribution)
    with pytest.raises(WriteError, match=message):
        write(tmp_path / "set", [items[1], replace(items[0], record=record)])
    assert not list(tmp_path.iterdir())
    require_truth([item.record for item in items])


def test_truth_is_what_a_project_counts_as_truth():
    from napari_retina_seg.io.formats.record import TRUTH_STATES

    assert {state.value for state in MASK_COUNTS} == TRUTH_STATES


def test_what_would_spoil_a_training_is_refused(tmp_path, items):
    folder = tmp_path / "set"
    first, second, volume = items
    with pytest.raises(WriteError, match="images of 'p1' are to be used for train and for test"):
        write_training_folder(folder, [first, replace(second, split="test")])
    twin = replace(first, record=replace(first.record, name="P2-R_0001"))
    with pytest.raises(WriteError, match=r"(?i)Two images would be named 'p2-r_0001'"):
        write_training_folder(folder, [volume, twin])
    other = replace(second, record=replace(second.record, scheme=OCTID_LAYERS))
    with pytest.raises(WriteError, match="one scheme at a time"):
        write_training_folder(folder, [first, other])
    with pytest.raises(WriteError, match=r"image of 'p1-r' has the shape \(9, 9\) and its mask"):
        replace(first, pixels=np.zeros((9, 9)))
    folder.mkdir()
    (folder / "mine.txt").write_text("precious")
    with pytest.raises(WriteError, match="is not empty"):
        write_training_folder(folder, items)
    assert [path.name for path in tmp_path.rglob("*")] == ["set", "mine.txt"]


def _fail_while_building(folder):
    with atomic_folder(folder) as new:
        (new / "images").mkdir()
        raise ZeroDivisionError


def test_a_folder_that_was_not_finished_is_none(tmp_path, items):
    with pytest.raises(ZeroDivisionError):
        _fail_while_building(tmp_path / "set")
    assert not list(tmp_path.iterdir())
    write_training_folder(tmp_path / "whole", items)
    kill = (
        "import os, pathlib, shutil, sys\n"
        "from napari_retina_seg.io.atomic import atomic_folder\n"
        "with atomic_folder(pathlib.Path(sys.argv[1]) / 'set') as new:\n"
        "    shutil.copytree(pathlib.Path(sys.argv[1]) / 'whole', new, dirs_exist_ok=True)\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", kill, tmp_path], check=False)
    assert done.returncode != 0
    assert not (tmp_path / "set").exists()
    assert {image.dataset for image in read_data([tmp_path])} == {"whole"}


def test_a_folder_that_can_not_be_made(tmp_path, items):
    (tmp_path / "letter").write_text("a file")
    with pytest.raises(WriteError, match="can't be written"):
        write_training_folder(tmp_path / "letter" / "set", items)


def test_broken_folders(tmp_path, items):
    folder = tmp_path / "set"
    with pytest.raises(ReadError, match="no file"):
        read_training_folder(folder)
    write_training_folder(folder, items)
    (folder / "masks" / "p2-r_0001.png").unlink()
    with pytest.raises(ReadError, match="no file"):
        read_training_folder(folder)
    contents = json.loads((folder / "dataset.json").read_text())
    contents["pictures"] = contents["pictures"][:1]
    (folder / "dataset.json").write_text(json.dumps(contents))
    with pytest.raises(ReadError, match="lacks masks of 'p1-l'"):
        read_training_folder(folder)
    contents["records"][0]["scheme"]["classes"] = []
    (folder / "dataset.json").write_text(json.dumps(contents))
    with pytest.raises(ReadError, match="is not a list of masks"):
        read_training_folder(folder)
    (folder / "dataset.json").write_text("{}")
    with pytest.raises(ReadError, match="check 'records'"):
        read_training_folder(folder)


def test_stacks_are_read_as_the_segnet_system_keeps_them(tmp_path, items):
    for one_hot in (False, True):
        folder = tmp_path / f"set{one_hot:d}"
        write_stacks(folder, items, one_hot=one_hot)
        found = read_dataset(folder)
        assert len(found) == 4
        np.testing.assert_array_equal(found[1].pixels(), items[1].pixels)
        np.testing.assert_array_equal(found[3].labels(), items[2].record.labels[1])
    assert np.load(tmp_path / "set1" / "masks.npy").shape == (4, 64, 96, 8)


def test_stacks_that_can_not_be(tmp_path, items):
    pixels = items[0].pixels.astype(np.float32)
    with pytest.raises(WriteError, match=r"float32 \(64, 96\) and uint8 \(64, 96\): export"):
        write_stacks(tmp_path / "set", [replace(items[0], pixels=pixels), items[1]])
    record = replace(items[0].record, ignore=np.ones((64, 96), bool))
    with pytest.raises(WriteError, match="One-hot masks can't mark questionable pixels"):
        write_stacks(tmp_path / "set", [replace(items[0], record=record)], one_hot=True)
    assert not list(tmp_path.iterdir())


def test_stacks_of_other_programs(tmp_path, items):
    with pytest.raises(ReadError, match="choose a folder with stacks"):
        read_stacks(tmp_path, OCT_LAYERS)
    masks = np.stack([items[0].record.labels, items[1].record.labels]).astype(np.int64)
    np.save(tmp_path / "masks.npy", masks[..., None])
    found = read_stacks(tmp_path, OCT_LAYERS)
    assert [record.name for record in found] == ["0000", "0001"]
    np.testing.assert_array_equal(found[1].labels, masks[1])
    np.save(tmp_path / "masks.npy", np.zeros((2, 4, 4, 8)))
    with pytest.raises(ReadError, match="no class or of several"):
        read_stacks(tmp_path, OCT_LAYERS)
    np.save(tmp_path / "masks.npy", masks[0])
    with pytest.raises(ReadError, match="expected \\(images, rows, columns\\)"):
        read_stacks(tmp_path, OCT_LAYERS)
    write_stacks(tmp_path / "set", items)
    np.save(tmp_path / "set" / "masks.npy", masks)
    with pytest.raises(ReadError, match=r"holds 2 masks, and 'dataset\.json' beside it lists 4"):
        read_stacks(tmp_path / "set")


def test_groups_are_divided_by_the_seed_alone():
    groups = [f"p{number}" for number in range(10)]
    sides = assign_splits(groups, seed=3, test=0.3)
    assert sides == assign_splits([*reversed(groups), "p1"], seed=3, test=0.3)
    counts = [list(sides.values()).count(side) for side in ("train", "val", "test")]
    assert counts == [5, 2, 3]
    assert sides != assign_splits(groups, seed=4, test=0.3)
    assert sorted(assign_splits(["a", "b"], seed=0).values()) == ["train", "val"]
    assert assign_splits(["a"], seed=0) == {"a": "train"}
    assert assign_splits([], seed=0) == {}


def test_masks_are_class_values_to_every_library(tmp_path, items):
    record = items[0].record
    region = np.zeros(record.labels.shape, bool)
    region[:5] = True
    marked = replace(items[0], record=replace(record, ignore=region))
    write_training_folder(tmp_path / "set", [marked, *items[1:]])
    path = tmp_path / "set" / "masks" / "p1-r.png"
    expected = np.where(region, 255, record.labels)
    np.testing.assert_array_equal(cv2.imread(str(path), 0), expected)
    np.testing.assert_array_equal(cv2.imread(str(path), cv2.IMREAD_UNCHANGED), expected)
    np.testing.assert_array_equal(skimage.io.imread(path), expected)
    np.testing.assert_array_equal(np.asarray(Image.open(path)), expected)
    colored = Image.open(tmp_path / "set" / "masks_colored" / "p1-r.png")
    assert colored.mode == "P"
    np.testing.assert_array_equal(np.asarray(colored), expected)


def test_a_mask_alone_still_says_what_its_values_mean(tmp_path, items):
    write_training_folder(tmp_path / "set", items)
    labels, scheme = read_mask(tmp_path / "set" / "masks" / "p1-l.png")
    np.testing.assert_array_equal(labels, items[1].record.labels)
    assert scheme == OCT_LAYERS


def test_a_text_that_is_no_scheme_makes_no_mask(tmp_path):
    told = PngInfo()
    told.add_text(SCHEME_KEY, "{")
    picture = Image.fromarray(np.zeros((20, 20), np.uint8))
    picture.save(tmp_path / "grey.png", pnginfo=told)
    assert read_mask(tmp_path / "grey.png") is None
