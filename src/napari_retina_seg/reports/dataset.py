"""Write the result of a data check as HTML and JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from napari_retina_seg import __version__
from napari_retina_seg.datasets.checked import UNDIVIDED, CheckedImage, DatasetCheck
from napari_retina_seg.datasets.findings import Finding
from napari_retina_seg.io.atomic import write_atomically
from napari_retina_seg.reports._html import Page
from napari_retina_seg.reports.dataset_plots import (
    draw_copies,
    draw_examples,
    plot_balance,
    plot_groups,
    plot_histograms,
)
from napari_retina_seg.types.counts import count

FILES = HTML_FILE, JSON_FILE = "dataset.html", "dataset.json"
_MOST_ROWS = 30


def write_report(check: DatasetCheck, folder: Path) -> tuple[Path, Path]:
    """Write ``dataset.html`` and ``dataset.json``.

    Parameters
    ----------
    check : DatasetCheck
        What was found.
    folder : Path
        Where to; earlier reports there are replaced.

    Returns
    -------
    tuple of Path
        The two files.

    Raises
    ------
    WriteError
        If they can't be written.
    """
    page, facts = folder / HTML_FILE, folder / JSON_FILE
    content = json.dumps(describe(check), indent=1, ensure_ascii=False)
    write_atomically(facts, f"{content}\n".encode())
    write_atomically(page, render(check).encode())
    return page, facts


def describe(check: DatasetCheck) -> dict[str, Any]:
    """Return the result in JSON types."""
    scheme = check.scheme
    return {
        "schema_version": 1,
        "program": f"napari-retina-seg {__version__}",
        "scheme": {"name": scheme.name, "classes": dict(enumerate(scheme.names))},
        "modality": check.modality.value,
        "problems": [asdict(finding) for finding in check.findings],
        "datasets": {
            name: {
                "layout": images[0].image.layout,
                "images": len(images),
                "groups": len(_count_groups(images)),
            }
            for name, images in check.datasets.items()
        },
        "splits": {split: _describe_split(check, split) for split in check.splits},
        "copies": [
            {
                **asdict(copy),
                "first": check.images[copy.first].image.full_name,
                "second": check.images[copy.second].image.full_name,
                "relation": copy.relation.name.lower(),
            }
            for copy in check.copies
        ],
        "images": [_describe_image(checked) for checked in check.images],
    }


def _describe_split(check: DatasetCheck, split: str) -> dict[str, Any]:
    areas, histogram = check.areas(split), check.histogram(split)
    return {
        "images": len(check.of_split(split)),
        "groups": _count_groups(check.of_split(split)),
        "pixels": dict(enumerate(areas.tolist())),
        "share": dict(enumerate((areas / max(1, areas.sum())).round(6).tolist())),
        "grey_levels": histogram
        and {"low": histogram.low, "high": histogram.high, "counts": histogram.counts.tolist()},
    }


def _describe_image(checked: CheckedImage) -> dict[str, Any]:
    image = checked.image
    return {
        "dataset": image.dataset,
        "name": image.name,
        "group": image.group,
        "group_guessed": image.group_guessed,
        "split": image.split,
        "file": str(image.path),
        "shape": checked.shape,
        "dtype": checked.dtype or None,
        "looks_like": checked.modality.value,
        "mask_pixels": checked.areas,
        "findings": [
            {"fault": finding.kind, "sentence": finding.sentence} for finding in checked.findings
        ],
    }


def _count_groups(images: Iterable[CheckedImage]) -> Counter[str]:
    return Counter(checked.image.full_group for checked in images)


def render(check: DatasetCheck) -> str:
    """Return the page, one file that needs nothing beside it."""
    page = Page(f"Training data: {', '.join(check.datasets)}")
    groups = len(_count_groups(check.images))
    page.paragraph(
        f"{count(len(check.images), 'image')} of {count(groups, 'group')} (patients or eyes), their"
        f" masks compared with the classes of '{check.scheme.name}'."
    )
    _add_problems(page, check.findings)
    _add_layouts(page, check)
    _add_splits(page, check)
    _add_classes(page, check)
    page.heading("Grey levels")
    _add_figure(page, plot_histograms(check), "Grey levels of the images, split by split.")
    page.heading("Examples")
    _add_figure(page, draw_examples(check), "Masks over their images; chosen at random, always so.")
    _add_copies(page, check)
    return page.html()


def _add_figure(page: Page, png: bytes | None, caption: str) -> None:
    if png is None:
        page.paragraph("There is nothing to show.")
    else:
        page.figure(png, caption)


def _add_problems(page: Page, findings: Sequence[Finding]) -> None:
    serious = [finding for finding in findings if finding.serious]
    notes = [finding for finding in findings if not finding.serious]
    page.heading("Problems")
    if not serious:
        page.paragraph("No problem found that would stop or spoil a training.")
    for finding in serious:
        page.paragraph(f"{finding.kind}: {finding.sentence}")
    if notes:
        page.heading("Worth knowing")
    for finding in notes:
        page.paragraph(f"{finding.kind}: {finding.sentence}")


def _add_layouts(page: Page, check: DatasetCheck) -> None:
    page.heading("What there is")
    page.table(
        ("data set", "recognised by", "images", "groups", "without a readable mask"),
        [
            (
                name,
                images[0].image.layout,
                len(images),
                len(_count_groups(images)),
                sum(checked.areas is None for checked in images),
            )
            for name, images in check.datasets.items()
        ],
    )
    kinds = Counter(
        (checked.image.dataset, _size(checked), checked.dtype, checked.modality.value)
        for checked in check.images
        if checked.shape
    )
    page.table(
        ("data set", "rows × columns", "type of pixels", "looks like", "images"),
        [(*kind, images) for kind, images in kinds.most_common(_MOST_ROWS)],
        "Sizes and types"
        + (f"; the {_MOST_ROWS} commonest of {len(kinds)}" if len(kinds) > _MOST_ROWS else ""),
    )


def _size(checked: CheckedImage) -> str:
    rows, columns, *channels = checked.shape or ()
    return f"{rows} × {columns}{', colour' if channels else ''}"


def _add_splits(page: Page, check: DatasetCheck) -> None:
    page.heading("Splits and groups")
    rows = []
    for split in check.splits:
        sizes = _count_groups(check.of_split(split)).values()
        least, most = min(sizes), max(sizes)
        each = f"{least}" if least == most else f"{least} to {most}"
        rows.append((split, len(check.of_split(split)), len(sizes), each))
    page.table(("split", "images", "groups", "images of a group"), rows)
    if UNDIVIDED in check.splits:
        page.paragraph(
            "Images without a split are split when a training begins: by group, never by image."
        )
    plot = plot_groups(check)
    if plot is not None:
        page.figure(plot, "Images of each group.")


def _add_classes(page: Page, check: DatasetCheck) -> None:
    page.heading("Classes")
    areas = {split: check.areas(split) for split in check.splits}
    shares = {split: pixels / max(1, pixels.sum()) for split, pixels in areas.items()}
    header = ["value", "class"]
    for split in check.splits:
        header += [f"{split}: pixels", f"{split}: share", f"{split}: masks"]
    rows = []
    for label in check.scheme.classes:
        row: list[object] = [label.value, label.name]
        for split in check.splits:
            drawn = sum(label.value in (one.areas or ()) for one in check.of_split(split))
            share = f"{100 * shares[split][label.value]:.3g} %"
            row += [f"{areas[split][label.value]:,}", share, drawn]
        rows.append(row)
    page.table(header, rows, "Pixels of each class, their share, and the masks that hold it")
    _add_figure(
        page,
        plot_balance(check),
        "Class balance: each class's share of the pixels; the rest is background.",
    )


def _add_copies(page: Page, check: DatasetCheck) -> None:
    page.heading("Copies")
    copies = sorted(check.copies, key=lambda copy: -copy.relation)
    if not copies:
        page.paragraph(
            "No image is identical or nearly identical to one of another group. Copies that were"
            " resized, recompressed, brightened or mirrored would have been found; cropped and"
            " rotated ones would not."
        )
        return
    rows = []
    for copy in copies[:_MOST_ROWS]:
        pair = check.images[copy.first], check.images[copy.second]
        alike = "identical" if copy.identical else f"{copy.similarity:.3f} {copy.turn}"
        sides = (text for one in pair for text in (one.image.full_name, one.split))
        rows.append((*sides, alike))
    more = f"; the first {_MOST_ROWS} of {len(copies)}" if len(copies) > _MOST_ROWS else ""
    page.table(
        ("image", "split", "copy", "split", "correlation"), rows, f"Copies, the worst first{more}"
    )
    _add_figure(page, draw_copies(check, copies), "The first copies, in pairs.")
