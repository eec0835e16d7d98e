"""Masks as people leave them, made here."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pytest

from napari_retina_seg.io.formats.record import Attribution, Maker, MaskRecord
from napari_retina_seg.types.image import Laterality, Spacing
from napari_retina_seg.types.labels import OCT_LAYERS

MakeRecord = Callable[..., MaskRecord]


@pytest.fixture(scope="session")
def make_record() -> MakeRecord:
    """Return a function that makes a finished mask of three B-scans, or what it is told."""

    def make(labels: np.ndarray | None = None, **fields) -> MaskRecord:
        if labels is None:
            labels = np.random.default_rng(0).integers(0, 8, (3, 9, 11), np.uint8)
        said = Attribution(
            maker=Maker.HUMAN,
            author="grader-1",
            state="corrected",
            model="oct-unet",
            weights_sha256="ab" * 32,
            program="1.0",
            made_at=datetime(2026, 3, 4, 5, 6, tzinfo=UTC),
        )
        known = {
            "scheme": OCT_LAYERS,
            "name": "scan-1",
            "spacing": Spacing.from_um(slice=120.5, axial=3.87, lateral=11.8),
            "laterality": Laterality.LEFT,
            "attribution": said,
            "image_sha256": "cd" * 32,
        }
        return MaskRecord(labels, **(known | fields))

    return make
