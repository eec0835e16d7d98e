"""The Correct dock: classes of a mask, and retinal tools in addition to napari's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import napari
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QPushButton, QWidget

from napari_retina_seg._napari import shortcuts
from napari_retina_seg._napari.canvas import find_canvas
from napari_retina_seg._napari.correct.boundary_gestures import Mode
from napari_retina_seg._napari.correct.class_list import ClassList, choose_class
from napari_retina_seg._napari.correct.compare_section import CompareSection
from napari_retina_seg._napari.correct.lines import LinesTool
from napari_retina_seg._napari.correct.mask_look import MaskLook
from napari_retina_seg._napari.correct.new_mask import NewMask
from napari_retina_seg._napari.correct.preview import Preview
from napari_retina_seg._napari.correct.put_down import EscapeKey, put_down_brush
from napari_retina_seg._napari.correct.questionable_section import QuestionableSection
from napari_retina_seg._napari.correct.region_section import RegionSection
from napari_retina_seg._napari.correct.result_text import describe_change
from napari_retina_seg._napari.correct.tool_buttons import ToolButtons
from napari_retina_seg._napari.correct.vessel_section import VesselSection
from napari_retina_seg._napari.dock import Dock
from napari_retina_seg._napari.job import JobStatus
from napari_retina_seg._napari.legend import hidden_classes
from napari_retina_seg._napari.masks.active_mask import ActiveMask
from napari_retina_seg._napari.masks.compare import blink
from napari_retina_seg._napari.masks.edits import EditResult, UndoTracker
from napari_retina_seg._napari.masks.mask_recovery import MaskRecovery
from napari_retina_seg._napari.masks.mask_watch import PassingMessage
from napari_retina_seg._napari.masks.places_bar import PlacesBar
from napari_retina_seg._napari.plain import button_text, qt_text
from napari_retina_seg._napari.save_mask import SaveMaskButton
from napari_retina_seg._napari.settings import Settings
from napari_retina_seg._napari.shortcuts import CLASS_KEYS, CORRECT, Shortcut
from napari_retina_seg._napari.widgets import CollapsibleSection, StatusLine, large, stack, text
from napari_retina_seg.editing.open_places import OpenPlace, describe_places


class CorrectWidget(Dock):
    """Correct the selected mask."""

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        self._viewer = viewer = napari_viewer
        self._settings = Settings()
        self.active_mask = ActiveMask.of(viewer)
        self.button = large(QPushButton("Paint"))
        self.status = StatusLine()
        self.status.keep_place(3)
        self._passing = PassingMessage(self.status, viewer)
        self.places = PlacesBar(self.active_mask)
        self.about = text()
        self.new_mask = NewMask(viewer)
        self.tools = ToolButtons(viewer, self._settings)
        self.look = MaskLook()
        self.classes = ClassList()
        self.save_button = SaveMaskButton(viewer)
        self.recovery = MaskRecovery(viewer)
        self.preview = Preview(viewer, self.active_mask)
        self.vessels = VesselSection(viewer, self.active_mask, self.preview)
        self.regions = RegionSection(viewer, self.active_mask, self.preview, self._settings)
        self.questionable = QuestionableSection(viewer, self.active_mask)
        self.compare = CompareSection(viewer, self.active_mask)
        self.lines = LinesTool(viewer, self.active_mask, self.status)
        self._undo_tracker = UndoTracker()
        self._escape = EscapeKey(self)
        # Deferred: a layer that is added is selected for a moment.
        self._selected = QTimer(self, singleShot=True, interval=0)
        # Deferred: what a tool says is shown, and has a place, only then.
        self._reveal = QTimer(self, singleShot=True, interval=0)
        self._transient = ""  # message about undo, redo or a hidden class
        self._sections: dict[str, CollapsibleSection] = {}
        self._lay_out()
        self._connect(True)
        self._on_mask()

    # User actions

    def paint(self) -> None:
        """Select the brush with the chosen class; the button and its key."""
        if self.active_mask.mask is None or self.active_mask.disabled_reason:
            self.status.show_result(JobStatus.FAILED, self.active_mask.disabled_reason)
            return
        self.tools.take("paint")

    def show_lines_only(self) -> None:
        """Hide the mask but not its lines, or show it again."""
        self.look.toggle()
        self.lines.shown.setChecked(True)

    def warn(self, sentence: str) -> None:
        """Show a warning of another dock, which is behind this one."""
        self.status.warn(sentence)
        self._passing.until_change(self.active_mask.mask)

    def put_down(self) -> None:
        """Put down every tool that uses the mouse."""
        for deactivate in self._exclusive.values():
            deactivate()
        put_down_brush(self._viewer)

    def key_actions(self) -> Mapping[Shortcut, Callable[[], object]]:
        """Return the shortcuts of the dock, which work while it is open."""
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
            shortcuts.LINES_ONLY: self.show_lines_only,
            shortcuts.NEXT_PLACE: self.places.show_next,
        }

    # Layout and signals

    def _lay_out(self) -> None:
        self.lay_out(
            *(self.recovery, self.about, self.new_mask, self.tools, self.look, self.classes),
            self.save_button,
            self._section("lines", "Boundary lines", self.lines),
            self._section("vessels", "Vessels", self.vessels),
            self._section("regions", "Regions of the chosen class", self.regions),
            self._section("questionable", "Questionable", self.questionable),
            self._section("compare", "Compare", self.compare),
        )
        # Outside the scroll area: always visible.
        above = QWidget()
        above.setLayout(
            stack(self.button, self.status, self.places, margins=(6, 4, 6, 0))
        )  # as in `lay_out`
        self.layout().insertWidget(0, above)
        self.layout().addWidget(self.preview)

    def _section(self, name: str, title: str, content: QWidget) -> CollapsibleSection:
        is_open = name in ("lines", "vessels", "regions")
        section = CollapsibleSection(title, self._settings, f"correct/{name}/open", is_open)
        section.addWidget(content)
        self._sections[name] = section
        return section

    def _connect(self, on: bool) -> None:
        layers = self._viewer.layers
        for event in (layers.events.inserted, layers.events.removed, layers.events.renamed):
            (event.connect if on else event.disconnect)(self._on_layers)
        selected = layers.selection.events.active
        (selected.connect if on else selected.disconnect)(self._on_active)
        if not on:
            return
        self.active_mask.subscribe(
            selected=self._on_layers,
            changed=self._on_mask,
            class_changed=self._on_class,
            moved=self._on_plane,
        )
        self.button.clicked.connect(self.paint)
        self.classes.locks_changed.connect(self._on_class)
        self.preview.started.connect(self._withdraw)
        self.preview.applied.connect(self._on_applied)
        self.tools.used.connect(self._on_used)
        self._undo_tracker.stepped.connect(self._on_stepped, Qt.ConnectionType.QueuedConnection)
        self._make_tools_exclusive()
        self._selected.timeout.connect(self._on_selected)
        self._escape.pressed.connect(self._on_escape)
        self.places.shown.connect(self._on_place)
        reporting = (self.vessels, self.regions, self.compare, self.save_button, self.recovery)
        for section in reporting:
            section.reported.connect(self.status.show_result)

    def _make_tools_exclusive(self) -> None:
        """Make the tools that use the mouse exclusive."""
        bridge, kinds = self.vessels.bridge, self.vessels.kinds
        lasso, outline = self.regions.lasso, self.questionable.lasso
        self._exclusive: dict[Any, Callable[[], object]] = {
            self.lines: self.lines.deactivate,
            bridge: bridge.deactivate,
            kinds: kinds.deactivate,
            lasso: lasso.stop,
            outline: outline.stop,
            self.tools: lambda: None,
        }
        for tool in self._exclusive:
            tool.taken.connect(self._withdraw)
            for other, deactivate in self._exclusive.items():
                if other is not tool:
                    tool.taken.connect(deactivate)
        for tool in (bridge, kinds):
            tool.taken.connect(self._reveal.start)
        self._reveal.timeout.connect(self._on_reveal)
        for tool in (self.lines, bridge, kinds):  # these follow the mouse on the mask itself
            tool.taken.connect(self._select_mask)

    # Signal handlers

    def _select_mask(self) -> None:
        self._viewer.layers.selection.active = self.active_mask.mask

    def _on_reveal(self) -> None:
        """Scroll to the tool that waits for clicks, with its note."""
        bridge, kinds = self.vessels.bridge, self.vessels.kinds
        self.show_row(bridge if bridge.is_on else kinds)

    def _on_selected(self) -> None:
        """Put down the tools on the mask once another layer, or none, gets mouse and keys.

        None does where several are selected.
        """
        if self._viewer.layers.selection.active != self.active_mask.mask:
            self.lines.deactivate()
            self.vessels.deactivate()

    def _on_mask(self) -> None:
        """Show another mask, or the reason why there is none."""
        mask, reason = self.active_mask.mask, self.active_mask.disabled_reason
        can = mask is not None and not reason
        self.status.show_message(reason)
        self.about.setText("" if mask is None else f"Correcting '{mask.name}'.")
        self.about.setVisible(mask is not None)
        self.new_mask.setVisible(mask is None)
        self.tools.show_mask(mask)
        self.look.show_mask(mask)
        self.save_button.show_mask(mask)
        self._undo_tracker.track(mask)
        self.classes.show_mask(mask)
        self.compare.offer_classes()
        for widget in (self.tools, self.look, self.classes):
            widget.setVisible(mask is not None)
            widget.setEnabled(can)
        layered = mask is not None and bool(self.active_mask.scheme.surfaces)
        unsuited = "vessels" if layered else "lines"
        for name, section in self._sections.items():
            section.setVisible(mask is not None and name != unsuited)
            section.setEnabled(can)
        self.lines.attach(mask if can and layered else None)
        self._on_layers()
        self._on_class()

    def _on_visibility(self, on: bool) -> None:
        """Put the tools down when the dock is left: their buttons can no longer be seen."""
        super()._on_visibility(on)
        if on:
            self._escape.watch(find_canvas(self))
        else:
            self.put_down()

    def _on_active(self, event: object = None) -> None:  # noqa: ARG002 - passed by napari
        self._selected.start()

    def _on_escape(self) -> None:
        """Put down tools for the mask; lines and lasso follow Esc in steps of their own."""
        self.vessels.deactivate()
        if not self.lines.is_on and not self.regions.lasso.is_on:
            put_down_brush(self._viewer)

    def _on_place(self, place: OpenPlace) -> None:
        """Say what is wrong at a place, and choose the boundary that is to be moved there."""
        self.warn(describe_places([place]))
        if place.line is not None:
            self.lines.chosen.choose(place.line)

    def _on_layers(self, event: object = None) -> None:  # noqa: ARG002 - passed by napari
        self.new_mask.refresh()
        self.questionable.refresh()
        self.compare.refresh()

    def _on_class(self) -> None:
        """Show which class is chosen."""
        mask, reason = self.active_mask.mask, self.active_mask.disabled_reason
        self.classes.show_chosen()
        self.button.setEnabled(mask is not None and not reason)
        self.button.setToolTip(qt_text(reason) or f"Paint this class ({CORRECT.native}).")
        self.button.setText(
            "Paint" if mask is None else button_text(f"Paint {self._chosen_name()}")
        )
        self._on_plane()

    def _chosen_name(self) -> str:
        """Return the name of the chosen class; reset a value beyond the scheme to its last one."""
        mask, scheme = self.active_mask.labels, self.active_mask.scheme
        value, last = int(mask.selected_label), len(scheme) - 1
        if value > last:
            mask.selected_label = last
            self.status.show_result(
                JobStatus.FAILED,
                f"No class {value}: the last class of '{scheme.name}' is {last}.",
            )
            value = last
        return scheme.classes[value].abbreviation if value else "background"

    def _on_plane(self) -> None:
        if self.status.text() == self._transient:
            self.status.show_message("")  # it was about another slice
        self.vessels.refresh()
        self.regions.refresh()

    def _withdraw(self) -> None:
        """Clear the result message: the user has moved on."""
        if self.status.result is not None or self.status.text() == self._transient:
            self.status.show_message("")

    def _on_used(self, paints: bool) -> None:
        """Show the class that is painted, if it is hidden."""
        self._withdraw()
        mask = self.active_mask.labels
        value = int(mask.selected_label)
        if paints and value in hidden_classes(mask):
            self.classes.set_shown(value, True)
            name = self.active_mask.scheme.classes[value].abbreviation
            self._transient = f"{name} was hidden; it is shown again because you are painting it."
            self.status.show_message(self._transient)

    def _on_applied(self, what: str, done: EditResult) -> None:
        self.status.show_result(JobStatus.SUCCEEDED, describe_change(what, done))

    def _on_stepped(self, what: str, slices: list[int]) -> None:
        """Go to the slice that was undone or redone, if it is not on the screen."""
        self._withdraw()
        if self.active_mask.mask is None or self.active_mask.disabled_reason or not slices:
            return
        here = self.active_mask.where[-1]
        if here not in slices:
            self.active_mask.go_to(min(slices, key=lambda index: abs(index - here)))
        where = f"slice {slices[0]}" if len(slices) == 1 else f"{len(slices)} slices"
        self._transient = f"{what} on {where}."
        self.status.show_message(self._transient)

    def cleanup(self) -> None:
        """Stop all work and disconnect: the dock is closing."""
        self._connect(False)
        self._passing.cleanup()
        self.preview.cancel()
        self.vessels.cleanup()
        self.regions.cleanup()
        self.questionable.cleanup()
        self.lines.cleanup()
        self._escape.watch(None)
        self.places.cleanup()
        self.tools.show_mask(None)
        self.look.show_mask(None)
        self._undo_tracker.track(None)
        self.classes.show_mask(None)
        self.active_mask.release(self)
