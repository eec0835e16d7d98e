"""Do a whole annotation job in the real window, as people do, and keep the guide's pictures.

xvfb-run -a -s "-screen 0 1366x768x24" python docs/guide_job.py [--only-improve]

With the option only the last step is done, the improvement of the model, in a project whose masks
were corrected without the window.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import napari
import numpy as np
from drive_window import SIZE, WindowDriver, settle, wait_until
from napari.settings import get_settings
from PIL import Image
from qtpy.QtCore import QSettings
from scipy.ndimage import gaussian_filter

from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.states import Action, State
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.labels import OCT_LAYERS

HOME = Path(tempfile.mkdtemp(prefix="guide-"))
IMAGES = Path(__file__).parent / "images"
ROWS, COLUMNS = 496, 768
ILM, RNFL_GCL, ONL_EZ, EZ_RPE, RPE_BM = 0, 1, 5, 6, 7  # boundaries
STRAND = {0: (240, 360), 2: (400, 500)}  # columns in which something bright lies on the retina
SHADOW = {1: (330, 450)}  # columns in which the deep layers are dark
BLURRED = 3
IMPROVING = {"training.epochs": 2, "training.steps_per_epoch": 4, "training.batch": 2}
DONE = {
    State.CORRECTED: 1,
    State.ACCEPTED: 6,
    State.GRADED_TWICE: 1,
    State.ADJUDICATED: 1,
    State.UNGRADABLE: 1,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only-improve", action="store_true")
    scans = [write_scan(HOME / "scans" / f"eye{n + 1:02}.png", n) for n in range(10)]
    if parser.parse_args().only_improve:
        study = correct_without_window(HOME / "study", "Ann", scans[BLURRED + 1 :])
        job = Job()
        job.improve(study, "Ann")
        job.viewer.close()
        return
    study, training, fresh = HOME / "study", HOME / "training", HOME / "second-study"
    job = Job()
    job.begin(study, "Ann", scans)
    job.predict()
    job.correct_first()
    job.correct_second()
    job.correct_third()
    job.refuse()
    job.accept_the_rest()
    job.choose_second_grader()
    job.read_a_second_time()
    job.adjudicate()
    check(study, DONE)
    job.export(training)
    job.begin(fresh, "Eve", scans)
    job.bring_in(training)
    job.improve(study, "Ann")
    job.viewer.close()
    check(fresh, {State.UNREVIEWED: 1, State.CORRECTED: 9})
    train(training)


def correct_without_window(folder: Path, author: str, scans: list[Path]) -> Path:
    """Make a project whose masks are the retinas' real ones."""
    with Project.create(folder, scheme=OCT_LAYERS, author=author) as project:
        for image in project.add_images(scans).images:
            phantom = phantom_bscan(int(image.name[-2:]) - 1, ROWS, COLUMNS)
            drawn = Annotation(phantom.labels, phantom.heights.astype(np.float32))
            project.save_version(image.id, drawn, Action.CORRECT)
    return folder


def write_scan(path: Path, number: int) -> Path:
    """Write a synthetic B-scan; on some a model errs, and one can't be graded."""
    phantom = phantom_bscan(number, ROWS, COLUMNS)
    pixels, heights = phantom.image.pixels.astype(float), phantom.heights
    noise = np.random.default_rng(number)
    if number in STRAND:
        start, end = STRAND[number]
        rise = 22 * np.sin(np.pi * (np.arange(start, end) - start) / (end - start))
        for column, height in zip(range(start, end), rise, strict=True):
            ilm = int(heights[ILM, column])
            above = slice(int(ilm - height), ilm)
            bright = 60 + 110 * noise.random(len(pixels[above, column]))
            pixels[above, column] = np.maximum(pixels[above, column], bright)
        pixels[:, start:end] = gaussian_filter(pixels[:, start:end], 0.7)
    if number in SHADOW:
        start, end = SHADOW[number]
        across = np.interp(
            np.arange(COLUMNS), (start - 8, start + 8, end - 8, end + 8), (0, 1, 1, 0)
        )
        depth = np.arange(ROWS)[:, np.newaxis] - heights[ONL_EZ]
        pixels *= 1 - 0.9 * across / (1 + np.exp(-(depth + 2) / 2))
    if number == BLURRED:
        pixels = gaussian_filter(pixels / 4, 14) + noise.normal(0, 12, pixels.shape)
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(path)
    return path


class Job(WindowDriver):
    """The job, step by step, in the order of the guide."""

    def __init__(self) -> None:
        QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(HOME))
        get_settings(HOME / "napari.yaml").appearance.theme = "dark"  # else as it is at first
        viewer = napari.Viewer(show=False)
        viewer.show()
        viewer.window.resize(*SIZE)
        super().__init__(viewer)
        self.review = self.open_dock("Review")

    def begin(self, folder: Path, author: str, scans: list[Path]) -> None:
        """Make a project and add the images."""
        self.open_dock("Review")
        project_button = self.review.bar.project_button
        self.answer(lambda: self.choose(project_button, "New"), str(folder), author)
        self.wait_for_author(author)
        self.drop(self.review, scans)
        wait_until(lambda: "10 added" in self.review.status.text(), "ten images")

    def predict(self) -> None:
        """Let a model propose masks."""
        self.pick(self.review.batches.models, "resunet-tian2015-phantoms")
        self.click(self.review.batches.button)
        wait_until(lambda: "segmented 10 of 10" in self.review.status.text(), "ten predictions")
        self.click(self.review.button)
        self.wait_for_image("eye01")
        self.picture("queue")

    def correct_first(self) -> None:
        """Draw lines anew."""
        self.look_at(0, 300)
        self.draw_lines(0, (ILM, RNFL_GCL), midway=lambda: self.picture("lines"))
        self.finish("eye02")

    def correct_second(self) -> None:
        """Paint what lies in the shadow."""
        self.look_at(1, 390)
        self.paint_layers(1, picture="brush")
        self.finish("eye03")

    def correct_third(self) -> None:
        """Draw lines anew, once more."""
        self.look_at(2, 450)
        self.draw_lines(2, (ILM, RNFL_GCL))
        self.finish("eye04")

    def refuse(self) -> None:
        """Call an image ungradable."""
        self.open_dock("Review")
        self.answer(
            lambda: self.press("U"), "too blurred", before=lambda: self.picture("ungradable")
        )
        self.wait_for_image("eye05")

    def accept_the_rest(self) -> None:
        """Accept what is right."""
        for number in range(6, 11):
            self.press("G")
            self.wait_for_image(f"eye{number:02}")
        self.press("G")
        wait_until(lambda: "accepted" in self.review.info.text(), "the last image")

    def choose_second_grader(self) -> None:
        """Choose who reads two of them again."""
        for row, name in enumerate(("eye01", "eye02")):
            self.double_click(self.review.queue.table, row)
            self.wait_for_image(name)
            self.answer(lambda: self.press("Shift+D"), "Bob")
            wait_until(
                lambda: "Bob is the second grader" in self.review.status.text(), "the second grader"
            )
            self.wait_for_image(name)

    def read_a_second_time(self) -> None:
        """Grade them as the second grader."""
        self.work_as("Bob")
        self.pick(self.review.queue.states, "My second gradings")
        self.click(self.review.button)
        self.wait_for_image("eye01")
        self.look_at(0, 300)
        self.open_dock("Correct")
        self.draw_lines(0, (ILM, RNFL_GCL), off=-2)
        self.open_dock("Review")
        self.picture("second_grader")
        self.finish("eye02")
        self.look_at(1, 390)
        self.paint_layers(1, off=3)
        self.press_until("W", lambda: "graded twice" in self.review.info.text())
        self.pick(self.review.queue.states, "All images")

    def press_until(self, key: str, done: Callable[[], bool]) -> None:
        """Press a key, and again if that is asked for: something in the mask is open."""
        self.press(key)
        asks = "Not saved yet"
        wait_until(lambda: done() or asks in self.review.status.text(), f"{key} to work")
        if not done():
            self.press(key)
        wait_until(done, f"{key} to work")

    def adjudicate(self) -> None:
        """Compare the gradings, and settle the worst."""
        self.work_as("Carl")
        agreement = self.open_dock("Agreement")
        self.click(agreement.button)
        wait_until(lambda: agreement.findings.agreement is not None, "the comparison")
        self.double_click(agreement.findings.images, 0)
        wait_until(lambda: "blue is" in agreement.status.text(), "both gradings")
        number = agreement.findings.chosen.number
        self.look_at(number - 1, 390 if number == 2 else 300)
        self.picture("agreement")
        self.click(agreement.adjudicate_button)
        self.wait_for_image(f"eye{number:02}")
        self.press_until("W", lambda: "adjudicated" in self.review.status.text())

    def export(self, folder: Path) -> None:
        """Write a training folder."""
        exchange = self.open_dock("Export and import")
        self.pick(exchange.exporting.formats, "Training folder")
        wait_until(lambda: exchange.exporting.subjects.asks, "the project to be looked through")
        self.pick(exchange.exporting.subjects.choice, "Each image is its own patient")
        self.type(exchange.exporting.out.edit, str(folder))
        self.click(exchange.button)
        wait_until(
            lambda: "9 masks exported" in exchange.status.text(), "the export", exchange.status
        )
        self.picture("export")

    def bring_in(self, folder: Path) -> None:
        """Bring the masks into another project."""
        exchange = self.open_dock("Export and import")
        exchange.tabs.setCurrentWidget(exchange.importing)
        self.type(exchange.importing.source.edit, str(folder))
        self.click(exchange.button)
        wait_until(
            lambda: "9 masks imported" in exchange.status.text(), "the import", exchange.status
        )
        self.open_dock("Review")
        self.double_click(self.review.queue.table, 0)
        self.wait_for_image("eye01")
        self.picture("import")

    def improve(self, folder: Path, author: str) -> None:
        """Train the model further, for a few steps only, and look at what it gained."""
        self.viewer.layers.clear()
        dock = self.open_dock("Improve")
        dock.project.author.setText(author)
        dock.project.choose(folder)
        wait_until(
            lambda: dock.preparation.patients.asks,
            "the corrected masks to be looked at",
            dock.preparation.notes,
        )
        self.pick(dock.preparation.patients.choice, "Each image is its own patient")
        wait_until(
            dock.preparation.estimate_button.isEnabled,
            "what there is to learn from",
            dock.preparation.notes,
        )
        for key, value in IMPROVING.items():
            dock.preparation.recipe.field(key).value = value
        self.click(dock.preparation.estimate_button)
        wait_until(
            lambda: "It takes about" in dock.preparation.time_needed.text(),
            "time",
            dock.preparation.time_needed,
        )
        self.picture("improve")
        self.click(dock.button)
        wait_until(dock.snapshot.isVisible, "the first epoch", dock.status)
        wait_until(lambda: "Model 2" in dock.status.text(), "the first model", dock.status)
        self.picture("improve_running")
        wait_until(lambda: dock.result.images.rowCount() > 0, "the proof", dock.status)
        self.double_click(dock.result.images, 0)
        wait_until(dock.result.clear_button.isVisible, "both masks", dock.status)
        self.picture("improve_proof")

    # What comes again and again

    def look_at(self, number: int, column: int) -> None:
        """Zoom in on a place of the retina."""
        heights = phantom_bscan(number, ROWS, COLUMNS).heights
        self.see(float(heights[:, column].mean()), column, 3)

    def draw_lines(self, number: int, lines: tuple[int, ...], off: float = 0, **more: Any) -> None:
        """Draw lines anew where the retina's real ones run."""
        tool = self.open_dock("Correct").lines
        heights = phantom_bscan(number, ROWS, COLUMNS).heights
        start, end = STRAND[number]
        for line in lines:
            self.click(next(b for b in tool.buttons.values() if b.text() == "Redraw"))
            self.pick(tool.line, tool.line.itemText(line))
            columns = range(start - 6, end + 6, 4)
            self.drag([(heights[line, c] + off - 0.5, c) for c in columns], **more)
            more = {}
            tool.deactivate()

    def paint_layers(self, number: int, off: float = 0, picture: str = "") -> None:
        """Paint the deep layers with the brush where they really run."""
        correct = self.open_dock("Correct")
        heights = phantom_bscan(number, ROWS, COLUMNS).heights
        start, end = SHADOW[number]
        layers = ((5, ONL_EZ - 1, ONL_EZ, 0.75), (6, ONL_EZ, EZ_RPE, 0.5), (7, EZ_RPE, RPE_BM, 0.5))
        for value, upper, lower, share in layers:
            self.press(f"Ctrl+{value}")
            self.click(correct.button)
            thickness = (heights[lower] - heights[upper])[start:end].mean()
            mask = self.review.session.review_layers.mask
            mask.brush_size = max(3, round(float(thickness * (2 - 2 * share))))
            middle = heights[upper] + share * (heights[lower] - heights[upper]) + off
            places = [(middle[column], column) for column in range(start, end, 4)]
            is_last = value == 7 and picture
            self.drag(places, **({"midway": partial(self.picture, picture)} if is_last else {}))

    def finish(self, following: str) -> None:
        """Save as done, which opens the next image."""
        self.press_until("W", partial(self.is_open, following))
        self.wait_for_image(following)

    def is_open(self, name: str) -> bool:
        """Whether an image is open."""
        image = self.review.session.review_layers.image
        return image is not None and image.name == name

    def wait_for_image(self, name: str) -> None:
        """Wait until an image is open."""
        session = self.review.session
        wait_until(partial(self.is_open, name), f"'{name}'")
        wait_until(lambda: not session.busy, "the dock")
        settle(500)

    def wait_for_author(self, name: str) -> None:
        """Wait until the project is somebody's."""
        session = self.review.session
        wait_until(
            lambda: (
                not session.busy and session.project is not None and session.project.author == name
            ),
            f"{name}'s project",
        )
        settle(500)

    def work_as(self, name: str) -> None:
        """Let somebody else sit down."""
        self.open_dock("Review")
        self.answer(lambda: self.choose(self.review.bar.project_button, "Change author"), name)
        self.wait_for_author(name)

    def picture(self, name: str) -> None:
        """Keep a picture of the guide."""
        self.keep(IMAGES / f"guide_{name}.png")


def check(folder: Path, expected: dict[State, int]) -> None:
    """See that all of it is on the disk."""
    with Project(folder, author="Carl") as project:
        states = {state: number for state, number in project.status().states.items() if number}
    if states != expected:
        raise AssertionError(f"'{folder.name}' holds {states}: expected {expected}.")


def train(data: Path) -> None:
    """Train a small network on the masks for an epoch."""
    quick = "epochs=1", "steps_per_epoch=2", "batch=2", "widths=[8,16]"
    changes = [word for change in quick for word in ("--set", change)]
    program = Path(sys.executable).with_name("napari-retina-seg")
    command = [program, "train", "oct-layers", "--data", data, "--out", HOME / "run", *changes]
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
