"""The docks of yesterday's window, opened again today."""

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDockWidget, QMainWindow

PLUGIN = "napari-retina-seg"


def test_the_first_dock_brings_back_those_that_were_open(make_napari_viewer, qtbot):
    def today(*names):
        viewer = make_napari_viewer(show=True)
        viewer.window._qt_window.resize(1200, 600)
        for name in names:
            viewer.window.add_plugin_dock_widget(PLUGIN, name)
        qtbot.wait(50)
        return viewer

    def docks(viewer):
        return {name.split()[0] for name in viewer.window.dock_widgets}

    yesterday = today("Review", "Correct", "Agreement")
    main: QMainWindow = yesterday.window._qt_window
    frames = {each.objectName().split()[0]: each for each in main.findChildren(QDockWidget)}
    frames["Agreement"].close()
    main.resizeDocks([frames["Correct"]], [420], Qt.Orientation.Horizontal)
    qtbot.wait(50)
    width = frames["Correct"].width()
    assert width > 400
    yesterday.close()

    again = today("Review")
    qtbot.waitUntil(lambda: docks(again) == {"Review", "Correct"})
    review = again.window.dock_widgets[f"Review ({PLUGIN})"]
    qtbot.wait(200)
    assert not review.visibleRegion().isEmpty()  # what was asked for is in front
    qtbot.waitUntil(lambda: abs(review.parent().width() - width) < 5)
