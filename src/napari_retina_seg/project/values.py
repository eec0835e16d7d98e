"""Value objects returned by `Project`, detached from the database session."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from napari_retina_seg.project.roles import Role
from napari_retina_seg.project.states import Action, GradingRound, State
from napari_retina_seg.types.image import Laterality, Modality, Spacing
from napari_retina_seg.types.labels import LabelScheme
from napari_retina_seg.types.segmentation import Check


class VersionKind(StrEnum):
    """Who drew a version."""

    HUMAN = "human"
    PREDICTION = "prediction"


@dataclass(frozen=True)
class ProjectInfo:
    """Description of a project.

    Attributes
    ----------
    scheme : LabelScheme
        The classes of all its masks.
    created_at : datetime
        UTC.
    created_by : str
        Who created it.
    key : str
        Secret of this project, 64 hexadecimal digits, from which pseudonyms are made.
    """

    scheme: LabelScheme
    created_at: datetime
    created_by: str
    key: str


@dataclass(frozen=True)
class Removal:
    """A removal of an image from the project; nothing is deleted.

    Attributes
    ----------
    removed_by, removed_at
        Who removed it, and when (UTC).
    reason : str
        Why; may be empty.
    restored_by, restored_at
        Who restored it, and when; None while it is removed.
    """

    removed_by: str
    removed_at: datetime
    reason: str = ""
    restored_by: str | None = None
    restored_at: datetime | None = None


@dataclass(frozen=True)
class ProjectImage:
    """An image of a project and its state.

    Attributes
    ----------
    id : int
        Its number in the project, in the order in which images were added.
    name : str
        Name of its file, without suffix.
    sha256 : str
        Hash of its file when it was added.
    path : Path
        Path of the file.
    is_copy : bool
        Whether the file is a copy that belongs to the project.
    modality, laterality, spacing
        Properties of the image, as far as known.
    patient : str or None
        Patient, eye or other group whose images stay together.
    shape : tuple of int
        Of its masks: ``(rows, columns)`` or ``(slices, rows, columns)``.
    added_by, added_at
        Who added it, and when (UTC).
    state : State
        State of the work.
    round : int
        0, and one more each time it was reopened.
    conflict : bool
        Whether two versions continue the same one, and neither was reopened since.
    author : str or None
        Author of its newest human version; also None for a grader who is blinded to it.
    uncertainty : float or None
        Mean uncertainty of its newest prediction, 0 … 1; see `Segmentation.mean_uncertainty`.
    warning : str
        Why the image is unlike the training data of the model; else empty.
    removal : Removal or None
        Who removed it from the project, and when; None if it was not.
    gain : float or None
        What its correction can be expected to teach a model, 0 … 1, when the order was last worked
        out; None if it is finished, has no prediction, or came later.
    reason : str
        Why it has this place in the order by gain.
    remote : str
        Address of the file in an object store, from where it is copied to `path` when it is read;
        else empty.
    """

    id: int
    name: str
    sha256: str
    path: Path
    is_copy: bool
    modality: Modality
    laterality: Laterality
    spacing: Spacing
    patient: str | None
    shape: tuple[int, ...]
    added_by: str
    added_at: datetime
    state: State
    round: int
    conflict: bool
    author: str | None
    uncertainty: float | None
    warning: str = ""
    removal: Removal | None = None
    gain: float | None = None
    reason: str = ""
    remote: str = ""

    @property
    def n_slices(self) -> int:
        """Number of slices; 1 for a single image."""
        return self.shape[0] if len(self.shape) == 3 else 1

    @property
    def grid(self) -> tuple[int, int]:
        """``(rows, columns)`` of one slice."""
        return self.shape[-2], self.shape[-1]


@dataclass(frozen=True)
class Change:
    """Difference between two versions, class by class.

    Attributes
    ----------
    against : int
        Number of the version it is compared with: the prediction it derives from, or else its
        parent.
    pixels : tuple of int
        Pixels that the class gained or lost.
    columns : tuple of int
        Columns of all slices in which it changed.
    dice : tuple of float or None
        Dice with the other version; None for a class in neither.
    """

    against: int
    pixels: tuple[int, ...]
    columns: tuple[int, ...]
    dice: tuple[float | None, ...]


@dataclass(frozen=True)
class Version:
    """One saved state of an image's mask; it is never changed.

    Attributes
    ----------
    id : int
        Number in the project.
    image_id : int
        Which image.
    number : int
        1, 2, 3, … for each image.
    parent : int or None
        Number of the version that it continues.
    kind : VersionKind
        Whether a person or a model drew it.
    grading, round, state
        Grading round, round of the image, and state of this version. A prediction stays
        unreviewed.
    conflict : bool
        Whether another version had continued the same parent before: both are kept.
    scheme : str
        Name of its label scheme.
    author : str or None
        Who drew or accepted it; None for a prediction.
    model, weights_sha256 : str or None
        The model of the prediction, or of the one that was accepted or corrected.
    program : str
        Version of this program.
    seconds : float
        Time that a person spent, or a model took.
    change : Change or None
        Change by a person; None if there is nothing to compare with.
    comment, reason : str
        Given by the author; the reason is why an image is ungradable.
    uncertainty : float or None
        Of a prediction: `Segmentation.mean_uncertainty`, 0 … 1.
    mask, boundaries, probabilities, questionable : str or None
        Hashes of the files.
    created_at : datetime
        UTC.
    checks : tuple of Check
        The plausibility checks that a prediction failed.
    """

    id: int
    image_id: int
    number: int
    parent: int | None
    kind: VersionKind
    grading: GradingRound
    round: int
    state: State
    conflict: bool
    scheme: str
    author: str | None
    model: str | None
    weights_sha256: str | None
    program: str
    seconds: float
    change: Change | None
    comment: str
    reason: str
    uncertainty: float | None
    mask: str | None
    boundaries: str | None
    probabilities: str | None
    questionable: str | None
    created_at: datetime
    checks: tuple[Check, ...] = ()

    @property
    def is_final(self) -> bool:
        """Whether it is a final version of a person."""
        return self.kind is VersionKind.HUMAN and self.state is not State.IN_PROGRESS


@dataclass(frozen=True)
class Permissions:
    """What a person may do to an image now, and the versions the work starts from.

    Attributes
    ----------
    grading : GradingRound
        The person's grading round.
    actions : frozenset of Action
        The allowed actions.
    begins : Version or None
        The version that the work continues: the parent when it is saved.
    shown : Version or None
        The version whose mask is shown; another one if `begins` has no mask.
    prediction : Version or None
        The newest prediction.
    second_grader : str or None
        The second grader in this round.
    may_assign : bool
        Whether a second grader can be assigned.
    role : Role or None
        The person's role in a study with members; None for its owner, too.
    """

    grading: GradingRound
    actions: frozenset[Action]
    begins: Version | None
    shown: Version | None
    prediction: Version | None
    second_grader: str | None
    may_assign: bool
    role: Role | None


@dataclass(frozen=True)
class DoubleGrading:
    """An image with two final gradings, each with a mask, or ungradable without one."""

    image: ProjectImage
    first: Version
    second: Version

    @property
    def numbers(self) -> tuple[int, int]:
        """Numbers of the two versions."""
        return self.first.number, self.second.number


@dataclass(frozen=True)
class ConfirmedName:
    """That an image's name tells nothing of the patient, so that exports may keep it.

    Attributes
    ----------
    image_id : int
        Which image.
    author : str
        Who said so.
    created_at : datetime
        When (UTC).
    """

    image_id: int
    author: str
    created_at: datetime


@dataclass(frozen=True)
class Lease:
    """The lease of an image.

    Attributes
    ----------
    image_id : int
        Which image.
    holder : str
        Who holds it.
    program : str
        Id of the process.
    expires : datetime
        When it expires (UTC), unless renewed.
    """

    image_id: int
    holder: str
    program: str
    expires: datetime


@dataclass(frozen=True)
class Autosave:
    """An autosave that can be recovered.

    Attributes
    ----------
    id : int
        Id of the slot.
    image_id : int
        Which image.
    author, program : str
        Its author, and the id of the process.
    parent : int or None
        Number of the version that it continues.
    seconds : float
        Time spent since then.
    saved_at : datetime
        UTC.
    comment : str
        Comment for the next version.
    """

    id: int
    image_id: int
    author: str
    program: str
    parent: int | None
    seconds: float
    saved_at: datetime
    comment: str = ""


@dataclass(frozen=True)
class Status:
    """Counts and open work of a project.

    Attributes
    ----------
    images : int
        Number of images.
    states : dict
        Images by state, every state included.
    conflicts : int
        Images in conflict.
    versions : int
        Of all images.
    leases : tuple of Lease
        Leases that have not expired.
    autosaves : tuple of Autosave
        Autosaves of all people, newest first.
    removed : int
        Images that were removed, which are not among the others.
    """

    images: int
    states: dict[State, int]
    conflicts: int
    versions: int
    leases: tuple[Lease, ...]
    autosaves: tuple[Autosave, ...]
    removed: int = 0
