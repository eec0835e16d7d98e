"""What several tests build."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from napari_retina_seg.imaging.explanation import ExplainRequest, Explanation
from napari_retina_seg.imaging.preprocess import FundusPreprocessing, OctPreprocessing
from napari_retina_seg.models.config import UNetConfig
from napari_retina_seg.models.networks import build
from napari_retina_seg.models.packaging import halve_weights, write_model
from napari_retina_seg.models.registry import ModelFolder, ModelLike
from napari_retina_seg.models.spec import SurfacePostprocessing, ThresholdPostprocessing
from napari_retina_seg.saliency.explainer import explain
from napari_retina_seg.types.image import Modality, RetinaImage
from napari_retina_seg.types.labels import FUNDUS_VESSELS, OCT_LAYERS

# One step of training on OCT scans of any size.
TINY_RECIPE = """
name = "tiny"
scheme = "oct-layers"

[card]
title = "Nothing in particular"
description = "One step of training."
modality = "oct"
licence = "BSD-3-Clause"

[architecture]
kind = "unet"
classes = 8
widths = [2, 4]

[preprocessing]
kind = "oct"

[postprocessing]
kind = "surfaces"

[loss]
cross_entropy = 1

[training]
crop = [64, 64]
batch = 2
epochs = 1
steps_per_epoch = 1
"""


def tiny_model(folder: Path, modality: Modality, widths: tuple[int, ...] = (4, 8)) -> ModelFolder:
    """Write a small untrained model, the same at each call."""
    oct_model = modality is Modality.OCT
    architecture = UNetConfig(
        channels=1 if oct_model else 3, classes=8 if oct_model else 2, widths=widths
    )
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / "float32.weights.h5"
    build(architecture, seed=0).save_weights(weights)
    half = halve_weights(weights)
    weights.unlink()
    return write_model(
        folder,
        half,
        {
            "name": f"tiny-{modality.value}",
            "title": "Nothing in particular",
            "modality": modality,
            "scheme": OCT_LAYERS if oct_model else FUNDUS_VESSELS,
            "architecture": architecture,
            "preprocessing": OctPreprocessing() if oct_model else FundusPreprocessing(diameter=96),
            "postprocessing": SurfacePostprocessing() if oct_model else ThresholdPostprocessing(),
            "training_data": "nothing",
            "licence": "BSD-3-Clause",
        },
    )


@contextmanager
def untraced() -> Iterator[None]:
    """Compute each operation by itself: for a few steps, to trace and compile a network is longer.

    For what is the same either way; one run of each published network is compiled.
    """
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)


def assert_same_mask(found: np.ndarray, expected: np.ndarray) -> None:
    """Compare masks that a network drew twice.

    The order of its sums may depend on the processor and its load. That moves a probability by
    some 1e-6, which decides only in pixels where two classes are as good as equally probable.
    """
    assert found.shape == expected.shape
    assert np.mean(found != expected) <= 1e-3


def assert_same_maps(found: np.ndarray, expected: np.ndarray) -> None:
    """Compare maps that were computed twice, in float32 and perhaps with sums in another order."""
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


def write_png(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())


def answer(
    image: RetinaImage, model: ModelLike, request: ExplainRequest, index: int = 0
) -> Explanation:
    """Return what `explain` says to a request."""
    return explain(
        image,
        model,
        request.values,
        layer=request.layer,
        method=request.method,
        target=request.target,
        index=index,
    )
