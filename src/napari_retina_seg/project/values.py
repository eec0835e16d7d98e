"""What a project hands out: plain values, cut loose from the database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from napari_retina_seg.core.image import Laterality, Modality, Spacing
from napari_retina_seg.core.labels import LabelScheme
from napari_retina_seg.core.segmentation import Check
from napari_retina_seg.project.states import Action, GradingRound, State


class Kind(StrEnum):
    """Who drew a version."""

    HUMAN = "human"
    PREDICTION = "prediction"


@dataclass(frozen=True)
class ProjectInfo:
    """What a project says of itself.

    Attributes
    ----------
    scheme : LabelScheme
        The classes of all its masks.
    created_at : datetime
        UTC.
    created_by : str
        Who made it.
    key : str
        Secret of this project, 64 hexadecimal digits, from which pseudonyms are made.
    """

    scheme: LabelScheme
    created_at: datetime
    created_by: str
    key: str


@dataclass(frozen=True)
class ProjectImage:
    """An image of a project, and how far the work on it is.

    Attributes
    ----------
    id : int
        Its number in the project, in the order in which images were added.
    name : str
        Of its file, without suffix.
    sha256 : str
        Hash of its file when it was added.
    path : Path
        Where the file is looked for.
    is_copy : bool
        Whether the file is a copy that belongs to the project.
    modality, laterality, spacing
        What is known of it.
    patient : str or None
        Patient, eye or other group whose images stay together.
    shape : tuple of int
        Of its masks: ``(rows, columns)`` or ``(slices, rows, columns)``.
    added_by, added_at
        Who added it, and when (UTC).
    state : State
        How far the work is.
    round : int
        0, and one more each time it was reopened.
    conflict : bool
        Whether two versions continue the same one, and nobody has reopened one of them since.
    author : str or None
        Who made its newest human version; None for a reader who is blinded to it, too.
    uncertainty : float or None
        Mean uncertainty of its newest prediction, 0 … 1; see `Segmentation.mean_uncertainty`.
    warning : str
        Why that prediction does not look like what its model learnt from, or nothing.
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
    """What was changed from one version to another, class by class.

    Attributes
    ----------
    against : int
        Number of the version that it is compared with: the prediction that it goes back to, or
        else its parent.
    pixels : tuple of int
        Pixels that the class gained or lost.
    columns : tuple of int
        Columns, of all slices, in which it did.
    dice : tuple of float or None
        To the other version; None for a class that neither holds.
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
        Whose mask.
    number : int
        1, 2, 3, … for each image.
    parent : int or None
        Number of the version that it continues.
    kind : Kind
        Whether a person or a model drew it.
    reading, round, state
        Of the image, in which it was made, and what it says of the mask. A prediction is
        unreviewed for ever.
    conflict : bool
        Whether another version had continued the same parent before: both are kept.
    scheme : str
        Name of its label scheme.
    author : str or None
        Who drew or accepted it; None for a prediction.
    model, weights_sha256 : str or None
        What drew it, or drew the prediction that was accepted or corrected.
    program : str
        Version of this program.
    seconds : float
        That a person spent, or a model took.
    change : Change or None
        What a person changed; None where there is nothing to compare with.
    comment, reason : str
        In the author's words; the reason why an image is ungradable.
    uncertainty : float or None
        Of a prediction: `Segmentation.mean_uncertainty`, 0 … 1.
    mask, boundaries, probabilities, questionable : str or None
        Hashes of the files.
    created_at : datetime
        UTC.
    checks : tuple of Check
        What fired of a prediction's checks.
    """

    id: int
    image_id: int
    number: int
    parent: int | None
    kind: Kind
    reading: GradingRound
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
        """Whether a person was done with it."""
        return self.kind is Kind.HUMAN and self.state is not State.IN_PROGRESS


@dataclass(frozen=True)
class Permissions:
    """What a person may do to an image now, and with what.

    Attributes
    ----------
    reading : GradingRound
        As whom: its first reader, its second one, its adjudicator.
    actions : frozenset of Action
        That its state and its readers allow.
    begins : Version or None
        That the work goes on from; its parent, when it is saved.
    shown : Version or None
        Whose mask the work begins with; another one, if `begins` has none.
    prediction : Version or None
        The newest.
    second_grader : str or None
        Who was chosen, in this round.
    may_assign : bool
        Whether a second reader can be chosen.
    """

    reading: GradingRound
    actions: frozenset[Action]
    begins: Version | None
    shown: Version | None
    prediction: Version | None
    second_grader: str | None
    may_assign: bool


@dataclass(frozen=True)
class DoubleGrading:
    """An image with both of its readings, which are final.

    Attributes
    ----------
    image : ProjectImage
        Which image.
    first, second : Version
        The readings, each with a mask, or ungradable without one.
    """

    image: ProjectImage
    first: Version
    second: Version

    @property
    def numbers(self) -> tuple[int, int]:
        """Numbers of the two versions."""
        return self.first.number, self.second.number


@dataclass(frozen=True)
class Lease:
    """An image that somebody has checked out.

    Attributes
    ----------
    image_id : int
        Which image.
    holder : str
        Who has it.
    program : str
        In which run of the program.
    expires : datetime
        Until when (UTC) nobody else is given it, unless it is renewed.
    """

    image_id: int
    holder: str
    program: str
    expires: datetime


@dataclass(frozen=True)
class Autosave:
    """Unsaved work that can be recovered.

    Attributes
    ----------
    id : int
        Of the slot.
    image_id : int
        Whose mask.
    author, program : str
        Who painted it, and in which run of the program.
    parent : int or None
        Number of the version that it continues.
    seconds : float
        Spent since then.
    saved_at : datetime
        UTC.
    """

    id: int
    image_id: int
    author: str
    program: str
    parent: int | None
    seconds: float
    saved_at: datetime


class Order(StrEnum):
    """In which order images are gone through."""

    ADDED = "as added"
    WORST_FIRST = "most uncertain first"


@dataclass(frozen=True)
class Filters:
    """Which images of the queue are wanted; None and nothing mean all.

    Attributes
    ----------
    states : frozenset of State
        Only these.
    author : str or None
        Only with a newest human version by this person.
    patient : str or None
        Only of this patient.
    text : str
        That the name contains, in upper or lower case.
    conflict : bool
        Only those in conflict.
    second_read : bool
        Only those that this person has still to read a second time.
    warned : bool
        Only those of which the newest prediction has a warning.
    """

    states: frozenset[State] = frozenset()
    author: str | None = None
    patient: str | None = None
    text: str = ""
    conflict: bool = False
    second_read: bool = False
    warned: bool = False


@dataclass(frozen=True)
class Status:
    """How far a project is.

    Attributes
    ----------
    images : int
        In all.
    states : dict
        Images by state, every state included.
    conflicts : int
        Images in conflict.
    versions : int
        Of all images.
    leases : tuple of Lease
        That have not expired.
    autosaves : tuple of Autosave
        Unsaved work, everybody's, newest first.
    """

    images: int
    states: dict[State, int]
    conflicts: int
    versions: int
    leases: tuple[Lease, ...]
    autosaves: tuple[Autosave, ...]


@dataclass(frozen=True)
class Added:
    """What became of the files that were to be added.

    Attributes
    ----------
    images : tuple of ProjectImage
        That are new.
    duplicates : tuple of (Path, ProjectImage)
        Files whose content was there already, with the image that holds it.
    problems : tuple of str
        A sentence for each file that is no image.
    identifiers : tuple of (ProjectImage, tuple of str)
        New images whose files may tell who the patient is, and what of them does; the project
        keeps nothing of that but the image's name.
    warnings : tuple of str
        Sentences on what files leave in doubt.
    """

    images: tuple[ProjectImage, ...]
    duplicates: tuple[tuple[Path, ProjectImage], ...]
    problems: tuple[str, ...]
    identifiers: tuple[tuple[ProjectImage, tuple[str, ...]], ...] = ()
    warnings: tuple[str, ...] = ()
