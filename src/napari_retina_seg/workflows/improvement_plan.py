"""Divide the corrections of a project by patient: what a model learns from, what proves it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_retina_seg.datasets.split import Split
from napari_retina_seg.models.recipe import Recipe
from napari_retina_seg.models.registry import ModelFolder, list_models
from napari_retina_seg.models.spec import ModelSpec, lineage
from napari_retina_seg.project.view import ProjectView
from napari_retina_seg.training.fine_tuning import fine_tuning_recipe
from napari_retina_seg.types.counts import count
from napari_retina_seg.types.progress import CancelToken, Progress
from napari_retina_seg.workflows.corrected_images import Corrections, Seen, iter_find_corrections
from napari_retina_seg.workflows.patients import PatientRule

MODELS = "models"
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
    settings = {"callbacks.monitor": "none", **(changes or {})}
    kept = {path.name for path in (project.folder / MODELS).glob("*")}
    settings.setdefault("name", new_name(model.spec, kept))
    recipe = fine_tuning_recipe(model.spec, settings)
    return Plan(
        corrections, model, recipe, divide_patients(corrections.unseen(seen), corrections.shown)
    )


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
