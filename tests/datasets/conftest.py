from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from napari_retina_seg.datasets.labelled import LabelledImage
from napari_retina_seg.types.image import Modality


@pytest.fixture
def make_image() -> Callable[..., LabelledImage]:
    """Return a maker of images that are in memory; a noisy bright band stands for a retina."""

    def make(name: str, group: str | None = None, **changes) -> LabelledImage:
        mask = np.zeros((40, 32), np.uint8)
        mask[12:28] = 1
        noise = np.random.default_rng(len(name)).integers(0, 20, mask.shape)
        pixels = (100 * mask + noise).astype(np.uint8)
        values = {
            "name": name,
            "dataset": "set",
            "group": group or name,
            "modality": Modality.UNKNOWN,
            "path": Path("set") / f"{name}.png",
            "read_pixels": lambda: pixels,
            "read_labels": lambda: mask,
        }
        return LabelledImage(**(values | changes))

    return make
