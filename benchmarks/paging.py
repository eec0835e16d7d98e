"""Next in the Review dock, in a queue of ten and of 20,000, the queue itself, and bare layers."""

from __future__ import annotations

import json
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import napari
from click_to_layer import draw
from qtpy.QtCore import QEventLoop
from tables import row

from napari_retina_seg._napari.engine_tasks import load_engine
from napari_retina_seg._napari.results import MaskInfo, mask_options
from napari_retina_seg._napari.review.widget import ReviewWidget
from napari_retina_seg.imaging.phantom import Phantom, phantom_bscan
from napari_retina_seg.project.checksums import stamp_all
from napari_retina_seg.project.project import Project
from napari_retina_seg.types.labels import OCT_LAYERS
from napari_retina_seg.types.segmentation import Provenance, Segmentation

ROWS, COLUMNS = 496, 768
FEW, MANY = 10, 20_000
LAPS = 3  # there and back, over the ten images


def paging() -> list[dict[str, Any]]:
    """Time Next and Previous, until the other image is drawn.

    Returns
    -------
    list of dict
        A row each for 20,000 images against ten, and for ten against napari's own two layers,
        removed and added or given other data; and for the queue, opened and filtered.
    """
    load_engine()  # as after a prediction: napari collects garbage through all of TensorFlow
    phantoms = [phantom_bscan(seed, ROWS, COLUMNS) for seed in range(FEW)]
    with tempfile.TemporaryDirectory() as folder:
        small, large = (make_project(Path(folder) / name, phantoms) for name in ("few", "many"))
        multiply(large, MANY)
        with window() as (viewer, dock):
            few, many = [], []
            for _ in range(LAPS):  # in turn, so that both see the same machine
                few += turns(viewer, dock, small)
                many += turns(viewer, dock, large)
            queues = [*in_queue(dock, large), *in_queue(dock, small)]
    by_hand, swapped = replace_layers(phantoms), swap_data(phantoms)
    what = f"the next B-scan of {ROWS} × {COLUMNS}, from the key to the screen, in a queue of"
    return [
        row(f"{what} {MANY}", median(many), f"in a queue of {FEW}", median(few)),
        row(
            f"{what} {FEW}", median(few), "napari's own layers, removed and added", median(by_hand)
        ),
        row(f"{what} {FEW}", median(few), "napari's own layers, given other data", median(swapped)),
        row(
            f"opening a project of {MANY} images, until its queue is drawn",
            queues[0],
            "of ten",
            queues[2],
        ),
        row(f"a filter of {MANY} images, until the queue is drawn", queues[1], "of ten", queues[3]),
    ]


def make_project(folder: Path, phantoms: list[Phantom]) -> Path:
    """Make a project whose images all have a prediction."""
    folder.mkdir()
    paths = []
    for number, phantom in enumerate(phantoms):
        paths.append(folder / f"scan{number}.png")
        cv2.imwrite(str(paths[-1]), phantom.image.pixels)
    with Project.create(folder / "project", scheme=OCT_LAYERS, author="Ann") as project:
        added = project.add_images(paths)
        for image, phantom in zip(added.images, phantoms, strict=True):
            drawn = Provenance(str(image.path), "phantom", "ab" * 32, "1.0", "CPU", "float32", 0.5)
            project.add_prediction(
                image.id, Segmentation(phantom.labels, scheme=OCT_LAYERS, provenance=drawn)
            )
    return folder / "project"


def multiply(folder: Path, total: int) -> None:
    """Let further images follow in the queue, none of which is opened."""
    with closing(sqlite3.connect(folder / "project.sqlite")) as database, database:
        names = [row[1] for row in database.execute("PRAGMA table_info(image)")]
        first = dict(zip(names, database.execute("SELECT * FROM image").fetchone(), strict=True))
        rows = (
            {**first, "id": number, "sha256": f"{number:064x}", "name": f"copy{number}"}
            for number in range(FEW + 1, total + 1)
        )
        marks = ", ".join(f":{name}" for name in names)
        database.executemany(
            f"INSERT INTO image ({', '.join(names)}) VALUES ({marks})",  # noqa: S608 - our columns
            rows,
        )
        stamp_all(database)


@contextmanager
def window() -> Iterator[tuple[napari.Viewer, ReviewWidget]]:
    viewer = napari.Viewer()
    viewer.window.resize(1366, 768)
    _, dock = viewer.window.add_plugin_dock_widget("napari-retina-seg", "Review")
    yield viewer, dock
    viewer.close()


def turns(viewer: napari.Viewer, dock: ReviewWidget, folder: Path) -> list[float]:
    """Go through the ten images, and back."""
    session = dock.session
    wait_for(session.project_changed, lambda: session.open(folder, "Ann"))
    wait_for(session.image_changed, dock.open_next)
    times = []
    for step in [dock.open_next] * (FEW - 1) + [dock.open_previous] * (FEW - 1):
        settle(session)
        start = time.perf_counter()
        wait_for(session.image_changed, step)
        draw(viewer)
        times.append(time.perf_counter() - start)
    return times


def wait_for(signal: Any, begin: Any) -> None:
    loop = QEventLoop()
    signal.connect(loop.quit)
    begin()
    loop.exec()
    signal.disconnect(loop.quit)


def settle(session: Any) -> None:
    """Let what follows a turn come to its end, as it does while a person looks."""
    session.io_queue.join()
    napari.qt.get_qapp().processEvents()


def in_queue(dock: ReviewWidget, folder: Path) -> tuple[float, float]:
    """Time opening a project, and the median of its filters, until the queue is drawn."""
    session, states = dock.session, dock.queue.states
    start = time.perf_counter()
    wait_for(session.project_changed, lambda: session.open(folder, "Ann"))
    dock.queue.grab()
    opening = time.perf_counter() - start
    times = []
    for index in range(states.count()):
        settle(session)
        start = time.perf_counter()
        states.setCurrentIndex(index)
        states.activated.emit(index)
        dock.queue.grab()
        times.append(time.perf_counter() - start)
    return opening, median(times)


def swap_data(phantoms: list[Phantom]) -> list[float]:
    """Give an image and its mask other data, which is not safe where the image is another one.

    The undo steps of a mask, its lines and its provenance, and whatever a job in the background
    will add, would then belong to the former image, but lie on this one.
    """
    viewer = napari.Viewer()
    viewer.window.resize(1366, 768)
    image = viewer.add_image(phantoms[0].image.pixels)
    mask = viewer.add_labels(phantoms[0].labels, **mask_options(MaskInfo("", OCT_LAYERS)))
    times = []
    for phantom in phantoms * 2:
        start = time.perf_counter()
        image.data, mask.data = phantom.image.pixels, phantom.labels
        draw(viewer)
        times.append(time.perf_counter() - start)
    viewer.close()
    return times[1:]


def replace_layers(phantoms: list[Phantom]) -> list[float]:
    """Remove and add an image and its mask, as a script would."""
    viewer = napari.Viewer()
    viewer.window.resize(1366, 768)
    times = []
    for phantom in phantoms * 2:
        start = time.perf_counter()
        while viewer.layers:
            viewer.layers.pop()
        viewer.add_image(phantom.image.pixels)
        viewer.add_labels(phantom.labels, **mask_options(MaskInfo("", OCT_LAYERS)))
        draw(viewer)
        times.append(time.perf_counter() - start)
    viewer.close()
    return times[1:]


if __name__ == "__main__":
    print(json.dumps(paging(), indent=1))
