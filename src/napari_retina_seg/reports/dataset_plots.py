"""The plots and pictures of a data set's report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.datasets.checked import CheckedImage, DatasetCheck
from napari_retina_seg.datasets.examine import read_filled
from napari_retina_seg.datasets.findings import FindingKind
from napari_retina_seg.datasets.leaks import Copy
from napari_retina_seg.imaging.overlay import draw_overlay
from napari_retina_seg.imaging.pixels import shrink
from napari_retina_seg.reports._plots import figure_png
from napari_retina_seg.types.errors import RetinaSegError
from napari_retina_seg.types.labels import LabelScheme

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WIDTH = 10.0  # inches, at io.plots' resolution as wide as the page
_COLORS = {"train": "#0072b2", "val": "#e69f00", "test": "#d55e00", "undivided": "#6b6b6b"}
_TALLEST = 1.5  # rows for each column of a picture, from which on it is made smaller
_TITLE = 0.45  # inches
_PICTURE = 560  # px along the longer side of an example
_MOST_NAMES = 40
_EXAMPLES = 6
_PAIRS = 4
_SEED = 0
_NOT_SHOWN = {
    FindingKind.UNREADABLE,
    FindingKind.NO_MASK,
    FindingKind.SIZE,
    FindingKind.VALUES,
}


def plot_groups(check: DatasetCheck) -> bytes | None:
    """Draw how many images each group has; None where all have the same number."""
    groups = Counter((one.split, one.image.full_group) for one in check.images)
    if len(set(groups.values())) < 2:
        return None
    places = {split: place for place, split in enumerate(check.splits)}
    bars = sorted(groups.items(), key=lambda item: (places[item[0][0]], -item[1], item[0][1]))
    figure, axes = _figure(3.2)
    for split in check.splits:
        mine = [(k, count) for k, ((own, _), count) in enumerate(bars) if own == split]
        axes.bar(*zip(*mine, strict=True), color=_COLORS[split], label=split)
    named = len(bars) <= _MOST_NAMES
    names = [group if len(check.datasets) > 1 else group.split("/", 1)[1] for (_, group), _ in bars]
    axes.set_xticks(
        range(len(bars)) if named else [], names if named else [], rotation=60, ha="right"
    )
    axes.set(xlabel="group" if named else f"{len(bars)} groups", ylabel="images")
    axes.yaxis.get_major_locator().set_params(integer=True)
    axes.margins(x=0.01)
    _add_key(figure, axes)
    return figure_png(figure)


def plot_histograms(check: DatasetCheck) -> bytes | None:
    """Draw how often each grey level occurs in each split; None if no image can be read."""
    figure, axes = _figure(3.6)
    for split in check.splits:
        histogram = check.histogram(split)
        if histogram is None:
            continue
        share = 100 * histogram.counts / histogram.counts.sum()
        edges = np.linspace(histogram.low, histogram.high, len(share) + 1)
        axes.stairs(share, edges, color=_COLORS[split], label=split, linewidth=1.6)
    if not axes.patches:
        return None
    axes.set(xlabel="grey level", ylabel="pixels in %")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.margins(x=0.01)
    _add_key(figure, axes)
    return figure_png(figure)


def plot_balance(check: DatasetCheck) -> bytes | None:
    """Draw each class's share of the pixels but the background's; None if no mask holds any."""
    areas = {split: check.areas(split) for split in check.splits}
    areas = {split: pixels for split, pixels in areas.items() if pixels[1:].sum()}
    if not areas:
        return None
    labels = check.scheme.classes[1:]
    figure, axes = _figure(0.9 + 0.24 * len(labels) * max(2, len(areas)))
    height = 0.8 / len(areas)
    rows = np.arange(len(labels))
    for place, (split, pixels) in enumerate(areas.items()):
        share = 100 * pixels[1:] / pixels.sum()
        offset = (place - (len(areas) - 1) / 2) * height
        bars = axes.barh(rows + offset, share, height, color=_COLORS[split], label=split)
        axes.bar_label(bars, [f"{value:.3g} %" for value in share], padding=3, fontsize=8)
    axes.set_yticks(rows, [label.abbreviation for label in labels])
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set_xlabel("pixels in %")
    _add_key(figure, axes)
    return figure_png(figure)


def draw_examples(check: DatasetCheck) -> bytes | None:
    """Draw masks over some images, chosen by lot but always the same, from every split."""
    drawn = []
    for checked in _choose(check):
        try:
            plane, _ = read_filled(checked.image, check.modality)
            labels = checked.image.labels()
            drawn.append((checked, shrink(draw_overlay(plane, labels, check.scheme), _PICTURE)))
        except (RetinaSegError, OSError):
            continue  # it was there a moment ago
    if not drawn:
        return None
    columns = 2 if len(drawn) > 1 else 1
    figure, cells = _grid([picture for _, picture in drawn], columns)
    for cell, (checked, picture) in zip(cells, drawn, strict=True):
        cell.imshow(picture)
        cell.set_title(_title(check, checked), fontsize=9)
    _add_legend(figure, check.scheme)
    return figure_png(figure)


def _choose(check: DatasetCheck) -> list[CheckedImage]:
    """Take turns among data sets and splits, each shuffled, until there are enough."""
    rng = np.random.default_rng(_SEED)
    piles: dict[tuple[str, str], list[CheckedImage]] = {}
    for checked in check.images:
        if not _NOT_SHOWN & checked.kinds:
            piles.setdefault((checked.image.dataset, checked.split), []).append(checked)
    shuffled = [[pile[k] for k in rng.permutation(len(pile))] for pile in piles.values()]
    rounds = range(max(map(len, shuffled), default=0))
    turns = [pile[k] for k in rounds for pile in shuffled if k < len(pile)]
    return turns[:_EXAMPLES]


def draw_copies(check: DatasetCheck, copies: Sequence[Copy]) -> bytes | None:
    """Draw the first pairs of copies side by side."""
    pairs: list[tuple[CheckedImage, npt.NDArray[np.uint8]]] = []
    for copy in copies[:_PAIRS]:
        pair = [check.images[place] for place in (copy.first, copy.second)]
        try:
            pictures = [shrink(_plain(one, check), _PICTURE) for one in pair]
        except (RetinaSegError, OSError):
            continue
        pairs += zip(pair, pictures, strict=True)
    if not pairs:
        return None
    figure, cells = _grid([picture for _, picture in pairs], 4 if len(pairs) > 2 else 2)
    for cell, (checked, picture) in zip(cells, pairs, strict=True):
        cell.imshow(picture)
        cell.set_title(_title(check, checked), fontsize=9)
    return figure_png(figure)


def _plain(checked: CheckedImage, check: DatasetCheck) -> npt.NDArray[np.uint8]:
    plane, _ = read_filled(checked.image, check.modality)
    return draw_overlay(plane, np.zeros(plane.shape[:2], np.uint8), check.scheme)


def _title(check: DatasetCheck, checked: CheckedImage) -> str:
    name = f"{checked.image.dataset}/" if len(check.datasets) > 1 else ""
    return f"{name}{checked.image.name}\ngroup {checked.image.group} · {checked.split}"


def _figure(height: float) -> tuple[Figure, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _add_key(figure: Figure, axes: Any) -> None:
    handles, names = axes.get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper right", ncols=len(names), frameon=False)


def _grid(pictures: Sequence[npt.NDArray[np.uint8]], columns: int) -> tuple[Figure, list[Any]]:
    """Make room for pictures, in rows as high as the highest picture of each."""
    from matplotlib.figure import Figure

    width = _WIDTH if columns > 1 else _WIDTH / 2
    tallness = [picture.shape[0] / picture.shape[1] for picture in pictures]
    rows = [tallness[k : k + columns] for k in range(0, len(tallness), columns)]
    heights = [width / columns * min(max(row), _TALLEST) + _TITLE for row in rows]
    figure = Figure(figsize=(width, sum(heights) + _TITLE), layout="constrained")
    axes = figure.subplots(len(rows), columns, squeeze=False, height_ratios=heights)
    for cell in axes.flat:
        cell.set_axis_off()
    return figure, list(axes.flat)[: len(pictures)]


def _add_legend(figure: Figure, scheme: LabelScheme) -> None:
    from matplotlib.patches import Patch

    patches = [
        Patch(facecolor=label.color, label=label.abbreviation) for label in scheme.classes[1:]
    ]
    figure.legend(handles=patches, loc="outside lower center", ncols=min(len(patches), 8))
