"""Show explanations as Image layers on the grid of the explained image."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image
from napari.utils.colormaps import Colormap, ensure_colormap

from napari_retina_seg._napari.explain.overlays import Outlines
from napari_retina_seg._napari.layers import KEY, finest, insert_unselected, unwrap_proxy
from napari_retina_seg._napari.results import ImagePart
from napari_retina_seg.imaging.explanation import Explanation
from napari_retina_seg.imaging.target import Point, Region
from napari_retina_seg.types.image import RetinaImage

COLORS = ("turbo", "inferno", "cividis")
_OPACITY = 0.65
_CLEAR_BELOW = 0.5  # of the scale; below it the map becomes transparent


@dataclass(frozen=True)
class ColorSettings:
    """Colours and scale of maps.

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
        """The colour map, transparent where there is no evidence."""
        colors = np.array(ensure_colormap(self.colors).colors)
        colors[:, 3] = np.minimum(np.linspace(0, 1 / _CLEAR_BELOW, len(colors)), 1)
        return Colormap(colors, name=f"{self.colors}, clear at 0")


class SaliencyMaps:
    """Maps of an image or a volume, slice by slice, scaled to 0 … 1.

    Attributes
    ----------
    first : Explanation
        The first explanation, with the classes, layer and method.
    target : Target
        The image layer, and the explained part of it.
    image : RetinaImage
        The explained pixels.
    planes : array
        ``(classes, slices, rows, columns)`` float32; one slice unless it is a whole volume.
    """

    def __init__(self, first: Explanation, target: ImagePart, image: RetinaImage) -> None:
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
        """Whether all slices are explained."""
        return self.target.layer.ndim > 2 and self.target.whole

    @property
    def is_stack(self) -> bool:
        """Whether several classes are explained, with a slider to choose one."""
        return len(self.first.values) > 1

    @property
    def is_empty(self) -> bool:
        """Whether there is no positive evidence for any class."""
        return not self._tops.any()

    @property
    def message(self) -> str:
        """Message about classes without positive evidence; empty if there are none."""
        if not self.is_volume:
            return self.first.message
        silent = [name for name, top in zip(self.first.names, self._tops, strict=True) if not top]
        if not silent:
            return ""
        names = ", ".join(silent)
        return f"No positive evidence for {names} in any slice: try another layer or method."

    @property
    def answer(self) -> str:
        """The answer to a point or region; empty for whole classes and whole volumes."""
        return "" if self.first.answer is None else self.first.answer.sentence

    def top(self, row: int, shared: bool) -> tuple[float, str]:
        """Return the evidence at the strongest colour, and the classes it applies to."""
        if shared and self.is_stack:
            return float(self._tops.max()), "all classes"
        return float(self._tops[row]), self.first.names[row]

    @property
    def what(self) -> str:
        """The explained classes."""
        return "all classes" if self.is_stack else self.first.names[0]

    @property
    def name(self) -> str:
        """Name of its layer."""
        first = self.first
        where = ""
        if isinstance(first.target, Region):
            where = " in a region"
        elif isinstance(first.target, Point):
            where = f" at {first.target.row}, {first.target.column}"
        layer = first.layer.partition(" (")[0]
        return f"{self.target.name(first.model)} · {first.method.value} {self.what}{where}, {layer}"

    def put(self, explanation: Explanation, shared: bool) -> None:
        """Add the maps of a slice."""
        at = explanation.index if self.is_volume else 0
        self._tops = np.maximum(self._tops, explanation.maps.max(axis=(1, 2)))
        self.scale(shared)
        self.planes[:, at] = explanation.maps / self._divisors[:, np.newaxis, np.newaxis]
        self._filled[at] = True

    def scale(self, shared: bool) -> None:
        """Rescale the maps, by each class's largest value or by the largest of all."""
        tops = np.full_like(self._tops, self._tops.max()) if shared else self._tops
        wanted = np.where(tops > 0, tops, 1).astype(np.float32)
        for value in np.flatnonzero(wanted != self._divisors):
            for at in np.flatnonzero(self._filled):  # the others are 0, and may be many
                self.planes[value, at] *= self._divisors[value] / wanted[value]
        self._divisors = wanted

    def data(self) -> np.ndarray:
        """Return the maps with the axes of the image layer, and a leading one for the class."""
        planes = self.planes if self.is_volume else self.planes[:, 0]
        return self.target.expand(planes if self.is_stack else planes[0], self.is_stack)

    def grid(self) -> dict[str, Any]:
        """Return the grid of the maps."""
        return self.target.grid(self.is_stack, alone=True)


@dataclass(frozen=True, eq=False)
class SaliencyInfo:
    """Describes a saliency layer, in ``metadata["retina_seg"]``; it can't be segmented.

    Attributes
    ----------
    evidence : SaliencyMaps
        The maps.
    kept : bool
        Whether the user keeps it.
    """

    saliency: SaliencyMaps
    kept: bool = False

    @property
    def image(self) -> str:
        """Name of the image layer it was made from."""
        return str(self.saliency.target.layer.name)

    @property
    def image_layer(self) -> weakref.ref[Image]:
        """Reference to the image layer it was made from."""
        return weakref.ref(unwrap_proxy(self.saliency.target.layer))


def saliency_of(layer: object) -> SaliencyMaps | None:
    """Return the maps that a layer shows, if it is a saliency layer."""
    known = getattr(layer, "metadata", {}).get(KEY)
    return known.saliency if isinstance(known, SaliencyInfo) else None


class SaliencyLayers:
    """Saliency layers in a viewer: one live layer that follows the options, and kept ones."""

    def __init__(self, viewer: ViewerModel, color_settings: ColorSettings) -> None:
        self._viewer = viewer
        self.color_settings = color_settings
        self._outlines = Outlines(viewer)
        self.live: Image | None = None
        self.wanted: int | None = None  # the class to show once it is available

    @property
    def shown(self) -> SaliencyMaps | None:
        """Maps of the live layer."""
        return saliency_of(self.live)

    @property
    def stack(self) -> Image | None:
        """The uppermost visible layer with several classes."""
        for layer in reversed(self._viewer.layers):
            saliency = saliency_of(layer)
            if saliency is not None and saliency.is_stack and layer.visible:
                return layer
        return None

    @property
    def topmost(self) -> Image | None:
        """The uppermost visible layer with maps."""
        visible = (each for each in reversed(self._viewer.layers) if each.visible)
        return next((each for each in visible if saliency_of(each) is not None), None)

    def top_of(self, layer: Image | None) -> tuple[float, str]:
        """Return the evidence at the strongest colour of a layer, and the classes it applies to."""
        saliency = saliency_of(layer)
        if saliency is None or layer is None:
            return 0.0, ""
        return saliency.top(self._row(layer, saliency), self.color_settings.shared)

    @property
    def class_shown(self) -> str:
        """Name of the class chosen by the slider; empty without one."""
        saliency = saliency_of(self.stack)
        if saliency is None:
            return ""
        first = saliency.first
        return first.scheme.classes[first.values[self._row(self.stack, saliency)]].title

    def hide_others(self, shown: SaliencyMaps) -> int:
        """Hide the other maps of an image, which would overlap; return their number."""
        others = [
            layer
            for layer in self._viewer.layers
            if (saliency := saliency_of(layer)) is not None
            and saliency is not shown
            and saliency.target.layer == shown.target.layer
            and layer.visible
        ]
        for layer in others:
            layer.visible = False
        return len(others)

    def select(self, value: int) -> None:
        """Move the slider of the live layer to a class, now or once it is available."""
        self.wanted, shown = value, self.shown
        if self.live is None or shown is None or not shown.is_stack:
            return
        if value in shown.first.values:
            self.wanted = None
            axis = self._viewer.dims.ndim - self.live.ndim
            self._viewer.dims.set_point(axis, shown.first.values.index(value))

    def show(self, saliency: SaliencyMaps) -> Image:
        """Show maps in the live layer, or in a new one for another image."""
        if self.live is not None and self.live not in self._viewer.layers:
            self.live = None
        wanted, values = self.wanted, saliency.first.values
        if self._fits(saliency):
            self._replace(self.live, saliency)
        else:
            self.drop(saliency.target.layer)
            self.live = self.add(saliency)
            wanted = wanted if wanted in values else values[min(1, len(values) - 1)]
        if wanted is not None:
            self.select(wanted)
        self.wanted = None
        return self.live

    def add(self, saliency: SaliencyMaps) -> Image:
        """Add a layer on top, keeping the selection."""
        layers = self._viewer.layers
        layer = Image(
            saliency.data(),
            rgb=False,
            name=saliency.name,
            colormap=self.color_settings.colormap,
            contrast_limits=(0, 1),
            opacity=_OPACITY,
            blending="translucent_no_depth",
            metadata={KEY: SaliencyInfo(saliency)},
            **saliency.grid(),
        )
        try:
            with self._same_view():
                insert_unselected(layers, layer)
            self.outline()
        except Exception:
            self.remove(layer)  # it may have been added in part
            raise
        return layer

    def drop(self, image: Image) -> None:
        """Remove the live layer of an image; that of another image is kept."""
        (layer, shown), self.live = (self.live, self.shown), None
        if shown is not None and shown.target.layer == image:
            self.remove(layer)

    def has(self, layer: Image) -> bool:
        """Whether a layer is in the viewer."""
        return layer in self._viewer.layers

    def tidy(self) -> None:
        """Restore the masks once there is no map left."""
        if not any(saliency_of(layer) is not None for layer in self._viewer.layers):
            self.restore()

    def restore(self) -> None:
        """Restore the masks that were outlined."""
        self._outlines.restore()

    def remove(self, layer: Image | None) -> None:
        """Remove a layer, if it is still in the viewer."""
        if layer is not None and layer in self._viewer.layers:
            with self._same_view():
                self._viewer.layers.remove(layer)

    def keep(self) -> None:
        """Keep the live layer; the next map is a new one."""
        if self.live is not None:
            self.live.metadata[KEY] = replace(self.live.metadata[KEY], kept=True)
        self.live = None

    def attach(self) -> SaliencyMaps | None:
        """Make the map of an earlier dock the live one, if there is one."""
        for layer in reversed(self._viewer.layers):
            saliency = saliency_of(layer)
            if saliency is None or layer.metadata[KEY].kept or saliency.is_volume:
                continue
            if layer.visible and self.has(saliency.target.layer):
                self.live = layer
                return saliency
        return None

    def restyle(self, color_settings: ColorSettings) -> None:
        """Change colours and scale of all maps."""
        self.color_settings = color_settings
        for layer in self._viewer.layers:
            saliency = saliency_of(layer)
            if saliency is not None:
                layer.colormap = color_settings.colormap
                saliency.scale(color_settings.shared)
                layer.refresh()

    def outline(self) -> None:
        """Outline the masks of all images with a map: filled masks would hide it."""
        for layer in self._viewer.layers:
            saliency = saliency_of(layer)
            if saliency is not None and (layer.visible or saliency is self.shown):
                value = saliency.first.values[self._row(layer, saliency)]
                self._outlines.show(saliency.target.layer, value)

    def _row(self, layer: Image, saliency: SaliencyMaps) -> int:
        """Return the row of the class chosen by the slider."""
        if not saliency.is_stack:
            return 0
        at = self._viewer.dims.point[self._viewer.dims.ndim - layer.ndim]
        return int(np.clip(np.rint(at), 0, len(saliency.first.values) - 1))

    @contextmanager
    def _same_view(self) -> Iterator[None]:
        """Keep the camera: napari resets it when the number of axes changes."""
        camera = self._viewer.scene.camera
        center, zoom, angles = camera.center, camera.zoom, camera.angles
        yield
        camera.center, camera.zoom, camera.angles = center, zoom, angles

    def _fits(self, saliency: SaliencyMaps) -> bool:
        """Whether the live layer can show the maps: same image, same shape."""
        live, shown = self.live, self.shown
        if live is None or shown is None or live not in self._viewer.layers:
            return False
        same_image = shown.target.layer == saliency.target.layer
        return bool(same_image and live.data.shape == saliency.data().shape)

    def _replace(self, layer: Image, saliency: SaliencyMaps) -> None:
        layer.metadata[KEY] = SaliencyInfo(saliency)
        layer.data = saliency.data()
        layer.contrast_limits = (0, 1)
        for name, value in saliency.grid().items():  # another slice, or the image was moved
            setattr(layer, name, value)
        layer.name = saliency.name
        self.outline()
