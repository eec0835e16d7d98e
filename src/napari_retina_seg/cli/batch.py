"""Shared code of commands that run a model over many files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from napari_retina_seg.cli.console import Bar, UsageError, interruptible, say
from napari_retina_seg.cli.inputs import Inputs
from napari_retina_seg.types.errors import ModelError, RetinaSegError
from napari_retina_seg.types.progress import Cancelled, CancelToken

if TYPE_CHECKING:
    from napari_retina_seg.io.images.series import ImageFiles
    from napari_retina_seg.models.registry import ModelFolder
    from napari_retina_seg.types.image import RetinaImage, Spacing

Result = TypeVar("Result")
Work = Callable[["ImageFiles", Bar, CancelToken], Result]


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


def work_through(
    ctx: typer.Context,
    inputs: Inputs,
    images: tuple[ImageFiles, ...],
    work: Work[Result],
    summarise: Callable[[list[Result], int], None],
) -> bool:
    """Process files one after another; one that fails does not stop the others.

    Parameters
    ----------
    ctx : typer.Context
        Context of the command.
    inputs : Inputs
        The inputs named by the user.
    images : tuple of ImageFiles
        The images in it.
    work : callable
        Processes one image.
    summarise : callable
        Called with the results and the number of failures, at the end or on cancellation.

    Returns
    -------
    bool
        Whether no file failed.
    """
    results: list[Result] = []
    failed = len(inputs.problems)
    try:
        with Bar(len(images)) as bar, interruptible() as token:
            for sentence in (*inputs.problems, *inputs.warnings):
                bar.say(sentence)
            for image in images:
                token.raise_if_cancelled()
                try:
                    results.append(work(image, bar, token))
                except Exception as error:
                    if isinstance(error, Cancelled) or _is_unforeseen(error, ctx):
                        raise
                    failed += 1
                    bar.say(_sentence(image, error, ctx))
                bar.finish()
    finally:
        summarise(results, failed)
    return failed == 0


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
