"""From explanations to an Image layer of evidence on the grid of the image."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image
from napari.utils.colormaps import Colormap, ensure_colormap

from napari_retina_seg._napari.explain.outlines import Outlines
from napari_retina_seg._napari.layers import KEY, finest
from napari_retina_seg._napari.results import Target
from napari_retina_seg.core.explanation import Explanation
from napari_retina_seg.core.image import RetinaImage
from napari_retina_seg.core.target import Point, Region

COLORS = ("turbo", "inferno", "cividis")
_OPACITY = 0.65
_CLEAR_BELOW = 0.5  # of the scale; from there on, less evidence lets more of the image through


@dataclass(frozen=True)
class Look:
    """How evidence is drawn.

    Attributes
    ----------
    colors : str
        Name of the colour map.
    shared : bool
        Whether all classes have one scale, so that they can be compared, or each its own.
    """

    colors: str = COLORS[0]
    shared: bool = False

    @property
    def colormap(self) -> Colormap:
        """The colour map, clear where there is no evidence."""
        colors = np.array(ensure_colormap(self.colors).colors)
        colors[:, 3] = np.minimum(np.linspace(0, 1 / _CLEAR_BELOW, len(colors)), 1)
        return Colormap(colors, name=f"{self.colors}, clear at 0")


class SaliencyMaps:
    """Maps of an image or a volume, slice by slice, drawn 0 … 1.

    Attributes
    ----------
    first : Explanation
        The one that came first; it knows the classes, and how they were explained.
    target : Target
        The image layer, and which part of it.
    image : RetinaImage
        The pixels that were explained.
    planes : array
        ``(classes, slices, rows, columns)`` float32; one slice, if it is not a whole volume.
    """

    def __init__(self, first: Explanation, target: Target, image: RetinaImage) -> None:
        self.first = first
        self.target = target
        self.image = image
        slices = finest(target.layer).shape[target.layer.ndim - 3] if self.is_volume else 1
        self.planes = np.zeros((len(first.values), slices, *first.labels.shape), np.float32)
        self._filled = np.zeros(slices, bool)
        self._tops = np.zeros(len(first.values), np.float32)
        self._divisors = np.ones(len(first.values), np.float32)

    @property
    def is_volume(self) -> bool:
        """Whether it is about all slices."""
        return self.target.layer.ndim > 2 and self.target.whole

    @property
    def is_stack(self) -> bool:
        """Whether it is about several classes, so that a slider picks one."""
        return len(self.first.values) > 1

    @property
    def is_empty(self) -> bool:
        """Whether nothing speaks for any class."""
        return not self._tops.any()

    @property
    def message(self) -> str:
        """Sentences on the classes that nothing speaks for; or nothing."""
        if not self.is_volume:
            return self.first.message
        silent = [name for name, top in zip(self.first.names, self._tops, strict=True) if not top]
        if not silent:
            return ""
        return f"Nothing speaks for {', '.join(silent)} in any slice: try another layer or method."

    def top(self, row: int, shared: bool) -> tuple[float, str]:
        """Return what the strongest colour of a map stands for, and whose evidence that is."""
        if shared and self.is_stack:
            return float(self._tops.max()), "all classes"
        return float(self._tops[row]), self.first.names[row]

    @property
    def what(self) -> str:
        """Which classes it is about."""
        return "all classes" if self.is_stack else self.first.names[0]

    @property
    def name(self) -> str:
        """How its layer is called."""
        first = self.first
        where = ""
        if isinstance(first.target, Region):
            where = " in a region"
        elif isinstance(first.target, Point):
            where = f" at {first.target.row}, {first.target.column}"
        place = first.place.partition(" (")[0]
        return f"{self.target.name(first.model)} · {first.method.value} {self.what}{where}, {place}"

    def put(self, explanation: Explanation, shared: bool) -> None:
        """Take the maps of a slice."""
        at = explanation.index if self.is_volume else 0
        self._tops = np.maximum(self._tops, explanation.maps.max(axis=(1, 2)))
        self.scale(shared)
        self.planes[:, at] = explanation.maps / self._divisors[:, np.newaxis, np.newaxis]
        self._filled[at] = True

    def scale(self, shared: bool) -> None:
        """Scale what has come so far, by each class's largest value or by the largest of all."""
        tops = np.full_like(self._tops, self._tops.max()) if shared else self._tops
        wanted = np.where(tops > 0, tops, 1).astype(np.float32)
        for value in np.flatnonzero(wanted != self._divisors):
            for at in np.flatnonzero(self._filled):  # the others are 0, and may be many
                self.planes[value, at] *= self._divisors[value] / wanted[value]
        self._divisors = wanted

    def data(self) -> np.ndarray:
        """Return the maps with the axes of the image layer, and one for the class in front."""
        planes = self.planes if self.is_volume else self.planes[:, 0]
        return self.target.lay(planes if self.is_stack else planes[0], self.is_stack)

    def grid(self) -> dict[str, Any]:
        """Return where the maps lie."""
        return self.target.grid(self.is_stack, alone=True)


@dataclass(frozen=True, eq=False)
class SaliencyInfo:
    """What a layer of evidence shows, ``metadata["retina_seg"]``; it is no image to segment.

    Attributes
    ----------
    image : str
        Name of the image layer it was made from.
    evidence : Evidence
        The maps.
    kept : bool
        Whether it shall stay as it is.
    """

    image: str
    evidence: SaliencyMaps
    kept: bool = False


def saliency_of(layer: object) -> SaliencyMaps | None:
    """Return the evidence that a layer shows, if it is one of ours."""
    known = getattr(layer, "metadata", {}).get(KEY)
    return known.evidence if isinstance(known, SaliencyInfo) else None


class Maps:
    """The evidence in a viewer: one live layer that follows, and those that are kept."""

    def __init__(self, viewer: ViewerModel, look: Look) -> None:
        self._viewer = viewer
        self.look = look
        self._outlines = Outlines(viewer)
        self.live: Image | None = None
        self.wanted: int | None = None  # the class to turn to as soon as it is shown

    @property
    def shown(self) -> SaliencyMaps | None:
        """What the live layer shows."""
        return saliency_of(self.live)

    @property
    def stack(self) -> Image | None:
        """The uppermost layer of several classes that is visible."""
        for layer in reversed(self._viewer.layers):
            evidence = saliency_of(layer)
            if evidence is not None and evidence.is_stack and layer.visible:
                return layer
        return None

    @property
    def seen(self) -> tuple[SaliencyMaps, int] | None:
        """The uppermost map that is visible, and which of its classes the slider picks."""
        for layer in reversed(self._viewer.layers):
            evidence = saliency_of(layer)
            if evidence is not None and layer.visible:
                return evidence, self._row(layer, evidence)
        return None

    @property
    def class_shown(self) -> str:
        """Name of the class at which the slider of several classes stands, or nothing."""
        if self.stack is None:
            return ""
        evidence = saliency_of(self.stack)
        first = evidence.first
        label = first.scheme.classes[first.values[self._row(self.stack, evidence)]]
        same = label.name == label.abbreviation
        return label.name if same else f"{label.abbreviation} · {label.name}"

    def hide_others(self, shown: SaliencyMaps) -> int:
        """Hide the other maps of an image, which would mix with what is shown; return how many."""
        others = [
            layer
            for layer in self._viewer.layers
            if (evidence := saliency_of(layer)) is not None
            and evidence is not shown
            and evidence.target.layer == shown.target.layer
            and layer.visible
        ]
        for layer in others:
            layer.visible = False
        return len(others)

    def turn_to(self, value: int) -> None:
        """Move the slider of the live layer to a class, once there is one that has it."""
        self.wanted = value
        if self.live is None or not self.shown.is_stack or value not in self.shown.first.values:
            return
        self.wanted = None
        axis = self._viewer.dims.ndim - self.live.ndim
        self._viewer.dims.set_point(axis, self.shown.first.values.index(value))

    def show(self, evidence: SaliencyMaps) -> Image:
        """Show evidence in the live layer, or in a new one if that is about another image."""
        if self.live is not None and self.live not in self._viewer.layers:
            self.live = None
        wanted, values = self.wanted, evidence.first.values
        if self._fits(evidence):
            self._replace(self.live, evidence)
        else:
            self.drop(evidence.target.layer)
            self.live = self.add(evidence)
            wanted = wanted if wanted in values else values[min(1, len(values) - 1)]
        if wanted is not None:
            self.turn_to(wanted)
        self.wanted = None
        return self.live

    def add(self, evidence: SaliencyMaps) -> Image:
        """Add a layer on top, and leave the selection to the person who works."""
        layers = self._viewer.layers
        layer = Image(
            evidence.data(),
            rgb=False,
            name=evidence.name,
            colormap=self.look.colormap,
            contrast_limits=(0, 1),
            opacity=_OPACITY,
            blending="translucent_no_depth",
            metadata={KEY: SaliencyInfo(evidence.target.layer.name, evidence)},
            **evidence.grid(),
        )
        active = layers.selection.active
        try:
            # Whoever hears of the selection would take up the image of this map.
            with layers.selection.events.active.blocker(), self._same_view():
                layers.append(layer)
                layers.selection.active = active
            self.outline()
        except Exception:
            self.remove(layer)  # it may be there, half made
            raise
        return layer

    def drop(self, image: Image) -> None:
        """Take the live layer of an image out; one of another image stays with its own."""
        layer, self.live = self.live, None
        if layer is not None and saliency_of(layer).target.layer == image:
            self.remove(layer)

    def has(self, layer: Image) -> bool:
        """Whether a layer is in the viewer."""
        return layer in self._viewer.layers

    def tidy(self) -> None:
        """Fill the masks again once there is no map over them."""
        if not any(saliency_of(layer) is not None for layer in self._viewer.layers):
            self.restore()

    def restore(self) -> None:
        """Fill the masks again that were outlined."""
        self._outlines.restore()

    def remove(self, layer: Image | None) -> None:
        """Take a layer out, if it is still there."""
        if layer is not None and layer in self._viewer.layers:
            with self._same_view():
                self._viewer.layers.remove(layer)

    def keep(self) -> None:
        """Let the live layer be; the next map is a new one."""
        if self.live is not None:
            self.live.metadata[KEY] = replace(self.live.metadata[KEY], kept=True)
        self.live = None

    def attach(self) -> SaliencyMaps | None:
        """Let the map live again that an earlier dock has left, if there is one."""
        for layer in reversed(self._viewer.layers):
            evidence = saliency_of(layer)
            if evidence is None or layer.metadata[KEY].kept or evidence.is_volume:
                continue
            if layer.visible and self.has(evidence.target.layer):
                self.live = layer
                return evidence
        return None

    def restyle(self, look: Look) -> None:
        """Draw all evidence in other colours, or on another scale."""
        self.look = look
        for layer in self._viewer.layers:
            evidence = saliency_of(layer)
            if evidence is not None:
                layer.colormap = look.colormap
                evidence.scale(look.shared)
                layer.refresh()

    def outline(self) -> None:
        """Outline the masks of all images that have a map: filled, they would drown it."""
        for layer in self._viewer.layers:
            evidence = saliency_of(layer)
            if evidence is not None and (layer.visible or evidence is self.shown):
                value = evidence.first.values[self._row(layer, evidence)]
                self._outlines.show(evidence.target.layer.name, value)

    def _row(self, layer: Image, evidence: SaliencyMaps) -> int:
        """Return the row of the class at which the slider stands."""
        if not evidence.is_stack:
            return 0
        at = self._viewer.dims.point[self._viewer.dims.ndim - layer.ndim]
        return int(np.clip(np.rint(at), 0, len(evidence.first.values) - 1))

    @contextmanager
    def _same_view(self) -> Iterator[None]:
        """Keep what a person has zoomed to: napari shows all when the number of axes changes."""
        camera = self._viewer.scene.camera
        center, zoom, angles = camera.center, camera.zoom, camera.angles
        yield
        camera.center, camera.zoom, camera.angles = center, zoom, angles

    def _fits(self, evidence: SaliencyMaps) -> bool:
        """Whether the live layer can take evidence up: same image, same shape."""
        if self.live not in self._viewer.layers:
            return False
        if self.shown.target.layer != evidence.target.layer:
            return False
        return self.live.data.shape == evidence.data().shape

    def _replace(self, layer: Image, evidence: SaliencyMaps) -> None:
        layer.metadata[KEY] = SaliencyInfo(evidence.target.layer.name, evidence)
        layer.data = evidence.data()
        layer.contrast_limits = (0, 1)
        for name, value in evidence.grid().items():  # of another slice, or of an image moved
            setattr(layer, name, value)
        layer.name = evidence.name
        self.outline()
