"""Check whether a window can be opened, and how to fix it."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass

from napari_retina_seg.cli.remedies import install

_PATIENCE = 120  # seconds for Qt, or TensorFlow from a cold disk, to start

# Libraries that Qt's X11 and Wayland plugins load on Linux, and their Debian packages.
_LIBRARIES = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
}

_DEMO = "napari-retina-seg demo"


@dataclass(frozen=True)
class ScreenProblem:
    """What was checked, what is wrong, and the command that fixes it."""

    subject: str
    state: str
    remedy: str


@dataclass(frozen=True)
class Screen:
    """Result of starting Qt and OpenGL.

    Attributes
    ----------
    binding, platform, opengl : str or None
        Qt binding, window system and OpenGL that were started; None for those that failed.
    display : bool
        Whether a display is available.
    missing : tuple of str
        Missing system libraries of Qt.
    message : str
        Last message of Qt, if it failed.
    """

    binding: str | None
    platform: str | None
    opengl: str | None
    display: bool
    missing: tuple[str, ...]
    message: str

    def problems(self) -> tuple[ScreenProblem, ...]:
        """Return all known problems; none if a window can be opened."""
        if self.platform and self.opengl:
            return ()
        found = []
        if self.missing:
            packages = [_LIBRARIES[library] for library in self.missing]
            lacking = f"Qt lacks {', '.join(self.missing)}"
            found.append(ScreenProblem("System libraries", lacking, install_command(packages)))
        elif self.binding is None:
            found.append(
                ScreenProblem("Qt", f"no Qt binding works ({self.message})", install("qt"))
            )
        if not self.display:
            absent = "there is no screen (neither DISPLAY nor WAYLAND_DISPLAY is set)"
            found.append(ScreenProblem("Screen", absent, f"{_xvfb()}xvfb-run -a {_DEMO}"))
        if not found and self.platform is None:
            found.append(ScreenProblem("Window", f"Qt can't start ({self.message})", _reinstall()))
        if not found:
            found.append(ScreenProblem("OpenGL", "OpenGL can't start", _reinstall()))
        return tuple(found)


def has_display() -> bool:
    """Whether a display is available."""
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def probe_screen() -> Screen:
    """Start Qt and OpenGL in another process and return the result."""
    display = has_display()
    environment = dict(os.environ)
    if not display:
        environment["QT_QPA_PLATFORM"] = "offscreen"
    run = run_python("-m", "napari_retina_seg.cli.qt_probe", environment=environment)
    steps = dict(line.split("=", 1) for line in run.stdout.splitlines() if "=" in line)
    lines = run.stderr.strip().splitlines()
    return Screen(
        binding=steps.get("binding"),
        platform=steps.get("platform") if display else None,
        opengl=steps.get("opengl") if display else None,
        display=display,
        missing=_missing_libraries(),
        message=lines[-1] if lines else f"it ended with code {run.returncode}",
    )


def run_python(
    *arguments: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run Python in another process, which fails on a timeout."""
    command = [sys.executable, *arguments]
    try:
        return subprocess.run(  # noqa: S603 - our own interpreter and modules
            command,
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"no answer within {_PATIENCE} s")


def install_command(packages: list[str]) -> str:
    """Return the command that installs Debian packages, or their names where apt is not used."""
    names = " ".join(dict.fromkeys(packages))
    if shutil.which("apt-get"):
        return f"sudo apt-get install -y {names}"
    return f"install your system's packages for {names} (these are Debian's names)"


def _reinstall() -> str:
    if sys.platform != "linux":
        return install("qt", again=True)
    return install_command(["libegl1", "libgl1", "libgl1-mesa-dri", *_LIBRARIES.values()])


def _xvfb() -> str:
    return "" if shutil.which("xvfb-run") else f"{install_command(['xvfb'])} && "


def _missing_libraries() -> tuple[str, ...]:
    if sys.platform != "linux":
        return ()
    return tuple(library for library in _LIBRARIES if not _loads(library))


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True
