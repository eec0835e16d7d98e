"""Fine-tune the model in use with the corrections of a project, and prove what it gained."""

from __future__ import annotations

import shutil
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from napari_retina_seg.datasets.labelled import LabelledImage, content_hash
from napari_retina_seg.datasets.split import Split
from napari_retina_seg.inference.evaluate import iter_evaluate
from napari_retina_seg.io.atomic import write_atomically
from napari_retina_seg.metrics.evaluation import Comparison, Evaluation, compare
from napari_retina_seg.metrics.proof import Proof, join_evaluations
from napari_retina_seg.models.packaging import write_spec
from napari_retina_seg.models.registry import ModelFolder, open_model
from napari_retina_seg.training.run_folder import RunFolder
from napari_retina_seg.training.starting_point import StartingPoint
from napari_retina_seg.training.train import iter_train
from napari_retina_seg.types.counts import count
from napari_retina_seg.types.errors import DataError
from napari_retina_seg.types.progress import CancelToken, Progress
from napari_retina_seg.workflows.corrected_images import Seen
from napari_retina_seg.workflows.improvement_plan import Plan

IMPROVEMENTS = "improvements"
_PLAN = "plan.json"

T = TypeVar("T")


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
        Of `improvement_plan.iter_plan`.
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


def _named(called: str, job: Generator[Progress, None, T]) -> Generator[Progress, None, T]:
    """Run a job that is one part of a longer one, and say which."""
    while True:
        try:
            step = next(job)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        yield replace(step, message=f"{called}: {step.message}")
