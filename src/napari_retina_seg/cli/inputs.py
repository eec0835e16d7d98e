"""Input files of a command, and checks of its outputs."""

from __future__ import annotations

import glob
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_retina_seg.cli.console import UsageError
from napari_retina_seg.types.errors import WriteError
from napari_retina_seg.types.file_names import name_key

if TYPE_CHECKING:
    from napari_retina_seg.io.images.series import ImageFiles

OverwriteReport = Annotated[bool, typer.Option("--overwrite", help="Replace an earlier report.")]
RESULT_ENDINGS = (
    "_mask.png",
    "_mask.tif",
    "_overlay.png",
    "_boundaries.csv",
    "_probabilities.npz",
    "_checks.json",
)


@dataclass(frozen=True)
class Inputs:
    """The inputs of a command.

    Attributes
    ----------
    paths : tuple of Path
        The files, each once.
    problems : tuple of str
        A sentence for each argument that matches no file.
    warnings : tuple of str
        For each folder, which files were skipped and why.
    masks : str
        A sentence on skipped masks, for a project; empty if there are none.
    """

    paths: tuple[Path, ...]
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    masks: str = ""

    def group(self) -> tuple[ImageFiles, ...]:
        """Group the slices of a DICOM series; see `io.series.group_series`."""
        from napari_retina_seg.io.images.series import group_series

        return group_series(self.paths)


def expand(arguments: Iterable[str]) -> Inputs:
    """Expand arguments to files: names, folders of images, patterns.

    Shells on Windows do not expand patterns. A name that is neither folder nor pattern is
    kept as it is, whether the file exists or not.
    """
    from napari_retina_seg.io.images.content import is_zarr
    from napari_retina_seg.io.images.folders import FolderContents, list_folder

    paths: dict[Path, Path] = {}
    problems = []
    warnings = []
    skipped = FolderContents()
    for argument in arguments:
        path = Path(argument)
        found = [path]
        if path.is_dir() and not is_zarr(path):
            contents = list_folder(path)
            found = list(contents.images)
            skipped += contents
            if contents.message:
                warnings.append(f"'{path}': {contents.message}")
            if not found:
                problems.append(f"There is no image in the folder '{path}': choose another one.")
        elif glob.has_magic(argument) and not is_there(path):
            # Path.glob does not accept absolute patterns.
            names = sorted(glob.glob(argument, recursive=True))  # noqa: PTH207
            found = [each for each in map(Path, names) if each.is_file() or is_zarr(each)]
            if not found:
                problems.append(f"No file matches '{argument}': check the pattern.")
        for match in found:
            paths.setdefault(match.resolve(), match)
    masks = skipped.describe_masks("Bring them in with 'project import'.")
    return Inputs(tuple(paths.values()), tuple(problems), tuple(warnings), masks)


def outputs_of(
    name: str, folder: Path, endings: tuple[str, ...] = RESULT_ENDINGS
) -> tuple[Path, ...]:
    """Return all files that a command may write for an image; by default `segment`."""
    return tuple(folder / f"{name}{ending}" for ending in endings)


def check_outputs(
    images: tuple[ImageFiles, ...],
    folder: Path,
    *,
    overwrite: bool,
    endings: tuple[str, ...] = RESULT_ENDINGS,
    own: Collection[str] = (),
) -> None:
    """Raise `UsageError` if a result would replace another file.

    Parameters
    ----------
    images : tuple of ImageFiles
        The inputs.
    folder : Path
        Output folder.
    overwrite : bool
        Whether earlier results may be replaced.
    endings : tuple of str
        Suffixes of the result files.
    own : collection of str
        Names of images whose results may exist.

    Raises
    ------
    UsageError
        If two results would have one name, an input would be replaced, the folder can't be
        written, or results exist already and `overwrite` is False.
    """
    names: dict[str, ImageFiles] = {}
    for image in images:
        # Some file systems are case-insensitive.
        other = names.setdefault(name_key(image.name), image)
        if other != image:
            raise UsageError(
                f"The results of '{other.path}' and '{image.path}' would have the same names in"
                f" '{folder}': write them into different folders."
            )
    check_folder(folder)
    planned = [output for image in images for output in outputs_of(image.name, folder, endings)]
    inputs = {path.resolve() for image in images for path in image.files}
    for output in planned:
        if output.resolve() in inputs:
            raise UsageError(f"A result would replace the input '{output}': choose another folder.")
    new = [image for image in images if image.name not in own]
    wanted = [output for image in new for output in outputs_of(image.name, folder, endings)]
    existing = [output for output in wanted if is_there(output)]
    if existing and not overwrite:
        more = f" and {len(existing) - 1} more exist" if len(existing) > 1 else " exists"
        raise UsageError(
            f"'{existing[0]}'{more} already: choose another folder, or add --overwrite."
        )


def is_there(path: Path) -> bool:
    """Whether a file exists; False if the name is too long for the file system."""
    try:
        return path.exists()
    except OSError:
        return False


def free_folder(name: str) -> Path:
    """Return the first of ``name``, ``name-2``, ``name-3``, … that does not exist yet."""
    path = Path(name)
    number = 2
    while path.exists():
        path = Path(f"{name}-{number}")
        number += 1
    return path


def check_reports(folder: Path, names: Iterable[str], *, overwrite: bool) -> None:
    """Raise `UsageError` if a report can't be written, or would replace an earlier one.

    Raises
    ------
    UsageError
        If nothing can be written to the folder, or one of the files exists and
        `overwrite` is False.
    """
    check_folder(folder)
    for name in names:
        if (folder / name).exists() and not overwrite:
            raise UsageError(
                f"'{folder / name}' exists already: choose another folder, or add --overwrite."
            )


def check_folder(folder: Path) -> None:
    """Check that the folder can be written, before the work starts.

    Raises
    ------
    UsageError
        If nothing can be written to it.
    """
    from napari_retina_seg.io import atomic

    try:
        atomic.check_folder(folder)
    except WriteError as error:
        raise UsageError(str(error)) from error
