"""``measure``: thickness, vessels and lesions of files, as tables."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_retina_seg.cli.batch import (
    Batch,
    Files,
    KindOfImage,
    ModelName,
    PixelSizeOption,
    choose_model,
    find_spacing,
    models_for,
    work_through,
)
from napari_retina_seg.cli.console import UsageError, echo
from napari_retina_seg.cli.data_options import named_scheme
from napari_retina_seg.cli.inputs import check_folder, expand
from napari_retina_seg.cli.measured_files import (
    MeasuredFile,
    MeasureRequest,
    ReferenceScan,
    find_reference,
    keep_measured,
    measure_file,
)
from napari_retina_seg.types.errors import RetinaSegError
from napari_retina_seg.workflows.cluster_options import ClusterOptions, WorkerNeeds

if TYPE_CHECKING:
    from napari_retina_seg.reports.measurements import MeasurementReport

_TABLES = frozenset(
    (
        *("thickness", "etdrs", "sectors", "device", "vessels", "segments", "branchings"),
        *("lesions", "follow-up", "asymmetry"),
    )
)


class Eye(StrEnum):
    """Which eye."""

    OD = "OD"
    OS = "OS"


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
    cluster: ClusterOptions | None = None,
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
    folder = None if masks is None else masks.absolute()
    request = MeasureRequest(folder, classes, chosen, modality, options, pages is not None)
    images = inputs.group()
    if len(images) > 1 and (fovea or disc):
        raise UsageError(
            f"A fovea or a disc is that of one image: name one, or leave out --fovea and --disc."
            f" There are {len(images)} images."
        )
    reference = find_reference(baseline, fellow, _pair(other_fovea, "--other-fovea"), request)
    models = models_for(chosen, modality) if folder is None else ()
    batch = Batch(
        inputs,
        images,
        partial(measure_file, request, reference),
        partial(_write, out, pages, reference),
        receive=partial(keep_measured, pages, reference),
        in_order=pages is not None,
        cluster=cluster,
        needs=WorkerNeeds(models, reads=() if folder is None else (folder,)),
    )
    is_done = work_through(ctx, batch)
    if not is_done or (reference is not None and reference.failed):
        raise typer.Exit(1)


def _write(
    out: Path,
    report: MeasurementReport | None,
    reference: ReferenceScan | None,
    results: list[MeasuredFile],
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
