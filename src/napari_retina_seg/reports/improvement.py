"""The proof of a fine-tuned model as page, table and JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from napari_retina_seg.metrics.measures import MEASURES
from napari_retina_seg.metrics.proof import HARM, ImageChange, Proof, ScoreDifference
from napari_retina_seg.reports._files import format_number, to_json, write_files
from napari_retina_seg.reports._html import Page
from napari_retina_seg.reports.evaluation import Report, format_score, interval, write_report
from napari_retina_seg.types.counts import count

HTML_FILE, MARKDOWN_FILE, JSON_FILE = "improvement.html", "improvement.md", "improvement.json"
_SHOWN = 5  # images of either kind
_HEADER = ("", "in use", "candidate", "difference", "95 % interval", "")


def write_improvement(
    proof: Proof, title: str, sentences: Sequence[str], about: Mapping[str, str], folder: Path
) -> tuple[Path, ...]:
    """Write ``improvement.html``, ``.md`` and ``.json``, and beside them the whole evaluation.

    Parameters
    ----------
    proof : Proof
        What was found.
    title : str
        Heading.
    sentences : sequence of str
        What was learnt from, and how it was tested.
    about : mapping
        What was compared, each in a few words.
    folder : Path
        Where to; files of these names there are replaced.

    Returns
    -------
    tuple of Path
        The files, the page first.

    Raises
    ------
    WriteError
        If one can't be written.
    """
    contents = {
        HTML_FILE: _page(proof, title, sentences, about),
        MARKDOWN_FILE: _markdown(proof, title, sentences, about),
        JSON_FILE: _json(proof, sentences, about),
    }
    written = write_files(contents, folder)
    comparison = proof.comparison
    whole = Report(
        title, comparison.first, (comparison.first, comparison.second), (comparison,), dict(about)
    )
    return (*written, *write_report(whole, folder))


def finding_rows(findings: Sequence[ScoreDifference]) -> list[tuple[str, ...]]:
    """Return a row of cells for each finding: both scores, difference, interval, verdict."""
    rows: list[tuple[str, ...]] = []
    for one in findings:
        measure = one.key.measure
        difference = None if one.difference is None else one.difference.value
        rows.append(
            (
                one.name,
                format_score(one.current, measure),
                format_score(one.candidate, measure),
                format_score(difference, measure, signed=True),
                interval(one.difference, measure, signed=True),
                str(one.verdict),
            )
        )
    return rows


def verdict_of(proof: Proof) -> str:
    """Say whether the candidate may be promoted, and what speaks against it."""
    if proof.is_proven:
        boundaries = "worse in no boundary, and in no" if proof.boundaries else "worse in no"
        return (
            f"Proven: better in the mean, with an interval above 0; {boundaries} class by more than"
            f" {HARM:g} of Dice."
        )
    return "Not proven: " + " ".join(proof.objections)


def harm_of(proof: Proof) -> str:
    """Say what was lost on images of the kind that the model in use learnt from."""
    if proof.reference is None:
        return (
            "Whether the new model lost anything on other images was not tested. In a terminal,"
            " 'project improve' with --reference and a data set of the kind that the model in use"
            " learnt from tests it."
        )
    images = len(proof.reference.first.images)
    if any(one.difference is None for one in proof.harm):
        return f"What it lost on {images} reference images is not known of all classes."
    lost = "more" if proof.harm else "no more"
    return (
        f"On {images} reference images it lost {lost} than the {HARM:g} of Dice that are allowed."
    )


def drawn_in_vain(proof: Proof) -> tuple[str, ...]:
    """Say where one model alone draws a class that is not there: no difference shows it."""
    return tuple(
        f"{one.name} is drawn where the mask has none by the candidate alone in"
        f" {count(one.only_candidate, 'image')}, by the model in use alone in"
        f" {count(one.only_current, 'image')}: these images are not in the difference."
        for one in proof.classes
        if one.only_candidate or one.only_current
    )


def _page(proof: Proof, title: str, sentences: Sequence[str], about: Mapping[str, str]) -> str:
    page = Page(title)
    page.paragraph(verdict_of(proof))
    page.table(("compared", ""), about.items())
    for sentence in (*drawn_in_vain(proof), *sentences):
        page.paragraph(sentence)
    for heading, header, rows in _tables(proof):
        page.heading(heading)
        page.table(header, rows)
    page.paragraph(harm_of(proof))
    page.paragraph(
        "Differences are candidate minus model in use, image by image, against the corrected masks;"
        " intervals are 95 % bootstrap intervals over patients. All scores are in evaluation.html."
    )
    return page.html()


def _markdown(proof: Proof, title: str, sentences: Sequence[str], about: Mapping[str, str]) -> str:
    parts = [f"# {title}", verdict_of(proof), *drawn_in_vain(proof), *sentences]
    parts.append("\n".join(f"- {name}: {value}" for name, value in about.items()))
    for heading, header, rows in _tables(proof):
        cells = [header, tuple("---" for _ in header), *rows]
        table = "\n".join(f"| {' | '.join(row)} |" for row in cells)
        parts += [f"## {heading}", table]
    parts.append(harm_of(proof))
    return "\n\n".join(parts) + "\n"


_Table = tuple[str, tuple[str, ...], list[tuple[str, ...]]]


def _tables(proof: Proof) -> list[_Table]:
    dice = MEASURES["dice"].label
    found: list[_Table] = [
        (f"{dice} by class", _HEADER, finding_rows((proof.overall, *proof.classes)))
    ]
    if proof.boundaries:
        heading = "Boundary error in px, and share of columns to correct"
        found.append((heading, _HEADER, finding_rows(proof.boundaries)))
    header = ("image", "in use", "candidate", "difference")
    images = proof.images
    better = [one for one in images if one.gain > 0][:_SHOWN]
    worse = [one for one in reversed(images) if one.gain < 0][:_SHOWN]
    for heading, kind in (("Images that got better", better), ("Images that got worse", worse)):
        if kind:
            found.append((heading, header, [_image_row(one) for one in kind]))
    return found


def _image_row(one: ImageChange) -> tuple[str, ...]:
    scores = (format_score(value, "dice") for value in (one.current, one.candidate))
    return (one.name, *scores, format_number(one.gain, 3, signed=True))


def _json(proof: Proof, sentences: Sequence[str], about: Mapping[str, str]) -> str:
    content: dict[str, Any] = {
        "proven": proof.is_proven,
        "objections": proof.objections,
        "about": dict(about),
        "notes": [*drawn_in_vain(proof), *sentences],
        "overall": _finding(proof.overall),
        "classes": [_finding(one) for one in proof.classes],
        "boundaries": [_finding(one) for one in proof.boundaries],
        "reference images": 0 if proof.reference is None else len(proof.reference.first.images),
        "harm": [_finding(one) for one in proof.harm],
        "images": [asdict(one) | {"gain": one.gain} for one in proof.images],
    }
    return to_json(content)


def _finding(one: ScoreDifference) -> dict[str, Any]:
    return {
        "name": one.name,
        "measure": one.key.measure,
        "in use": one.current,
        "candidate": one.candidate,
        "difference": None if one.difference is None else asdict(one.difference),
        "verdict": str(one.verdict),
        "images of one model only": {"in use": one.only_current, "candidate": one.only_candidate},
    }
