"""Recipes: all settings of a training run, in a TOML file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import tomli_w
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from napari_retina_seg.datasets.augment import Augmentation
from napari_retina_seg.imaging.preprocess import Preprocessing, ResizePreprocessing
from napari_retina_seg.io.schemes import find_scheme, make_scheme
from napari_retina_seg.models.config import Architecture, EncoderUNetConfig
from napari_retina_seg.models.spec import Postprocessing, check_parts
from napari_retina_seg.types.errors import DataError, RetinaSegError
from napari_retina_seg.types.image import Modality
from napari_retina_seg.types.labels import SCHEMES, LabelScheme

SHIPPED = Path(__file__).parent / "recipes"

Share = Annotated[float, Field(ge=0, le=1)]


class Values(BaseModel):
    """A table of a recipe: frozen, unknown keys forbidden."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Loss(Values):
    """Weights of the terms of the loss.

    Attributes
    ----------
    cross_entropy : float
        Binary, or categorical where there are more than two classes.
    focal : float
        Focal loss (Lin et al. 2017).
    focal_alpha : float
        Weight of all classes but background in the focal loss; background has the rest to 1.
    focal_gamma : float
        Exponent of the focal loss: how much less pixels count that are right already.
    dice : float
        1 - the mean Dice of the classes (Milletari et al. 2016, without squares).
    dice_smoothing : float
        The ε that is added to numerator and denominator of Dice: a class that neither mask holds
        then agrees, and one of few pixels counts less.
    focal_share : float or None
        The λ of λ · focal + (1 - λ) · dice: multiplies the weights of the two, both of which it
        needs; by default both are taken as they are.
    cl_dice : float
        1 - the Dice of centre lines (Shit et al. 2021), which keeps vessels connected.
    """

    cross_entropy: NonNegativeFloat = 0
    focal: NonNegativeFloat = 0
    focal_alpha: Share = 0.25
    focal_gamma: NonNegativeFloat = 2
    dice: NonNegativeFloat = 0
    dice_smoothing: PositiveFloat = 1
    focal_share: Share | None = None
    cl_dice: NonNegativeFloat = 0

    @model_validator(mode="after")
    def _check_terms(self) -> Self:
        if not self.cross_entropy + self.focal + self.dice + self.cl_dice:
            raise ValueError("no term has a weight: give cross_entropy, focal, dice or cl_dice one")
        if self.focal_share is not None and not (self.focal and self.dice):
            raise ValueError("focal_share balances focal and dice: give both a weight, e.g. 1")
        return self


class Optimizer(Values):
    """Settings of the optimiser.

    Attributes
    ----------
    name : str
        Adam (Kingma and Ba 2015), or AdamW with decoupled decay.
    learning_rate : float
        The largest rate.
    weight_decay : float
        Share of the weights that a step takes away, times the rate; only of AdamW.
    schedule : str
        ``constant``, or ``cosine`` down to nothing over all steps.
    warmup : int
        Steps over which the rate of a cosine rises first, from a twentieth.
    """

    name: Literal["adam", "adamw"] = "adamw"
    learning_rate: PositiveFloat = 2e-3
    weight_decay: NonNegativeFloat = 0
    schedule: Literal["constant", "cosine"] = "cosine"
    warmup: NonNegativeInt = 0

    @model_validator(mode="after")
    def _check_decay(self) -> Self:
        if self.name == "adam" and self.weight_decay:
            raise ValueError("Adam with weight_decay is AdamW: name = 'adamw'")
        return self


class ReduceLROnPlateau(Values):
    """Lower the rate when the training brings no improvement.

    Attributes
    ----------
    factor : float
        By which the rate is multiplied.
    patience : int
        Epochs without improvement before that.
    min_lr : float
        The rate does not fall below this.
    """

    factor: Annotated[float, Field(gt=0, lt=1)] = 0.5
    patience: PositiveInt = 5
    min_lr: NonNegativeFloat = 1e-6


class EarlyStopping(Values):
    """End the run when it brings no improvement.

    Attributes
    ----------
    patience : int
        Epochs without improvement before that.
    """

    patience: PositiveInt = 15


class Callbacks(Values):
    """Callbacks after each epoch, based on the validation images.

    Attributes
    ----------
    monitor : str
        ``val_loss`` or ``val_dice``: whose best weights are kept, and what the others watch;
        ``none`` keeps those of the last epoch, and needs no validation images.
    reduce_lr_on_plateau : ReduceLROnPlateau or None
        Only with a constant schedule.
    early_stopping : EarlyStopping or None
        By default the run goes on to its last epoch.
    """

    monitor: Literal["val_loss", "val_dice", "none"] = "val_dice"
    reduce_lr_on_plateau: ReduceLROnPlateau | None = None
    early_stopping: EarlyStopping | None = None

    @model_validator(mode="after")
    def _check_monitor(self) -> Self:
        if self.monitor == "none" and (self.reduce_lr_on_plateau or self.early_stopping):
            raise ValueError("reduce_lr_on_plateau and early_stopping need something to monitor")
        return self


class Training(Values):
    """Crops, batches, epochs and precision.

    Attributes
    ----------
    crop : tuple of int
        ``(rows, columns)`` of the random crops, in px of the network's input.
    batch : int
        Crops in a step.
    epochs : int
        After each, the validation images are looked at and the run can be taken up again.
    steps_per_epoch : int or None
        By default as many as it takes to draw each training image once, crops around classes
        (see `foreground_share`) not counted.
    foreground_share : float
        Share of the crops that lie around a pixel of a class other than background, as nnU-Net
        draws them (Isensee et al. 2021); rare classes are drawn more often than they occur. The
        other crops lie anywhere.
    ema : float
        Share that each step keeps of the weights' running mean, which is what is validated and
        saved; 0 takes the weights as they are.
    kept_share : float
        Share of the weights that a fine-tuning began with in those that are validated and saved.
    batch_statistics : str
        How the statistics of batch normalisation, by which the trained network works, follow the
        images: ``slow``, as the network was built, that is over some hundred steps, but over some
        ten in SegNet and the encoders; ``fast``, over some ten in all; ``kept``, not at all, the
        scales and shifts of these layers neither. A short training with slow ones learns with
        other statistics than it is used with.
    devices : int
        Graphics cards, or other devices of one kind, among which the crops of a step are shared
        out. Two or more need JAX, and a batch that they divide. Results differ by rounding alone.
    precision : str
        ``mixed_bfloat16`` is faster where the processor knows it; weights stay float32.
    encoder_weights : str or None
        What the encoder of an ``encoder-unet`` begins with: ``imagenet`` for the weights that Keras
        Applications publishes, downloaded unless they were before, or the path of a Keras ``.h5``
        or ``.weights.h5`` file of the network without its classifier. By default random weights.
    """

    crop: tuple[PositiveInt, PositiveInt]
    batch: PositiveInt = 8
    epochs: PositiveInt
    steps_per_epoch: PositiveInt | None = None
    foreground_share: Annotated[float, Field(ge=0, le=1)] = 0
    ema: Annotated[float, Field(ge=0, lt=1)] = 0
    kept_share: Annotated[float, Field(ge=0, lt=1)] = 0
    batch_statistics: Literal["slow", "fast", "kept"] = "slow"
    devices: PositiveInt = 1
    precision: Literal["float32", "mixed_bfloat16"] = "float32"
    encoder_weights: Annotated[str, Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _check_devices(self) -> Self:
        if self.batch % self.devices:
            more = self.batch + self.devices - self.batch % self.devices
            raise ValueError(
                f"{self.devices} devices can't get as many crops each of a batch of {self.batch}:"
                f" set training.batch = {more}, or another number of training.devices"
            )
        return self


class CardText(Values):
    """Text of the model card.

    Attributes
    ----------
    title : str
        What the model does, in a line.
    description : str
        What to know before using it.
    modality : Modality
        The images it takes.
    training_data : str
        What it learns from; by default the names of the data sets, with their numbers of images.
    licence : str
        Under which its weights may be used.
    """

    title: str
    description: str
    modality: Modality
    training_data: str = ""
    licence: str


class Recipe(Values):
    """A training run.

    Attributes
    ----------
    name : str
        Name of the model.
    scheme : LabelScheme
        Classes of its masks: a name, such as ``oct-layers``, a table of your own, or a TOML file
        with one.
    card : CardText
        What users are told of the model.
    datasets : tuple of str
        Folders of training data below one root; unused where the data itself is named.
    validation : tuple of str
        ``dataset/group`` to take out of the training images for validation, where a data set
        does not say so itself.
    seed : int
        From which all that is random follows.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
    scheme: LabelScheme
    card: CardText
    datasets: tuple[str, ...] = ()
    validation: tuple[str, ...] = ()
    seed: NonNegativeInt = 1
    architecture: Architecture
    preprocessing: Annotated[Preprocessing, Field(discriminator="kind")]
    postprocessing: Postprocessing
    augmentation: Augmentation = Augmentation()
    loss: Loss
    optimizer: Optimizer = Optimizer()
    callbacks: Callbacks = Callbacks()
    training: Training

    @model_validator(mode="before")
    @classmethod
    def _name_the_scheme(cls, values: Any) -> Any:
        """Resolve the scheme by name, and set the number of classes of the network."""
        if not isinstance(values, dict):
            return values
        scheme = values.get("scheme")
        if isinstance(scheme, str):
            scheme = find_scheme(scheme)
        elif isinstance(scheme, dict):
            try:
                scheme = make_scheme(scheme)
            except ValueError as error:
                raise DataError(f"its [scheme]: {error}") from error
        network = values.get("architecture")
        if isinstance(network, dict) and isinstance(scheme, LabelScheme):
            network = {"classes": len(scheme), **network}
        return {**values, "scheme": scheme, "architecture": _with_input(network, values)}

    @model_validator(mode="after")
    def _check_parts(self) -> Self:
        """Check that the parts fit together."""
        check_parts(self.scheme, self.architecture, self.preprocessing, self.postprocessing)
        if self.card.modality is Modality.UNKNOWN:
            raise ValueError("card.modality must be oct or fundus")
        if self.callbacks.reduce_lr_on_plateau and self.optimizer.schedule != "constant":
            raise ValueError("reduce_lr_on_plateau needs optimizer.schedule = 'constant'")
        sides = zip(self.training.crop, self.architecture.multiple, strict=True)
        if any(side % step for side, step in sides):
            raise ValueError(
                f"training.crop {self.training.crop} must be multiples of"
                f" {self.architecture.multiple}"
            )
        if self.training.encoder_weights is not None:
            self._check_encoder()
        return self

    def _check_encoder(self) -> None:
        """Raise `ValueError` if published weights of an encoder can't work in this network."""
        if not isinstance(self.architecture, EncoderUNetConfig):
            raise ValueError("training.encoder_weights needs architecture.kind = 'encoder-unet'")
        if self.architecture.channels != 3 or not isinstance(
            self.preprocessing, ResizePreprocessing
        ):
            raise ValueError(
                "training.encoder_weights needs preprocessing.kind = 'resize' with color = true:"
                " such weights expect colours as they are in the image"
            )

    @classmethod
    def read(cls, source: Path, changes: dict[str, Any] | None = None) -> Self:
        """Read a recipe from TOML.

        Parameters
        ----------
        source : Path
            A file, or the name of a recipe that comes with the program.
        changes : dict, optional
            Values by dotted key that replace the file's; see `models.overrides`.

        Raises
        ------
        DataError
            Names the first thing that is wrong with it.
        """
        path = find_recipe(source)
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise DataError(
                f"The recipe '{path}' can't be read ({error}): name a TOML file, or one of"
                f" {', '.join(shipped_recipes())}."
            ) from error
        from napari_retina_seg.models.overrides import explain, replaced

        try:
            return cls.model_validate(replaced(values, changes or {}))
        except RetinaSegError as error:  # a value of the core that refused itself
            raise DataError(f"The recipe '{path}' is wrong: {error}") from error
        except ValidationError as error:
            raise DataError(f"The recipe '{path}' is wrong at {explain(error, cls)}") from error

    def toml(self) -> str:
        """Return the recipe as TOML, every default written out."""
        values = self.model_dump(mode="json", exclude_none=True)
        if SCHEMES.get(self.scheme.name) == self.scheme:
            values["scheme"] = self.scheme.name
        return tomli_w.dumps(values)


def _with_input(network: Any, values: dict[str, Any]) -> Any:
    """Return an architecture with the scaling of its input that published weights expect."""
    training = values.get("training")
    weights = training.get("encoder_weights") if isinstance(training, dict) else None
    if weights is None or not isinstance(network, dict) or network.get("encoder") != "vgg16":
        return network
    return {"caffe_input": True, **network}


def find_recipe(source: Path) -> Path:
    """Return the file of a recipe: a path, or the name of a built-in one."""
    shipped = SHIPPED / f"{source}.toml"
    return shipped if not source.is_file() and shipped.is_file() else source


def shipped_recipes() -> tuple[str, ...]:
    """Return the names of the built-in recipes."""
    return tuple(sorted(path.stem for path in SHIPPED.glob("*.toml")))
