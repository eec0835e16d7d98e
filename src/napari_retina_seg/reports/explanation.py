"""Write explanations as figures and as maps."""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import cv2
import numpy as np
import numpy.typing as npt

from napari_retina_seg.imaging.explanation import Explanation
from napari_retina_seg.imaging.overlay import display, draw_overlay
from napari_retina_seg.imaging.pixels import resize
from napari_retina_seg.imaging.target import Point, Region
from napari_retina_seg.io.atomic import Draft, write_atomically, writing
from napari_retina_seg.reports._panels import Panels
from napari_retina_seg.reports._plots import FIGURE_FORMATS, figure_file
from napari_retina_seg.types.errors import ImageError, WriteError
from napari_retina_seg.types.labels import LabelScheme

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = npt.NDArray[np.float32]
MapKind = Literal["npy", "tiff"]

_SUFFIXES = {"npy": ".npy", "tiff": ".tif"}

_DPI = 160
_PICTURE = 1000  # px of the longer side; what is larger is shrunk for drawing
_FADE = 0.25  # share of the scale over which a map fades into the image
_OPACITY = 0.8


def save_panels(
    explanation: Explanation,
    plane: npt.NDArray[Any],
    path: Path,
    *,
    title: str = "Image",
    colors: str = "inferno",
    shared: bool = False,
) -> None:
    """Draw image, mask and a heat map for each class into one figure.

    Parameters
    ----------
    explanation : Explanation
        What to draw. A class without positive evidence gets the words "no evidence", one that the
        model does not draw "not drawn here"; the caption says so too.
    plane : array
        The image, ``(rows, columns)`` or ``(rows, columns, 3 or 4)``.
    path : Path
        Where to, ``.png``, ``.svg`` or ``.pdf``; a file of this name is replaced.
    title : str
        What to write above the image.
    colors : str
        Name of a colour map of matplotlib.
    shared : bool
        One scale for all classes, so that they can be compared; else each class has its own.

    Raises
    ------
    WriteError
        If the suffix is another one, or the file can't be written; nothing is left behind then.
    ImageError
        If the image is not the one that was explained.
    """
    form = path.suffix.lower().removeprefix(".")
    if form not in FIGURE_FORMATS:
        raise WriteError(f"'{path}' can't hold a figure: save it as .png, .svg or .pdf.")
    figure = _draw(explanation, plane, title, _heat(colors), shared)
    write_atomically(path, figure_file(figure, form, _DPI))


def save_maps(
    explanation: Explanation, folder: Path, stem: str, *, kind: MapKind = "npy"
) -> tuple[Path, ...]:
    """Write the maps of one plane, a file for each class: ``<stem>_<class>_<method>``.

    Parameters
    ----------
    explanation : Explanation
        Image of the maps.
    folder : Path
        Where to; made if missing. Files of these names there are replaced.
    stem : str
        How the names begin.
    kind : {"npy", "tiff"}
        ``.npy``, or ``.tif`` with a caption.

    Returns
    -------
    tuple of Path
        The files, ``(rows, columns)`` float32, logits per pixel asked about.

    Raises
    ------
    WriteError
        If one can't be written; those before it stay, nothing of it does.
    """
    paths = tuple(
        folder / map_name(stem, explanation.scheme, value, explanation.method.slug, kind)
        for value in explanation.values
    )
    for path, plane in zip(paths, explanation.maps, strict=True):
        file = BytesIO()
        file.seek(_begin(file, plane.shape, kind, explanation.file_caption))
        file.write(_bytes(plane))
        write_atomically(path, file.getvalue())
    return paths


def map_name(stem: str, scheme: LabelScheme, value: int, method: str, kind: MapKind) -> str:
    """Name the file of a map.

    Parameters
    ----------
    stem : str
        How the name begins.
    scheme : LabelScheme
        Its abbreviations are used, without what file systems refuse; where two would be the
        same, the value comes after.
    value : int
        Of the class.
    method : str
        Such as ``grad-cam``.
    kind : {"npy", "tiff"}
        Of file.
    """
    names = [re.sub(r"[^\w+.-]+", "-", label.abbreviation) for label in scheme.classes]
    folded = [name.casefold() for name in names]
    name = names[value] if folded.count(folded[value]) == 1 else f"{names[value]}-{value}"
    return f"{stem}_{name}_{method}{_SUFFIXES[kind]}"


class MapWriter:
    """Writes the maps of a volume slice by slice, a file for each class.

    The files are named as `save_maps` names them and hold ``(slices, rows, columns)`` float32;
    slices that are left out are 0. They appear at the end of the `with` block, unless it ended
    by an error or was cancelled.

    Parameters
    ----------
    folder : Path
        Where to; made if missing. Files of these names there are replaced.
    stem : str
        How the names begin.
    shape : tuple of int
        ``(slices, rows, columns)``.
    kind : {"npy", "tiff"}
        ``.npy``, or ``.tif`` with a page for each slice.
    """

    def __init__(
        self, folder: Path, stem: str, shape: tuple[int, int, int], kind: MapKind = "npy"
    ) -> None:
        self._folder, self._stem, self._shape, self._kind = folder, stem, shape, kind
        self._drafts: dict[Path, tuple[Draft, int]] = {}

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files."""
        return tuple(self._drafts)

    def __enter__(self) -> MapWriter:
        return self

    def add(self, explanation: Explanation) -> None:
        """Write the maps of a slice.

        Raises
        ------
        WriteError
            If there is no room for them, or no permission.
        ImageError
            If they do not belong to this volume.
        """
        inside = 0 <= explanation.index < self._shape[0]
        if explanation.labels.shape != self._shape[1:] or not inside:
            raise ImageError(
                f"Slice {explanation.index} of {explanation.labels.shape} px is not of a volume"
                f" of shape {self._shape}: write it to files of its own."
            )
        if not self._drafts:
            self._open(explanation)
        for (path, (draft, start)), plane in zip(
            self._drafts.items(), explanation.maps, strict=True
        ):
            content = _bytes(plane)
            with writing(path):
                draft.file.seek(start + explanation.index * len(content))
                draft.file.write(content)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            for path, (draft, _) in self._drafts.items():
                if error is None:
                    with writing(path):
                        draft.keep()
        finally:
            for draft, _ in self._drafts.values():
                draft.drop()

    def _open(self, explanation: Explanation) -> None:
        method = explanation.method.slug
        for value in explanation.values:
            name = map_name(self._stem, explanation.scheme, value, method, self._kind)
            path = self._folder / name
            with writing(path):
                draft = Draft(path)
                self._drafts[path] = draft, 0
                start = _begin(draft.file, self._shape, self._kind, explanation.file_caption)
                self._drafts[path] = draft, start


def _begin(file: BinaryIO, shape: tuple[int, ...], kind: MapKind, caption: str) -> int:
    """Write a file of zeros; return where they begin."""
    if kind == "npy":
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        start = file.tell()
        file.truncate(start + 4 * int(np.prod(shape)))
        return start
    import tifffile

    start, _ = tifffile.imwrite(
        file,
        shape=shape,
        dtype="<f4",
        photometric="minisblack",
        metadata={"axes": "ZYX"[-len(shape) :], "Description": caption},
        returnoffset=True,
    )
    return int(start)


def _bytes(plane: Array) -> bytes:
    return np.ascontiguousarray(plane, "<f4").tobytes()


def _draw(
    explanation: Explanation, plane: npt.NDArray[Any], title: str, cmap: Any, shared: bool
) -> Figure:
    rows, columns = explanation.labels.shape
    overlay = draw_overlay(plane, explanation.labels, explanation.scheme)
    scale = min(1.0, _PICTURE / max(rows, columns))
    size = max(1, round(rows * scale)), max(1, round(columns * scale))
    picture = resize(display(plane), size)
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    scales = "one scale for all classes" if shared else "a scale for each class"
    answer = "" if explanation.answer is None else f"{explanation.answer.sentence} "
    caption = f"{answer}{explanation.file_caption} {_BARS}, {scales}. {explanation.message}"
    panels = Panels(2 + len(explanation.values), (rows, columns), caption)
    _mark(panels.add(picture, title), explanation)
    _mark(panels.add(resize(overlay, size), "Mask drawn by the model"), explanation)
    largest = float(explanation.maps.max())
    for value, heat in zip(explanation.values, explanation.maps, strict=True):
        label = explanation.scheme.classes[value]
        axes = panels.add(grey, label.title, label.color)
        if heat.any():
            top = largest if shared else float(heat.max())
            panels.show(axes, resize(heat, size), cmap=cmap, vmin=0, vmax=top)
            panels.add_bar(top, cmap)
        else:
            _show_message(
                axes, "not drawn here" if value in explanation.untargeted else "no evidence"
            )
        _mark(axes, explanation)
    return panels.figure


_BARS = "Colour bars: evidence in logits per pixel asked about"


def _heat(colors: str) -> Any:
    """Return a colour map whose low end lets the image through."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    ramp = np.linspace(0, 1, 256)
    table = colormaps[colors](ramp)
    table[:, 3] = _OPACITY * np.minimum(ramp / _FADE, 1)
    return ListedColormap(table)


def _show_message(axes: Any, message: str) -> None:
    box = {"facecolor": "black", "edgecolor": "none", "alpha": 0.7, "boxstyle": "round"}
    style = {"ha": "center", "va": "center", "color": "white", "fontsize": 9, "bbox": box}
    axes.text(0.5, 0.5, message, transform=axes.transAxes, **style)


def _mark(axes: Any, explanation: Explanation) -> None:
    """Outline the region that was asked about, or mark the point."""
    target = explanation.target
    if isinstance(target, Point):
        axes.plot(target.column, target.row, "o", mfc="none", mec="black", ms=9, mew=2.4)
        axes.plot(target.column, target.row, "o", mfc="none", mec="cyan", ms=9, mew=1.2)
    elif isinstance(target, Region):
        mask = target.mask[explanation.index] if target.mask.ndim == 3 else target.mask
        line = _outline(mask)
        axes.plot(*line, color="black", linewidth=2.2, snap=False)
        axes.plot(*line, color="cyan", linewidth=1.1, snap=False)
    rows, columns = explanation.labels.shape
    axes.set(xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5))


def _outline(mask: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
    """Return x and y of a region's outlines, which NaN divides; a lone pixel becomes a square."""
    # Each pixel as 2 × 2 of them, so that the outline runs along its edges.
    doubled = np.kron(mask, np.ones((2, 2), np.uint8)).astype(np.uint8)
    found, _ = cv2.findContours(doubled, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    end = np.full((1, 2), np.nan, np.float32)
    pieces = [np.concatenate([one[:, 0], one[:1, 0], end]) for one in found]
    line = np.concatenate([end, *pieces])
    return np.asarray(line.T / 2 - 0.25)
