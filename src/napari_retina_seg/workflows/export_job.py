"""Write the chosen masks of a project, one format after the other, into a folder."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from napari_retina_seg.editing.consistency import draw
from napari_retina_seg.imaging.margin_text import has_margin_text
from napari_retina_seg.io.formats.boundaries import write_boundary_csv, write_boundary_json
from napari_retina_seg.io.formats.card import Card, make_card
from napari_retina_seg.io.formats.coco import CocoFile
from napari_retina_seg.io.formats.cvat import CvatFile
from napari_retina_seg.io.formats.dicom_header import read_header
from napari_retina_seg.io.formats.labelme import write_labelme
from napari_retina_seg.io.formats.networks import HuggingFaceFolder, NnunetFolder
from napari_retina_seg.io.formats.nifti import write_nifti
from napari_retina_seg.io.formats.pictures import picture_names, write_pictures
from napari_retina_seg.io.formats.raster import write_png, write_tiff
from napari_retina_seg.io.formats.record import (
    Attribution,
    Maker,
    MaskRecord,
    require_truth,
)
from napari_retina_seg.io.formats.stacks import fill_stacks
from napari_retina_seg.io.formats.training import TrainingFolder, TrainingItem, assign_splits
from napari_retina_seg.io.formats.vgg import VggFile
from napari_retina_seg.io.names import image_suffix
from napari_retina_seg.project.images import damage_of
from napari_retina_seg.project.store import now
from napari_retina_seg.project.values import ProjectImage
from napari_retina_seg.project.view import ProjectView
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.errors import ProjectError, RetinaSegError, WriteError
from napari_retina_seg.types.file_names import safe_name
from napari_retina_seg.types.image import RetinaImage
from napari_retina_seg.types.labels import LabelScheme
from napari_retina_seg.types.progress import CancelToken, Progress
from napari_retina_seg.types.splits import SPLITS
from napari_retina_seg.workflows.export_index import ExportIndex, Ungradable
from napari_retina_seg.workflows.export_options import Format, Identities
from napari_retina_seg.workflows.open_places import find_in_version
from napari_retina_seg.workflows.patients import PatientRule
from napari_retina_seg.workflows.placing import placement_of
from napari_retina_seg.workflows.selection import (
    ExportItem,
)

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


PREDICTIONS = "predictions"
_SPLIT_SEED = 0
_Write = Callable[[Path, MaskRecord], None]
_EACH: dict[Format, tuple[str, _Write]] = {
    Format.PNG: (".png", write_png),
    Format.TIFF: (".tif", write_tiff),
    Format.NIFTI: (".nii.gz", write_nifti),
    Format.BOUNDARY_CSV: (".csv", write_boundary_csv),
    Format.BOUNDARY_JSON: (".json", write_boundary_json),
}
_FOLDERS: dict[Format, type[TrainingFolder]] = {
    Format.TRAINING: TrainingFolder,
    Format.NNUNET: NnunetFolder,
    Format.HUGGING_FACE: HuggingFaceFolder,
}


@dataclass(frozen=True)
class SplitSide:
    """One split of an exported training set.

    Attributes
    ----------
    name : str
        ``train``, ``val`` or ``test``.
    images, patients : int
        Numbers of images and of patients.
    """

    name: str
    images: int
    patients: int


class ExportJob:
    """An export in progress."""

    def __init__(
        self,
        project: ProjectView,
        new: Path,
        format: Format,
        identities: Identities,
        patients: PatientRule | None,
        token: CancelToken,
        *,
        with_images: bool,
    ) -> None:
        self._with_images = with_images
        self._project = project
        self._new = new
        self._format = format
        self._identities = identities
        self._patients = patients.description if patients else ""
        self._token = token
        self.cards: list[Card] = []
        self.problems: list[str] = []
        self.captioned: list[str] = []  # exported images with what looks like text in the margin
        self.open_places: list[str] = []  # images in whose mask something can't be as it is
        self._divided: dict[str, list[str]] = {}  # patients of the images of each split

    @property
    def sides(self) -> tuple[SplitSide, ...]:
        """The splits that were written, with their numbers of images and patients."""
        groups = ((name, self._divided.get(name, [])) for name in SPLITS)
        return tuple(SplitSide(name, len(each), len(set(each))) for name, each in groups if each)

    def iter_run(self, chosen: tuple[ExportItem, ...]) -> Generator[Progress, None, None]:
        """Write the masks, each or together as the format is."""
        if self._format.has_images:
            yield from self._write_set(chosen)
        elif self._format in (Format.COCO, Format.COCO_POLYGONS, Format.VGG, Format.CVAT):
            yield from self._write_together(chosen)
        else:
            yield from self._walk(chosen, self._write_one)

    def write_index(self, ungradable: list[Ungradable]) -> None:
        """Write the file that describes all exported masks, and names ungradable images."""
        ExportIndex(
            format=self._format,
            made_by=self._project.author,
            made_at=now().isoformat(),
            identities=self._identities,
            scheme=self._project.scheme,
            masks=self.cards,
            ungradable=ungradable,
        ).write(self._new)

    def _walk(
        self, chosen: tuple[ExportItem, ...], write: Callable[[ExportItem, MaskRecord], None]
    ) -> Generator[Progress, None, None]:
        for done, one in enumerate(chosen):
            self._token.raise_if_cancelled()
            yield Progress(done, len(chosen), one.name)
            try:
                annotation = self._project.annotation(one.image.id, one.version.number)
                record = make_record(one, annotation, self._project.scheme)
                write(one, record)
            except RetinaSegError as error:
                if isinstance(error.__cause__, OSError) and isinstance(error, WriteError):
                    raise  # the disk is full or gone: no other mask can be written either
                self._project.check_place()
                self.problems.append(str(error))
                continue
            self.cards.append(make_card(record))
            if find_in_version(self._project, one.version, annotation):
                self.open_places.append(one.image.name)

    def _write_one(self, one: ExportItem, record: MaskRecord) -> None:
        folder = self._new / PREDICTIONS if one.is_prediction else self._new
        if self._format is Format.DICOM_SEG:
            self._write_dicom(folder / f"{one.name}.dcm", one, record)
            return
        if self._format is Format.NIFTI:
            record = replace(record, placement=placement_of(self._project, one.image))
        if self._format is Format.LABELME:
            write_labelme(folder, record, self._name_files(one, record, folder))
            return
        suffix, write = _EACH[self._format]
        write(folder / f"{one.name}{suffix}", record)

    def _write_dicom(self, path: Path, one: ExportItem, record: MaskRecord) -> None:
        from napari_retina_seg.io.formats.dicom_seg import write_dicom_seg

        # The image's UIDs would identify the patient in its archive.
        hidden = self._identities is Identities.PSEUDONYMS
        reference = None if hidden else _read_reference(one.image)
        identified = self._identities is Identities.KEEP
        write_dicom_seg(path, record, reference, identified=identified)

    def _write_together(self, chosen: tuple[ExportItem, ...]) -> Generator[Progress, None, None]:
        files: dict[str, CocoFile | VggFile | CvatFile] = {}
        called = "annotations.xml" if self._format is Format.CVAT else "masks.json"

        def add(one: ExportItem, record: MaskRecord) -> None:
            place = f"{PREDICTIONS}/{PREDICTIONS}.json" if one.is_prediction else called
            if one.is_prediction and self._format is Format.CVAT:
                place = f"{PREDICTIONS}/{called}"
            names = self._name_files(one, record, (self._new / place).parent)
            if place not in files:
                files[place] = self._new_file()
            files[place].add(record, names)

        yield from self._walk(chosen, add)
        for place, file in files.items():
            file.write(self._new / place)

    def _new_file(self) -> CocoFile | VggFile | CvatFile:
        if self._format is Format.VGG:
            return VggFile()
        if self._format is Format.CVAT:
            return CvatFile()
        return CocoFile(polygons=self._format is Format.COCO_POLYGONS)

    def _name_files(self, one: ExportItem, record: MaskRecord, folder: Path) -> tuple[str, ...]:
        """Write the images that the slices of a mask refer to, and return their names."""
        if self._with_images:
            image = self._project.read_image(one.image.id)
            self._look_for_text(image)
            names = write_pictures(folder, image, record.name)
            return tuple(path.name for path in names)
        suffix = _suffix_of(one)
        is_own = one.name == safe_name(one.image.name) and "/" not in one.image.name
        if is_own and not (record.is_volume or one.is_hidden):
            return (f"{one.image.name}{suffix}",)  # the real name of the file
        return tuple(picture_names(record.name, record.labels.shape, suffix))

    def _look_for_text(self, image: RetinaImage) -> None:
        if has_margin_text(image.plane(0)):
            self.captioned.append(image.name)

    def _write_set(self, chosen: tuple[ExportItem, ...]) -> Generator[Progress, None, None]:
        """Write images with their masks as a training set, without predictions."""
        sides = assign_splits((one.group for one in chosen), seed=_SPLIT_SEED)
        folder = _FOLDERS.get(self._format)
        training = folder(self._new, self._patients) if folder else None
        items: list[TrainingItem] = []

        def add(one: ExportItem, record: MaskRecord) -> None:
            require_truth([record])
            image = self._project.read_image(one.image.id)
            self._look_for_text(image)
            pixels = np.asarray(image.pixels)
            pixels = pixels[..., :3] if image.color else pixels
            item = TrainingItem(record, pixels, one.group, sides[one.group])
            if training is not None:
                training.add(item)
            else:
                items.append(item)
            self._divided.setdefault(item.split, []).append(one.group)

        yield from self._walk(chosen, add)
        if training is not None and self.cards:
            training.finish()
        elif items:
            one_hot = self._format is Format.NPY_ONE_HOT
            fill_stacks(self._new, items, one_hot=one_hot, patients=self._patients)


def _suffix_of(one: ExportItem) -> str:
    """Return the suffix that follows the image's name in its file name."""
    # Earlier versions took everything after the last dot for the suffix, in UIDs and names too.
    image, old = one.image, one.image.path.suffix
    is_old = not one.is_hidden and image.path.name == f"{image.name}{old}"
    return old if is_old else image_suffix(image.path)


def make_record(one: ExportItem, annotation: Annotation, scheme: LabelScheme) -> MaskRecord:
    """Return a mask with all that is exported together with it."""
    image, version = one.image, one.version
    attribution = Attribution(
        maker=Maker.PREDICTION if one.is_prediction else Maker.HUMAN,
        author=version.author,
        state=version.state.value,
        model=version.model,
        weights_sha256=version.weights_sha256,
        program=version.program,
        made_at=version.created_at,
    )
    questionable = annotation.ignore
    return MaskRecord(
        labels=annotation.labels,
        scheme=scheme,
        name=one.name,
        spacing=image.spacing,
        laterality=image.laterality,
        attribution=attribution,
        image_suffix=_suffix_of(one),
        image_sha256=image.sha256,
        ignore=questionable if questionable is not None and questionable.any() else None,
        boundaries=_boundaries(annotation),
    )


def _boundaries(annotation: Annotation) -> npt.NDArray[np.float32] | None:
    """Return the boundaries if they match the mask, else boundaries found in the mask."""
    heights, labels = annotation.boundaries, annotation.labels
    if heights is None:
        return None
    rows = labels.shape[-2]
    drawn = np.stack([draw(plane, rows) for plane in heights.reshape(-1, *heights.shape[-2:])])
    return heights if np.array_equal(drawn.reshape(labels.shape), labels) else None


def _read_reference(image: ProjectImage) -> Dataset | None:
    """Return the header of a DICOM image."""
    damage = damage_of(image)
    if damage is not None:
        raise ProjectError(damage)
    return read_header(image.path)
