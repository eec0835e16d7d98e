"""``segment``: write masks and overlays of files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_retina_seg.cli.batch import (
    Batch,
    Files,
    ImageKind,
    KindOfImage,
    ModelName,
    Out,
    Overwrite,
    PixelSizeOption,
    Resume,
    Work,
    check_not_both,
    choose_model,
    common_settings,
    find_spacing,
    model_for,
    models_for,
    open_image,
    work_through,
)
from napari_retina_seg.cli.console import Bar, Messages, UsageError, as_cell, echo, start_engine
from napari_retina_seg.cli.inputs import check_outputs, expand, is_there, outputs_of
from napari_retina_seg.types.batches import Mapper
from napari_retina_seg.types.progress import CancelToken
from napari_retina_seg.workflows.cluster_options import ClusterOptions, WorkerNeeds

if TYPE_CHECKING:
    from napari_retina_seg.inference.slice_jobs import SliceWorkers
    from napari_retina_seg.io.images.series import ImageFiles
    from napari_retina_seg.models.registry import ModelFolder
    from napari_retina_seg.types.image import RetinaImage, Spacing
    from napari_retina_seg.types.segmentation import Provenance

ZARR = ".zarr"


@dataclass(frozen=True)
class SegmentOptions:
    """Options of ``segment``.

    Attributes
    ----------
    folder : Path
        Output folder, or the OME-Zarr.
    model : ModelFolder or None
        The model; None for the first that fits the image.
    kind : ImageKind or None
        Modality, if stated by the user.
    probabilities : bool
        Write the class probabilities.
    spacing : Spacing or None
        Pixel sizes, if the user stated them.
    """

    folder: Path
    model: ModelFolder | None
    kind: ImageKind | None
    probabilities: bool
    spacing: Spacing | None


@dataclass(frozen=True)
class SegmentedFile:
    """Result for one file, without the mask."""

    path: Path
    shape: tuple[int, ...]
    provenance: Provenance
    mask: Path
    fired_checks: tuple[str, ...]
    unchecked: bool
    model_warnings: tuple[str, ...]


def segment_command(
    ctx: typer.Context,
    files: Files,
    out: Out,
    model: ModelName = None,
    modality: KindOfImage = None,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Write the class probabilities too.")
    ] = False,
    pixel_size: PixelSizeOption = None,
    overwrite: Overwrite = False,
    resume: Resume = False,
    cluster: ClusterOptions | None = None,
) -> None:
    """Segment images: class masks, overlays and, for layers, boundaries.

    With '-o NAME.ome.zarr' the mask of one volume goes slice by slice into an OME-Zarr, so that it
    need not fit into memory.
    """
    from napari_retina_seg.inference.backend import check_backend

    check_backend()
    inputs = expand(files)
    spacing = find_spacing(pixel_size)
    chosen = choose_model(model) if model else None
    images = inputs.group()
    request = SegmentOptions(out.absolute(), chosen, modality, probabilities, spacing)
    models = models_for(chosen, modality)
    batch = Batch(
        inputs,
        images,
        partial(_segment_file, request, None),
        partial(_summarise, out, spacing),
        cluster=cluster,
        share=lambda mapper: partial(_segment_file, request, mapper),
        needs=WorkerNeeds(models, writes=(request.folder,)),
    )
    if out.suffix == ZARR:
        _check_zarr(images, out, request, is_replaced=overwrite or resume)
        batch = replace(
            batch,
            work=partial(_segment_to_zarr, request, None),
            share=lambda mapper: partial(_segment_to_zarr, request, mapper),
        )
    elif resume:
        check_not_both(overwrite=overwrite)
    else:
        check_outputs(images, out, overwrite=overwrite)
    if resume:
        from napari_retina_seg.cli.resuming import resumed

        work_in = partial(_segment_in, request)
        is_done = work_through(ctx, resumed(batch, work_in, out, _settings(request, models)))
    else:
        is_done = work_through(ctx, batch)
    if not is_done:
        raise typer.Exit(1)


def _settings(request: SegmentOptions, models: tuple[ModelFolder, ...]) -> dict[str, object]:
    """Return what decides on the masks besides the images."""
    common = common_settings("segment", models, request.kind, request.spacing)
    return {**common, "choice of probabilities": request.probabilities}


def _open(
    request: SegmentOptions, mapper: Mapper | None, source: ImageFiles, bar: Bar
) -> tuple[RetinaImage, ModelFolder, SliceWorkers | None]:
    """Read an image, find the model for it, and start TensorFlow unless workers segment it."""
    from napari_retina_seg.inference.slice_jobs import ImageOpener, SliceWorkers

    bar.begin(f"Reading {source.path.name}")
    image = open_image(source, request.kind, bar, request.spacing)
    model = request.model or model_for(image)
    if mapper is not None:
        bar.begin(source.path.name)
        reopen = partial(open_image, source, request.kind, Messages(), request.spacing)
        return image, model, SliceWorkers(mapper, ImageOpener(reopen))
    bar.begin("Starting TensorFlow")
    start_engine()
    return image, model, None


def _segment_file(
    request: SegmentOptions,
    mapper: Mapper | None,
    source: ImageFiles,
    bar: Bar,
    token: CancelToken,
) -> SegmentedFile:
    from napari_retina_seg.inference.predict import iter_segment
    from napari_retina_seg.io.results import save_segmentation

    image, model, workers = _open(request, mapper, source, bar)
    job = iter_segment(
        image, model, probabilities=request.probabilities, token=token, workers=workers
    )
    segmentation = bar.walk(job, source.path.name)
    written = save_segmentation(
        segmentation, image, request.folder, source.name, probabilities=request.probabilities
    )
    # Outdated results of an earlier run, such as a volume's mask or probabilities.
    for leftover in set(outputs_of(source.name, request.folder)) - set(written):
        if is_there(leftover):
            leftover.unlink()
    if segmentation.message:
        bar.say(f"'{source.path}': {segmentation.message}")
    return SegmentedFile(
        source.path,
        segmentation.labels.shape,
        segmentation.provenance,
        written[0],
        segmentation.fired_checks,
        bool(segmentation.unchecked),
        segmentation.model_warnings,
    )


def _segment_in(
    request: SegmentOptions, mapper: Mapper | None, folder: Path
) -> Work[SegmentedFile]:
    return partial(_segment_file, replace(request, folder=folder), mapper)


def _check_zarr(
    images: tuple[ImageFiles, ...], out: Path, request: SegmentOptions, *, is_replaced: bool
) -> None:
    """Raise `UsageError` if the images are not what goes into an OME-Zarr."""
    if len(images) > 1 or request.probabilities or is_replaced:
        raise UsageError(
            f"'{out}' takes the mask of one image, without --probabilities,"
            " --overwrite and --resume: name one image and a new folder."
        )


def _segment_to_zarr(
    request: SegmentOptions,
    mapper: Mapper | None,
    source: ImageFiles,
    bar: Bar,
    token: CancelToken,
) -> SegmentedFile:
    from napari_retina_seg.inference.slices import iter_segment_slices
    from napari_retina_seg.io.ome_zarr import writing_mask

    image, model, workers = _open(request, mapper, source, bar)
    shape = (image.n_slices, *image.grid)
    stated = {"model": model.name, "weights_sha256": model.spec.weights_sha256}
    with writing_mask(request.folder, shape, model.spec.scheme, image.spacing, stated) as mask:
        job = iter_segment_slices(image, model, mask.write, token=token, workers=workers)
        found = bar.walk(job, source.path.name)
    if found.message:
        bar.say(f"'{source.path}': {found.message}")
    return SegmentedFile(
        source.path,
        shape,
        found.provenance,
        request.folder,
        found.fired_checks,
        found.unchecked,
        model.spec.warnings,
    )


def _summarise(
    folder: Path, stated: Spacing | None, results: list[SegmentedFile], failed: int
) -> None:
    from rich.console import Console
    from rich.table import Table

    if results:
        table = Table("file", "model", "size", "mask", box=None, pad_edge=False)
        table.add_column("seconds", justify="right")
        doubtful = [result for result in results if result.fired_checks]
        if doubtful:
            table.add_column("check it", style="yellow")
        for result in results:
            cells = (
                result.path.name,
                result.provenance.model,
                " × ".join(str(size) for size in result.shape),
                result.mask.name,
                f"{result.provenance.seconds:.2f}",
                *([", ".join(result.fired_checks)] if doubtful else []),
            )
            table.add_row(*(as_cell(cell) for cell in cells))
        Console().print(table)
    ran = results[0].provenance if results else None
    where = f" in '{folder}' ({ran.device}, {ran.precision})" if ran else ""
    if stated is not None and results:
        from napari_retina_seg.types.pixel_size import describe_spacing

        echo(f"Pixel size: {describe_spacing(stated)}.")
    to_check = sum(bool(result.fired_checks) for result in results)
    doubt = f", {to_check} to check" if to_check else ""
    echo(f"{len(results)} segmented{where}{doubt}, {failed} failed.")
    for warning in sorted({each for result in results for each in result.model_warnings}):
        echo(warning)
    without = sorted({result.provenance.model for result in results if result.unchecked})
    if without:
        echo(
            f"No limits of plausible predictions were measured for {', '.join(without)}, so only"
            " the modality and the columns were checked."
        )
