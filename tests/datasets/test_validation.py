import numpy as np
import pytest
from PIL import Image

from napari_retina_seg.datasets.layouts.layout import absent, read_plane
from napari_retina_seg.datasets.validation import iter_validate
from napari_retina_seg.types.errors import DataError
from napari_retina_seg.types.image import Modality
from napari_retina_seg.types.labels import DUKE_LAYERS, FUNDUS_VESSELS, OCT_LAYERS
from napari_retina_seg.types.progress import Cancelled, CancelToken, finish


def validate(images, **options):
    return finish(iter_validate(images, OCT_LAYERS, Modality.OCT, **options))


def labels(value, shape=(40, 32)):
    mask = np.zeros(shape, np.int64)
    mask[10:20] = value
    return lambda: mask


def test_good_images_pass_and_are_of_the_modality_that_is_wanted(make_image):
    images = [make_image(name) for name in "abc"]
    steps = list(iter_validate(images, OCT_LAYERS, Modality.OCT))
    assert [(step.done, step.total, step.message) for step in steps] == [
        (0, 3, "a"),
        (1, 3, "b"),
        (2, 3, "c"),
    ]
    valid = validate(images)
    assert [image.name for image in valid.images] == ["a", "b", "c"]
    assert {image.modality for image in valid.images} == {Modality.OCT}
    assert valid.skipped == ()


def test_a_corrupt_file_among_a_hundred_is_named_and_skipped_only_on_request(make_image, tmp_path):
    path = tmp_path / "image_042.png"
    Image.fromarray(np.zeros((40, 40), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:40])
    bad = make_image("042", path=path, read_pixels=lambda: read_plane(path))
    images = [bad if k == 42 else make_image(f"{k:03d}") for k in range(100)]
    with pytest.raises(
        DataError,
        match=r"image_042\.png' can't be read as PNG: .*; --skip-bad leaves such images out\.$",
    ):
        validate(images)
    valid = validate(images, skip_bad=True)
    assert len(valid.images) == 99
    assert len(valid.skipped) == 1
    assert "image_042.png' can't be read as PNG" in valid.skipped[0]


def test_an_image_without_a_mask_is_bad(make_image):
    alone = make_image("b", read_labels=absent("'b.png' has no mask in 'masks'."))
    images = [make_image("a"), alone, make_image("c")]
    with pytest.raises(DataError, match=r"'b\.png' has no mask in 'masks'; --skip-bad"):
        validate(images)
    assert validate(images, skip_bad=True).skipped[0].endswith("'b.png' has no mask in 'masks'.")


def test_a_mask_of_another_size_is_bad(make_image):
    images = [make_image("a"), make_image("b", read_labels=labels(1, (40, 30))), make_image("c")]
    with pytest.raises(DataError, match=r"b\.png' has 40 × 32 px and its mask 40 × 30"):
        validate(images)
    assert len(validate(images, skip_bad=True).images) == 2


def test_a_blank_image_is_bad(make_image):
    blank = make_image("b", read_pixels=lambda: np.full((40, 32), 7, np.uint8))
    with pytest.raises(DataError, match=r"b\.png'.* is 7 everywhere"):
        validate([make_image("a"), blank])


@pytest.mark.parametrize("skip_bad", [False, True])
def test_an_unknown_value_of_one_class_is_offered_the_remap(make_image, skip_bad):
    noise = np.random.default_rng(0).integers(0, 255, (40, 32), np.uint8)
    image = make_image("a", read_pixels=lambda: noise, read_labels=labels(254))
    with pytest.raises(DataError, match=r"a\.png' holds the value 254, .*--remap 254:1"):
        finish(iter_validate([image, image], FUNDUS_VESSELS, Modality.FUNDUS, skip_bad=skip_bad))


@pytest.mark.parametrize("skip_bad", [False, True])
def test_masks_of_another_scheme_are_refused_with_the_way_out(make_image, skip_bad):
    """Its values are classes of either scheme: only the data set can tell that they differ."""
    images = [make_image(name, scheme="oct-layers") for name in "ab"]
    assert len(validate(images).images) == 2
    message = (
        r"a\.png' holds the classes of 'oct-layers', not those of 'duke-layers': take a model of"
        r" 'oct-layers', train one with --set scheme=oct-layers, or say with --remap"
    )
    with pytest.raises(DataError, match=message):
        finish(iter_validate(images, DUKE_LAYERS, Modality.OCT, skip_bad=skip_bad))


def test_a_class_that_the_scheme_does_not_know_is_named(make_image):
    images = [make_image("a"), make_image("b", read_labels=labels(8))]
    with pytest.raises(DataError, match=r"b\.png' holds the value 8, which 'oct-layers' has no"):
        validate(images, skip_bad=True)


def test_an_image_of_another_modality_is_refused(make_image):
    from skimage.data import retina

    photo = retina()[::16, ::16]
    image = make_image("photo", read_pixels=lambda: photo, read_labels=labels(1, photo.shape[:2]))
    with pytest.raises(DataError, match=r"photo\.png' looks like a fundus photograph among OCT"):
        validate([make_image("a"), image], skip_bad=True)


def test_a_data_set_of_another_modality_is_refused_before_it_is_read(make_image):
    image = make_image("a", modality=Modality.FUNDUS, read_pixels=absent("never read"))
    with pytest.raises(DataError, match="whose images are fundus: 'oct-layers' needs oct"):
        validate([image, image])


def test_empty_masks_pass_unless_all_are_empty(make_image):
    empty = [make_image(name, read_labels=labels(0)) for name in "ab"]
    assert len(validate([*empty, make_image("c")]).images) == 3
    with pytest.raises(DataError, match="All 2 masks are background only: there is nothing to"):
        validate(empty)


def test_zero_images_are_too_few(make_image):
    with pytest.raises(DataError, match="There are no images to learn from: choose a folder"):
        validate([])
    bad = make_image("b", read_labels=absent("'b.png' has no mask."))
    with pytest.raises(DataError, match=r"none of 2 can be used\. .*'b\.png' has no mask"):
        validate([bad, bad], skip_bad=True)


def test_one_image_is_too_few(make_image):
    with pytest.raises(DataError, match=r"one image only, '.*a\.png': training needs at least two"):
        validate([make_image("a")])


def test_boundaries_that_do_not_fit_are_bad(make_image):
    images = [make_image("a"), make_image("b", read_heights=lambda: np.zeros((8, 31)))]
    with pytest.raises(DataError, match=r"8 boundaries of 31 columns: 'oct-layers' needs 8 of 32"):
        validate(images)
    broken = make_image("c", read_heights=absent("'c.csv' can't be read."))
    valid = validate([images[0], *images, broken], skip_bad=True)
    assert "'c.csv' can't be read" in valid.skipped[1]


def test_a_field_of_view_of_another_size_is_bad(make_image):
    odd = make_image("b", read_field=lambda: np.ones((40, 40), bool))
    with pytest.raises(DataError, match=r"b\.png' has 40 × 32 px and its field of view 40 × 40"):
        validate([make_image("a"), odd])


def test_it_can_be_cancelled(make_image):
    token = CancelToken()
    steps = iter_validate([make_image("a"), make_image("b")], OCT_LAYERS, Modality.OCT, token=token)
    next(steps)
    token.cancel()
    with pytest.raises(Cancelled):
        next(steps)
