"""Tell arteries from veins: a click on a vessel segment makes it one or the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import napari
import numpy as np
import numpy.typing as npt
from napari.layers import Labels
from skimage.measure import label

from napari_retina_seg._napari.canvas import focus_canvas
from napari_retina_seg._napari.correct.click_tool import ClickTool
from napari_retina_seg._napari.correct.result_text import describe_change
from napari_retina_seg._napari.job import JobResult, JobStatus, Steps, as_result
from napari_retina_seg._napari.job_dock import JobRow
from napari_retina_seg._napari.layers import KEY
from napari_retina_seg._napari.masks.active_mask import ActiveMask
from napari_retina_seg._napari.masks.edits import PlaneIndex, change
from napari_retina_seg._napari.masks.linked_layers import GRID
from napari_retina_seg._napari.results import MaskInfo, mask_options
from napari_retina_seg._napari.shortcuts import ARTERY, UNDECIDED, VEIN
from napari_retina_seg.editing.vessels import Pixel
from napari_retina_seg.measurement.skeleton import paint_segments, trace
from napari_retina_seg.types.labels import ARTERIES_VEINS, LabelScheme, vessel_values
from napari_retina_seg.types.progress import CancelToken, Progress

_KEYS = {ARTERY: 1, VEIN: 2, UNDECIDED: 3}  # values of the scheme
_START = "Tell arteries from veins"
_READY = "Artery or vein by clicks"
_REACH = 0.005  # of the picture's longer side: how far from a vessel a click still means it


@dataclass(frozen=True, eq=False, kw_only=True)
class SegmentsFound(JobResult):
    """Which segment each vessel pixel belongs to, if the job succeeded."""

    numbers: npt.NDArray[np.int32] | None = field(default=None)


class ArteryVeinTool(ClickTool):
    """Makes a mask of arteries and veins from one of vessels; each click is one undo step."""

    def __init__(self, viewer: napari.Viewer, active: ActiveMask) -> None:
        super().__init__(viewer, active, _START)
        self._viewer = viewer
        self.work = JobRow("the segments")
        self._mask: Labels | None = None  # whose keys are bound
        self._place: tuple[Labels | None, PlaneIndex] = (None, ())
        self._numbers: npt.NDArray[np.int32] | None = None
        self._pending: Pixel | None = None  # clicked before the segments were found
        self.layout().addWidget(self.work)
        self.work.done.connect(self._on_found)

    def refresh(self) -> None:
        """Offer what the mask allows; another mask or plane, or none to edit, ends the clicking."""
        active = self._active_mask
        can = active.mask is not None and not active.disabled_reason
        if self._mask is None or not can or self._place != (active.mask, active.where):
            self.deactivate()
        scheme = None if active.mask is None else active.scheme
        self.setVisible(scheme is not None and (_is_plain(scheme) or scheme == ARTERIES_VEINS))
        self.button.setEnabled(can)
        self.button.setToolTip(
            "Click on segments of vessels to make them artery or vein."
            if scheme == ARTERIES_VEINS
            else "Add a mask of arteries and veins, in which clicks on segments say which is which."
            " This mask stays as it is."
        )

    def deactivate(self) -> None:
        """Stop waiting for clicks, and release the keys."""
        mask, self._mask, self._pending = self._mask, None, None
        if mask is not None:
            for shortcut in _KEYS:
                mask.bind_key(shortcut.keys, None)
            mask.events.selected_label.disconnect(self._explain)
        active = self._active_mask.mask
        ready = active is not None and self._active_mask.scheme == ARTERIES_VEINS
        self._name = _READY if ready else _START
        super().deactivate()

    def cleanup(self) -> None:
        """Stop all work and disconnect: the dock is closing."""
        super().cleanup()
        self.work.abandon()

    def _start(self) -> None:
        if self._active_mask.scheme != ARTERIES_VEINS:
            self._add_mask()
        self._listen("Stop telling arteries from veins")
        mask = self._mask = self._active_mask.labels
        self._place = mask, self._active_mask.where
        if self._active_mask.value is None:
            mask.selected_label = 1
        for shortcut, value in _KEYS.items():
            mask.bind_key(shortcut.keys, _choosing(value), overwrite=True)
        mask.events.selected_label.connect(self._explain)
        self._explain()
        focus_canvas(self)
        self._find_segments()

    def _add_mask(self) -> None:
        """Add a mask of the same vessels, all undecided, and make it the active one."""
        source = self._active_mask.labels
        info: MaskInfo = source.metadata[KEY]
        vessels = np.isin(np.asarray(source.data), list(vessel_values(info.scheme)))
        known = replace(info, scheme=ARTERIES_VEINS, prediction=None)
        layer = Labels(
            np.where(vessels, np.uint8(3), np.uint8(0)),
            name=f"{source.name} · arteries and veins",
            affine=source.affine.affine_matrix,
            **{name: getattr(source, name) for name in GRID},
            **mask_options(known),
        )
        layer.selected_label = 1
        source.visible = False  # it would lie over the new colours, or under them
        self._viewer.add_layer(layer)
        self._viewer.layers.selection.active = layer

    def _explain(self, event: object = None) -> None:  # noqa: ARG002 - napari's
        """Say what a click does, and how to choose otherwise."""
        keys = ", ".join(f"{key.native}: {_name(value)}" for key, value in _KEYS.items())
        value = self._active_mask.value
        chosen = "Choose a class" if value is None else f"Click on a vessel: {_name(value)}"
        self._show_note(f"{chosen}. {keys}, Esc: stop.")

    def _find_segments(self) -> None:
        if not self.work.is_running:
            vessels = self._active_mask.plane > 0
            self._numbers = None
            self.work.start(partial(_find, vessels), "Finding the segments")

    def _on_found(self, result: JobResult) -> None:
        if isinstance(result, SegmentsFound):
            self._numbers = result.numbers
        else:
            self.reported.emit(result.status, result.message)
        point, self._pending = self._pending, None
        if point is not None and self._clicks.is_on and self._numbers is not None:
            self._on_click(point)

    def _on_click(self, point: Pixel) -> None:
        active, numbers = self._active_mask, self._numbers
        value, plane = active.value, active.plane
        if value is None:
            self._explain()
            return
        if numbers is None or not np.array_equal(numbers != 0, plane > 0):
            self._pending = point  # of vessels that were painted since
            self._find_segments()
            return
        number = _nearest(numbers, point)
        if not number:
            self.reported.emit(JobStatus.FAILED, "There is no vessel: click on one.")
            return
        wanted = np.where(numbers == number, value, plane).astype(plane.dtype)
        done = change(active.mask, wanted, active.where)
        self.reported.emit(
            JobStatus.SUCCEEDED, describe_change(f"The segment is now {_name(value)}", done)
        )


def _is_plain(scheme: LabelScheme) -> bool:
    """Whether a scheme has vessels alone."""
    return len(scheme) == 2 and bool(vessel_values(scheme))


def _name(value: int) -> str:
    return ARTERIES_VEINS.classes[value].abbreviation.lower()


def _choosing(value: int) -> Callable[[Labels], None]:
    def choose(mask: Labels) -> None:
        mask.selected_label = value

    return choose


def _nearest(numbers: npt.NDArray[np.int32], point: Pixel) -> int:
    """Return the number of the segment nearest to a click; 0 if none is near."""
    reach = max(3, round(_REACH * max(numbers.shape)))
    row, column = point
    top, left = max(0, row - reach), max(0, column - reach)
    window = numbers[top : row + reach + 1, left : column + reach + 1]
    rows, columns = np.nonzero(window)
    if not rows.size:
        return 0
    nearest = int(np.hypot(rows + top - row, columns + left - column).argmin())
    return int(window[rows[nearest], columns[nearest]])


def _find(vessels: npt.NDArray[np.bool_], token: CancelToken) -> Steps:
    return as_result(_steps(vessels, token), "Finding the segments")


def _steps(vessels: npt.NDArray[np.bool_], token: CancelToken) -> Steps:
    yield Progress(0, 1, "Finding the segments of the vessels")
    token.raise_if_cancelled()
    numbers = paint_segments((line.path for line in trace(vessels).lines), vessels)
    # What has no centre line, such as a speck, is a segment of its own.
    loose = vessels & (numbers == 0)
    numbers[loose] = numbers.max() + 1 + label(loose)[loose]
    return SegmentsFound(status=JobStatus.SUCCEEDED, numbers=numbers)
