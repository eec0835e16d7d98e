import gc
from types import SimpleNamespace

from napari_retina_seg._napari import demo
from napari_retina_seg._napari.tasks import is_idle
from napari_retina_seg.types.image import Modality, RetinaImage, Spacing


def test_every_image_is_segmented_and_the_first_is_shown(
    viewer, qtbot, monkeypatch, photograph, bscan
):
    eye = RetinaImage(photograph, color=True, modality=Modality.FUNDUS, name="eye")
    spacing = Spacing.from_um(axial=3.87, lateral=11.8)
    scan = RetinaImage(bscan, modality=Modality.OCT, name="scan", spacing=spacing)

    def wait() -> None:
        gc.collect()  # whatever nobody holds is gone, as in a program that runs for long
        qtbot.waitUntil(lambda: len(viewer.layers) == 4, timeout=60_000)
        qtbot.waitUntil(is_idle, timeout=60_000)

    monkeypatch.setattr(demo, "napari", SimpleNamespace(Viewer=lambda **_: viewer, run=wait))
    demo.open_demo([eye, scan])
    shown = {layer.name: layer.visible for layer in viewer.layers}
    assert shown == {
        "eye": True,
        "scan": False,
        "eye · tiny-fundus": True,
        "scan · tiny-oct": False,
    }
    assert viewer.layers.selection.active.name == "eye · tiny-fundus"
    assert {str(layer.units[0]) for layer in viewer.layers} == {"pixel"}
