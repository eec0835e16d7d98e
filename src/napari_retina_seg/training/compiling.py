"""Build and compile the network that a recipe trains."""

from __future__ import annotations

from typing import Any

from napari_retina_seg.models.config import EncoderUNetConfig
from napari_retina_seg.models.recipe import Recipe
from napari_retina_seg.training.encoder_weights import EncoderWeights
from napari_retina_seg.training.other_classes import match_classes
from napari_retina_seg.training.starting_point import StartingPoint
from napari_retina_seg.types.errors import DataError


def compile_network(
    recipe: Recipe, steps: int, start: StartingPoint | None, encoder: EncoderWeights | None = None
) -> Any:
    """Build a recipe's network, load the weights it begins with, and compile it.

    Parameters
    ----------
    recipe : Recipe
        Architecture, loss, optimiser and precision.
    steps : int
        Of the whole training: the learning rate falls over them.
    start : StartingPoint or None
        Weights to begin with, of a model that may draw other classes; None for random ones.
    encoder : EncoderWeights, optional
        Those that the encoder alone begins with.

    Returns
    -------
    keras.Model
        Its `loss` takes target and probabilities.

    Raises
    ------
    DataError
        If the weights are another architecture's.
    """
    from napari_retina_seg.training.losses import make_loss

    model = _network(recipe, start)
    if encoder is not None:
        _load_encoder(model, recipe, encoder)
    loss = make_loss(recipe.loss, recipe.architecture.classes)
    model.compile(_optimizer(recipe, steps), loss, jit_compile=_jit(model))
    # Its variables must not be made within the first step, which would be traced twice.
    model.optimizer.build(model.trainable_variables)
    return model


def make_callbacks(recipe: Recipe) -> list[Any]:
    """Return the Keras callbacks of a recipe, which are called after each epoch."""
    import keras

    how = recipe.callbacks
    common = {"monitor": how.monitor, "mode": "min" if how.monitor == "val_loss" else "max"}
    made: list[Any] = []
    if how.reduce_lr_on_plateau:
        reduce = how.reduce_lr_on_plateau
        made.append(
            keras.callbacks.ReduceLROnPlateau(
                factor=reduce.factor, patience=reduce.patience, min_lr=reduce.min_lr, **common
            )
        )
    if how.early_stopping:
        made.append(keras.callbacks.EarlyStopping(patience=how.early_stopping.patience, **common))
    return made


def _network(recipe: Recipe, start: StartingPoint | None) -> Any:
    import keras

    from napari_retina_seg.models.networks import build

    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(recipe.training.precision)
    try:
        model = build(recipe.architecture, recipe.seed)
    finally:
        keras.config.set_dtype_policy(policy)
    _set_statistics(model, recipe.training.batch_statistics)
    if start is None:
        if recipe.training.kept_share:
            raise DataError(
                "training.kept_share keeps a part of a trained model: name it with --start-from."
            )
        return model
    try:
        _load(model, recipe, start)
    except ValueError as error:
        raise DataError(
            f"The weights in '{start.weights}' do not belong to the recipe's architecture: start"
            " from a run of the same architecture."
        ) from error
    return model


def _load(model: Any, recipe: Recipe, start: StartingPoint) -> None:
    """Load the weights of a model of the same classes, or what helps to draw others."""
    from napari_retina_seg.models.networks import build, load_weights
    from napari_retina_seg.models.networks.heads import copy_with_other_head

    drawn = None if start.model is None else start.model.spec.scheme
    if drawn is None or drawn.names == recipe.scheme.names:
        load_weights(model, start.weights)
        return
    trained = build(recipe.architecture.model_copy(update={"classes": len(drawn)}), recipe.seed)
    load_weights(trained, start.weights)
    copy_with_other_head(trained, model, match_classes(recipe.scheme, drawn))


def _load_encoder(model: Any, recipe: Recipe, weights: EncoderWeights) -> None:
    from napari_retina_seg.models.networks import load_encoder_weights

    config = recipe.architecture
    assert isinstance(config, EncoderUNetConfig)  # noqa: S101 - a recipe checks it
    try:
        load_encoder_weights(model, config, weights.path)
    except ValueError as error:
        raise DataError(
            f"'{weights.path}' does not hold the weights of Keras' {config.encoder} without its"
            " classifier: name a file that was saved from it with include_top=False."
        ) from error


def _set_statistics(model: Any, how: str) -> None:
    """Set how the statistics of batch normalisation follow the images; see `Training`."""
    from keras import layers

    from napari_retina_seg.models.networks.normalisation import MOMENTUM

    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization) and how != "slow":
            layer.momentum = MOMENTUM
            layer.trainable = how != "kept"  # one that is not trainable uses its statistics


def _optimizer(recipe: Recipe, steps: int) -> Any:
    import keras

    how = recipe.optimizer
    rate: Any = how.learning_rate
    if how.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(
            how.learning_rate / 20 if how.warmup else how.learning_rate,
            decay_steps=max(1, steps - how.warmup),
            warmup_target=how.learning_rate if how.warmup else None,
            warmup_steps=how.warmup,
        )
    if how.name == "adamw":
        return keras.optimizers.AdamW(rate, weight_decay=how.weight_decay)
    return keras.optimizers.Adam(rate)


def _jit(model: Any) -> bool | str:
    """Whether XLA compiles a step: on a CPU TensorFlow's depthwise convolutions are far faster."""
    import keras

    depthwise = any(isinstance(layer, keras.layers.DepthwiseConv2D) for layer in model.layers)
    return False if depthwise and keras.backend.backend() == "tensorflow" else "auto"
