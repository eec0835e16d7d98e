"""Fine-tune the model in use with the corrections of a project, and prove what it gained."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from napari_retina_seg.datasets.labelled import LabelledImage, content_hash
from napari_retina_seg.datasets.split import Split
from napari_retina_seg.inference.evaluate import iter_evaluate
from napari_retina_seg.io.atomic import write_atomically
from napari_retina_seg.metrics.evaluation import Comparison, Evaluation, compare
from napari_retina_seg.metrics.proof import Proof, join_evaluations
from napari_retina_seg.models.packaging import write_spec
from napari_retina_seg.models.recipe import Recipe
from napari_retina_seg.models.registry import ModelFolder, list_models, open_model
from napari_retina_seg.models.spec import ModelSpec, lineage
from napari_retina_seg.project.view import ProjectView
from napari_retina_seg.training.fine_tuning import fine_tuning_recipe
from napari_retina_seg.training.run_folder import RunFolder
from napari_retina_seg.training.starting_point import StartingPoint
from napari_retina_seg.training.train import iter_train
from napari_retina_seg.types.counts import count
from napari_retina_seg.types.errors import DataError
from napari_retina_seg.types.progress import CancelToken, Progress
from napari_retina_seg.workflows.corrected_images import Corrections, Seen, iter_find_corrections
from napari_retina_seg.workflows.patients import PatientRule

IMPROVEMENTS = "improvements"
MODELS = "models"
_PLAN = "plan.json"
_MIN_FOR_HOLDOUT = 12  # patients, from which on a third is kept back and the others teach
_MIN_FOR_INTERVAL = 2  # patients who show a class
_TRIES = 200  # divisions of which the first is taken that has the most classes on both sides
_FOLDS = 3
_SEED = 0

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Plan:
    """What is trained with which patients, and proven with which.

    Attributes
    ----------
    corrections : Corrections
        The images.
    model : ModelFolder
        The model in use.
    recipe : Recipe
        How its successor is trained.
    folds : tuple of tuple of str
        Patients that are tested together, by a model that learnt from all others. There is one
        fold where there are many patients: its model is the candidate. Of few patients each is
        tested in one of several folds, and the candidate learns from all.
    """

    corrections: Corrections
    model: ModelFolder
    recipe: Recipe
    folds: tuple[tuple[str, ...], ...]

    @property
    def is_cross_validation(self) -> bool:
        """Whether the tested models are not the candidate itself."""
        return len(self.folds) > 1

    @property
    def sentences(self) -> tuple[str, ...]:
        """What there is, and how it is used."""
        tested = sum(map(len, self.folds))
        total = len(self.corrections.by_patient)
        if self.is_cross_validation:
            how = (
                f"There are few patients, so the proof is a cross-validation: {len(self.folds)}"
                f" models, each tested on patients that it did not learn from, {tested} in all. The"
                " model that can be promoted is trained in the same way, with all patients."
            )
        else:
            how = (
                f"{count(tested, 'patient')} of {total} are kept for the proof; the model learns"
                " from the others."
            )
        seen = Seen.by(self.model.spec)
        return (
            *self.corrections.describe(seen),
            how,
            *self._unprovable(),
            *_unknown_parents(self.model.spec),
        )

    def _unprovable(self) -> Iterator[str]:
        """Say which classes too few of the tested patients show, so that nothing is promoted."""
        tested = {patient for fold in self.folds for patient in fold}
        shown = self.corrections.shown
        for one in self.corrections.scheme.classes[1:]:
            people = sum(one.value in shown[patient] for patient in tested)
            if people < _MIN_FOR_INTERVAL:
                yield (
                    f"{one.abbreviation} is shown by {count(people, 'patient')} of the proof: with"
                    f" fewer than {_MIN_FOR_INTERVAL} nothing is proven of a class, and the new"
                    " model can't be promoted. Correct images of other patients that show it."
                )

    def split(self, fold: Sequence[str]) -> Split:
        """Return the images to learn from and to test with, if some patients are tested."""
        images = [image.labelled for image in self.corrections.images]
        return Split(
            tuple(image for image in images if image.group not in fold),
            (),
            tuple(image for image in images if image.group in fold),
        )

    def json(self) -> str:
        """Return what must be the same for a run to go on."""
        content = {
            "model": self.model.spec.weights_sha256,
            "recipe": self.recipe.toml(),
            "folds": self.folds,
            "images": {
                image.labelled.name: [image.patient, image.content, image.mask]
                for image in self.corrections.images
            },
        }
        return json.dumps(content, indent=1) + "\n"


@dataclass(frozen=True, eq=False)
class Improvement:
    """A fine-tuned model with its proof.

    Attributes
    ----------
    plan : Plan
        What was trained and tested with what.
    folder : Path
        Where its runs and its report are.
    candidate : ModelFolder
        The new model.
    proof : Proof
        How it compares with the one in use.
    """

    plan: Plan
    folder: Path
    candidate: ModelFolder
    proof: Proof

    @property
    def summary(self) -> str:
        """What was found, in a sentence."""
        gain = self.proof.overall
        patients = len({image.group for image in self.proof.comparison.first.images})
        images = count(len(self.proof.comparison.first.images), "image")
        if gain.difference is None:
            return f"Nothing can be said of {images}."
        low, high = gain.difference.low, gain.difference.high
        spread = "" if low is None else f" (95 % interval {low:+.4f} to {high:+.4f})"
        return (
            f"Dice {gain.current:.4f} → {gain.candidate:.4f}, {gain.difference.value:+.4f}{spread},"
            f" on {images} of {count(patients, 'patient')} that neither model had seen."
        )


def iter_plan(
    project: ProjectView,
    model: ModelFolder,
    *,
    rule: PatientRule | None = None,
    changes: Mapping[str, Any] | None = None,
    token: CancelToken | None = None,
) -> Generator[Progress, None, Plan]:
    """Look at the corrections of a project, and divide them by patient.

    Parameters
    ----------
    project : ProjectView
        The project.
    model : ModelFolder
        The model in use.
    rule : PatientRule, optional
        How to find the patients of images without one.
    changes : mapping, optional
        Values of the recipe `fine-tune` by dotted key.
    token : CancelToken, optional
        Stops it before the next image.

    Yields
    ------
    Progress
        Before each image.

    Returns
    -------
    Plan
        Nothing is trained yet.

    Raises
    ------
    DataError
        If there is too little to learn from or to prove with, or the classes are others.
    ProjectError
        If the patients of images are not known.
    ModelError
        If the model's weights were altered.
    """
    model.check_weights()
    corrections = yield from iter_find_corrections(
        project, model.spec, rule, token or CancelToken()
    )
    seen = Seen.by(model.spec)
    corrections.check(seen)
    settings = {"callbacks.monitor": "none", **(changes or {})}
    kept = {path.name for path in (project.folder / MODELS).glob("*")}
    settings.setdefault("name", new_name(model.spec, kept))
    recipe = fine_tuning_recipe(model.spec, settings)
    return Plan(
        corrections, model, recipe, divide_patients(corrections.unseen(seen), corrections.shown)
    )


def iter_improve(
    plan: Plan,
    folder: Path,
    *,
    reference: Sequence[LabelledImage] = (),
    token: CancelToken | None = None,
) -> Generator[Progress, None, Improvement]:
    """Train and prove a successor of the model in use.

    What an earlier call that was stopped or killed left in the folder is taken up again.

    Parameters
    ----------
    plan : Plan
        Of `iter_plan`.
    folder : Path
        Where to; see `improvement_folder`.
    reference : sequence of LabelledImage
        Images of the kind that the model in use learnt from, and that neither model has seen: what
        it was good at before must not be lost.
    token : CancelToken, optional
        Stops it at the next step; a further call goes on after the last whole epoch.

    Yields
    ------
    Progress
        After each step.

    Returns
    -------
    Improvement
        The candidate with its proof; nothing is promoted.

    Raises
    ------
    DataError
        If the folder holds another run, or a tested image was learnt from.
    TrainingError
        If the loss is no number any more.
    Cancelled
        If it was cancelled through `token`.
    """
    token = token or CancelToken()
    _begin(plan, folder)
    jobs = len(plan.folds) + plan.is_cross_validation
    after: list[Evaluation] = []
    tested: list[LabelledImage] = []
    model = plan.model
    for number, fold in enumerate(plan.folds, 1):
        split = plan.split(fold)
        called = f"Model {number} of {jobs}"
        model = yield from _named(called, _train(plan, split, folder / f"fold-{number}", token))
        _check_unseen(model, plan, split.test)
        testing = iter_evaluate(model, split.test, token=token)
        after.append((yield from _named(f"{called}, test", testing)))
        tested += split.test
    if plan.is_cross_validation:
        everything = plan.split(())
        last = _train(plan, everything, folder / "candidate", token)
        model = yield from _named(f"Model {jobs} of {jobs}", last)
    testing = iter_evaluate(plan.model, tested, token=token)
    before = yield from _named("Model in use, test", testing)
    comparison = compare(
        join_evaluations(plan.recipe.name, after), join_evaluations(plan.model.name, [before])
    )
    harm = yield from _compare_on(reference, model, plan.model, token)
    proof = Proof(comparison, harm)
    return Improvement(plan, folder, _with_figures(model, proof, plan), proof)


def improvement_folder(project: Path, plan: Plan) -> Path:
    """Return the folder of the run that a plan goes on with, or else of a new one."""
    root = project / IMPROVEMENTS
    number = 1
    while True:
        folder = root / (plan.model.name if number == 1 else f"{plan.model.name}-{number}")
        if not folder.exists() or _is_of(plan, folder):
            return folder
        number += 1


def _is_of(plan: Plan, folder: Path) -> bool:
    file = folder / _PLAN
    return file.is_file() and file.read_text(encoding="utf-8") == plan.json()


def _begin(plan: Plan, folder: Path) -> None:
    if _is_of(plan, folder):
        return
    if folder.exists() and any(folder.iterdir()):
        raise DataError(
            f"'{folder}' holds something else, or the masks, the model or the recipe changed since"
            " the run in it began: name a new folder with --out."
        )
    write_atomically(folder / _PLAN, plan.json().encode())


def _train(
    plan: Plan, split: Split, folder: Path, token: CancelToken
) -> Generator[Progress, None, ModelFolder]:
    """Train a model, or go on with one that was stopped, or return the finished one."""
    run = RunFolder(folder)
    if run.finished:
        return _with_patients(open_model(run.model), split)
    resume = run.recipe.is_file()
    if folder.exists() and not resume:
        shutil.rmtree(folder)  # killed before the first step
    start = StartingPoint(plan.model.weights, plan.model)
    job = iter_train(plan.recipe, split, run, token=token, start=start, resume=resume)
    return _with_patients((yield from job), split)


def _with_patients(model: ModelFolder, split: Split) -> ModelFolder:
    """Write into a model's record which patients it learnt from."""
    record = model.spec.training
    patients = tuple(sorted({image.group for image in split.training}))
    if record is None or record.patients == patients:
        return model
    record = record.model_copy(update={"patients": patients})
    described = replace(model, spec=model.spec.model_copy(update={"training": record}))
    write_spec(described)
    return described


def _check_unseen(model: ModelFolder, plan: Plan, test: Sequence[LabelledImage]) -> None:
    """Raise `DataError` if a model or one before it learnt from a patient it is tested on."""
    seen = Seen.by(model.spec, plan.model.spec)
    for image in test:
        if image.group in seen.patients or content_hash(image.pixels()) in seen.images:
            raise DataError(
                f"{image.name} would be tested, but was learnt from: the figures would flatter the"
                " model. Name a new folder with --out."
            )


def _compare_on(
    images: Sequence[LabelledImage],
    candidate: ModelFolder,
    current: ModelFolder,
    token: CancelToken,
) -> Generator[Progress, None, Comparison | None]:
    if not images:
        return None
    seen = Seen.by(candidate.spec).images
    for image in images:
        if content_hash(image.pixels()) in seen:
            raise DataError(
                f"The reference image '{image.path}' was learnt from: name images that no model has"
                " seen, as the test images of a data set."
            )
    new = yield from _named("Reference", iter_evaluate(candidate, images, token=token))
    old = yield from _named("Reference", iter_evaluate(current, images, token=token))
    return compare(new, old)


def _with_figures(model: ModelFolder, proof: Proof, plan: Plan) -> ModelFolder:
    """Write what was measured into the model's card."""
    found = (proof.overall, *(one for one in proof.classes if len(proof.scheme) > 2))
    figures = {
        "Dice" if one.name == "all" else f"Dice {one.name}": round(one.candidate, 4)
        for one in found
        if one.candidate is not None
    }
    tested = "patients of the project that it had not seen"
    if plan.is_cross_validation:
        tested = "cross-validation in the project (of models trained in the same way)"
    described = replace(model, spec=model.spec.model_copy(update={"metrics": {tested: figures}}))
    write_spec(described)
    return described


def divide_patients(
    patients: Sequence[str], shown: Mapping[str, frozenset[int]] | None = None
) -> tuple[tuple[str, ...], ...]:
    """Return the patients that are tested together, the same for the same patients and classes.

    Parameters
    ----------
    patients : sequence of str
        Patients that the model in use has not seen.
    shown : mapping, optional
        Classes that the masks of each patient show: where there are many patients, as many classes
        as can be are on both sides.

    Returns
    -------
    tuple of tuple of str
        One fold with a third of them; of few, several folds with everybody in one of them.
    """
    shuffled = _shuffle(patients, _SEED)
    if len(patients) >= _MIN_FOR_HOLDOUT:
        third = len(patients) // 3
        orders = [_shuffle(patients, _SEED + number) for number in range(_TRIES if shown else 1)]
        best = max(orders, key=lambda one: _covered(one[:third], one[third:], shown or {}))
        return (tuple(best[:third]),)
    return tuple(tuple(shuffled[number::_FOLDS]) for number in range(_FOLDS))


def _shuffle(patients: Sequence[str], seed: int) -> list[str]:
    return [patients[index] for index in np.random.default_rng(seed).permutation(len(patients))]


def _covered(
    tested: Sequence[str], training: Sequence[str], shown: Mapping[str, frozenset[int]]
) -> int:
    """Return the number of classes that can be learnt, and of which something can be proven."""
    proven = Counter(one for patient in tested for one in shown.get(patient, ()))
    learnt = {one for patient in training for one in shown.get(patient, ())}
    return sum(number >= _MIN_FOR_INTERVAL and one in learnt for one, number in proven.items())


def new_name(parent: ModelSpec, kept: Collection[str]) -> str:
    """Return a name for a successor.

    Parameters
    ----------
    parent : ModelSpec
        The model before; neither its name nor one of those before it is taken again.
    kept : collection of str
        Names of the models that the project keeps, listed on this computer or not.
    """
    stem = re.sub(r"-tuned(-\d+)?$", "", parent.name)[:50]
    taken = {model.name for model in list_models()} | {one.name for one in lineage(parent)}
    taken |= set(kept)
    return next(one for one in _candidates(stem) if one not in taken)


def _candidates(stem: str) -> Iterator[str]:
    yield f"{stem}-tuned"
    number = 2
    while True:
        yield f"{stem}-tuned-{number}"
        number += 1


def _unknown_parents(model: ModelSpec) -> tuple[str, ...]:
    unknown = [one for one in lineage(model) if not one.images]
    return tuple(
        f"Which images '{one.name}' learnt from is not recorded one by one ({one.training_data}):"
        " make sure that none of them is in this project."
        for one in unknown
    )


def _named(called: str, job: Generator[Progress, None, T]) -> Generator[Progress, None, T]:
    """Run a job that is one part of a longer one, and say which."""
    while True:
        try:
            step = next(job)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        yield replace(step, message=f"{called}: {step.message}")
