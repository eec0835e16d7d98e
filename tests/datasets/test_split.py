import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_retina_seg.datasets.split import (
    read_split,
    split_images,
    split_json,
    ungrouped_warning,
)
from napari_retina_seg.types.errors import DataError

names = st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 30), st.integers(0, 8))
splits = st.sampled_from([None, "train", "val", "test"])


def sides(split):
    """Name the images of each side."""
    return {
        side: [(image.dataset, image.name) for image in images]
        for side, images in split.sides.items()
    }


def eyes(make_image, count, dataset="set", split=None):
    """Make two images of each of several eyes."""
    return [
        make_image(f"{eye:02d}_{k}", f"{eye:02d}", dataset=dataset, split=split)
        for eye in range(count)
        for k in range(2)
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    keys=st.sets(names, min_size=2, max_size=40),
    own=st.dictionaries(st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 8)), splits),
    seed=st.integers(0, 2**32),
    data=st.data(),
)
def test_no_group_is_on_two_sides_and_the_order_of_the_input_does_not_matter(
    make_image, keys, own, seed, data
):
    images = [
        make_image(str(number), str(group), dataset=dataset, split=own.get((dataset, group)))
        for dataset, number, group in keys
    ]
    images = list({(image.dataset, image.name): image for image in images}.values())
    try:
        split = split_images(images, seed=seed)
    except DataError as error:
        assert "nothing to validate with" in str(error)  # noqa: PT017
        learnt = {i.full_group for i in images if i.split in (None, "train")}
        assert len({group.split("/")[0] for group in learnt}) == len(learnt)
        return
    groups = [{image.full_group for image in side} for side in split.sides.values()]
    assert sum(map(len, groups)) == len(set.union(*groups))
    assert sorted(image.name for side in split.sides.values() for image in side) == sorted(
        image.name for image in images
    )
    shuffled = data.draw(st.permutations(images))
    assert sides(split_images(shuffled, seed=seed)) == sides(split)


def test_a_fifth_of_the_groups_validates_and_another_seed_chooses_others(make_image):
    images = eyes(make_image, 20)
    split = split_images(images, seed=0)
    assert len(split.training) == 32
    assert len(split.validation) == 8
    assert split.test == ()
    assert sides(split) != sides(split_images(images, seed=1))
    assert len(split_images(images, seed=0, share=0.5).validation) == 20


def test_one_data_set_is_divided_alike_whatever_stands_beside_it(make_image):
    images = eyes(make_image, 10)
    alone = {i.name for i in split_images(images, seed=3).validation}
    both = split_images([*eyes(make_image, 7, "other"), *images], seed=3).validation
    assert {image.name for image in both if image.dataset == "set"} == alone


def test_a_data_sets_own_split_is_kept(make_image):
    images = [
        make_image("1", split="test"),
        make_image("2", split="val"),
        make_image("3", split="train"),
    ]
    assert sides(split_images(images, seed=0)) == {
        "train": [("set", "3")],
        "val": [("set", "2")],
        "test": [("set", "1")],
    }


def test_an_image_without_a_side_goes_where_its_group_is(make_image):
    images = [
        make_image("1", "eye", split="test"),
        make_image("2", "eye"),
        make_image("3", split="train"),
        make_image("4", split="val"),
    ]
    assert [image.name for image in split_images(images, seed=0).test] == ["1", "2"]


def test_without_validation_images_a_share_of_the_training_groups_becomes_some(make_image):
    images = [*eyes(make_image, 10, split="train"), make_image("t", split="test")]
    split = split_images(images, seed=0)
    assert len({image.group for image in split.validation}) == 2
    assert len(split.training) == 16
    assert [image.name for image in split.test] == ["t"]


def test_named_groups_validate_and_nothing_else_of_their_data_set(make_image):
    images = [*eyes(make_image, 10), *eyes(make_image, 10, "own", "train")]
    split = split_images(images, seed=0, validation_groups=["set/03", "own/07"])
    assert {image.full_group for image in split.validation} == {"set/03", "own/07"}


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("set/9", r"The validation groups set/9 are not in the data: it has set/1, set/2\."),
        ("set/2", r"set/2 can't be for validation: the data keep it for test"),
    ],
)
def test_validation_groups_that_can_not_be_are_refused(make_image, named, message):
    images = [make_image("1"), make_image("2", split="test")]
    with pytest.raises(DataError, match=message):
        split_images(images, seed=0, validation_groups=[named])


def test_a_group_on_two_sides_of_the_data_sets_own_split_is_a_leak(make_image):
    images = [make_image("1", "eye", split="train"), make_image("2", "eye", split="test")]
    with pytest.raises(DataError, match="'set/eye' is in 'train' and in 'test': a patient's"):
        split_images(images, seed=0)


def test_a_single_patient_leaves_nothing_to_validate_with(make_image):
    images = [make_image("1", "eye"), make_image("2", "eye"), make_image("3", split="test")]
    with pytest.raises(DataError, match="nothing to validate with: 'set/eye' is the only group"):
        split_images(images, seed=0)


def test_a_split_comes_back_from_its_file(make_image, tmp_path):
    images = [*eyes(make_image, 8), make_image("t", split="test")]
    split = split_images(images, seed=5)
    (tmp_path / "split.json").write_text(split_json(split))
    assert sides(read_split(tmp_path / "split.json", images[::-1])) == sides(split)
    assert json.loads((tmp_path / "split.json").read_text())["test"] == {"set/t": ["t"]}
    assert [path.name for path in tmp_path.iterdir()] == ["split.json"]


def test_a_split_whose_images_are_gone_is_refused(make_image, tmp_path):
    images = eyes(make_image, 4)
    (tmp_path / "split.json").write_text(split_json(split_images(images, seed=0)))
    with pytest.raises(DataError, match="made for other images: it names '00_"):
        read_split(tmp_path / "split.json", images[2:])


def test_a_split_brings_its_groups_and_leaves_later_images_out(make_image, tmp_path):
    """Who evaluates need not say again which images are whose."""
    split = split_images(eyes(make_image, 4), seed=0)
    (tmp_path / "split.json").write_text(split_json(split))
    ungrouped = [
        make_image(image.name, image.name, group_guessed=True)
        for side in split.sides.values()
        for image in side
    ]
    again = read_split(tmp_path / "split.json", [*ungrouped, make_image("later")])
    assert sides(again) == sides(split)
    assert ungrouped_warning(again.training) is None


def test_who_was_guessed_stays_guessed(make_image, tmp_path):
    images = [make_image(name, group_guessed=True) for name in ("a", "b", "c")]
    (tmp_path / "split.json").write_text(split_json(split_images(images, seed=0)))
    again = read_split(tmp_path / "split.json", images)
    assert "Each image of 'set'" in ungrouped_warning([*again.training, *again.validation])


def test_guessed_patients_are_reported_with_the_way_out(make_image):
    known = [make_image(name, dataset="known") for name in ("x", "y")]
    guessed = [
        make_image(name, dataset=dataset, group_guessed=True)
        for dataset in ("one", "two")
        for name in ("a", "b")
    ]
    assert ungrouped_warning(known) is None
    assert ungrouped_warning([*known, guessed[0]]) is None  # nobody to mistake a single image for
    assert ungrouped_warning([*known, *guessed]) == (
        "Each image of 'one' and 'two' is taken for a patient of its own: if that is not so, say"
        " who is who with --group-pattern or --groups."
    )


@pytest.mark.parametrize("content", ["{", '{"train": {}}', '{"train":[],"val":{},"test":{}}'])
def test_a_damaged_split_is_named(make_image, tmp_path, content):
    (tmp_path / "split.json").write_text(content)
    with pytest.raises(DataError, match=r"The split '.*split\.json' can't be read"):
        read_split(tmp_path / "split.json", [make_image("1")])


def test_a_split_that_was_altered_into_a_leak_is_refused(make_image, tmp_path):
    sides = {"train": {"set/1": ["1"]}, "val": {"set/1": ["1"]}, "test": {}}
    (tmp_path / "split.json").write_text(json.dumps(sides))
    with pytest.raises(DataError, match="The group 'set/1' is in 'train' and in 'val'"):
        read_split(tmp_path / "split.json", [make_image("1")])
