"""Divide the corrections of a project by patient: what a model learns from, what proves it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count as count_up
from pathlib import Path
from re import fullmatch
from typing import Any

import numpy as np

from napari_retina_seg.datasets.split import Split
from napari_retina_seg.metrics.proof import LEAST_TESTED, too_few_patients
from napari_retina_seg.models.recipe import Recipe
from napari_retina_seg.models.registry import ModelFolder, list_models
from napari_retina_seg.models.spec import MODEL_NAME, ModelSpec, lineage
from napari_retina_seg.project.view import ProjectView
from napari_retina_seg.training.fine_tuning import fine_tuning_recipe
from napari_retina_seg.types.counts import count
from napari_retina_seg.types.progress import CancelToken, Progress
from napari_retina_seg.workflows.corrected_images import iter_find_corrections
from napari_retina_seg.workflows.corrections import Corrections, Seen
from napari_retina_seg.workflows.patients import PatientRule

MODELS, IMPROVEMENTS = "models", "improvements"
PLAN_FILE = "plan.json"
_MIN_FOR_HOLDOUT = 12  # patients, from which on a third is kept back and the others teach
_MIN_FOR_INTERVAL = 2  # patients who show a class
_TRIES = 200  # divisions of which the first is taken that has the most classes on both sides
_FOLDS = 3
_SEED = 0


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
        if len(tested) < LEAST_TESTED:
            yield (
                f"{too_few_patients(len(tested))} The new model is trained and compared, but can't"
                " be promoted: correct images of other patients first."
            )
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
    folds = divide_patients(corrections.unseen(seen), corrections.shown)
    settings = {"callbacks.monitor": "none", **(changes or {})}

    def named(name: str) -> Plan:
        recipe = fine_tuning_recipe(model.spec, {"name": name, **settings})
        return Plan(corrections, model, recipe, folds)

    used = {use.model.name for use in project.model_uses()}
    kept = {path.name for path in (project.folder / MODELS).glob("*")}
    # One that was copied, but never taken into use: the program was killed in between.
    waiting = (named(name) for name in sorted(kept - used) if fullmatch(MODEL_NAME, name))
    begun = next((plan for plan in waiting if find_run(project.folder, plan)), None)
    return begun or named(new_name(model.spec, kept))


def find_run(project: Path, plan: Plan) -> Path | None:
    """Return the folder of a run of this very plan; None if there is none.

    Parameters
    ----------
    project : Path
        Folder of the project.
    plan : Plan
        What is to be trained and tested.
    """
    return next((one for one in _folders(project, plan) if is_run_of(plan, one)), None)


def improvement_folder(project: Path, plan: Plan) -> Path:
    """Return the folder of the run that a plan goes on with, or else of a new one."""
    begun = find_run(project, plan)
    return begun or next(one for one in _folders(project, plan, all_names=True) if not one.exists())


def is_run_of(plan: Plan, folder: Path) -> bool:
    """Whether a folder holds a run of this very plan."""
    file = folder / PLAN_FILE
    return file.is_file() and file.read_text(encoding="utf-8") == plan.json()


def _folders(project: Path, plan: Plan, *, all_names: bool = False) -> Iterator[Path]:
    """Yield the folders that a plan's run may be in: up to the first free one, or without end."""
    root = project / IMPROVEMENTS
    for number in count_up(1):
        folder = root / (plan.model.name if number == 1 else f"{plan.model.name}-{number}")
        if not all_names and not folder.exists():
            return
        yield folder


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
        third = max(len(patients) // 3, LEAST_TESTED)
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
