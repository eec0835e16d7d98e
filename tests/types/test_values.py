import numpy as np
import pytest

from napari_retina_seg.imaging.modality import guess_modality
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.types.errors import ImageError, RetinaSegError
from napari_retina_seg.types.image import Length, Modality, Origin, RetinaImage, Spacing
from napari_retina_seg.types.labels import OCT_LAYERS, LabelClass, LabelScheme, Surface
from napari_retina_seg.types.progress import Cancelled, CancelToken, Progress, finish
from napari_retina_seg.types.segmentation import Provenance, Segmentation, normalised_entropy


def test_an_image_says_what_shape_it_got() -> None:
    with pytest.raises(ImageError, match=r"\(4, 5, 6, 7\)"):
        RetinaImage(np.zeros((4, 5, 6, 7)))
    with pytest.raises(ImageError, match="ends in 3"):
        RetinaImage(np.zeros((5, 6, 2)), color=True)
    with pytest.raises(ImageError, match="complex128"):
        RetinaImage(np.zeros((5, 6), complex))
    with pytest.raises(ImageError, match="no pixels"):
        RetinaImage(np.zeros((0, 6)))


def test_planes_of_volumes() -> None:
    volume = RetinaImage(np.arange(24).reshape(2, 3, 4))
    assert (volume.n_slices, volume.grid, volume.is_volume) == (2, (3, 4), True)
    np.testing.assert_array_equal(volume.plane(1), np.arange(12, 24).reshape(3, 4))
    with pytest.raises(ImageError, match="slices are 0 to 1"):
        volume.plane(2)


def test_a_pixel_size_needs_an_origin() -> None:
    with pytest.raises(ImageError):
        Length(3.87)
    with pytest.raises(ImageError, match="positive"):
        Length(-1, Origin.FILE)
    assert Spacing.from_um(axial=3.87).axial.origin is Origin.FILE
    assert Spacing.from_um(axial=3.87).lateral.um is None


def test_schemes_refuse_gaps_and_missing_surfaces() -> None:
    classes = (LabelClass(0, "a", "a", "#000000"), LabelClass(2, "b", "b", "#ffffff"))
    with pytest.raises(RetinaSegError, match=r"\[0, 2\]"):
        LabelScheme("gap", classes)
    with pytest.raises(RetinaSegError, match="needs 8 surfaces"):
        LabelScheme("short", OCT_LAYERS.classes, (Surface("ILM"),))


def test_the_entropy_of_certain_and_of_equal_classes() -> None:
    certain = np.zeros((4, 2, 2))
    certain[1] = 1
    np.testing.assert_allclose(normalised_entropy(certain), 0, atol=1e-6)
    np.testing.assert_allclose(normalised_entropy(np.full((4, 2, 2), 0.25)), 1, atol=1e-6)


def test_probabilities_must_fit_the_labels() -> None:
    provenance = Provenance("", "m", "0", "0", "CPU", "float32", 0.0)
    with pytest.raises(ImageError, match=r"\(7, 4, 5\)"):
        Segmentation(
            np.zeros((4, 5), np.uint8),
            scheme=OCT_LAYERS,
            provenance=provenance,
            probabilities=np.zeros((7, 4, 5), np.float16),
        )


def test_jobs_end_with_a_value_or_are_cancelled() -> None:
    def job(token: CancelToken):
        yield Progress(0, 1)
        token.raise_if_cancelled()
        return 42

    assert finish(job(CancelToken())) == 42
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        finish(job(token))


def test_phantoms_noise_and_photographs_are_told_apart() -> None:
    from skimage.data import retina

    assert guess_modality(phantom_bscan().image.pixels) is Modality.OCT
    assert guess_modality(retina()) is Modality.FUNDUS
    assert guess_modality(retina()[..., 1]) is Modality.FUNDUS
    assert guess_modality(np.random.default_rng(0).random((99, 99))) is Modality.UNKNOWN
    assert guess_modality(np.zeros((99, 99))) is Modality.UNKNOWN


def test_a_photograph_in_a_wide_dark_frame_is_a_photograph() -> None:
    from skimage.data import retina

    assert guess_modality(np.pad(retina(), ((500, 500), (700, 700), (0, 0)))) is Modality.FUNDUS


def test_a_small_photograph_below_a_bright_band_is_a_photograph() -> None:
    from skimage.data import retina

    page = np.pad(retina()[::4, ::4], ((250, 60), (300, 300), (0, 0)))
    page[:60] = 230
    assert guess_modality(page) is Modality.FUNDUS


def test_what_is_grey_and_wider_than_16_to_9_is_not_called_a_photograph() -> None:
    """A cropped B-scan with a swollen retina has a round edge, too."""
    from skimage.data import retina

    strip = retina()[350:1060, :, 1]
    assert guess_modality(strip) is Modality.UNKNOWN
    assert guess_modality(strip[:, :1200]) is Modality.FUNDUS


def test_experts_images_are_told_apart(shared_data) -> None:
    from napari_retina_seg.datasets.layouts import read_dataset

    for folder in ("oct_layers", "chase_db1", "hrf"):
        for image in read_dataset(shared_data / folder)[::7]:
            assert guess_modality(image.pixels()) is image.modality
