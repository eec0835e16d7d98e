from qtpy.QtCore import QThreadPool

from napari_retina_seg._napari.demo import Demo
from napari_retina_seg.core.image import Modality, RetinaImage


def test_every_image_is_segmented_and_the_first_is_shown(viewer, qtbot, photograph, bscan):
    eye = RetinaImage(photograph, color=True, modality=Modality.FUNDUS, name="eye")
    scan = RetinaImage(bscan, modality=Modality.OCT, name="scan")
    demo = Demo(viewer, [eye, scan])
    demo.start()
    qtbot.waitUntil(lambda: len(viewer.layers) == 4 and not demo.widget.is_running, timeout=60_000)
    shown = {layer.name: layer.visible for layer in viewer.layers}
    assert shown == {
        "eye": True,
        "scan": False,
        "eye · tiny-fundus": True,
        "scan · tiny-oct": False,
    }
    assert viewer.layers.selection.active.name == "eye · tiny-fundus"
    QThreadPool.globalInstance().waitForDone(60_000)
    qtbot.wait(20)
