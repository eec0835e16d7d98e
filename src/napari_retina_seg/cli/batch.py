"""Shared code of commands that run a model over many files."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Generic, TypeVar

import typer

from napari_retina_seg.cli.cluster_options import opened
from napari_retina_seg.cli.console import Bar, Messages, UsageError, interruptible, say
from napari_retina_seg.cli.inputs import Inputs
from napari_retina_seg.types.batches import Mapper, Outcome
from napari_retina_seg.types.errors import ModelError, RetinaSegError
from napari_retina_seg.types.progress import Cancelled, CancelToken
from napari_retina_seg.workflows.cluster_options import ClusterOptions, WorkerNeeds

if TYPE_CHECKING:
    from napari_retina_seg.io.images.series import ImageFiles
    from napari_retina_seg.models.registry import ModelFolder
    from napari_retina_seg.types.image import RetinaImage, Spacing

Result = TypeVar("Result")
Work = Callable[["ImageFiles", Bar, CancelToken], Result]
_Outcomes = Generator[Outcome["ImageFiles", Result], None, None]


class ImageKind(StrEnum):
    """Modality of the images."""

    OCT = "oct"
    FUNDUS = "fundus"


Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILES", help="Images, folders of images, or patterns such as 'scans/*.tif'."
    ),
]
Out = Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the results.")]
ModelName = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        help="Name of a model (see 'models') or path of a model folder; by default the first for"
        " the kind of image.",
    ),
]
KindOfImage = Annotated[
    ImageKind | None,
    typer.Option(
        help="Modality of the images; by default from the file, or guessed from the pixels."
    ),
]
PixelSizeOption = Annotated[
    str | None,
    typer.Option(
        "--pixel-size",
        metavar="AXIAL,LATERAL[,SLICE]",
        help="Pixel size in µm, such as 3.87,11.6: axial, lateral and, for volumes, between slices."
        " It overrides the sizes in the files.",
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace results of an earlier run.")]

Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Note what is finished in DIR/finished.jsonl. The same command goes on where it was"
        " stopped: images and results that are as noted are left out.",
    ),
]


def choose_model(name: str) -> ModelFolder:
    """Find a model by name or path.

    Raises
    ------
    UsageError
        If there is none, or it is broken.
    """
    from napari_retina_seg.models.registry import current_name, find_model, rename_notice

    if notice := rename_notice(name):
        say(notice)
    try:
        return find_model(current_name(name))
    except ModelError as error:
        raise UsageError(str(error)) from error


def find_spacing(text: str | None) -> Spacing | None:
    """Parse the pixel sizes stated by the user, if any.

    Raises
    ------
    UsageError
        If it is not two or three sizes in µm that a retinal image can have.
    """
    from napari_retina_seg.types.pixel_size import parse_spacing

    try:
        return None if text is None else parse_spacing(text)
    except RetinaSegError as error:
        raise UsageError(str(error)) from error


def open_image(
    source: ImageFiles, kind: ImageKind | None, bar: Bar, stated: Spacing | None = None
) -> RetinaImage:
    """Read an image, and print its warnings.

    Modality and pixel sizes stated by the user override those of the file.
    """
    from napari_retina_seg.io.images.series import read_files
    from napari_retina_seg.types.image import Modality
    from napari_retina_seg.types.pixel_size import with_stated_spacing

    image = read_files(source)
    for warning in image.warnings:
        bar.say(f"'{source.path}': {warning}")
    if stated is not None:
        image = with_stated_spacing(image, stated)
    return image if kind is None else replace(image, modality=Modality(kind.value))


def model_for(image: RetinaImage) -> ModelFolder:
    """Return the first model for images of this modality.

    Raises
    ------
    ModelError
        If the modality is unknown.
    """
    from napari_retina_seg.imaging.pixels import check_plane
    from napari_retina_seg.models.registry import default_model
    from napari_retina_seg.types.image import Modality

    if image.modality is not Modality.UNKNOWN:
        return default_model(image.modality)
    check_plane(image.plane(image.n_slices // 2))  # an empty image is reported as such first
    raise ModelError(
        f"'{image.source}' looks neither like an OCT scan nor like a fundus photograph: set"
        " --modality, or choose a model with --model."
    )


def models_for(chosen: ModelFolder | None, kind: ImageKind | None) -> tuple[ModelFolder, ...]:
    """Return the models that may be used: the modality is unknown before an image is read."""
    from napari_retina_seg.models.registry import default_model
    from napari_retina_seg.types.image import Modality

    if chosen is not None:
        return (chosen,)
    return tuple(default_model(Modality(one.value)) for one in ([kind] if kind else ImageKind))


def check_not_both(*, overwrite: bool) -> None:
    """Raise `UsageError` if a batch that is resumed is to replace results, too."""
    if overwrite:
        raise UsageError("Give either --resume or --overwrite, not both.")


def common_settings(
    command: str, models: tuple[ModelFolder, ...], kind: ImageKind | None, spacing: Spacing | None
) -> dict[str, object]:
    """Return what decides on the results of every command, for ``--resume``."""
    from napari_retina_seg import __version__
    from napari_retina_seg.types.pixel_size import describe_spacing

    return {
        "command": command,
        "version of the program": __version__,
        "model": {model.name: model.spec.weights_sha256 for model in models},
        "modality": kind,
        "pixel size": None if spacing is None else describe_spacing(spacing),
    }


@dataclass(frozen=True)
class Batch(Generic[Result]):
    """Images, and what is done with each.

    Attributes
    ----------
    inputs : Inputs
        The inputs named by the user.
    images : tuple of ImageFiles
        The images in it.
    work : callable
        Processes one image; with workers in another process.
    summarise : callable
        Called with the results, in the order of the images, and the number of failures, at the end
        or on cancellation.
    receive : callable
        Called with each result in this process; returns what is kept of it.
    in_order : bool
        Whether results are received in the order of the images.
    cluster : ClusterOptions or None
        Where the work runs; None for this process.
    share : callable or None
        Takes a `Mapper`, and returns work in this process that shares the slices of a volume out:
        done instead of `work` if there is one image and a cluster.
    needs : WorkerNeeds
        What the workers have to have besides the images.
    """

    inputs: Inputs
    images: tuple[ImageFiles, ...]
    work: Work[Result]
    summarise: Callable[[list[Result], int], None]
    receive: Callable[[Result, Bar], Result] = lambda result, _: result
    in_order: bool = False
    cluster: ClusterOptions | None = None
    share: Callable[[Mapper], Work[Result]] | None = None
    needs: WorkerNeeds = field(default_factory=WorkerNeeds)


def work_through(ctx: typer.Context, batch: Batch[Result]) -> bool:
    """Process images, in turn or on workers; one that fails does not stop the others.

    Returns
    -------
    bool
        Whether no file failed.
    """
    results: dict[int, Result] = {}
    failed = len(batch.inputs.problems)
    try:
        with Bar(len(batch.images)) as bar, interruptible() as token:
            for sentence in (*batch.inputs.problems, *batch.inputs.warnings):
                bar.say(sentence)
            with closing(_iter_outcomes(batch, bar, token)) as outcomes:
                for outcome in outcomes:
                    try:
                        results[outcome.index] = batch.receive(outcome.get(), bar)
                    except Exception as error:
                        if isinstance(error, Cancelled) or _is_unforeseen(error, ctx):
                            raise
                        failed += 1
                        bar.say(_sentence(outcome.item, error, ctx))
                    bar.finish()
    finally:
        batch.summarise([results[index] for index in sorted(results)], failed)
    return failed == 0


def _iter_outcomes(batch: Batch[Result], bar: Bar, token: CancelToken) -> _Outcomes[Result]:
    if batch.cluster is not None and batch.images:
        yield from _iter_on_workers(batch, batch.cluster, bar, token)
    else:
        yield from _iter_here(batch.work, batch.images, bar, token)


def _iter_here(
    work: Work[Result], images: Sequence[ImageFiles], bar: Bar, token: CancelToken
) -> _Outcomes[Result]:
    for index, image in enumerate(images):
        token.raise_if_cancelled()
        try:
            result = work(image, bar, token)
        except Exception as error:  # noqa: BLE001 - the caller decides what it means
            yield Outcome(index, image, error=error)
        else:
            yield Outcome(index, image, result)


def _iter_on_workers(
    batch: Batch[Result], options: ClusterOptions, bar: Bar, token: CancelToken
) -> _Outcomes[Result]:
    # A worker may have been started in another folder.
    images = [image.absolute() for image in batch.images]
    needs = replace(batch.needs, reads=(*batch.needs.reads, images[0].files[0]))
    with opened(options, bar, needs) as cluster:
        if batch.share is not None and len(images) == 1:
            yield from _iter_here(batch.share(cluster.iter_map), images, bar, token)
            return
        run = cluster.iter_in_order if batch.in_order else cluster.iter_outcomes
        with closing(run(partial(_work_quietly, batch.work), images, token)) as outcomes:
            said: set[str] = set()  # of a scan that each worker compares with, for one
            for outcome in outcomes:
                result, sentences = outcome.result or (None, ())
                for sentence in sentences:
                    if sentence not in said:
                        bar.say(sentence)
                said.update(sentences)
                yield Outcome(outcome.index, outcome.item, result, outcome.error)


def _work_quietly(
    work: Work[Result], image: ImageFiles, token: CancelToken
) -> tuple[Result, list[str]]:
    """Process an image in a worker; return the messages, too."""
    messages = Messages()
    return work(image, messages, token), messages.sentences


def _is_unforeseen(error: Exception, ctx: typer.Context) -> bool:
    """Whether it is an unexpected error that ``--debug`` shows."""
    return bool(ctx.find_root().params["debug"]) and not isinstance(error, RetinaSegError)


def _sentence(image: ImageFiles, error: Exception, ctx: typer.Context) -> str:
    path = image.path
    if isinstance(error, RetinaSegError):
        named = path.name in str(error) or f"'{image.name}'" in str(error)
        return str(error) if named else f"'{path}': {error}"
    return (
        f"'{path}' failed unexpectedly ({type(error).__name__}: {error}): run"
        f" 'napari-retina-seg --debug {ctx.info_name} …' on it to see the traceback."
    )
