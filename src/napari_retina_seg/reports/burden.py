"""What correcting a model's masks costs: page with plots over time, tables and JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_retina_seg.metrics.burden import Burden, GradedImage, ModelBurden
from napari_retina_seg.reports._files import format_number, to_csv, to_json, write_files
from napari_retina_seg.reports._html import Page
from napari_retina_seg.reports._plots import figure_png
from napari_retina_seg.types.counts import count

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FILES = HTML_FILE, CSV_FILE, IMAGES_FILE, JSON_FILE = (
    "burden.html",
    "burden.csv",
    "burden_images.csv",
    "burden.json",
)
HOW_TIMED = (
    "Minutes are those in which mouse or keys were used in the window while the image was open;"
    " pauses of over 30 s end the count until the next input. They include looking and waiting, and"
    " work in other docks. Images accepted or drawn outside the window have no time: they are left"
    " out of the minutes, not of the other figures."
)
HOW_COMPARED = (
    "Model versions follow each other: graders practise meanwhile, and the images differ. A smaller"
    " burden of a later version is no proof that the model is the cause."
)
_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
_WINDOW = 9  # images of which a running median is drawn
_DAY = "%Y-%m-%d"


def burden_table(burden: Burden) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return header and rows of the table, a row per model version.

    Parameters
    ----------
    burden : Burden
        What was found.
    """
    header = (
        *("masks began with", "images", "from", "to"),
        *("minutes, median (quartiles)", "timed", "accepted unchanged"),
        *("Dice with the final mask", _changed(burden)),
    )
    return header, [_row(one, layered=burden.layered) for one in burden.models]


def notes(burden: Burden) -> tuple[str, ...]:
    """Say what the figures are, and what is left out, each in a sentence or two."""
    return tuple(_notes(burden))


def _notes(burden: Burden) -> Iterator[str]:
    if not burden.images:
        yield "No first grading is finished yet: accept or correct masks in Review."
    if burden.hidden:
        yield (
            f"{count(burden.hidden, 'image')} that you still have to grade a second time are left"
            " out."
        )
    yield HOW_TIMED
    if len(burden.models) > 1:
        yield HOW_COMPARED


def write_burden(burden: Burden, title: str, folder: Path) -> tuple[Path, ...]:
    """Write ``burden.html``, tables of model versions and of images as CSV, and JSON.

    Images are named by their number in the project, and graders are not named.

    Parameters
    ----------
    burden : Burden
        What was found.
    title : str
        Heading of the page.
    folder : Path
        Where to; made if missing. Files of these names there are replaced.

    Returns
    -------
    tuple of Path
        The files, the page first.

    Raises
    ------
    WriteError
        If one can't be written.
    """
    return write_files(
        {
            HTML_FILE: _page(burden, title),
            CSV_FILE: _models_csv(burden),
            IMAGES_FILE: _images_csv(burden),
            JSON_FILE: _json(burden),
        },
        folder,
    )


def burden_figure(burden: Burden) -> Figure:
    """Plot minutes, Dice and changes of all images in the order in which they were finished.

    Parameters
    ----------
    burden : Burden
        What was found; at least one image.

    Returns
    -------
    matplotlib.figure.Figure
        Three plots below each other, a colour per model version.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 6.5), layout="constrained")
    places = figure.subplots(3, 1, sharex=True)
    kinds = (
        ("minutes", [None if one.seconds is None else one.seconds / 60 for one in burden.images]),
        ("Dice with the final mask", [one.dice for one in burden.images]),
        (_changed(burden), [_percent(_share(one, burden)) for one in burden.images]),
    )
    for axes, (name, values) in zip(places, kinds, strict=True):
        _plot(axes, burden, np.array([np.nan if v is None else v for v in values], float))
        axes.set_ylabel(name, fontsize=8)
        axes.tick_params(labelsize=7)
    places[0].legend(frameon=False, fontsize=7)
    places[-1].set_xlabel("images in the order in which they were finished", fontsize=8)
    return figure


def _plot(axes: Any, burden: Burden, values: Any) -> None:
    numbers = np.arange(1, len(values) + 1)
    weights = np.array([one.weights_sha256 or "" for one in burden.images])
    for index, model in enumerate(burden.models):
        own = weights == (model.weights_sha256 or "")
        color = _COLORS[index % len(_COLORS)]
        axes.scatter(numbers[own], values[own], s=14, color=color, label=model.name, linewidths=0)
    if len(values) >= _WINDOW:
        half = _WINDOW // 2
        parts = [values[max(0, i - half) : i + half + 1] for i in range(len(values))]
        middle = [np.nanmedian(part) if np.isfinite(part).any() else np.nan for part in parts]
        axes.plot(numbers, middle, color="0.4", linewidth=1)


def _page(burden: Burden, title: str) -> str:
    page = Page(title)
    for sentence in notes(burden):
        page.paragraph(sentence)
    if not burden.images:
        return page.html()
    page.table(*burden_table(burden), caption=_caption(burden))
    page.figure(
        figure_png(burden_figure(burden)),
        "Minutes, Dice of the model's mask and the final one, and what was changed. A point is an"
        f" image, the grey line the median of {_WINDOW} neighbouring ones.",
    )
    return page.html()


def _caption(burden: Burden) -> str:
    of = (
        "the columns in which a class was changed, mean of the classes"
        if burden.layered
        else "the pixels of the image that were changed"
    )
    return (
        "Each image counts once, by its first grading when that was finished for the first time."
        f" Dice is the mean of the classes; '{_changed(burden)}' is the share of {of}."
    )


def _changed(burden: Burden) -> str:
    return "columns changed, %" if burden.layered else "pixels changed, %"


def _share(one: GradedImage | ModelBurden, burden: Burden) -> float | None:
    return one.columns if burden.layered else one.pixels


def _percent(value: float | None) -> float | None:
    return None if value is None else 100 * value


def _row(one: ModelBurden, *, layered: bool) -> tuple[str, ...]:
    share = _percent(one.columns if layered else one.pixels)
    minutes = ""
    if one.minutes is not None:
        middle, low, high = (format_number(value, 1) for value in one.minutes)
        minutes = f"{middle} ({low} to {high})"
    unchanged = "" if one.unchanged is None else f"{one.unchanged:.0%}"
    return (
        *(one.name, str(one.images), f"{one.first:{_DAY}}", f"{one.last:{_DAY}}"),
        *(minutes, str(one.timed), unchanged),
        "" if one.dice is None else format_number(one.dice, 3),
        "" if share is None else format_number(share, 1 if layered else 2),
    )


def _models_csv(burden: Burden) -> str:
    header = (
        *("masks began with", "weights sha256", "images", "timed", "first", "last"),
        *("minutes median", "minutes lower quartile", "minutes upper quartile"),
        *("accepted unchanged", "dice", "columns changed", "pixels changed"),
    )
    rows = (
        (
            *(one.name, one.weights_sha256, one.images, one.timed),
            *(one.first.isoformat(timespec="seconds"), one.last.isoformat(timespec="seconds")),
            *(one.minutes or (None, None, None)),
            *(one.unchanged, one.dice, one.columns if burden.layered else None, one.pixels),
        )
        for one in burden.models
    )
    return to_csv(header, rows)


def _images_csv(burden: Burden) -> str:
    header = (
        *("image number", "finished", "masks began with", "weights sha256", "minutes"),
        *("unchanged", "dice", "columns changed", "pixels changed"),
    )
    rows = (
        (
            *(one.image_id, one.finished_at.isoformat(timespec="seconds")),
            *(burden.names[one.weights_sha256], one.weights_sha256),
            None if one.seconds is None else one.seconds / 60,
            *(one.is_unchanged, one.dice, one.columns if burden.layered else None, one.pixels),
        )
        for one in burden.images
    )
    return to_csv(header, rows)


def _json(burden: Burden) -> str:
    content = {
        "notes": notes(burden),
        "models": [_dated(asdict(one)) for one in burden.models],
        "images": [_dated(asdict(one)) for one in burden.images],
    }
    return to_json(content)


def _dated(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.isoformat(timespec="seconds") if hasattr(value, "isoformat") else value
        for name, value in values.items()
    }
