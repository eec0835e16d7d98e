"""`ModelSpec`: the description of a model, from which network, widget and card are built."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    model_validator,
)

from napari_retina_seg.imaging.preprocess import Preprocessing
from napari_retina_seg.models.config import Architecture, ArchitectureConfig
from napari_retina_seg.types.image import Modality
from napari_retina_seg.types.labels import LabelScheme

MODEL_NAME = r"^[a-z0-9][a-z0-9._-]{0,63}$"


class SurfacePostprocessing(BaseModel):
    """Ordered boundaries from the probabilities, and the layers between them.

    Attributes
    ----------
    smoothing : float
        Standard deviation along the columns, px of the network's input.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["surfaces"] = "surfaces"
    smoothing: NonNegativeFloat = 0


class ThresholdPostprocessing(BaseModel):
    """The one class where its probability exceeds a threshold that was fixed in validation.

    Attributes
    ----------
    threshold : float
        Probability from which on a pixel belongs to the class.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["threshold"] = "threshold"
    threshold: Annotated[float, Field(gt=0, lt=1)] = 0.5

    @model_validator(mode="before")
    @classmethod
    def _without_smallest(cls, values: Any) -> Any:
        """Drop an option of earlier versions, which was 0 in all models that came with them."""
        if not isinstance(values, dict) or "smallest" not in values:
            return values
        if values["smallest"] != 0:
            raise ValueError(
                "small pieces are no longer dropped after segmentation: set 'smallest' to 0, and"
                " remove them from the mask instead"
            )
        return {name: value for name, value in values.items() if name != "smallest"}


class ArgmaxPostprocessing(BaseModel):
    """The most probable class of each pixel."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["argmax"] = "argmax"


Postprocessing = Annotated[
    SurfacePostprocessing | ThresholdPostprocessing | ArgmaxPostprocessing,
    Field(discriminator="kind"),
]


class TrainingRecord(BaseModel):
    """Record of a training.

    Attributes
    ----------
    data : str
        Data sets with their numbers of images and groups, as they were divided.
    datasets : tuple of str
        Their names.
    epochs, steps : int
        That were run.
    best_epoch : int
        Whose weights these are.
    parameters : int
        Of the network.
    seconds : float
        On the machine that trained it.
    backend, precision : str
        What computed.
    start_sha256 : str or None
        Of the weights that it began with; None if they were random.
    encoder_sha256 : str or None
        Of the file with the weights that its encoder alone began with, if there was one.
    seed : int or None
        From which all that is random followed; None for models of earlier versions.
    images : tuple of str
        Hashes of the pixels of all images that it learnt from, those to watch included, sorted;
        empty for models of earlier versions. See `datasets.labelled.content_hash`.
    patients : tuple of str
        Pseudonyms of the patients of a project whose images these are, sorted: their other images
        must not test the model. They are keyed by the project, and tell nothing without its key.
    warnings : tuple of str
        What is wrong with the weights, in sentences, which every mask by them is shown with.
    sources : tuple of str
        Pseudonyms of these images in the project, sorted: they stay the same if the project finds
        its patients by another rule later.
    masks : tuple of str
        Hashes of the files of the project's masks that it learnt from, sorted; these tell which
        version of which image that was, and who drew it.
    taken_over : str
        What it took over from the model that it began with, in a sentence; empty if that draws the
        same classes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: str
    datasets: tuple[str, ...] = ()
    epochs: int
    steps: int
    best_epoch: int
    parameters: int
    seconds: float
    backend: str
    precision: str
    start_sha256: str | None = None
    encoder_sha256: str | None = None
    seed: int | None = None
    images: tuple[str, ...] = ()
    patients: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    masks: tuple[str, ...] = ()
    taken_over: str = ""


class Promotion(BaseModel):
    """Who took a model into use in a project.

    Attributes
    ----------
    by : str
        The person.
    at : datetime
        When (UTC).
    reason : str
        What the proof had found.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    by: str
    at: datetime
    reason: str = ""


class Ancestor(BaseModel):
    """A model whose weights a training began with.

    Attributes
    ----------
    name : str
        Its name then.
    weights_sha256 : str
        Hash of its weights.
    training_data, licence : str
        What it learnt from, and under which licence its weights are.
    datasets : tuple of str
        Names of its data sets.
    steps : int or None
        Of its own training, if known.
    images : tuple of str
        Hashes of the pixels of the images that it learnt from, where they are known.
    patients, sources, masks : tuple of str
        Of a project that it learnt from; see `TrainingRecord`.
    seed : int or None
        Of its own training, if known.
    promotion : Promotion or None
        Who took it into use.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    weights_sha256: str
    training_data: str
    licence: str
    datasets: tuple[str, ...] = ()
    steps: int | None = None
    images: tuple[str, ...] = ()
    patients: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    masks: tuple[str, ...] = ()
    seed: int | None = None
    promotion: Promotion | None = None


class ModelSpec(BaseModel):
    """Description of a model.

    Attributes
    ----------
    schema_version : int
        Of this file.
    name, title, description : str
        Its name in menus and commands; what it does, in a line; what to know before using it.
    modality : Modality
        The images it takes.
    scheme : LabelScheme
        The masks it draws.
    architecture, preprocessing, postprocessing
        How it draws them.
    training_data : str
        What it learnt from.
    metrics : dict
        Measured figures by data set: ``{"CHASE_DB1 test": {"F1": 0.8}}``; written by a script.
    licence : str
        Under which its weights may be used.
    training : TrainingRecord or None
        What the training took, where this program did it.
    promotion : Promotion or None
        Who took it into use in a project.
    ancestors : tuple of Ancestor
        The model that the training began with, the one before that, …, down to the first.
    weights_sha256 : str
        Hash of ``model.weights.h5``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    name: Annotated[str, Field(pattern=MODEL_NAME)]
    title: str
    description: str = ""
    modality: Modality
    scheme: LabelScheme
    architecture: Architecture
    preprocessing: Annotated[Preprocessing, Field(discriminator="kind")]
    postprocessing: Postprocessing
    training_data: str
    metrics: dict[str, dict[str, float]] = {}
    licence: str
    training: TrainingRecord | None = None
    promotion: Promotion | None = None
    ancestors: tuple[Ancestor, ...] = ()
    weights_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

    @model_validator(mode="after")
    def _check_parts(self) -> Self:
        """Check that the parts fit together."""
        check_parts(self.scheme, self.architecture, self.preprocessing, self.postprocessing)
        if self.modality is Modality.UNKNOWN:
            raise ValueError("the modality must be oct or fundus")
        return self

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is wrong with the weights, in sentences."""
        return self.training.warnings if self.training else ()


def lineage(spec: ModelSpec) -> tuple[Ancestor, ...]:
    """Return a model and all that it descends from, the nearest first."""
    record = spec.training
    this = Ancestor(
        name=spec.name,
        weights_sha256=spec.weights_sha256,
        training_data=spec.training_data,
        licence=spec.licence,
        datasets=record.datasets if record else (),
        steps=record.steps if record else None,
        images=record.images if record else (),
        patients=record.patients if record else (),
        sources=record.sources if record else (),
        masks=record.masks if record else (),
        seed=record.seed if record else None,
        promotion=spec.promotion,
    )
    return this, *spec.ancestors


def check_parts(
    scheme: LabelScheme,
    architecture: ArchitectureConfig,
    preprocessing: Preprocessing,
    postprocessing: Postprocessing,
) -> None:
    """Raise `ValueError` if the parts of a model contradict each other."""
    classes = architecture.classes
    if classes != len(scheme):
        raise ValueError(
            f"the architecture has {classes} classes, the scheme '{scheme.name}' {len(scheme)}"
        )
    if isinstance(postprocessing, SurfacePostprocessing) and not scheme.surfaces:
        raise ValueError("postprocessing by surfaces needs a scheme with surfaces")
    if isinstance(postprocessing, ThresholdPostprocessing) and classes != 2:
        raise ValueError(f"a threshold divides two classes, the scheme has {classes}")
    if architecture.channels != preprocessing.channels:
        raise ValueError(
            f"the preprocessing makes {preprocessing.channels} channels, the architecture takes"
            f" {architecture.channels}"
        )
