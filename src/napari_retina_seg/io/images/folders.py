"""Find the images of a folder, and why other files are skipped."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from napari_retina_seg.io.images.content import (
    METAIMAGE,
    SUFFIXES,
    is_dicom_content,
    is_heyex_content,
    is_image_content,
    is_zarr,
)
from napari_retina_seg.io.names import image_name
from napari_retina_seg.types.counts import count
from napari_retina_seg.types.errors import ReadError
from napari_retina_seg.types.image import RetinaImage

# What follows an image's name in those that `segment` and `explain` write.
_RESULT = re.compile(
    r"_((mask|overlay)\.png|mask\.tif|boundaries\.csv|checks\.json|probabilities\.npz"
    r"|explain\.(png|svg|pdf)|.+_(grad-cam(\+\+)?|hirescam|layercam)\.(npy|tif))"
)
_NIFTI = (".nii", ".nii.gz")
_MASK = "a mask"
_FOLDER = "a folder"
_CARD = "the classes of a mask"
_MASK_RESULTS = ("_mask.png", "_mask.tif")
_PART = "a picture of an export"  # read with its XML
_REFERENCE = "reference.mhd"
_NAMED = 5  # files in a sentence


@dataclass(frozen=True)
class PassedOver:
    """A file that is not an image, and the reason."""

    path: Path
    reason: str

    @property
    def is_mask(self) -> bool:
        """Whether it is a mask, which a project imports."""
        name = self.path.name.lower()
        return self.reason.startswith(_MASK) or name.endswith((*_NIFTI, *_MASK_RESULTS))


@dataclass(frozen=True)
class FolderContents:
    """Content of a folder: images by name, and skipped files; hidden files are ignored."""

    images: tuple[Path, ...] = ()
    passed_over: tuple[PassedOver, ...] = ()

    @property
    def message(self) -> str:
        """A sentence on skipped files and the reasons; empty if there are none."""
        if not self.passed_over:
            return ""
        named = [f"'{one.path.name}' ({one.reason})" for one in self.passed_over[:_NAMED]]
        more = len(self.passed_over) - _NAMED
        rest = f" and {more} more" if more > 0 else ""
        return f"Skipped {count(len(self.passed_over), 'file')}: {', '.join(named)}{rest}."

    @property
    def masks(self) -> FolderContents:
        """The skipped files that are masks."""
        return FolderContents(passed_over=tuple(one for one in self.passed_over if one.is_mask))

    @property
    def others(self) -> FolderContents:
        """The skipped files that are neither images nor masks or their classes."""
        files = (one for one in self.passed_over if not one.is_mask and one.reason != _CARD)
        return FolderContents(passed_over=tuple(files))

    def describe_masks(self, where: str) -> str:
        """Return a sentence on the skipped masks and where to import them; empty without any."""
        masks = self.masks.passed_over
        if not masks:
            return ""
        named = ", ".join(f"'{one.path.name}'" for one in masks[:_NAMED])
        rest = f" and {len(masks) - _NAMED} more" if len(masks) > _NAMED else ""
        return f"{count(len(masks), 'mask')} not added: {named}{rest}. {where}"

    def __add__(self, other: FolderContents) -> FolderContents:
        return FolderContents(self.images + other.images, self.passed_over + other.passed_over)


def list_folder(folder: Path) -> FolderContents:
    """Find the images of a folder, not those of folders in it.

    A file whose suffix is that of no image format is looked into. Of an XML export the XML is the
    image: its pictures belong to it, and others like them that it does not list are passed over.
    So are masks that say their classes, results of other images that lie beside them, and DICOM
    files that hold no image.

    Raises
    ------
    ReadError
        If the folder can't be listed.
    """
    try:
        files = sorted(each for each in folder.iterdir() if each.name[0] != ".")
    except OSError as error:
        raise ReadError(
            f"The folder '{folder}' can't be read ({error.strerror or error}): ask for permission"
            " or copy it."
        ) from error
    reasons = {file: _reason(file) for file in files if file.is_file()}
    names = {image_name(file) for file, reason in reasons.items() if not reason}
    cards = {f"{image_name(file)}.json" for file, reason in reasons.items() if reason == _MASK}
    for file in reasons:
        if _is_result(file.name, names):
            reasons[file] = "a result for another image"
        elif file.name in cards:
            reasons[file] = _CARD
    reasons |= _parts_of_exports(reasons)
    reasons |= {file: _folder_reason(file) for file in files if file.is_dir()}
    images = tuple(file for file in files if reasons.get(file) == "")
    others = tuple(PassedOver(file, reason) for file, reason in sorted(reasons.items())
                   if reason not in ("", _PART))  # fmt: skip
    return FolderContents(images, others)


def list_tree(paths: Iterable[Path]) -> FolderContents:
    """Find files, and the images of folders and of all folders in them, each folder once.

    Raises
    ------
    ReadError
        If one of `paths` is a folder that can't be listed; those in it are passed over.
    """
    found = FolderContents()
    seen: set[Path] = set()  # a link may lead back to a folder above
    for path in paths:
        is_folder = path.is_dir() and not is_zarr(path)
        found += _list_tree(path, seen) if is_folder else FolderContents((path,))
    return found


def _list_tree(folder: Path, seen: set[Path]) -> FolderContents:
    resolved = folder.resolve()
    if resolved in seen:
        return FolderContents()
    seen.add(resolved)
    inside = list_folder(folder)
    others = tuple(one for one in inside.passed_over if one.reason != _FOLDER)
    found = FolderContents(inside.images, others)
    for below in (one.path for one in inside.passed_over if one.reason == _FOLDER):
        try:
            found += _list_tree(below, seen)
        except ReadError:
            found += FolderContents(passed_over=(PassedOver(below, "a folder that can't be read"),))
    return found


def read_folder(folder: Path) -> RetinaImage:
    """Read a folder that holds a single image: one file, or the slices of one series.

    Raises
    ------
    ReadError
        If it holds none or several, or one that can't be read.
    """
    from napari_retina_seg.io.images.series import group_series, read_files

    contents = list_folder(folder)
    groups = group_series(contents.images)
    if len(groups) != 1:
        found = f"{len(groups)} images" if groups else "no image"
        message = f" {contents.message}" if contents.message and not groups else ""
        raise ReadError(
            f"'{folder}' is a folder with {found} in it: choose an image file in it.{message}"
        )
    return read_files(groups[0])


def _reason(path: Path) -> str:
    """Return why a file is not an image, by suffix or content; empty if it is one."""
    if path.name.lower() == _REFERENCE:
        return "a reference of RETOUCH"
    if is_dicom_content(path):
        from napari_retina_seg.io.images.dicom import describe_no_image

        return describe_no_image(path)
    if path.suffix.lower() in SUFFIXES or is_image_content(path):
        from napari_retina_seg.io.images.matlab import may_hold_images
        from napari_retina_seg.io.masks import read_mask

        if path.suffix.lower() == ".mat" and not may_hold_images(path):
            return "a MATLAB file without images"
        # If an image is damaged, reading it says so.
        return "" if read_mask(path) is None else _MASK
    if path.name.lower().endswith(_NIFTI):
        return "NIfTI, which is opened by itself"
    if path.suffix.lower() == ".raw" and path.with_suffix(METAIMAGE).is_file():
        return _PART
    return "empty" if path.stat().st_size == 0 else "not an image"


def _folder_reason(path: Path) -> str:
    """Return why a folder is not an image; empty for an OME-Zarr, which is one."""
    if not is_zarr(path):
        return _FOLDER
    from napari_retina_seg.io.images.zarr_folder import is_mask_zarr

    return _MASK if is_mask_zarr(path) else ""


def _parts_of_exports(reasons: dict[Path, str]) -> dict[Path, str]:
    """Return the pictures of a folder that belong to an XML export in it, or look like them."""
    exports = [file for file, reason in reasons.items() if not reason and is_heyex_content(file)]
    if not exports:
        return {}
    from napari_retina_seg.io.images.vendor.heyex_xml import listed_pictures

    listed: set[Path] = set()
    for export in exports:
        with contextlib.suppress(ReadError):  # reading it says so
            listed |= set(listed_pictures(export))
    kinds = {file.suffix.lower() for file in listed}
    named = f"not listed in '{exports[0].name}'" if len(exports) == 1 else "not listed in an export"
    return {file: _PART if file in listed else named for file, reason in reasons.items()
            if file in listed or (not reason and file.suffix.lower() in kinds)}  # fmt: skip


def _is_result(name: str, names: set[str]) -> bool:
    cuts = (found.start() for found in re.finditer("_", name))
    return any(name[:cut] in names and _RESULT.fullmatch(name[cut:]) for cut in cuts)
