"""Train a network by its recipe."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_retina_seg.datasets.binary_masks import read_as_binary
from napari_retina_seg.datasets.labelled import LabelledImage
from napari_retina_seg.datasets.layouts import ReadOptions, read_data
from napari_retina_seg.datasets.split import Split, split_images, ungrouped_warning
from napari_retina_seg.datasets.validation import iter_validate
from napari_retina_seg.inference.backend import check_backend
from napari_retina_seg.io.inputs import PathsLike, as_paths
from napari_retina_seg.models.overrides import with_full_keys
from napari_retina_seg.models.packaging import package
from napari_retina_seg.models.recipe import Recipe
from napari_retina_seg.models.registry import ModelFolder
from napari_retina_seg.training.devices import check_devices
from napari_retina_seg.training.encoder_weights import EncoderWeights, find_encoder_weights
from napari_retina_seg.training.environment import Conditions
from napari_retina_seg.training.fine_tuning import read_recipe
from napari_retina_seg.training.other_classes import describe_other_classes
from napari_retina_seg.training.rare_classes import describe_rare_classes
from napari_retina_seg.training.run_folder import RunFolder
from napari_retina_seg.training.samples import prepare_sample, steps_per_epoch
from napari_retina_seg.training.starting_point import StartingPoint, find_starting_point
from napari_retina_seg.training.trainer import Trainer
from napari_retina_seg.types.errors import DataError
from napari_retina_seg.types.progress import CancelToken, Progress, ProgressCallback, finish


def train(
    recipe: str | Path,
    data: PathsLike,
    out: str | Path,
    *,
    changes: Mapping[str, Any] | None = None,
    options: ReadOptions | None = None,
    validation_share: float = 0.2,
    skip_bad: bool = False,
    start_from: str | Path | None = None,
    resume: bool = False,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> ModelFolder:
    """Train a network by its recipe. What is left out, or had to be guessed, is a `UserWarning`.

    Parameters
    ----------
    recipe : str or Path
        Name of a recipe of the program, e.g. ``"unet-drive"``, or a TOML file. ``"fine-tune"``
        goes on with the model in `start_from`, whose classes and architecture it takes; other
        classes are learnt with ``changes={"scheme": …}``.
    data : str, Path, or sequence of them
        Data sets, or folders of data sets.
    out : str or Path
        A new folder for the model, the split, the log and the curves.
    changes : mapping, optional
        Values of the recipe to change, e.g. ``{"epochs": 10, "name": "my-layers"}``.
    options : ReadOptions, optional
        Patients of the images, and the meaning of other mask values.
    validation_share : float
        Share of the patients for validation, where the data do not say.
    skip_bad : bool
        Leave out files that can't be read, instead of refusing all.
    start_from : str or Path, optional
        Begin with the weights of this model (its name or folder), of this run, or of this ``.h5``
        file; by default they are random.
    resume : bool
        Go on with a run in `out` that was stopped or killed.
    progress : callable, optional
        Called with a `Progress` after each step.
    cancel : CancelToken, optional
        Stops the training at the next step; `resume` then goes on after the last whole epoch.

    Returns
    -------
    ModelFolder
        The weights of the best epoch, for `segment` and `load_model`.

    Raises
    ------
    DataError
        If recipe, data, weights and folder do not fit together: before the first step.
    Cancelled
        If `cancel` was used.

    Examples
    --------
    >>> import napari_retina_seg as rs
    >>> trial = {"name": "my-layers", "epochs": 1, "steps_per_epoch": 2}
    >>> patients = rs.ReadOptions(group_pattern="^([^_]+)_")
    >>> model = rs.train("recipe.toml", "my-data", "run", changes=trial, options=patients)
    >>> model.name
    'my-layers'
    """
    check_backend(training=True)
    start = None if start_from is None else find_starting_point(start_from)
    wanted = read_recipe(recipe, with_full_keys(changes or {}, Recipe), start)
    run = RunFolder(Path(out))
    check_run(run, wanted, resume=resume)
    encoder = find_encoder_weights(wanted, is_started=start is not None)
    split, messages = plan_split(wanted, as_paths(data), options, validation_share)
    checking = iter_validate_split(wanted, split, skip_bad=skip_bad, token=cancel)
    split, skipped = finish(checking, progress)
    other = describe_other_classes(wanted.scheme, start)
    messages = (*filter(None, [other]), *messages)
    for sentence in (*messages, *(f"Left out: {sentence}" for sentence in skipped)):
        warnings.warn(sentence, stacklevel=2)
    job = iter_train(
        wanted,
        split,
        run,
        token=cancel,
        start=start,
        encoder=encoder,
        resume=resume,
        left_out=skipped,
    )
    model = finish(job, progress)
    for sentence in model.spec.warnings:
        warnings.warn(sentence, stacklevel=2)
    return model


def plan_split(
    recipe: Recipe, data: Sequence[Path], options: ReadOptions | None, share: float
) -> tuple[Split, tuple[str, ...]]:
    """Read the data sets of a recipe and divide their images.

    Parameters
    ----------
    recipe : Recipe
        Names the data sets, and groups to validate with.
    data : sequence of Path
        Data sets, or folders of data sets.
    options : ReadOptions or None
        Groups and mask values.
    share : float
        Share of the groups for validation, where neither data nor recipe say.

    Returns
    -------
    tuple of Split and tuple of str
        With a sentence for each thing that had to be guessed: groups, or values of the masks.

    Raises
    ------
    DataError
        If there are no such data, or they can't be divided.
    """
    images, guesses = read_as_binary(read_data(data, recipe.datasets, options), recipe.scheme)
    present = {image.dataset for image in images}
    named = [group for group in recipe.validation if group.split("/")[0] in present]
    split = split_images(images, seed=recipe.seed, validation_groups=named, share=share)
    ungrouped = ungrouped_warning(images)
    return split, (*guesses, ungrouped) if ungrouped else guesses


def iter_train(
    recipe: Recipe,
    split: Split,
    run: RunFolder,
    *,
    token: CancelToken | None = None,
    start: StartingPoint | None = None,
    encoder: EncoderWeights | None = None,
    resume: bool = False,
    left_out: Sequence[str] = (),
    shown: LabelledImage | None = None,
    enough: Callable[[int], bool] | None = None,
) -> Generator[Progress, None, ModelFolder]:
    """Train a network step by step; see `train`.

    Parameters
    ----------
    recipe : Recipe
        What to train.
    split : Split
        Images to learn from and images to watch, as `iter_validate_split` returned them; none to
        watch where the recipe monitors ``none``.
    run : RunFolder
        A new folder for all that the run leaves.
    token : CancelToken, optional
        Stops the training at the next step; `resume` then goes on after the last whole epoch.
    start : StartingPoint, optional
        Weights of the same architecture to begin with; by default they are random. Of a model that
        draws other classes all layers but the last are taken, and of that what the classes that
        are the same need; see `other_classes.match_classes`.
    encoder : EncoderWeights, optional
        What the encoder alone begins with, as `find_encoder_weights` returned it.
    resume : bool
        Go on with a run that was stopped or killed.
    left_out : sequence of str
        What `iter_validate_split` skipped, to be kept with the run.
    shown : LabelledImage, optional
        An image on a part of which the training is watched, in the log and as ``snapshot.png``:
        it is not learnt from, and does not decide which epoch is the best.
    enough : callable, optional
        Is asked before each step whether the number of whole epochs that are done is enough: the
        run then ends as if the recipe had asked for no more.

    Yields
    ------
    Progress
        After each step.

    Returns
    -------
    ModelFolder
        The weights of the best epoch, packaged; it is there after the first epoch already.

    Raises
    ------
    DataError
        If recipe, weights and folder do not fit together: before the first step.
    Cancelled
        If it was cancelled through `token`.
    """
    token = token or CancelToken()
    check_run(run, recipe, resume=resume)
    samples = [prepare_sample(image, recipe, to_be_changed=True) for image in split.training]
    watched = [prepare_sample(image, recipe) for image in split.validation]
    images = [*split.training, *split.validation]
    conditions = Conditions.of(
        images,
        None if start is None else start.sha256,
        None if encoder is None else encoder.sha256,
    )
    trainer = Trainer.build(recipe, steps_per_epoch(recipe, len(samples)), start, encoder)
    run.check_space(trainer.model.count_params())
    if shown is not None:
        trainer.watch(prepare_sample(shown, recipe))
    if resume:
        run.check_conditions(split, conditions)
        trainer.restore(run.read_state())
    else:
        run.start(recipe, split, conditions, left_out)
    parent = start.model.spec if start is not None and start.model is not None else None
    datasets = tuple(sorted({image.dataset for image in split.training + split.validation}))

    knows_classes = parent is not None and parent.scheme == recipe.scheme
    rare = describe_rare_classes(samples, split.training, recipe.scheme, is_tuned=knows_classes)
    about = {"taken_over": describe_other_classes(recipe.scheme, start)}

    def pack() -> ModelFolder:
        record = trainer.record(_describe(split, datasets), datasets, conditions)
        warned = (*record.warnings, *filter(None, [rare]))
        record = record.model_copy(update={**about, "warnings": warned})
        began = None if encoder is None else (encoder.description, encoder.licence)
        return package(recipe, run.best_weights, run.model, record, parent, encoder=began)

    packed = 0
    for progress in trainer.iter_steps(samples, watched, run, token, enough):
        if trainer.best_epoch != packed:  # so that a run that is given up leaves a model, too
            pack()
            packed = trainer.best_epoch
        yield progress
    model = pack()
    run.write_curves(trainer.rows)
    run.drop_state()
    return model


def check_run(run: RunFolder, recipe: Recipe, *, resume: bool) -> None:
    """Raise `DataError` if a run can't begin or go on, here or in its folder; see `train`."""
    check_devices(recipe.training.devices)
    if resume:
        run.check_recipe(recipe)
        if run.finished:
            raise DataError(f"The run '{run.path}' is finished: its model is in '{run.model}'.")
    elif run.path.exists():
        raise DataError(f"'{run.path}' exists already: name a new folder, or go on with --resume.")


def iter_validate_split(
    recipe: Recipe, split: Split, *, skip_bad: bool = False, token: CancelToken | None = None
) -> Generator[Progress, None, tuple[Split, tuple[str, ...]]]:
    """Read every image that a recipe would learn from, so that no mistake shows after hours.

    Parameters
    ----------
    recipe : Recipe
        What is to be trained.
    split : Split
        Images to learn from and images to watch; those for test are not read.
    skip_bad : bool
        Leave out images that can't be read or don't match their mask, instead of refusing.
    token : CancelToken, optional
        Stops it at the next image.

    Yields
    ------
    Progress
        After each image.

    Returns
    -------
    tuple of Split and tuple of str
        What can be learnt from, and a sentence for each image that was left out.

    Raises
    ------
    DataError
        Names the first image that is wrong; see `datasets.validation.iter_validate`.
    """
    images = [*split.training, *split.validation]
    valid = yield from iter_validate(
        images, recipe.scheme, recipe.card.modality, skip_bad=skip_bad, token=token
    )
    good = {(image.dataset, image.name): image for image in valid.images}

    def kept(side: tuple[LabelledImage, ...]) -> tuple[LabelledImage, ...]:
        keys = ((image.dataset, image.name) for image in side)
        return tuple(good[key] for key in keys if key in good)

    result = replace(split, training=kept(split.training), validation=kept(split.validation))
    watches = recipe.callbacks.monitor != "none"
    if not result.training or (watches and not result.validation):
        raise DataError(
            f"The recipe '{recipe.name}' needs training and validation images: found"
            f" {len(result.training)} and {len(result.validation)}."
        )
    return result, valid.skipped


def _describe(split: Split, datasets: tuple[str, ...]) -> str:
    """Return the data sets with their numbers of images and groups, on either side."""
    summary = []
    for dataset in datasets:
        sides = [
            [image for image in side if image.dataset == dataset]
            for side in (split.training, split.validation)
        ]
        images = " + ".join(str(len(side)) for side in sides)
        groups = " + ".join(str(len({image.group for image in side})) for side in sides)
        summary.append(f"{dataset}: {images} images of {groups} groups (training + validation)")
    return "; ".join(summary)
