import sys

import pytest

from napari_retina_seg.cli.screen import Screen, has_display, install_command, probe_screen


def screen(**changes) -> Screen:
    working = {
        "binding": "pyqt6 6.11",
        "platform": "xcb",
        "opengl": "4.5",
        "display": True,
        "missing": (),
        "message": "",
    }
    return Screen(**{**working, **changes})


def test_a_window_that_opens_needs_no_mending():
    assert screen().problems() == ()
    assert screen(missing=("libxcb-shape.so.0",)).problems() == ()


def test_a_missing_binding_is_installed_with_pip():
    (problem,) = screen(binding=None, platform=None, opengl=None).problems()
    assert problem.remedy.startswith('python -m pip install "napari-retina-seg[qt]')


def test_missing_libraries_are_named_and_so_are_their_packages():
    missing = ("libEGL.so.1", "libxcb-cursor.so.0")
    (problem,) = screen(binding=None, platform=None, opengl=None, missing=missing).problems()
    assert "libxcb-cursor.so.0" in problem.state
    assert "libegl1 libxcb-cursor0" in problem.remedy


def test_without_a_screen_a_virtual_one_helps():
    (problem,) = screen(platform=None, opengl=None, display=False).problems()
    assert "no screen" in problem.state
    assert "xvfb-run -a napari-retina-seg demo" in problem.remedy


def test_each_of_several_problems_is_reported():
    lacking = screen(binding=None, platform=None, opengl=None, display=False)
    assert [problem.subject for problem in lacking.problems()] == ["Qt", "Screen"]


def test_opengl_that_does_not_start_is_told_apart_from_qt_that_does_not():
    assert screen(opengl=None).problems()[0].subject == "OpenGL"
    (problem,) = screen(platform=None, opengl=None, message="could not connect").problems()
    assert problem.subject == "Window"
    assert "could not connect" in problem.state


def test_the_install_command_names_each_package_once():
    assert install_command(["libgl1", "libgl1"]).count("libgl1") == 1


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there always is a screen")
def test_a_screen_is_known_by_the_environment(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert not has_display()
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert has_display()


def test_a_python_without_a_binding_is_recognised(monkeypatch, tmp_path):
    for name in ("PyQt5", "PyQt6", "PySide2", "PySide6"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise ImportError('hidden')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.delenv("QT_API", raising=False)
    found = probe_screen()
    assert found.binding is None
    if not found.missing:
        assert found.problems()[0].subject == "Qt"


@pytest.mark.gui
@pytest.mark.skipif(not has_display(), reason="there is no screen")
def test_the_probe_opens_qt_and_opengl():
    assert probe_screen().problems() == ()


@pytest.mark.skipif(sys.platform != "linux", reason="X11 is Linux's")
def test_a_display_that_does_not_answer_takes_nothing_down(monkeypatch):
    monkeypatch.setenv("DISPLAY", ":4711")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.delenv("QT_QPA_PLATFORM", raising=False)
    found = probe_screen()
    assert found.platform is None
    assert found.problems()
