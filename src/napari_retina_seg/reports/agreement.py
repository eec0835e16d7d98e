"""Inter-grader agreement as tables, HTML page, CSV and JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

from napari_retina_seg.metrics.agreement import (
    Agreement,
    BoundaryDifference,
    ImageAgreement,
    SizeAgreement,
)
from napari_retina_seg.metrics.measures import MEASURES, Key
from napari_retina_seg.metrics.proposals import ProposalSummary
from napari_retina_seg.reports._files import (
    column_name,
    format_number,
    in_order,
    nested,
    to_csv,
    to_json,
    write_files,
)
from napari_retina_seg.reports._html import Page
from napari_retina_seg.reports._plots import figure_png
from napari_retina_seg.reports.agreement_plots import bland_altman_figure
from napari_retina_seg.reports.evaluation import format_score, with_interval

FILES = HTML_FILE, CSV_FILE, JSON_FILE = "agreement.html", "agreement.csv", "agreement.json"
_FEW = 10  # images
_GRADERS = ("first", "second")


class Table(NamedTuple):
    """Cells as they are shown, with the names of their columns."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def class_table(agreement: Agreement) -> Table:
    """Return Dice and the agreement on sizes, a row per class but background."""
    unit = agreement.unit
    header = ("class", "Dice", "ICC(2,1)", f"bias, {unit}", f"95 % limits, {unit}")
    return Table(header, tuple(_class_row(agreement, size) for size in agreement.sizes))


def _class_row(agreement: Agreement, size: SizeAgreement) -> tuple[str, ...]:
    part = size.name if len(agreement.scheme) > 2 else ""
    dice = with_interval(agreement.means.get(Key("dice", part)), "dice")
    found, compared = size.icc, size.bland_altman
    correlation = "" if found is None else format_number(found.value, 3)
    if found is not None and found.low is not None and found.high is not None:
        correlation += f" [{format_number(found.low, 3)}, {format_number(found.high, 3)}]"
    if compared is None:
        return size.name, dice, correlation, "", ""
    limits = f"{format_number(compared.low)} to {format_number(compared.high)}"
    return size.name, dice, correlation, format_number(compared.bias), limits


def boundary_table(agreement: Agreement) -> Table:
    """Return the differences of the boundaries, in µm if that is known, else in px."""
    unit = "µm" if agreement.boundaries_um else "px"
    header = (
        "boundary",
        f"mean difference, {unit}",
        f"without sign, {unit}",
        f"95 % limits, {unit}",
    )
    return Table(
        header,
        tuple(map(_boundary_row, agreement.boundaries_um or agreement.boundaries)),
    )


def _boundary_row(one: BoundaryDifference) -> tuple[str, ...]:
    limits = f"{format_number(one.low)} to {format_number(one.high)}" if isfinite(one.low) else ""
    return one.name, format_number(one.bias), format_number(one.absolute), limits


def summary_table(agreement: Agreement) -> Table:
    """Return the statements on all images together."""
    counts = agreement.gradability
    rows = [
        ("images compared", str(len(agreement.images))),
        ("graders", who_graded(agreement)),
        *(
            (MEASURES[name].label, with_interval(agreement.means.get(Key(name)), name))
            for name in ("kappa", "kappa_sure")
        ),
        *_proposal_rows(agreement.proposals),
        ("graded by the first grader only", str(counts.only_first)),
        ("graded by the second grader only", str(counts.only_second)),
        ("graded by neither", str(counts.neither)),
    ]
    if len(agreement.images) < _FEW:
        rows.append(("with so few images", "ICC, intervals and limits say little"))
    return Table(("", ""), tuple(rows))


def caution(agreement: Agreement) -> str:
    """Say what speaks against the figures: masks that nobody changed, or that can't be.

    Returns
    -------
    str
        Sentences; empty if somebody changed or drew every mask, and none has open places.
    """
    return " ".join(filter(None, (_unchanged(agreement.proposals), _open(agreement))))


def _unchanged(found: ProposalSummary) -> str:
    if not found.unchanged:
        return ""
    if found.unchanged == found.images:
        return (
            f"Both gradings are the model's proposal: 0 of {found.images} were changed. Their"
            " agreement says nothing about the graders."
        )
    return (
        f"In {found.unchanged} of {found.images} images neither grader changed the model's"
        " proposal, so they agree there of course: look at the figures of the images that were"
        " changed."
    )


def _open(agreement: Agreement) -> str:
    if not agreement.open_gradings:
        return ""
    return (
        f"In {agreement.open_gradings} of {2 * len(agreement.images)} gradings layers are missing,"
        " out of order, in pieces, or jump: look at them in Review."
    )


def _proposal_rows(found: ProposalSummary) -> Iterator[tuple[str, str]]:
    """Yield what the graders made of the model's masks, if any grading began with one."""
    if not any(found.started):
        return
    for grader, started, changed in zip(_GRADERS, found.started, found.changed, strict=True):
        yield f"model's masks changed by the {grader} grader", f"{changed} of {started}"
    if found.unchanged:
        for name in ("dice", "kappa"):
            changed_only = with_interval(found.means.get(Key(name)), name) or "no such image"
            yield f"{MEASURES[name].label}, changed images only", changed_only
    for grader, dice, kappa in zip(_GRADERS, found.dice, found.kappa, strict=True):
        for name, mean in (("dice", dice), ("kappa", kappa)):
            if mean is not None:
                yield (
                    f"{MEASURES[name].label}, {grader} grader and model",
                    with_interval(mean, name),
                )


def image_table(agreement: Agreement) -> Table:
    """Return a row per image, worst first."""
    unit = "um" if agreement.boundaries_um else "px"
    names = ["dice", "kappa", *([f"boundary_error_{unit}"] if agreement.boundaries else [])]
    header = ("image", "first grader", "second grader", *(MEASURES[name].label for name in names))
    rows = (
        (
            one.image.name,
            one.image.first,
            one.image.second,
            *(format_score(one.scores.get(Key(name)), name) for name in names),
        )
        for one in agreement.images
    )
    return Table(header, tuple(rows))


def who_graded(agreement: Agreement) -> str:
    """Say who read first and who second."""
    pairs = Counter((one.image.first, one.image.second) for one in agreement.images)
    return "; ".join(f"first {first}, second {second}" for first, second in pairs)


def write_agreement(agreement: Agreement, folder: Path) -> tuple[Path, ...]:
    """Write ``agreement.html``, ``agreement.csv`` (a row per image) and ``agreement.json``.

    Parameters
    ----------
    agreement : Agreement
        What was found.
    folder : Path
        Where to; made if missing. Files of these names there are replaced.

    Returns
    -------
    tuple of Path
        The three files, the page first.

    Raises
    ------
    WriteError
        If one can't be written; nothing of it is left then.
    """
    contents = {
        HTML_FILE: agreement_page(agreement),
        CSV_FILE: agreement_csv(agreement),
        JSON_FILE: agreement_json(agreement),
    }
    return write_files(contents, folder)


def agreement_page(agreement: Agreement) -> str:
    """Return the page as HTML, with all tables and plots in it."""
    page = Page("Agreement of two graders")
    if warning := caution(agreement):
        page.paragraph(warning)
    page.table(*summary_table(agreement))
    page.paragraph(
        "Means over the images, in brackets their 95 % bootstrap intervals over patients. Each"
        " grader worked without seeing the mask of the other."
    )
    if len({(one.image.first, one.image.second) for one in agreement.images}) > 1:
        page.paragraph(
            "Not all images were read by the same two people: 'first' and 'second' are roles here,"
            " and differences between people of one role count as disagreement."
        )
    if agreement.sizes:
        page.heading("By class")
        page.table(*class_table(agreement), caption=_caption(agreement))
        page.figure(
            figure_png(bland_altman_figure(agreement, [size.name for size in agreement.sizes])),
            "Bland-Altman plots: a point is an image, the black line the bias, between the dashed"
            " lines lie 95 % of the differences.",
        )
    if agreement.boundaries:
        page.heading("Boundaries")
        page.table(
            *boundary_table(agreement),
            caption="Second less first over all columns of all images; positive is deeper.",
        )
    if agreement.images:
        page.heading("Every image, worst first")
        page.table(*image_table(agreement))
    page.heading("What the figures are")
    page.table(("figure", "definition"), _DEFINITIONS)
    return page.html()


def _caption(agreement: Agreement) -> str:
    return (
        f"ICC, bias and limits are those of the {agreement.size} of a class, one value per image;"
        " the bias is second less first."
    )


_DEFINITIONS = (
    ("Dice", MEASURES["dice"].definition),
    (
        "Cohen's kappa",
        "(p − q) / (1 − q) over pixels, with p the share on which both agree and q that by chance;"
        " Cohen 1960, Educ Psychol Meas 20: 37",
    ),
    (
        "ICC(2,1)",
        "two-way random effects, absolute agreement, single rating; Shrout and Fleiss 1979,"
        " Psychol Bull 86: 420",
    ),
    (
        "95 % limits",
        "mean less and plus 1.96 standard deviations; Bland and Altman 1986, Lancet 327: 307",
    ),
)


def agreement_csv(agreement: Agreement) -> str:
    """Return a row per image, with its scores and what each grader measured of each class."""
    keys = in_order(agreement.means)
    unit = agreement.unit.replace("µm", "um")
    sizes = [
        f"{agreement.size} {size.name} {grader} ({unit})"
        for grader in _GRADERS
        for size in agreement.sizes
    ]
    who = ("number", "image", "group", "first", "second")
    changed = [f"{grader} grader changed the model's mask" for grader in _GRADERS]
    rows = (
        (
            *(one.image.number, one.image.name, one.image.group),
            *(one.image.first, one.image.second),
            *(None if match is None else match.is_changed for match in one.matches),
            *map(one.scores.get, keys),
            *one.sizes.ravel().tolist(),
        )
        for one in agreement.images
    )
    return to_csv([*who, *changed, *map(column_name, keys), *sizes], rows)


def agreement_json(agreement: Agreement) -> str:
    """Return all figures: scores are nested as measure, then part, ``all`` for the whole."""
    content = {
        "scheme": agreement.scheme.name,
        "gradability": asdict(agreement.gradability),
        "mean": nested({key: asdict(agreement.means[key]) for key in in_order(agreement.means)}),
        "model_proposals": _proposals(agreement.proposals),
        "boundaries_px": [_finite(asdict(one)) for one in agreement.boundaries],
        "boundaries_um": [_finite(asdict(one)) for one in agreement.boundaries_um],
        "measured": {"what": agreement.size, "unit": agreement.unit},
        "classes": [_size(one) for one in agreement.sizes],
        "images": [_image(one) for one in agreement.images],
    }
    return to_json(content)


def _proposals(found: ProposalSummary) -> dict[str, Any]:
    means = {key: asdict(found.means[key]) for key in in_order(found.means)}
    return {**asdict(found), "means": nested(means)}


def _size(one: SizeAgreement) -> dict[str, Any]:
    return {
        "class": one.name,
        "icc_2_1": None if one.icc is None else asdict(one.icc),
        "bland_altman": None if one.bland_altman is None else asdict(one.bland_altman),
    }


def _image(one: ImageAgreement) -> dict[str, Any]:
    sizes = [[value if isfinite(value) else None for value in each] for each in one.sizes.tolist()]
    matches = [None if match is None else asdict(match) for match in one.matches]
    return {
        **asdict(one.image),
        "scores": nested(one.scores),
        "measured": sizes,
        "model_proposals": matches,
    }


def _finite(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: None if isinstance(value, float) and not isfinite(value) else value
        for name, value in values.items()
    }
