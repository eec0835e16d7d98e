"""``measure``: thickness, vessels and lesions of files, as tables."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_retina_seg.cli.batch import (
    Files,
    ImageKind,
    KindOfImage,
    ModelName,
    PixelSizeOption,
    choose_model,
    find_spacing,
    open_image,
    work_through,
)
from napari_retina_seg.cli.console import Bar, UsageError, echo, start_engine
from napari_retina_seg.cli.data_options import named_scheme
from napari_retina_seg.cli.inputs import check_folder, expand
from napari_retina_seg.types.errors import RetinaSegError
from napari_retina_seg.types.progress import Cancelled, CancelToken

if TYPE_CHECKING:
    from napari_retina_seg.io.images.series import ImageFiles
    from napari_retina_seg.measurement.measurements import Measurements
    from napari_retina_seg.measurement.tables import Table
    from napari_retina_seg.models.registry import ModelFolder
    from napari_retina_seg.reports.measurements import MeasurementReport
    from napari_retina_seg.types.image import RetinaImage
    from napari_retina_seg.types.labels import LabelScheme
    from napari_retina_seg.workflows.comparing import ScanComparison
    from napari_retina_seg.workflows.measuring import MeasureOptions

_TABLES = frozenset(
    (
        *("thickness", "etdrs", "sectors", "device", "vessels", "segments", "branchings"),
        *("lesions", "follow-up", "asymmetry"),
    )
)
_MASKS = ("_mask.png", "_mask.tif", "_mask.tiff", ".png", ".tif", ".tiff")


class Eye(StrEnum):
    """Which eye."""

    OD = "OD"
    OS = "OS"


@dataclass(frozen=True)
class _Request:
    """What holds for all files of a run."""

    masks: Path | None
    scheme: LabelScheme | None
    model: ModelFolder | None
    kind: ImageKind | None
    options: MeasureOptions
    report: MeasurementReport | None
    keeps_eye: bool = False  # that of the file, if it states one


@dataclass(frozen=True)
class _Result:
    """What is kept of each image until the end of a run."""

    tables: tuple[Table, ...]
    facts: dict[str, str]


def measure_command(
    ctx: typer.Context,
    files: Files,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="The table: .csv (further tables are written beside it), .json or .xlsx.",
        ),
    ],
    masks: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder of masks, called like the images or as 'segment' calls them; by default"
            " the images are segmented.",
        ),
    ] = None,
    scheme: Annotated[
        str | None,
        typer.Option(
            help="What the values of the masks mean, if they do not state it: e.g. oct-layers, or a"
            " file of classes.",
            metavar="NAME|FILE",
        ),
    ] = None,
    model: ModelName = None,
    modality: KindOfImage = None,
    pixel_size: PixelSizeOption = None,
    eye: Annotated[
        Eye | None, typer.Option(help="Which eye all images show, if the files do not state it.")
    ] = None,
    fovea: Annotated[
        str | None,
        typer.Option(
            metavar="SLICE,COLUMN",
            help="Place of the fovea in px, of a photograph ROW,COLUMN; by default it is looked for"
            " in volumes.",
        ),
    ] = None,
    disc: Annotated[
        str | None,
        typer.Option(
            metavar="ROW,COLUMN,DIAMETER",
            help="The optic disc of a photograph in px, for the zones around it.",
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A page for each image, .html or .pdf: mask, thickness map with ETDRS grid,"
            " tables, where the numbers came from.",
        ),
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="An earlier visit of the same eye: adds a table of what changed since, registered"
            " by the fovea.",
        ),
    ] = None,
    fellow: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The patient's other eye: adds a table of the asymmetry, right minus left.",
        ),
    ] = None,
    other_fovea: Annotated[
        str | None,
        typer.Option(
            metavar="SLICE,COLUMN", help="Place of the fovea in the baseline or the fellow eye."
        ),
    ] = None,
    uncertainty: Annotated[
        bool,
        typer.Option("--uncertainty", help="Say how sure the model's boundaries make thickness."),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace tables and report of an earlier run.")
    ] = False,
) -> None:
    """Measure thickness of layers, vessels and lesions: tables with a unit in every header.

    Lengths are in µm where the pixel size is known from the file or --pixel-size, else in px.
    """
    from napari_retina_seg.types.image import Laterality
    from napari_retina_seg.workflows.measuring import MeasureOptions

    _check_out(out, overwrite=overwrite)
    pages = None if report is None else _begin_report(report, overwrite=overwrite)
    if masks is not None and model is not None:
        raise UsageError("Masks are measured as they are: leave out --masks or --model.")
    if masks is not None and not masks.is_dir():
        raise UsageError(f"There is no folder '{masks}': name the folder of the masks.")
    options = MeasureOptions(
        find_spacing(pixel_size),
        None if eye is None else Laterality(eye.value),
        _pair(fovea),
        _triple(disc),
        uncertainty or bool(baseline or fellow),
    )
    inputs = expand(files)
    chosen = choose_model(model) if model else None
    classes = None if scheme is None else named_scheme(scheme)
    request = _Request(masks, classes, chosen, modality, options, pages)
    images = inputs.group()
    if len(images) > 1 and (fovea or disc):
        raise UsageError(
            f"A fovea or a disc is that of one image: name one, or leave out --fovea and --disc."
            f" There are {len(images)} images."
        )
    reference = _find_reference(baseline, fellow, _pair(other_fovea, "--other-fovea"), request)
    work = partial(_measure_file, request, reference)
    is_done = work_through(ctx, inputs, images, work, partial(_write, out, pages, reference))
    if not is_done or (reference is not None and reference.failed):
        raise typer.Exit(1)


@dataclass
class _Reference:
    """The scan with which all others are compared; it is measured once."""

    source: ImageFiles
    is_baseline: bool
    request: _Request
    found: Measurements | None = None
    failed: int = 0

    def add_to(self, scan: Measurements, bar: Bar, token: CancelToken) -> Measurements:
        """Add the comparison to the measurement of a scan, or a note why there is none."""
        tables: tuple[Table, ...] = ()
        try:
            compared = self._compare(scan, bar, token)
            tables, notes = (compared.table,), compared.notes
        except Cancelled:
            raise
        except RetinaSegError as error:
            self.failed += 1
            # Reports show no folders.
            notes = (
                f"Not compared: {str(error).replace(f'{self.source.path.parent}{os.sep}', '')}",
            )
        for note in notes:
            bar.say(f"'{scan.image.source}': {note}")
        return replace(scan, tables=(*scan.tables, *tables), notes=(*scan.notes, *notes))

    def _compare(self, scan: Measurements, bar: Bar, token: CancelToken) -> ScanComparison:
        """Measure it, if that was not yet done, and compare a scan with it."""
        from napari_retina_seg.workflows.comparing import asymmetry, follow_up

        if self.found is None:
            found = _measure_one(self.request, self.source, bar, token)
            # The probabilities of a volume are large, and no longer needed.
            self.found = replace(found, mask=replace(found.mask, probabilities=None))
        return follow_up(scan, self.found) if self.is_baseline else asymmetry(scan, self.found)


def _find_reference(
    baseline: Path | None,
    fellow: Path | None,
    fovea: tuple[float, float] | None,
    request: _Request,
) -> _Reference | None:
    path = baseline or fellow
    if baseline and fellow:
        raise UsageError("Compare with one scan at a time: leave out --baseline or --fellow.")
    if path is None:
        if fovea is not None:
            raise UsageError("--other-fovea is of the scan that --baseline or --fellow names.")
        return None
    sources = expand([str(path)]).group()
    if len(sources) != 1:
        raise UsageError(f"'{path}' holds {len(sources)} images: name one to compare with.")
    stated = request.options.laterality
    if stated is not None and fellow:
        stated = stated.fellow
    options = replace(request.options, fovea=fovea, disc=None, laterality=stated)
    own = replace(request, options=options, keeps_eye=True)
    return _Reference(sources[0], bool(baseline), own)


def _measure_file(
    request: _Request,
    reference: _Reference | None,
    source: ImageFiles,
    bar: Bar,
    token: CancelToken,
) -> _Result:
    from napari_retina_seg.measurement.apostel import apostel_facts

    found = _measure_one(request, source, bar, token)
    if reference is not None:
        found = reference.add_to(found, bar, token)
    if request.report is not None:
        bar.begin("Drawing the report")
        request.report.add(found)
    return _Result(found.tables, apostel_facts(found))


def _measure_one(
    request: _Request, source: ImageFiles, bar: Bar, token: CancelToken
) -> Measurements:
    from napari_retina_seg.types.image import Laterality
    from napari_retina_seg.workflows.measuring import iter_measure

    bar.begin(f"Reading {source.path.name}")
    image = open_image(source, request.kind, bar)
    options = request.options
    if request.keeps_eye and image.laterality is not Laterality.UNKNOWN:
        options = replace(options, laterality=None)
    mask = None if request.masks is None else _find_mask(request.masks, source)
    if mask is None:
        bar.begin("Starting TensorFlow")
        start_engine()
    job = iter_measure(
        image, mask, options, model=request.model, scheme=request.scheme, token=token
    )
    found = bar.walk(job, source.path.name)
    for note in found.notes:
        bar.say(f"'{source.path}': {note}")
    if note := _without_size(found.image):
        bar.say(f"'{source.path}': {note}")
    return found


def _without_size(image: RetinaImage) -> str:
    spacing = image.spacing
    if spacing.axial.um is None:
        return "The pixel size is not known, so lengths are in px: state it with --pixel-size."
    return ""


def _find_mask(folder: Path, source: ImageFiles) -> Path:
    for ending in _MASKS:
        path = folder / f"{source.name}{ending}"
        if path.is_file() and path.resolve() != source.path.resolve():
            return path
    raise UsageError(
        f"'{folder}' has no mask of '{source.path.name}': expected '{source.name}_mask.png' or the"
        " image's name."
    )


def _write(
    out: Path,
    report: MeasurementReport | None,
    reference: _Reference | None,
    results: list[_Result],
    failed: int,
) -> None:
    from napari_retina_seg.io.tables import save_tables
    from napari_retina_seg.measurement.apostel import apostel_tables
    from napari_retina_seg.measurement.tables import join_tables

    tables = join_tables(table for each in results for table in each.tables)
    if tables:
        sheet = apostel_tables(each.facts for each in results)
        for path in save_tables(out, [*tables, *sheet]):
            echo(str(path.resolve()))
        if report is not None:
            echo(str(report.save().resolve()))
    compared = f", {reference.failed} not compared" if reference and reference.failed else ""
    echo(f"{len(results)} measured, {failed} failed{compared}.")


def _begin_report(path: Path, *, overwrite: bool) -> MeasurementReport:
    from napari_retina_seg.reports.measurements import MeasurementReport

    try:
        report = MeasurementReport(path)
    except RetinaSegError as error:
        raise UsageError(str(error)) from error
    check_folder(path.parent)
    if path.is_file() and not overwrite:
        raise UsageError(f"'{path}' exists already: name another file, or add --overwrite.")
    return report


def _check_out(out: Path, *, overwrite: bool) -> None:
    from napari_retina_seg.io.tables import check_table_path

    try:
        check_table_path(out)
    except RetinaSegError as error:
        raise UsageError(str(error)) from error
    check_folder(out.parent)
    earlier = [out, *sorted(out.parent.glob(f"{out.stem}_*.csv"))]
    there = [
        path
        for path in earlier
        if path.is_file() and (path == out or path.stem.rpartition("_")[2] in _TABLES | {"apostel"})
    ]
    if there and not overwrite:
        raise UsageError(f"'{there[0]}' exists already: name another file, or add --overwrite.")
    for path in there[1:]:  # tables that this run may not have
        path.unlink()


def _pair(text: str | None, option: str = "--fovea") -> tuple[float, float] | None:
    numbers = _numbers(text, 2, option, "SLICE,COLUMN")
    return None if numbers is None else (numbers[0], numbers[1])


def _triple(text: str | None) -> tuple[float, float, float] | None:
    numbers = _numbers(text, 3, "--disc", "ROW,COLUMN,DIAMETER")
    return None if numbers is None else (numbers[0], numbers[1], numbers[2])


def _numbers(text: str | None, count: int, option: str, form: str) -> list[float] | None:
    if text is None:
        return None
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != count:
        raise UsageError(f"'{text}' is no place: give {option} {form} in px.")
    return numbers
