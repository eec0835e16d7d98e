"""Make the README's pictures: the real window, driven as a person drives it.

xvfb-run -a -s "-screen 0 1366x768x24" python docs/screenshots.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import napari
from napari.settings import get_settings
from qtpy.QtCore import QEventLoop, QSettings, QTimer
from qtpy.QtWidgets import QApplication
from skimage.data import retina

from napari_retina_seg._napari.layers import image_layers
from napari_retina_seg.imaging.phantom import phantom_bscan, phantom_volume
from napari_retina_seg.types.image import Modality, RetinaImage

IMAGES = Path(__file__).parent / "images"


def _choose(box, text):
    """Choose an item of a combo box by the beginning of its text, as a user does."""
    row = next(row for row in range(box.count()) if box.itemText(row).startswith(text))
    box.setCurrentIndex(row)
    box.activated.emit(row)


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    nobody = tempfile.mkdtemp()  # whose settings are those of a first start
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, nobody)
    photograph = RetinaImage(
        retina(), color=True, modality=Modality.FUNDUS, name="Fundus photograph"
    )
    picture(photograph, "fundus.png", theme="dark")
    picture(phantom_bscan().image, "bscan.png", theme="dark")
    picture(phantom_volume().image, "volume.png", theme="light")
    explanation(phantom_bscan().image, "explain.png", theme="dark")


def picture(image: RetinaImage, name: str, theme: str) -> None:
    viewer = window(image, theme)
    widget = dock(viewer, "Segment")
    if image.is_volume:
        widget.images.whole.setChecked(True)
    wait_for(widget)
    keep(viewer, name)


def explanation(image: RetinaImage, name: str, theme: str) -> None:
    viewer = window(image, theme)
    segment = dock(viewer, "Segment")
    _choose(segment.models.box, "resunet-tian2015-phantoms")
    wait_for(segment)
    widget = dock(viewer, "Explain")
    _choose(widget.models.box, "resunet-tian2015-phantoms")
    _choose(widget.classes.box, "INL")
    wait_for(widget)
    keep(viewer, name, zoom=3)


def window(image: RetinaImage, theme: str) -> napari.Viewer:
    get_settings().appearance.theme = theme
    viewer = napari.Viewer(show=False)
    viewer.show()
    viewer.window.resize(1366, 740)
    for data, options, kind in image_layers(image):
        viewer._add_layer_from_data(data, options, kind)
    return viewer


def dock(viewer: napari.Viewer, name: str) -> Any:
    _, widget = viewer.window.add_plugin_dock_widget("napari-retina-seg", name)
    widget.parent().raise_()
    return widget


def wait_for(widget: Any) -> None:
    """Press the dock's button, and wait for its end."""
    loop = QEventLoop()
    widget.finished.connect(loop.quit)
    widget.button.click()
    loop.exec()


def keep(viewer: napari.Viewer, name: str, zoom: float = 1) -> None:
    viewer.reset_view()
    viewer.scene.camera.zoom *= zoom
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
