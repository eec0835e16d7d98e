"""Make the README's pictures: the real window, driven as a person drives it.

xvfb-run -a -s "-screen 0 1366x768x24" python docs/screenshots.py
"""

from __future__ import annotations

from pathlib import Path

import napari
from napari.settings import get_settings
from qtpy.QtCore import QEventLoop, QTimer
from qtpy.QtWidgets import QApplication
from skimage.data import retina

from napari_retina_seg._napari.layers import image_layers
from napari_retina_seg.core.image import Modality, RetinaImage
from napari_retina_seg.core.phantom import phantom_bscan, phantom_volume

IMAGES = Path(__file__).parent / "images"


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    photograph = RetinaImage(
        retina(), color=True, modality=Modality.FUNDUS, name="Fundus photograph"
    )
    picture(photograph, "fundus.png", theme="dark")
    picture(phantom_bscan().image, "bscan.png", theme="dark")
    picture(phantom_volume().image, "volume.png", theme="light")


def picture(image: RetinaImage, name: str, theme: str) -> None:
    get_settings().appearance.theme = theme
    viewer = napari.Viewer(show=False)
    viewer.show()
    viewer.window.resize(1366, 740)
    for data, options, kind in image_layers(image):
        viewer._add_layer_from_data(data, options, kind)
    _, widget = viewer.window.add_plugin_dock_widget("napari-retina-seg", "Segment")
    if image.is_volume:
        widget.images.whole.setChecked(True)
    loop = QEventLoop()
    widget.finished.connect(loop.quit)
    widget.button.click()
    loop.exec()
    viewer.reset_view()
    settle()
    viewer.window._qt_window.grab().save(str(IMAGES / name))
    viewer.close()


def settle(milliseconds: int = 1500) -> None:
    """Let the window finish drawing and fading."""
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()
    QApplication.processEvents()


if __name__ == "__main__":
    main()
