import numpy as np
import pytest

from napari_retina_seg.datasets.layouts import ReadOptions, read_dataset
from napari_retina_seg.types.errors import DataError, ReadError
from napari_retina_seg.types.image import Modality

RNG = np.random.default_rng(0)
IMAGES = RNG.random((3, 24, 20)).astype(np.float32)
CLASSES = RNG.integers(0, 8, (3, 24, 20), np.uint8)


@pytest.mark.parametrize(
    "names", [("images", "masks"), ("X", "y"), ("oct_images", "oct_masks"), ("X_oct", "y_oct")]
)
def test_stacks_are_found_by_their_names(tmp_path, names):
    np.save(tmp_path / f"{names[0]}.npy", IMAGES)
    np.save(tmp_path / f"{names[1]}.npy", CLASSES)
    found = read_dataset(tmp_path)
    assert [image.name[-4:] for image in found] == ["0000", "0001", "0002"]
    assert len({image.full_group for image in found}) == 3
    assert all(image.group_guessed for image in found)
    for image, pixels, classes in zip(found, IMAGES, CLASSES, strict=True):
        assert image.modality is Modality.UNKNOWN
        assert np.array_equal(image.pixels(), pixels)
        assert np.array_equal(image.labels(), classes)


@pytest.mark.parametrize(
    "pixels",
    [
        IMAGES[..., None],
        np.stack([IMAGES] * 3, axis=-1),
        IMAGES[:, None],
        np.stack([IMAGES] * 3, 1),
    ],
    ids=["last axis", "colours", "first axis", "colours first"],
)
@pytest.mark.parametrize(
    "masks",
    [
        CLASSES,
        CLASSES[..., None],
        CLASSES.astype(np.float64),
        np.eye(8, dtype=np.uint8)[CLASSES],
        np.eye(8, dtype=np.float32)[CLASSES],
        np.eye(8, dtype=np.uint8)[CLASSES] * 255,
        np.moveaxis(np.eye(8, dtype=np.uint8)[CLASSES], -1, 1),
        CLASSES[:, None],
    ],
    ids=["integer", "last", "float", "one-hot", "one-hot float", "one-hot 255", "first", "axis 1"],
)
def test_shapes_and_types(tmp_path, pixels, masks):
    np.save(tmp_path / "images.npy", pixels)
    np.save(tmp_path / "masks.npy", masks)
    found = read_dataset(tmp_path)
    plane = pixels[1].squeeze()
    assert np.array_equal(
        found[1].pixels(), np.moveaxis(plane, 0, -1) if len(plane) == 3 else plane
    )
    assert np.array_equal(found[1].labels(), CLASSES[1])
    assert found[1].labels().dtype == np.uint8


def test_parts_are_a_split(tmp_path):
    for part, count in (("train", 2), ("val", 1), ("test", 3)):
        np.save(tmp_path / f"X_{part}.npy", IMAGES[:count])
        np.save(tmp_path / f"y_{part}.npy", CLASSES[:count])
    found = read_dataset(tmp_path)
    assert [image.split for image in found] == ["test"] * 3 + ["train"] * 2 + ["val"]


def test_groups_from_a_table(tmp_path):
    np.save(tmp_path / "images.npy", IMAGES)
    np.save(tmp_path / "masks.npy", CLASSES)
    table = tmp_path / "eyes.csv"
    table.write_text("name,group\n0000,p1\n0001,p1\n0002,p2\n")
    found = read_dataset(tmp_path, ReadOptions(groups=table))
    assert [image.group for image in found] == ["p1", "p1", "p2"]
    assert not any(image.group_guessed for image in found)


@pytest.mark.parametrize(
    ("images", "masks", "message"),
    [
        (IMAGES, CLASSES[:2], r"images\.npy' holds 3 images and '.*masks\.npy' 2 masks"),
        (IMAGES[0], CLASSES, r"images\.npy' has the shape \(24, 20\): expected"),
        (IMAGES[..., None].repeat(2, -1), CLASSES, r"images\.npy' has the shape \(3, 24, 20, 2\)"),
        (IMAGES, CLASSES[0], r"masks\.npy' has the shape \(24, 20\): expected"),
        (np.moveaxis(IMAGES, 0, -1), np.moveaxis(CLASSES, 0, -1), "with the images last"),
    ],
)
def test_stacks_that_do_not_fit_are_refused(tmp_path, images, masks, message):
    np.save(tmp_path / "images.npy", images)
    np.save(tmp_path / "masks.npy", masks)
    with pytest.raises(DataError, match=message):
        read_dataset(tmp_path)


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        (
            np.zeros((3, 24, 20, 4)),
            r"Mask 0 of '.*masks\.npy' has pixels of no class or of several",
        ),
        (np.ones((3, 24, 20, 4)), "pixels of no class or of several"),
        (IMAGES, "Mask 0 of '.*' has values that are not whole numbers"),
    ],
)
def test_masks_that_are_no_classes_are_refused(tmp_path, masks, message):
    np.save(tmp_path / "images.npy", IMAGES)
    np.save(tmp_path / "masks.npy", masks)
    with pytest.raises(DataError, match=message):
        read_dataset(tmp_path)[0].labels()


def test_a_stack_without_its_counterpart_is_named(tmp_path):
    for name in ("train_images", "train_masks", "test_images"):
        np.save(tmp_path / f"{name}.npy", IMAGES)
    with pytest.raises(DataError, match=r"test_images\.npy' is without its counterpart"):
        read_dataset(tmp_path)


def test_two_stacks_of_one_kind_are_refused(tmp_path):
    for name in ("images", "X", "y"):
        np.save(tmp_path / f"{name}.npy", IMAGES)
    with pytest.raises(DataError, match=r"'X\.npy' and 'images\.npy' in .* hold the same kind"):
        read_dataset(tmp_path)


def test_a_stack_that_is_cut_short_is_named(tmp_path):
    np.save(tmp_path / "images.npy", IMAGES)
    np.save(tmp_path / "masks.npy", CLASSES)
    path = tmp_path / "images.npy"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ReadError, match=r"images\.npy' can't be read as NumPy array"):
        read_dataset(tmp_path)


def test_pickled_objects_are_never_loaded(tmp_path):
    np.save(tmp_path / "images.npy", np.array([{"a": 1}], object), allow_pickle=True)
    np.save(tmp_path / "masks.npy", CLASSES)
    with pytest.raises(ReadError, match=r"images\.npy'"):
        read_dataset(tmp_path)


@pytest.mark.parametrize(
    "names",
    [
        ("scans", "truth"),
        ("X_train", "segmentations_train"),
        ("oct_a", "onehot_a"),
        ("volume", "volume_8classes"),
    ],
)
@pytest.mark.parametrize("channels", [-1, 1])
def test_one_hot_masks_are_found_under_any_name(tmp_path, names, channels):
    np.save(tmp_path / f"{names[0]}.npy", IMAGES)
    one_hot = np.moveaxis(np.eye(8, dtype=np.uint8)[CLASSES], -1, channels)
    np.save(tmp_path / f"{names[1]}.npy", one_hot)
    found = read_dataset(tmp_path)
    for image, pixels, classes in zip(found, IMAGES, CLASSES, strict=True):
        assert np.array_equal(image.pixels(), pixels)
        assert np.array_equal(image.labels(), classes)


def test_one_hot_masks_of_two_splits_find_their_images_by_their_names(tmp_path):
    for split in ("train", "val"):
        np.save(tmp_path / f"{split}_scans.npy", IMAGES + (split == "val"))
        np.save(tmp_path / f"{split}_onehot.npy", np.eye(8, dtype=np.uint8)[CLASSES])
    found = read_dataset(tmp_path)
    assert [image.split for image in found] == ["train"] * 3 + ["val"] * 3
    assert np.array_equal(found[3].pixels(), IMAGES[0] + 1)


def test_one_hot_masks_without_telling_which_images(tmp_path):
    for name in ("a", "b"):
        np.save(tmp_path / f"{name}.npy", IMAGES)
    np.save(tmp_path / "c.npy", np.eye(8, dtype=np.uint8)[CLASSES])
    with pytest.raises(DataError, match="2 stacks beside it may be their images"):
        read_dataset(tmp_path)


def test_colours_are_no_one_hot_masks(tmp_path):
    np.save(tmp_path / "a.npy", np.stack([IMAGES] * 3, axis=-1))
    np.save(tmp_path / "b.npy", IMAGES)
    with pytest.raises(DataError, match="No data set was found"):
        read_dataset(tmp_path)
