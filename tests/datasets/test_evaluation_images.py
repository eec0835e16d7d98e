import numpy as np
import pytest

from napari_retina_seg.datasets.evaluation_images import (
    iter_validate_evaluation,
    select_for_evaluation,
)
from napari_retina_seg.datasets.split import Split, split_json
from napari_retina_seg.types.errors import DataError
from napari_retina_seg.types.image import Modality
from napari_retina_seg.types.labels import FUNDUS_VESSELS, OCT_LAYERS, LabelClass, LabelScheme
from napari_retina_seg.types.progress import Cancelled, CancelToken, finish

BAND = LabelScheme(
    "band", (LabelClass(0, "Background", "BG", "#000000"), LabelClass(1, "Band", "B", "#ffffff"))
)


def names(images) -> list[str]:
    return [image.name for image in images]


@pytest.fixture
def images(make_image):
    sides = {"a": "train", "b": "val", "c": "test", "d": "test", "e": None}
    return [make_image(name, split=side) for name, side in sides.items()]


def check(images, **options):
    return finish(iter_validate_evaluation(images, BAND, Modality.OCT, **options))


@pytest.mark.parametrize(
    ("split", "expected"), [("test", "cd"), ("val", "b"), ("train", "a"), (None, "abcde")]
)
def test_a_side_is_chosen(images, split, expected) -> None:
    chosen = select_for_evaluation(images, OCT_LAYERS, Modality.OCT, split)
    assert names(chosen.images) == list(expected)
    assert {image.modality for image in chosen.images} == {Modality.OCT}
    if split is None:
        assert chosen.warnings == ()
    else:
        (message,) = chosen.warnings
        assert message.startswith("1 images are in no split")


def test_the_split_of_a_training_counts_instead(images, tmp_path) -> None:
    a, b, c, d, e = images
    (tmp_path / "split.json").write_text(split_json(Split((c, d), (a,), (b, e))))
    chosen = select_for_evaluation(
        images, OCT_LAYERS, Modality.OCT, "test", split_file=tmp_path / "split.json"
    )
    assert names(chosen.images) == ["b", "e"]
    assert chosen.warnings == ()
    none = tmp_path / "none.json"
    with pytest.raises(DataError, match="split"):
        select_for_evaluation(images, OCT_LAYERS, Modality.OCT, "test", split_file=none)


def test_no_images_of_a_side_are_reported(images, make_image) -> None:
    with pytest.raises(DataError, match="no images for test: the data have 1 for train and 1 for"):
        select_for_evaluation(images[:2], OCT_LAYERS, Modality.OCT, "test")
    with pytest.raises(DataError, match=r"the data have no split\. .*--split"):
        select_for_evaluation([make_image("x")], OCT_LAYERS, Modality.OCT, "test")


def test_only_the_model_s_modality_is_chosen(images, make_image) -> None:
    photo = make_image("p", dataset="photos", modality=Modality.FUNDUS, split="test")
    chosen = select_for_evaluation([*images, photo], FUNDUS_VESSELS, Modality.FUNDUS, "test")
    # those of unknown kind are looked at before they are scored
    assert names(chosen.images) == ["c", "d", "p"]
    scans = [make_image("s", dataset="scans", modality=Modality.OCT, split="test")]
    chosen = select_for_evaluation([photo, *scans], FUNDUS_VESSELS, Modality.FUNDUS, "test")
    assert names(chosen.images) == ["p"]
    assert chosen.warnings == ("scans holds no fundus photographs and is left out.",)
    with pytest.raises(DataError, match="for fundus photographs, but there are none in scans"):
        select_for_evaluation(scans, FUNDUS_VESSELS, Modality.FUNDUS, "test")


def test_only_images_with_the_expert_s_mask_are_chosen(make_image) -> None:
    graded = make_image("g", references={"second": lambda: np.zeros((40, 32))})
    chosen = select_for_evaluation(
        [graded, make_image("h")], OCT_LAYERS, Modality.OCT, None, reference="second"
    )
    assert names(chosen.images) == ["g"]
    assert chosen.warnings == ("1 of 2 images have no mask by second and are left out.",)
    with pytest.raises(DataError, match="mask by 'third': besides the reference there is second"):
        select_for_evaluation([graded], OCT_LAYERS, Modality.OCT, None, reference="third")
    with pytest.raises(DataError, match="there is none"):
        select_for_evaluation([make_image("h")], OCT_LAYERS, Modality.OCT, None, reference="third")


def broken():
    raise DataError("'set/broken.png' can't be decoded: is the file complete?")


def test_a_bad_image_is_named_or_left_out(make_image) -> None:
    good = [make_image("good"), make_image("empty", read_labels=lambda: np.zeros((40, 32)))]
    assert check(good).images == tuple(good)
    bad = [
        make_image("broken", read_pixels=broken),
        make_image("small", read_labels=lambda: np.zeros((4, 4))),
    ]
    with pytest.raises(DataError, match=r"broken\.png.*--skip-bad"):
        check([*good, *bad])
    checked = check([*bad, *good], skip_bad=True)
    assert checked.images == tuple(good)
    assert len(checked.warnings) == 2
    assert "broken.png" in checked.warnings[0]
    assert "small.png" in checked.warnings[1]
    with pytest.raises(DataError, match=r"None of 2 images.*broken"):
        check(bad, skip_bad=True)


def test_one_image_is_enough(make_image) -> None:
    assert len(check([make_image("only")]).images) == 1


def test_classes_that_the_model_does_not_know_are_never_skipped(make_image) -> None:
    unknown = make_image("unknown", read_labels=lambda: np.full((40, 32), 255))
    with pytest.raises(DataError, match="--remap 255:1"):
        check([make_image("good"), unknown], skip_bad=True)


def test_masks_of_another_scheme_are_never_skipped(make_image) -> None:
    other = make_image("other", scheme="duke-layers")
    with pytest.raises(DataError, match="of 'duke-layers', not those of 'band': take a model of"):
        check([make_image("good"), other], skip_bad=True)


def test_images_of_another_look_are_never_skipped(make_image) -> None:
    colors = np.zeros((40, 32, 3), np.uint8)
    colors[..., 0] = np.arange(32)
    with pytest.raises(DataError, match="fundus photograph"):
        check([make_image("photo", read_pixels=lambda: colors)], skip_bad=True)


def test_looking_at_the_images_can_be_stopped(make_image) -> None:
    token = CancelToken()
    job = iter_validate_evaluation(
        [make_image("a"), make_image("b")], BAND, Modality.OCT, token=token
    )
    assert next(job).message == "a"
    token.cancel()
    with pytest.raises(Cancelled):
        next(job)
