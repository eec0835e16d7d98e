"""File › Open Sample: a real photograph, and phantoms labelled as synthetic."""

from __future__ import annotations

from napari.types import LayerDataTuple

from napari_retina_seg._napari.layers import image_layers
from napari_retina_seg.imaging.phantom import phantom_bscan, phantom_volume
from napari_retina_seg.types.image import Modality, RetinaImage


def fundus_photograph() -> list[LayerDataTuple]:
    """Open the fundus photograph that comes with scikit-image (1411 × 1411, RGB, CC0)."""
    from skimage.data import retina

    return image_layers(
        RetinaImage(
            retina(),
            color=True,
            modality=Modality.FUNDUS,
            name="fundus photograph",
            source="scikit-image: skimage.data.retina()",
        )
    )


def oct_bscan() -> list[LayerDataTuple]:
    """Generate a synthetic B-scan."""
    return image_layers(phantom_bscan().image)


def oct_volume() -> list[LayerDataTuple]:
    """Generate a synthetic OCT volume."""
    return image_layers(phantom_volume().image)
