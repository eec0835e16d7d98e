"""Corrected images as training images: who drew them, and what speaks against training."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from napari_retina_seg.datasets.labelled import LabelledImage
from napari_retina_seg.models.spec import ModelSpec, lineage
from napari_retina_seg.types.counts import count
from napari_retina_seg.types.errors import DataError
from napari_retina_seg.types.labels import LabelScheme

LEAST_PATIENTS = 3  # fewer leave nothing to compare: two train and one is for the proof
_FEW_PIXELS = 200  # of a class in all masks together


@dataclass(frozen=True)
class Seen:
    """What a model or one before it is known to have learnt from.

    Attributes
    ----------
    images : frozenset of str
        Hashes of the images.
    patients : frozenset of str
        Pseudonyms of their patients in a project: of a patient who taught the model also those
        images are seen that were corrected later.
    sources : frozenset of str
        Pseudonyms of the images themselves, which are the same whoever their patient is said to be.
    """

    images: frozenset[str]
    patients: frozenset[str]
    sources: frozenset[str] = frozenset()

    @classmethod
    def by(cls, *models: ModelSpec) -> Seen:
        """Return what any of some models has seen."""
        ancestors = [ancestor for model in models for ancestor in lineage(model)]
        return cls(
            frozenset(image for one in ancestors for image in one.images),
            frozenset(patient for one in ancestors for patient in one.patients),
            frozenset(source for one in ancestors for source in one.sources),
        )


@dataclass(frozen=True, eq=False)
class CorrectedImage:
    """A picture of a project with the mask that counts as truth: an image, or a slice of one.

    Attributes
    ----------
    labelled : LabelledImage
        Its pixels and mask. Its name is the image's number in the project, its group the
        pseudonym of the patient: neither says who it is.
    content : str
        Hash of its pixels.
    mask : str
        Hash of its mask's file.
    pixels : tuple of int
        Number of pixels of each class.
    source : str
        Pseudonym of the image.
    """

    labelled: LabelledImage
    content: str
    mask: str
    pixels: tuple[int, ...]
    source: str = ""

    @property
    def patient(self) -> str:
        """Pseudonym of the patient."""
        return self.labelled.group


@dataclass(frozen=True, eq=False)
class Corrections:
    """The corrected images of a project.

    Attributes
    ----------
    scheme : LabelScheme
        The classes.
    images : tuple of CorrectedImage
        All that can be learnt from.
    left_out : tuple of str
        A sentence for each image that can't be used.
    sources : mapping
        Pseudonyms of all images that the project has, or had, of each patient.
    """

    scheme: LabelScheme
    images: tuple[CorrectedImage, ...]
    left_out: tuple[str, ...] = ()
    sources: Mapping[str, frozenset[str]] = field(default_factory=dict)
    _by_patient: dict[str, list[CorrectedImage]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        found: dict[str, list[CorrectedImage]] = defaultdict(list)
        for image in self.images:
            found[image.patient].append(image)
        object.__setattr__(self, "_by_patient", dict(found))

    @property
    def by_patient(self) -> Mapping[str, list[CorrectedImage]]:
        """The images of each patient."""
        return self._by_patient

    @property
    def shown(self) -> dict[str, frozenset[int]]:
        """The values of the classes that the masks of each patient show, background too."""
        return {
            patient: frozenset(
                value for image in images for value, number in enumerate(image.pixels) if number
            )
            for patient, images in self.by_patient.items()
        }

    def unseen(self, seen: Seen) -> tuple[str, ...]:
        """Return the patients whom, and of whom no image, a model has seen, sorted."""
        return tuple(
            sorted(
                patient
                for patient, images in self.by_patient.items()
                if patient not in seen.patients
                and not self.sources.get(patient, frozenset()) & seen.sources
                and not any(image.content in seen.images for image in images)
            )
        )

    def class_table(self) -> tuple[tuple[str, int, int, int], ...]:
        """Return name, images, patients and pixels of each class but background."""
        rows = []
        for one in self.scheme.classes[1:]:
            shown = [image for image in self.images if image.pixels[one.value]]
            patients = {image.patient for image in shown}
            pixels = sum(image.pixels[one.value] for image in shown)
            rows.append((one.abbreviation, len(shown), len(patients), pixels))
        return tuple(rows)

    def describe(self, seen: Seen) -> tuple[str, ...]:
        """Say what there is, and what of it is little, each in a sentence."""
        return tuple(self._describe(seen))

    def _describe(self, seen: Seen) -> Iterator[str]:
        patients = count(len(self.by_patient), "patient")
        yield f"{count(len(self.images), 'corrected mask')} of {patients}."
        known = len(self.by_patient) - len(self.unseen(seen))
        if known:
            yield (
                f"{count(known, 'patient')} of them taught the model in use already: their images"
                " are learnt from again, and the proof is on the others."
            )
        for name, images, people, pixels in self.class_table():
            if not images:
                yield f"No mask shows {name}: nothing can be learnt or proven of this class."
            elif people < LEAST_PATIENTS:
                yield (
                    f"{name} is shown in {count(images, 'mask')} of {count(people, 'patient')}"
                    " only: little can be learnt or proven of this class."
                )
            elif pixels < _FEW_PIXELS:
                yield f"{name} has {pixels} pixels in all masks together: that is very little."

    def check(self, seen: Seen) -> None:
        """Raise `DataError` if nothing can be learnt or proven with these images."""
        if not self.images:
            why = f" {self.left_out[0]}" if self.left_out else ""
            raise DataError(
                "There is no mask to learn from: accept or correct masks in Review first." + why
            )
        unseen = self.unseen(seen)
        if len(unseen) < LEAST_PATIENTS:
            new = "" if len(unseen) == len(self.by_patient) else " that the model in use never saw"
            raise DataError(
                f"There are corrected masks of {count(len(unseen), 'patient')}{new}, and a proof"
                f" needs {LEAST_PATIENTS} or more: both eyes of a patient stay together. Correct"
                " images of other patients."
            )
        self._check_copies()

    def _check_copies(self) -> None:
        owners: dict[str, CorrectedImage] = {}
        for image in self.images:
            other = owners.setdefault(image.content, image)
            if other.patient != image.patient:
                raise DataError(
                    f"{other.labelled.name} and {image.labelled.name} show the same picture, but"
                    " belong to two patients: give both the same patient, or remove one."
                )
