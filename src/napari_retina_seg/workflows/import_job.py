"""Read masks from files and save those that belong to images of a project as versions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from napari_retina_seg.editing.consistency import draw
from napari_retina_seg.io.formats.dicom_header import read_header, read_referenced_ids
from napari_retina_seg.io.formats.dicom_seg import read_dicom_card
from napari_retina_seg.io.formats.found import Note, Problem, Unannotated
from napari_retina_seg.io.formats.identity import find_identifiers
from napari_retina_seg.io.formats.named import split_slice
from napari_retina_seg.io.formats.nifti import is_nifti
from napari_retina_seg.io.formats.record import Attribution, Maker, MaskRecord, require_truth
from napari_retina_seg.io.formats.sources import (
    Expected,
    Item,
    Record,
    is_dicom,
    iter_source,
    read_source,
)
from napari_retina_seg.io.images.dicom_slices import slice_order
from napari_retina_seg.io.names import image_name
from napari_retina_seg.project.images import damage_of, local_path
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.states import GradingRound, State
from napari_retina_seg.project.store import same_person
from napari_retina_seg.project.values import ProjectImage, Version
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.errors import ProjectError, ReadError, RetinaSegError, WriteError
from napari_retina_seg.types.file_names import name_key
from napari_retina_seg.types.image import Placement
from napari_retina_seg.workflows.dicom_images import (
    DicomImage,
    find_resent_image,
    find_same,
)
from napari_retina_seg.workflows.export_index import Ungradable
from napari_retina_seg.workflows.image_finder import ImageFinder, cut, stack
from napari_retina_seg.workflows.placing import placement_of


class ImportJob:
    """An import in progress."""

    def __init__(
        self,
        project: Project,
        images: ImageFinder,
        dicom: tuple[DicomImage, ...],
        author: str | None,
        second_grading: bool,
    ) -> None:
        self._project = project
        self._images = images
        self._dicom = dicom
        self._author = author
        self._grading = GradingRound.SECOND if second_grading else GradingRound.FIRST
        self.versions: list[Version] = []
        self.known = 0
        self.problems: list[str] = []
        self.identifiers: list[str] = []
        self.unannotated: list[str] = []
        self._seen: set[int] = set()

    def read(self, source: Path, expected: Expected) -> Iterator[Record]:
        """Read the masks of a file, and note what in it may identify the patient."""
        identifiers = find_identifiers(source) if source.is_file() else ()
        if identifiers:
            self.identifiers.append(
                f"'{source}' may identify the patient: {', '.join(identifiers)}."
            )
        volumes: dict[int, dict[int, MaskRecord]] = {}
        self._seen.clear()
        try:
            for item in self._items(source, expected):
                if isinstance(item, Problem):
                    self.problems.append(item.sentence)
                elif isinstance(item, Note):
                    self.identifiers.append(item.sentence)
                elif isinstance(item, Unannotated) or self._is_unannotated(item, source):
                    self.unannotated.append(item.name)
                elif not self._keep_slice(item, volumes):
                    yield item
        except RetinaSegError as error:
            self.problems.append(str(error))
        for number, slices in volumes.items():
            yield stack(self._images.by_id[number], slices)

    def _items(self, source: Path, expected: Expected) -> Iterable[Item]:
        if is_dicom(source):
            return (self._read_dicom(source, expected),)
        if is_nifti(source):
            expected = replace(expected, placements=self._find_placements(source))
        return iter_source(source, expected)

    def _is_unannotated(self, record: Record, source: Path) -> bool:
        """Whether an empty mask may mean "not annotated" rather than "nothing found"."""
        if record.attribution.maker is not Maker.UNKNOWN:
            return False
        if not isinstance(record, MaskRecord):
            return not np.isfinite(record.heights).any()
        if record.labels.any() or record.ignore is not None:
            return False
        if is_dicom(source):  # DICOM-SEG omits empty frames
            return True
        self.identifiers.append(
            f"The mask of '{record.name}' in '{source}' is background only: if the image was not"
            " annotated, reopen it."
        )
        return False

    def _keep_slice(self, record: Record, volumes: dict[int, dict[int, MaskRecord]]) -> bool:
        """Collect the mask of a slice that was exported as a single image."""
        if not isinstance(record, MaskRecord) or record.is_volume:
            return False
        place = split_slice(record.name)
        if place is None or self._images.has(record.name, record.image_sha256):
            return False
        found = self._images.named(place[0])
        if len(found) != 1 or len(found[0].shape) != 3 or place[1] >= found[0].shape[0]:
            return False
        if record.labels.shape != found[0].grid:
            return False
        volumes.setdefault(found[0].id, {})[place[1]] = record
        return True

    def _find_placements(self, source: Path) -> tuple[Placement, ...]:
        """Return the placements of the images with a file's name."""
        found = (placement_of(self._project, one) for one in self._images.named(image_name(source)))
        return tuple(placement for placement in found if placement is not None)

    def _read_dicom(self, source: Path, expected: Expected) -> Record:
        """Read a DICOM Segmentation by the UIDs of the image it refers to."""
        image = self._find_dicom(source)
        if image is None:
            return read_source(source, expected)[0]
        expected = replace(
            expected,
            shapes={name_key(image_name(source)): image.shape},
            order=self._find_order(source, image),
        )
        return replace(read_source(source, expected)[0], image_sha256=image.sha256)

    def _find_order(self, source: Path, image: ProjectImage) -> tuple[int, ...] | None:
        """Return the frame of each slice, if a segmentation refers to the image's frames."""
        wanted = read_referenced_ids(source)
        known = [one.ids for one in self._dicom if one.image.id == image.id]
        if wanted is None or not known:
            return None
        alike = wanted.instance == known[0].instance or wanted.series == known[0].series
        header = read_header(local_path(image)) if alike else None
        return None if header is None else slice_order(header)

    def _find_dicom(self, source: Path) -> ProjectImage | None:
        """Find the image of a DICOM Segmentation; None if only its name can identify it."""
        wanted = read_referenced_ids(source)
        if wanted is None:  # the error is reported when it is read
            return None
        card = read_dicom_card(source)
        name, sha256 = (card.name, card.image_sha256) if card else (image_name(source), None)
        found = self._images.known(sha256) or find_same(wanted, self._dicom)
        if found is None and sha256 is None:
            found = find_resent_image(wanted, self._dicom, self._images.named(name))
        if found is None:
            self._check_name(source, name, sha256)
        return found

    def _check_name(self, source: Path, name: str, sha256: str | None) -> None:
        """Refuse a mask whose name matches another image than the one it was drawn on."""
        if not self._images.has(name, None):
            if sha256 is not None:  # it may still be a volume whose slices are the images
                return
            raise ReadError(
                f"The project has neither the DICOM image that '{source}' refers to nor one named"
                f" '{name}': add the image, or give the mask file the image's name."
            )
        found = self._images.named(name)
        if len(found) > 1:
            return  # the error is reported when the mask is imported
        named = found[0]
        damage = damage_of(named)
        if damage is not None:  # so whether it was DICOM is unknown
            raise ProjectError(damage)
        if any(one.image.id == named.id for one in self._dicom):
            raise ReadError(
                f"'{source}' refers to another DICOM image than '{named.name}' of this project: add"
                " the image it was drawn on."
            )

    def add(self, record: Record) -> None:
        """Save a mask as a version, or the slices of a volume that was added slice by slice."""
        slices = [] if self._images.has(record.name, record.image_sha256) else cut(record)
        if slices and all(self._images.has(one.name, None) for one in slices):
            for one in slices:
                self._take(one)
        else:
            self._take(record)

    def _take(self, record: Record) -> None:
        try:
            image = self._images.find(record)
            self._check_once(image, record)
            annotation = _annotation(record, image)
            who = self._find_author(record, image)
            is_complete = not isinstance(record, MaskRecord) or record.is_complete
            if self._is_known(image, annotation, who, is_final=is_complete):
                self.known += 1
                return
            version = self._project.attach(
                image.id,
                annotation,
                author=who,
                grading=self._grading,
                comment=_comment(record.attribution, is_complete),
                is_complete=is_complete,
                state=_state_of(record.attribution),
            )
        except RetinaSegError as error:
            self._note_problem(error)
            return
        self.versions.append(version)
        if not is_complete:
            self.identifiers.append(
                f"The mask of '{image.name}' was imported in part: it stays '{State.IN_PROGRESS}'"
                " until a grader checks and corrects it."
            )

    def add_ungradable(self, known: Ungradable) -> None:
        """Save that an image is ungradable, unless somebody has graded it here."""
        try:
            image = self._images.find(known)
            if image.state is State.UNGRADABLE:
                self.known += 1
                return
            reason = f"Imported: {known.reason or 'ungradable'}"
            version = self._project.attach_ungradable(image.id, reason, author=known.author)
        except RetinaSegError as error:
            self._note_problem(error)
        else:
            self.versions.append(version)

    def _note_problem(self, error: RetinaSegError) -> None:
        """Note why one mask was not saved; raises the error if no other can be saved either."""
        if isinstance(error, ProjectError | WriteError) and error.__cause__ is not None:
            raise error
        self._project.check_place()
        self.problems.append(str(error))

    def _check_once(self, image: ProjectImage, record: Record) -> None:
        """Refuse a second mask of one image in the same file."""
        if record.attribution.maker is Maker.UNKNOWN and image.id in self._seen:
            raise ReadError(
                f"There are several masks of '{image.name}' in one file: keep one of them."
            )
        self._seen.add(image.id)

    def _find_author(self, record: Record, image: ProjectImage) -> str:
        attribution = record.attribution
        if attribution.maker is not Maker.UNKNOWN:
            require_truth([record])
        who = attribution.author or self._author
        if who is None:
            raise ReadError(
                f"No author is recorded for the mask of '{image.name}': say who drew it, under"
                " 'Drawn by' or with --author."
            )
        return who

    def _is_known(
        self, image: ProjectImage, annotation: Annotation, who: str, *, is_final: bool
    ) -> bool:
        for version in self._project.history(image.id):
            if version.is_final >= is_final and version.mask and same_person(version.author, who):
                other = self._project.annotation(image.id, version.number)
                if _is_same(annotation, other):
                    return True
        return False


def _annotation(record: Record, image: ProjectImage) -> Annotation:
    if isinstance(record, MaskRecord):
        labels, ignore = record.labels, record.ignore
        if labels.size == np.prod(image.shape):  # a volume of one slice
            labels = labels.reshape(image.shape) if labels.shape[-2:] == image.grid else labels
            ignore = None if ignore is None else ignore.reshape(labels.shape)
        return Annotation(labels, record.boundaries, ignore)
    heights = record.heights
    planes = heights.reshape(-1, *heights.shape[-2:])
    labels = np.stack([draw(plane, image.grid[0]) for plane in planes])
    labels = labels.reshape(*heights.shape[:-2], *labels.shape[-2:])
    if record.attribution.maker is not Maker.UNKNOWN:
        return Annotation(labels, heights)
    # A column without a height is not annotated (rather than free of layers).
    unknown = np.isnan(heights).all(axis=-2, keepdims=True)
    ignore = np.broadcast_to(unknown, labels.shape)
    return Annotation(labels, heights, ignore.copy() if ignore.any() else None)


def _is_same(one: Annotation, other: Annotation) -> bool:
    """Whether two drawings are equal; files keep no class where pixels are questionable."""
    if one.labels.shape != other.labels.shape:
        return False
    region = _region(one)
    same = one.labels == other.labels
    return np.array_equal(region, _region(other)) and bool((same | region).all())


def _region(annotation: Annotation) -> npt.NDArray[np.bool_]:
    marked = annotation.ignore
    return np.zeros(annotation.labels.shape, bool) if marked is None else marked


def _state_of(attribution: Attribution) -> State:
    """Return the state that a mask had in the project that it was exported from."""
    known = attribution.state if attribution.is_truth else ""
    return State(known) if known in (State.ACCEPTED, State.ADJUDICATED) else State.CORRECTED


def _comment(attribution: Attribution, is_complete: bool) -> str:
    parts = ["Imported" if is_complete else "Imported in part"]
    if attribution.is_truth:
        parts.append(
            attribution.state
            if attribution.made_at is None
            else f"{attribution.state} {attribution.made_at:%Y-%m-%d}"
        )
    if attribution.model:
        parts.append(f"begun with a prediction of {attribution.model}")
    return ", ".join(parts)
