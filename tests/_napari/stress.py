"""A program, not a test: docks, jobs and page turns, and the garbage collected after each.

Garbage is collected in the window's thread and in a background thread. What belongs to Qt must
survive both: an object that is destroyed in the wrong thread, or while its thread still runs, ends
the process. Qt's own messages go to the standard error. `test_stress.py` runs this.

    XDG_CONFIG_HOME=FOLDER python stress.py FOLDER EVENTS
"""

from __future__ import annotations

import faulthandler
import gc
import sys
import time
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from pathlib import Path

from choose import choose_modality
from napari_retina_seg._napari.engine_tasks import load_engine

faulthandler.enable()
load_engine()  # before anything else imports TensorFlow

import napari  # noqa: E402
import numpy as np  # noqa: E402
from qtpy.QtCore import QSettings, qInstallMessageHandler  # noqa: E402
from qtpy.QtWidgets import QApplication  # noqa: E402

from helpers import tiny_model, write_png  # noqa: E402
from napari_retina_seg._napari.tasks import in_background, is_idle  # noqa: E402
from napari_retina_seg.imaging.phantom import phantom_bscan  # noqa: E402
from napari_retina_seg.models import registry  # noqa: E402
from napari_retina_seg.project.project import Project  # noqa: E402
from napari_retina_seg.types.image import Modality  # noqa: E402
from napari_retina_seg.types.labels import OCT_LAYERS  # noqa: E402

_PATIENCE = 60  # s
_EVENTS_OF_A_WINDOW = 10  # each kind of event, and the first ones again
_HARMLESS = ("propagateSizeHints", "XDG_RUNTIME_DIR")


def main(folder: Path, events: int) -> None:
    """Run so many events, and leave the program in the midst of a job."""
    qInstallMessageHandler(report)
    registry.BUNDLED = folder / "no-models"
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(folder))
    registry.add_model(tiny_model(folder / "tiny", Modality.OCT).path)
    study = make_project(folder)
    done = 0
    while done < events:
        window = Window(study)
        for event in islice(window.events(), min(_EVENTS_OF_A_WINDOW, events - done)):
            event()
            in_background(gc.collect)
            gc.collect()
            done += 1
        window.close()
        gc.collect()
        wait_until(is_idle)
    Window(study).close()  # and the interpreter ends while this is at work
    sys.stdout.write(f"{done} events\n")


def report(kind: object, _: object, message: str) -> None:
    """Write a message of Qt's to the standard error."""
    if not any(words in message for words in _HARMLESS):
        sys.stderr.write(f"Qt: {kind}: {message}\n")


def make_project(folder: Path) -> Path:
    """Make a project of four scans."""
    paths = [folder / "scans" / f"scan{seed}.png" for seed in range(4)]
    for seed, path in enumerate(paths):
        write_png(path, phantom_bscan(seed, 96, 128).image.pixels)
    with Project.create(folder / "study", scheme=OCT_LAYERS, author="Ann") as project:
        project.add_images(paths)
    return folder / "study"


def wait_until(holds: Callable[[], bool]) -> None:
    """Let Qt handle events until something holds."""
    end = time.monotonic() + _PATIENCE
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError
        QApplication.processEvents()
        time.sleep(0.005)


class Window:
    """A viewer on a volume, with the docks that work in the background."""

    def __init__(self, study: Path) -> None:
        self._viewer = napari.Viewer()
        volume = np.stack([phantom_bscan(seed, 96, 128).image.pixels for seed in range(8)])
        self._image = self._viewer.add_image(volume, name="cube")
        self._study = study
        self._review = self._open("Review")
        self._review.bar.opened.emit(study, "Ann")
        wait_until(lambda: self._session.project is not None and not self._session.busy)

    @property
    def _session(self) -> object:
        return self._review.session

    def events(self) -> Iterator[Callable[[], None]]:
        """Go through what a person may do, for ever."""
        turns = [self.save_and_open_next] * 2
        yield from cycle(
            [
                *turns,
                self.segment_and_wait,
                *turns,
                self.segment_and_close,
                *turns,
                self.open_and_close,
            ]
        )

    def save_and_open_next(self) -> None:
        """Open the next image of the project."""
        self._review.open_next()
        wait_until(lambda: not self._session.busy)

    def segment_and_wait(self) -> None:
        """Segment a slice, to its end."""
        dock = self.segment(whole=False)
        wait_until(lambda: not dock.is_running)
        self._close(dock)

    def segment_and_close(self) -> None:
        """Close the dock in which a volume is being segmented."""
        self._close(self.segment())

    def open_and_close(self) -> None:
        """Open the docks that look something up in the background, and close them at once."""
        for name in ("Explain", "Correct", "Agreement"):
            self._close(self._open(name))

    def segment(self, *, whole: bool = True) -> object:
        """Start segmenting."""
        dock = self._open("Segment")
        self._viewer.layers.selection.active = self._image
        choose_modality(dock.images, Modality.OCT)
        dock.images.whole.setChecked(whole)
        dock.segment()
        return dock

    def close(self) -> None:
        """Close the window while a volume is being segmented."""
        self.segment()
        self._viewer.close()
        del self._review, self._viewer, self._image

    def _open(self, name: str) -> object:
        return self._viewer.window.add_plugin_dock_widget("napari-retina-seg", name)[1]

    def _close(self, dock: object) -> None:
        self._viewer.window.remove_dock_widget(dock)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
