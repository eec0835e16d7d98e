"""The Correct dock: a mask, its classes, and what retinal work needs beside napari's tools."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import napari
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from napari_retina_seg._napari import shortcuts
from napari_retina_seg._napari.correct.boundary_gestures import Mode
from napari_retina_seg._napari.correct.class_list import ClassList, choose_class
from napari_retina_seg._napari.correct.compare_section import CompareSection
from napari_retina_seg._napari.correct.lines import LinesTool
from napari_retina_seg._napari.correct.mask_follower import MaskFollower
from napari_retina_seg._napari.correct.new_mask import NewMask
from napari_retina_seg._napari.correct.preview import Preview
from napari_retina_seg._napari.correct.questionable_section import QuestionableSection
from napari_retina_seg._napari.correct.region_section import RegionSection
from napari_retina_seg._napari.correct.tool_buttons import ToolButtons
from napari_retina_seg._napari.correct.vessel_section import VesselSection
from napari_retina_seg._napari.correct.words import changed
from napari_retina_seg._napari.dock import Dock
from napari_retina_seg._napari.job import JobStatus
from napari_retina_seg._napari.legend import hidden_classes
from napari_retina_seg._napari.masks.compare import blink
from napari_retina_seg._napari.masks.edits import Change
from napari_retina_seg._napari.masks.undo_tracker import UndoTracker
from napari_retina_seg._napari.settings import Settings
from napari_retina_seg._napari.shortcuts import CLASS_KEYS, CORRECT, Shortcut
from napari_retina_seg._napari.status import StatusLine
from napari_retina_seg._napari.widgets import CollapsibleSection, large, text


class CorrectWidget(Dock):
    """Correct the selected mask."""

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        self._viewer = viewer = napari_viewer
        self._settings = Settings()
        self.follower = MaskFollower(viewer)
        self.button = large(QPushButton("Paint"))
        self.status = StatusLine()
        self.about = text()
        self.new_mask = NewMask(viewer)
        self.tools = ToolButtons(viewer, self._settings)
        self.classes = ClassList()
        self.preview = Preview(viewer, self.follower)
        self.vessels = VesselSection(viewer, self.follower, self.preview)
        self.regions = RegionSection(viewer, self.follower, self.preview, self._settings)
        self.questionable = QuestionableSection(viewer, self.follower)
        self.compare = CompareSection(viewer, self.follower)
        self.lines = LinesTool(viewer)
        self._steps = UndoTracker()
        self._passing = ""  # what was said of undo, redo or a hidden class
        self._folds: dict[str, CollapsibleSection] = {}
        self._lay_out()
        self._connect(True)
        self._on_mask()

    # What a person does

    def paint(self) -> None:
        """Take the brush, with the class that is chosen; the button and its key."""
        if self.follower.mask is None or self.follower.why:
            self.status.show_result(JobStatus.FAILED, self.follower.why)
            return
        self.tools.take("paint")

    def key_actions(self) -> Mapping[Shortcut, Callable[[], object]]:
        """Return the keys for classes, lines and differences, which work while the dock is open."""
        classes = {
            shortcut: partial(choose_class, self._viewer, value)
            for value, shortcut in enumerate(CLASS_KEYS)
        }
        return classes | {
            shortcuts.BLINK: partial(blink, self._viewer),
            shortcuts.PULL: partial(self.lines.take, Mode.PULL),
            shortcuts.REDRAW: partial(self.lines.take, Mode.DRAW),
            shortcuts.SNAP: partial(self.lines.take, Mode.SNAP),
            shortcuts.SMOOTH: partial(self.lines.take, Mode.SMOOTH),
            shortcuts.LINE_ABOVE: partial(self.lines.step, -1),
            shortcuts.LINE_BELOW: partial(self.lines.step, 1),
            shortcuts.SHOW_LINES: self.lines.toggle,
        }

    # How it is put together

    def _lay_out(self) -> None:
        inner = QWidget()
        layout = QVBoxLayout(inner)
        layout.setContentsMargins(6, 4, 6, 4)
        for widget in (
            *(self.about, self.new_mask, self.tools, self.classes),
            self._fold("lines", "Boundary lines", self.lines),
            self._fold("vessels", "Vessels", self.vessels),
            self._fold("regions", "Regions of the chosen class", self.regions),
            self._fold("questionable", "Questionable", self.questionable),
            self._fold("compare", "Compare", self.compare),
        ):
            layout.addWidget(widget)
        layout.addStretch(1)
        self.scroll(inner)
        # Around what scrolls: these are never out of sight.
        self.layout().insertWidget(0, _beside(self.button, self.status))
        self.layout().addWidget(self.preview)

    def _fold(self, name: str, title: str, section: QWidget) -> CollapsibleSection:
        opened = name in ("lines", "vessels", "regions")
        fold = CollapsibleSection(title, self._settings, f"correct/{name}/open", opened)
        fold.addWidget(section)
        self._folds[name] = fold
        return fold

    def _connect(self, on: bool) -> None:
        layers = self._viewer.layers
        for event in (layers.events.inserted, layers.events.removed, layers.events.renamed):
            (event.connect if on else event.disconnect)(self._on_layers)
        active = layers.selection.events.active
        (active.connect if on else active.disconnect)(self._on_layers)
        if not on:
            return
        self.button.clicked.connect(self.paint)
        self.follower.changed.connect(self._on_mask)
        self.follower.chosen.connect(self._on_class)
        self.follower.moved.connect(self._on_plane)
        self.classes.locks_changed.connect(self._on_class)
        self.preview.begun.connect(self._withdraw)
        self.preview.applied.connect(self._on_applied)
        self.tools.used.connect(self._on_used)
        self._steps.stepped.connect(self._on_stepped, Qt.ConnectionType.QueuedConnection)
        self._let_one_listen()
        for section in (self.vessels, self.regions, self.compare):
            section.said.connect(self.status.show_result)

    def _let_one_listen(self) -> None:
        """Put down what listens to the mouse when something else is taken."""
        bridge, lasso, outline = self.vessels.bridge, self.regions.lasso, self.questionable.lasso
        puts = {
            self.lines: self.lines.deactivate,
            bridge: bridge.deactivate,
            lasso: lasso.stop,
            outline: outline.stop,
            self.tools: lambda: None,
        }
        for tool in puts:
            tool.taken.connect(self._withdraw)
            for other, deactivate in puts.items():
                if other is not tool:
                    tool.taken.connect(deactivate)

    # What happens

    def _on_mask(self) -> None:
        """Show another mask, or say why there is none."""
        mask, why = self.follower.mask, self.follower.why
        can = mask is not None and not why
        self.status.say(why)
        self.about.setText("" if mask is None else f"Correcting '{mask.name}'.")
        self.about.setVisible(mask is not None)
        self.new_mask.setVisible(mask is None)
        self.tools.show_mask(mask)
        self._steps.watch(mask)
        self.classes.show_mask(mask)
        self.compare.offer_classes()
        for widget in (self.tools, self.classes):
            widget.setVisible(mask is not None)
            widget.setEnabled(can)
        layered = mask is not None and bool(self.follower.scheme.surfaces)
        unsuited = "vessels" if layered else "lines"
        for name, fold in self._folds.items():
            fold.setVisible(mask is not None and name != unsuited)
            fold.setEnabled(can)
        self.lines.attach(mask if can and layered else None)
        self._on_layers()
        self._on_class()

    def _on_layers(self, event: object = None) -> None:  # noqa: ARG002 - napari hands it over
        self.new_mask.refresh()
        self.questionable.refresh()
        self.compare.refresh()

    def _on_class(self) -> None:
        """Show which class is chosen."""
        mask, why = self.follower.mask, self.follower.why
        self.classes.show_chosen()
        self.button.setEnabled(mask is not None and not why)
        self.button.setToolTip(why or f"Take the brush with this class ({CORRECT.native}).")
        self.button.setText("Paint" if mask is None else f"Paint {self._chosen_name()}")
        self._on_plane()

    def _chosen_name(self) -> str:
        """Name the class that is chosen; one that the scheme lacks is put back."""
        mask, scheme = self.follower.mask, self.follower.scheme
        value, last = int(mask.selected_label), len(scheme) - 1
        if value > last:
            mask.selected_label = last
            self.status.show_result(
                JobStatus.FAILED,
                f"There is no class {value}: those of '{scheme.name}' end at {last}.",
            )
            value = last
        return scheme.classes[value].abbreviation if value else "background"

    def _on_plane(self) -> None:
        if self.status.text() == self._passing:
            self.status.say("")  # it was about another slice
        self.vessels.refresh()
        self.regions.refresh()

    def _withdraw(self) -> None:
        """Say no more what came of something: a person has gone on."""
        if self.status.end is not None or self.status.text() == self._passing:
            self.status.say("")

    def _on_used(self, paints: bool) -> None:
        """Show the class that is painted: nobody paints what can't be seen."""
        self._withdraw()
        mask = self.follower.mask
        value = int(mask.selected_label)
        if paints and value in hidden_classes(mask):
            self.classes.set_shown(value, True)
            name = self.follower.scheme.classes[value].abbreviation
            self._passing = f"{name} was hidden: it is shown again, as you paint it."
            self.status.say(self._passing)

    def _on_applied(self, what: str, done: Change) -> None:
        self.status.show_result(JobStatus.SUCCEEDED, changed(what, done))

    def _on_stepped(self, what: str, slices: list[int]) -> None:
        """Show what was undone or redone, if it is on no slice that is on the screen."""
        self._withdraw()
        if self.follower.mask is None or self.follower.why or not slices:
            return
        here = self.follower.where[-1]
        if here not in slices:
            self.follower.go_to(min(slices, key=lambda index: abs(index - here)))
        where = f"slice {slices[0]}" if len(slices) == 1 else f"{len(slices)} slices"
        self._passing = f"{what} on {where}."
        self.status.say(self._passing)

    def cleanup(self) -> None:
        """Stop the work and stop listening: the dock is going away."""
        self._connect(False)
        self.preview.cancel()
        self.vessels.cleanup()
        self.regions.cleanup()
        self.questionable.cleanup()
        self.lines.cleanup()
        self.tools.show_mask(None)
        self._steps.watch(None)
        self.classes.show_mask(None)
        self.follower.disconnect_viewer()


def _beside(*widgets: QWidget) -> QWidget:
    """Put widgets below each other, in line with those that scroll."""
    holder = QWidget()
    layout = QVBoxLayout(holder)
    layout.setContentsMargins(6, 4, 6, 0)
    for widget in widgets:
        layout.addWidget(widget)
    return holder
