"""Recognition, groups, splits, remaps, and the folders beside the project as they stand."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from helpers import write_png
from napari_retina_seg.datasets.layouts import ReadOptions, read_data, read_dataset
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.types.errors import DataError, RetinaSegError
from napari_retina_seg.types.image import Modality

VESSEL = np.zeros((24, 20), np.uint8)
VESSEL[8:12] = 1


def write_pairs(folder: Path, *names: str, value: int = 1) -> Path:
    for name in names:
        write_png(folder / "images" / f"{name}.png", VESSEL + np.uint8(9))
        write_png(folder / "masks" / f"{name}.png", VESSEL * np.uint8(value))
    return folder


def write_chase(folder: Path, *names: str) -> Path:
    for name in names:
        folder.mkdir(parents=True, exist_ok=True)
        photo = np.dstack([VESSEL, VESSEL, VESSEL * 200])  # blue, green, red
        cv2.imwrite(str(folder / f"Image_{name}.jpg"), photo)
        write_png(folder / f"Image_{name}_1stHO.png", VESSEL * np.uint8(255))
        write_png(folder / f"Image_{name}_2ndHO.png", VESSEL[::-1] * np.uint8(255))
    return folder


def test_the_layers_of_b_scans_with_their_heights(tmp_path):
    phantom = phantom_bscan(rows=96, columns=64)
    write_png(tmp_path / "Subject3_01.png", phantom.image.pixels)
    write_png(tmp_path / "Subject3_01_mask.png", phantom.labels)
    heights = np.arange(8)[:, None] * 3 + np.linspace(10, 20, 64)
    heights[4, 5] = 0  # crosses those above
    np.savetxt(tmp_path / "Subject3_01_boundaries.csv", heights.T, delimiter=",", header="ILM,RNFL")
    (image,) = read_dataset(tmp_path)
    assert (image.name, image.full_group, image.modality) == (
        "Subject3_01",
        "oct_layers/Subject3",
        Modality.OCT,
    )
    assert image.scheme == "oct-layers"
    assert np.array_equal(image.pixels(), phantom.image.pixels)
    assert np.array_equal(image.labels(), phantom.labels)
    heights[4, 5] = heights[3, 5]
    np.testing.assert_allclose(image.heights(), heights)


def test_chase_db1_as_it_is_handed_out(tmp_path):
    images = read_dataset(write_chase(tmp_path, "01L", "01R", "02L"))
    assert [image.full_group for image in images] == [
        "chase_db1/01",
        "chase_db1/01",
        "chase_db1/02",
    ]
    assert not any(image.group_guessed for image in images)
    image = images[0]
    assert (image.split, image.modality) == (None, Modality.FUNDUS)
    assert image.pixels().shape == (24, 20, 3)
    assert image.pixels()[9, 9].argmax() == 0, "red comes first"
    assert np.array_equal(image.labels(), VESSEL)
    assert np.array_equal(image.labels("second_observer"), VESSEL[::-1])


def test_what_macos_adds_to_archives_is_no_image(tmp_path):
    write_chase(tmp_path, "01L")
    (tmp_path / "._Image_01L_1stHO.png").write_bytes(b"\0\5\x16\7")
    assert len(read_dataset(tmp_path)) == 1


def test_hrf_with_arteries_and_veins(tmp_path):
    photo = np.zeros((24, 20, 3), np.uint8)
    photo[..., 2] = 90
    cv2.imwrite(str(tmp_path / "04_dr.jpg"), photo)
    cv2.imwrite(str(tmp_path / "full_11_h.jpg"), photo)
    classes = np.zeros((24, 20), np.uint8)
    classes[2, :4] = [0, 1, 2, 3]
    write_png(tmp_path / "04_dr_av.png", classes)
    (image,) = read_dataset(tmp_path)
    assert (image.full_group, image.scheme) == ("hrf/04_dr", "fundus-vessels")
    assert image.labels()[2, :5].tolist() == [0, 1, 1, 1, 0]


def test_splits_are_those_of_the_data_set(tmp_path):
    folder = write_chase(tmp_path / "a", "01L", "02L", "03R")
    splits = {"train": ["01"], "val": ["02"], "test": ["03"], "note": "by subject"}
    (folder / "splits.json").write_text(json.dumps(splits))
    assert [image.split for image in read_dataset(folder)] == ["train", "val", "test"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"train": ["01"]}', "does not say where the group '02' belongs: add it"),
        ("{", "can't be read: it needs lists of groups called train, val and test"),
        ("[1]", "can't be read: it needs lists of groups called train, val and test"),
    ],
)
def test_a_broken_splits_file_is_named(tmp_path, content, message):
    folder = write_chase(tmp_path / "a", "01L", "02L")
    (folder / "splits.json").write_text(content)
    with pytest.raises(DataError, match=rf"splits\.json' {message}"):
        read_dataset(folder)


def test_a_missing_image_is_named_when_it_is_read(tmp_path):
    folder = write_chase(tmp_path, "01L")
    (folder / "Image_01L.jpg").unlink()
    (image,) = read_dataset(folder)
    with pytest.raises(DataError, match=r"'Image_01L\.jpg' is missing in '.*': put it back"):
        image.pixels()


def test_damaged_heights_are_named(tmp_path):
    write_png(tmp_path / "Subject3_01.png", VESSEL)
    write_png(tmp_path / "Subject3_01_mask.png", VESSEL)
    (tmp_path / "Subject3_01_boundaries.csv").write_text("a,b\n1,2\n3,four\n")
    with pytest.raises(DataError, match=r"boundaries\.csv' can't be read as boundary heights"):
        read_dataset(tmp_path)[0].heights()


def test_another_reference_that_is_not_there_is_named(tmp_path):
    (image,) = read_dataset(write_pairs(tmp_path, "a"))
    with pytest.raises(DataError, match="no mask by 'second_observer': there is none"):
        image.labels("second_observer")


def test_a_folder_with_nothing_known_says_what_was_expected(tmp_path):
    (tmp_path / "holiday.txt").write_text("sun")
    for read in (read_dataset, lambda folder: read_data([folder])):
        with pytest.raises(DataError, match=r"No data set was found in .*'images' and 'masks'"):
            read(tmp_path)
        with pytest.raises(DataError, match=r"There is no folder '.*nowhere'"):
            read(tmp_path / "nowhere")


def test_groups_from_a_pattern(tmp_path):
    folder = write_pairs(tmp_path, "017_left_3", "017_right_1", "018_left_2")
    images = read_dataset(folder, ReadOptions(group_pattern=r"^(\d+)_"))
    assert [image.group for image in images] == ["017", "017", "018"]
    assert not any(image.group_guessed for image in images)
    images = read_dataset(folder, ReadOptions(group_pattern=r"^\d+_[a-z]+"))
    assert [image.group for image in images] == ["017_left", "017_right", "018_left"]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [("(", r"'\(' is not a regular expression"), (r"^(\d+)", "finds no patient in 'eye'")],
)
def test_a_pattern_that_does_not_work_is_refused(tmp_path, pattern, message):
    with pytest.raises(DataError, match=message):
        read_dataset(write_pairs(tmp_path, "eye"), ReadOptions(group_pattern=pattern))


def test_groups_from_a_table(tmp_path):
    folder = write_pairs(tmp_path / "set", "a", "b", "c")
    table = tmp_path / "groups.csv"
    table.write_text("name,eye,group\na,L,p1\nb.png,R,p1\nc,L,p2\n", encoding="utf-8-sig")
    images = read_dataset(folder, ReadOptions(groups=table))
    assert [image.full_group for image in images] == ["set/p1", "set/p1", "set/p2"]
    assert not any(image.group_guessed for image in images)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name,group\na,p1\n", "no row for the image 'b': add its group"),
        ("name,group\na,p1\nb,p1\na,p2\n", "puts 'a' into two groups"),
        ("image;patient\na;p1\n", "needs the columns 'name' and 'group'"),
        ("", "needs the columns 'name' and 'group'"),
    ],
)
def test_a_table_that_does_not_say_all_is_refused(tmp_path, content, message):
    table = tmp_path / "groups.csv"
    table.write_text(content)
    with pytest.raises(DataError, match=message):
        read_dataset(write_pairs(tmp_path / "set", "a", "b"), ReadOptions(groups=table))


def test_groups_have_one_source(tmp_path):
    options = ReadOptions(group_pattern="a", groups=tmp_path / "groups.csv")
    with pytest.raises(DataError, match="give one of the two"):
        read_dataset(write_pairs(tmp_path, "a"), options)
    with pytest.raises(DataError, match=r"The groups in '.*groups\.csv' can't be read"):
        read_dataset(tmp_path, ReadOptions(groups=tmp_path / "groups.csv"))


def test_mask_values_are_remapped_all_at_once(tmp_path):
    folder = write_pairs(tmp_path / "a", "x", value=255)
    (image,) = read_dataset(folder, ReadOptions(remap={255: 1}))
    assert np.array_equal(image.labels(), VESSEL)
    (image,) = read_dataset(folder, ReadOptions(remap={255: 0, 0: 7}))
    assert np.array_equal(image.labels(), np.where(VESSEL, 0, 7))
    assert read_dataset(write_chase(tmp_path / "b", "01L"))[0].scheme == "fundus-vessels"
    (image,) = read_dataset(tmp_path / "b", ReadOptions(remap={1: 2}))
    assert image.scheme is None
    assert image.labels("second_observer").max() == 2


def test_several_data_sets(tmp_path):
    write_pairs(tmp_path / "all" / "one", "a", "b")
    write_chase(tmp_path / "all" / "two", "01L")
    write_pairs(tmp_path / "three", "a")
    (tmp_path / "all" / "notes").mkdir()
    images = read_data([tmp_path / "all", tmp_path / "three"])
    assert [f"{image.dataset}/{image.name}" for image in images] == [
        "one/a",
        "one/b",
        "chase_db1/Image_01L",
        "three/a",
    ]
    named = read_data([tmp_path / "all", tmp_path / "three"], ["two"])
    assert {image.dataset for image in named} == {"chase_db1", "three"}


def test_named_data_sets_must_be_there(tmp_path):
    write_pairs(tmp_path / "one", "a")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"There is no data set 'two' in '.*': put it there"):
        read_data([tmp_path], ["one", "two"])
    with pytest.raises(DataError, match=r"No data set was found in '.*empty'"):
        read_data([tmp_path], ["one", "empty"])


def test_two_data_sets_of_one_name_are_refused(tmp_path):
    folders = [write_pairs(tmp_path / side / "set", "a") for side in ("left", "right")]
    with pytest.raises(DataError, match="are both named 'set': rename one"):
        read_data(folders)
    assert len(read_data([folders[0], folders[0]])) == 1


def test_the_experts_folders_as_they_stand(shared_data):
    images = read_data([shared_data], ["oct_layers", "chase_db1", "hrf"])
    counted = {}
    for image in images:
        key = image.dataset, image.split
        counted[key] = counted.get(key, 0) + 1
    assert counted == {
        ("oct_layers", "train"): 60,
        ("oct_layers", "val"): 10,
        ("oct_layers", "test"): 10,
        ("chase_db1", "train"): 20,
        ("chase_db1", "test"): 8,
        ("hrf", "train"): 30,
        ("hrf", "test"): 15,
    }
    for image in images[::17]:
        assert image.pixels().shape[:2] == image.labels().shape
        assert image.labels().max() == (7 if image.modality is Modality.OCT else 1)
    observers = [image for image in images if "second_observer" in image.references]
    assert len(observers) == 28
    assert all(image.read_heights for image in images if image.modality is Modality.OCT)


def test_a_damaged_copy_of_an_experts_folder_is_named(shared_data, tmp_path):
    for path in (shared_data / "oct_layers").glob("Subject7_0[12]*"):
        shutil.copy(path, tmp_path)
    bad = tmp_path / "Subject7_02_mask.png"
    bad.write_bytes(bad.read_bytes()[:500])
    good, broken = read_dataset(tmp_path)
    assert good.labels().shape == good.pixels().shape
    with pytest.raises(RetinaSegError, match=r"Subject7_02_mask\.png' can't be read as PNG"):
        broken.labels()
