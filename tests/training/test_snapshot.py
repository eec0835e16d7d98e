"""The part of an image on which a training is watched."""

import cv2
import numpy as np
import pytest

from napari_retina_seg.datasets.augment import Sample
from napari_retina_seg.imaging.agreement_picture import INVENTED, MISSED
from napari_retina_seg.models.recipe import SHIPPED, Recipe
from napari_retina_seg.training.snapshot import LARGEST, Snapshot, collapse, predict

VESSELS = Recipe.read(SHIPPED / "unet-drive.toml")
LAYERS = Recipe.read(SHIPPED / "oct-layers.toml")


class Network:
    """Draws what it is told to."""

    def __init__(self, labels):
        self.labels = labels

    def predict_on_batch(self, batch):
        rows, columns = batch.shape[1:3]
        shown = np.zeros((rows, columns), np.float32)
        shown[: self.labels.shape[0], : self.labels.shape[1]] = self.labels
        return shown[np.newaxis, ..., np.newaxis]


def sample(rows=96, columns=128):
    rng = np.random.default_rng(0)
    target = np.zeros((rows, columns), np.float32)
    target[-40:-30, 20:-20] = 1
    channels = VESSELS.preprocessing.channels
    return Sample(rng.random((rows, columns, channels), np.float32), target, np.ones_like(target))


def test_wrong_pixels_have_the_colours_of_the_report():
    whole = sample()
    shown = Snapshot.take(Network(np.zeros((96, 128))), whole, VESSELS)
    extra = whole.target.copy()
    extra[5:15, 5:15] = 1
    png = shown.png(predict(Network(extra), whole, VESSELS), 3)
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    right = picture.shape[1] // 2
    missing, invented = ((picture == color).all(axis=-1) for color in (MISSED, INVENTED))
    assert missing[:, :right].sum() == whole.target.sum()
    assert not missing[:, right:].any()
    assert invented[:, right:].sum() == 100
    assert not invented[:, :right].any()


def test_of_a_large_image_the_part_with_most_is_shown():
    whole = sample(900, 1000)
    whole.target[:] = 0
    whole.target[700:800, 800:950] = 1
    shown = Snapshot.take(Network(np.zeros(LARGEST)), whole, VESSELS)
    assert shown.sample.target.shape == LARGEST
    assert shown.sample.target.sum() == 100 * 150


def test_scores_of_the_log():
    whole = sample()
    shown = Snapshot.take(Network(np.zeros((96, 128))), whole, VESSELS)
    assert shown.row(shown.before)["shown_dice"] == 0
    right = shown.row(predict(Network(whole.target), whole, VESSELS))
    assert right == pytest.approx(
        {"shown_dice": 1, "shown_accuracy": 1, "shown_iou": 1, "shown_mcc": 1}
    )


def test_a_network_that_draws_one_class_is_named():
    truth, background, first = np.zeros((3, 8, 8), np.int64)
    truth[0, 0] = truth[1, 1] = 5
    background[0, 0] = background[1, 0] = 5
    first[0, 1] = first[1, 1] = 5
    empty = np.zeros((8, 8), np.int64)
    empty[0, 0] = 5
    assert collapse(truth, LAYERS) == ""
    assert collapse(background, LAYERS) == "it draws nothing yet"
    assert collapse(first, LAYERS) == "it draws nothing but RNFL yet"
    assert collapse(empty, LAYERS) == "", "there is nothing to be drawn"
