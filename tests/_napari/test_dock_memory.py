"""The docks of yesterday's window, opened again today."""

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDockWidget, QLabel, QMainWindow, QTabBar

from mouse import settle

PLUGIN = "napari-retina-seg"


def test_the_first_dock_brings_back_those_that_were_open(make_napari_viewer, qtbot):
    def today(*names):
        viewer = make_napari_viewer(show=True)
        viewer.window._qt_window.resize(1200, 600)
        for name in names:
            viewer.window.add_plugin_dock_widget(PLUGIN, name)
        settle()
        return viewer

    def docks(viewer):
        return {name.split()[0] for name in viewer.window.dock_widgets}

    yesterday = today("Review", "Correct", "Explain", "Agreement")
    main: QMainWindow = yesterday.window._qt_window
    frames = {each.objectName().split()[0]: each for each in main.findChildren(QDockWidget)}
    frames["Agreement"].close()
    main.resizeDocks([frames["Explain"]], [420], Qt.Orientation.Horizontal)
    settle()
    width = frames["Explain"].width()
    assert width > 400
    yesterday.close()

    again = today("Review")
    qtbot.waitUntil(lambda: docks(again) == {"Review", "Correct", "Explain"})
    review = again.window.dock_widgets[f"Review ({PLUGIN})"]
    # One above the other they would be too small.
    window = again.window
    qtbot.waitUntil(lambda: len(window._qt_window.tabifiedDockWidgets(review.parent())) == 2)
    # What was asked for is in front.
    qtbot.waitUntil(lambda: not review.visibleRegion().isEmpty())
    qtbot.waitUntil(lambda: abs(review.parent().width() - width) < 5)


def test_only_tabs_of_our_docks_look_ours(make_napari_viewer, qtbot):
    def find_bar(name):
        for bar in main.findChildren(QTabBar):
            if name in (bar.tabText(index) for index in range(bar.count())):
                return bar
        return None

    window = make_napari_viewer(show=True).window
    main = window._qt_window
    main.tabifyDockWidget(
        *(window.add_dock_widget(QLabel(), name=name, area="left") for name in ("A", "B"))
    )
    qtbot.waitUntil(lambda: find_bar("B") is not None)
    for name in ("Review", "Correct"):
        window.add_plugin_dock_widget(PLUGIN, name)
    qtbot.waitUntil(lambda: find_bar("Correct") is not None)
    assert find_bar("Correct").styleSheet()
    assert not find_bar("B").styleSheet()
