"""Names under which images leave the project: their own, or pseudonyms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass

from napari_retina_seg.io.formats.identity import contains_identifier, pseudonymise
from napari_retina_seg.io.formats.plain_names import is_plain_name
from napari_retina_seg.project.images import local_path
from napari_retina_seg.project.values import ConfirmedName, ProjectImage
from napari_retina_seg.project.view import ProjectView
from napari_retina_seg.types.file_names import name_key, safe_name
from napari_retina_seg.types.progress import CancelToken, Progress
from napari_retina_seg.workflows.export_options import Identities

_RESERVED = frozenset({"export", "masks", "predictions"})  # other files and folders of an export


@dataclass(frozen=True)
class Names:
    """What the images and patients of a project are called outside of it.

    A pattern can't know all names of persons. So a name is kept only if a person confirmed it, and
    not because nothing suspicious was found in it.

    Attributes
    ----------
    identities : Identities
        Which names are kept.
    key : str
        The project's secret, from which pseudonyms are made.
    pseudonyms : mapping
        The pseudonym of each image by its number: the same in all exports.
    confirmed : mapping
        Whose names were confirmed as harmless.
    """

    identities: Identities
    key: str
    pseudonyms: Mapping[int, str]
    confirmed: Mapping[int, ConfirmedName]

    def hides(self, image_id: int) -> bool:
        """Whether an image gets a pseudonym."""
        if self.identities is Identities.HIDE:
            return image_id not in self.confirmed
        return self.identities is Identities.PSEUDONYMS

    def choose(self, images: Sequence[ProjectImage]) -> tuple[str, ...]:
        """Return the names of the files of images, each another one."""
        names = [
            self.pseudonyms[image.id] if self.hides(image.id) else safe_name(image.name)
            for image in images
        ]
        return tuple(_disambiguate(images, names))

    def group(self, patient: str) -> str:
        """Return what a patient is called."""
        # A patient's name identifies the patient, whatever the images are called.
        return patient if self.identities is Identities.KEEP else pseudonymise(patient, self.key)


@dataclass(frozen=True)
class NameChange:
    """What becomes of an image's name when patient identifiers are hidden.

    Attributes
    ----------
    image : ProjectImage
        The image.
    exported : str
        The name it gets now.
    pseudonym : str
        The name it gets unless its own is confirmed.
    confirmed : ConfirmedName or None
        Who confirmed that its own name is harmless.
    is_suspicious : bool
        Whether the name holds anything but words of a study and counters, or what the file says of
        its patient.
    """

    image: ProjectImage
    exported: str
    pseudonym: str
    confirmed: ConfirmedName | None
    is_suspicious: bool


def find_names(project: ProjectView, identities: Identities) -> Names:
    """Return the names of a project's images for an export or a report."""
    key = project.info.key
    # By the content: two images of one name differ, and it does not depend on what is exported.
    pseudonyms = {image.id: pseudonymise(image.sha256, key) for image in project.images()}
    return Names(identities, key, pseudonyms, project.confirmed_names())


def iter_name_changes(
    project: ProjectView, token: CancelToken | None = None
) -> Generator[Progress, None, tuple[NameChange, ...]]:
    """List what becomes of the names of all images; the header of each file is read.

    Raises
    ------
    Cancelled
        If `token` was cancelled.
    """
    token = token or CancelToken()
    images, names = project.images(), find_names(project, Identities.HIDE)
    changes = []
    for done, (image, exported) in enumerate(zip(images, names.choose(images), strict=True)):
        token.raise_if_cancelled()
        yield Progress(done, len(images), image.name)
        suspicious = not is_plain_name(image.name) or contains_identifier(
            local_path(image), image.name, image.patient
        )
        pseudonym, confirmed = names.pseudonyms[image.id], names.confirmed.get(image.id)
        changes.append(NameChange(image, exported, pseudonym, confirmed, suspicious))
    return tuple(changes)


def _disambiguate(images: Sequence[ProjectImage], names: Sequence[str]) -> list[str]:
    counts = Counter(map(name_key, names))
    used = set(_RESERVED)
    apart = []
    for image, name in zip(images, names, strict=True):
        unique = f"{name}-{image.id}" if counts[name_key(name)] > 1 else name
        while name_key(unique) in used:
            unique = f"{unique}-{image.id}"
        used.add(name_key(unique))
        apart.append(unique)
    return apart
