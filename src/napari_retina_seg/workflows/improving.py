"""Fine-tune the model in use with the corrections of a project, and prove what it gained."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator, Sequence
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
from napari_retina_seg.workflows.corrections import Seen
from napari_retina_seg.workflows.improvement_pace import Pace
from napari_retina_seg.workflows.improvement_plan import PLAN_FILE, Plan, is_run_of
from napari_retina_seg.workflows.proof_masks import ProofMasks

_EPOCHS = "epochs"

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
    enough: Callable[[], bool] | None = None,
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
    enough : callable, optional
        Is asked at each step whether the training has been long enough: this model then ends
        after its last whole epoch, and those that follow are trained as long, so that the proof
        is still of models that were trained in the same way.

    Yields
    ------
    Progress
        After each step, of all that is to be done.

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
    limit, masks = (
        _EpochLimit(folder / _EPOCHS, enough),
        ProofMasks(folder, plan.corrections.scheme),
    )
    pace = Pace(plan, epochs=limit.epochs)
    jobs = len(plan.folds) + plan.is_cross_validation
    after: list[Evaluation] = []
    tested: list[LabelledImage] = []
    model = plan.model
    for number, fold in enumerate(plan.folds, 1):
        split, called = plan.split(fold), f"Model {number} of {jobs}"
        training = _train(plan, split, folder / f"fold-{number}", token, split.test[0], limit)
        model = yield from pace.iter_part(training, called, pace.training)
        pace.epochs = limit.epochs or pace.epochs
        _check_unseen(model, plan, split.test)
        test = iter_evaluate(model, split.test, token=token, on_mask=masks.keep_candidate)
        steps = len(split.test) * pace.test
        after.append((yield from pace.iter_part(test, f"{called}, test", steps)))
        tested += split.test
    if plan.is_cross_validation:
        everything = plan.split(())
        shown = everything.training[0]
        training = _train(plan, everything, folder / "candidate", token, shown, limit)
        model = yield from pace.iter_part(training, f"Model {jobs} of {jobs}", pace.training)
    test = iter_evaluate(plan.model, tested, token=token, on_mask=masks.keep_current)
    before = yield from pace.iter_part(test, "Model in use, test", len(tested) * pace.test)
    comparison = compare(
        join_evaluations(plan.recipe.name, after), join_evaluations(plan.model.name, [before])
    )
    harm = yield from _compare_on(reference, model, plan.model, token)
    proof = Proof(comparison, harm)
    return Improvement(plan, folder, _with_figures(model, proof, plan), proof)


class _EpochLimit:
    """Ends trainings early if it is asked for; a run that goes on later keeps to it.

    Parameters
    ----------
    file : Path
        Remembers after how many epochs.
    is_enough : callable or None
        Whether it is asked for now.
    """

    def __init__(self, file: Path, is_enough: Callable[[], bool] | None) -> None:
        self._file, self._is_enough = file, is_enough
        known = file.read_text(encoding="ascii", errors="replace") if file.is_file() else ""
        self.epochs = int(known) if known.isdecimal() else 0

    def __call__(self, epochs: int) -> bool:
        """Return whether these whole epochs are enough."""
        if not self.epochs and self._is_enough is not None and self._is_enough():
            write_atomically(self._file, str(epochs).encode())
            self.epochs = epochs
        return 0 < self.epochs <= epochs


def _begin(plan: Plan, folder: Path) -> None:
    if is_run_of(plan, folder):
        return
    if folder.exists() and any(folder.iterdir()):
        raise DataError(
            f"'{folder.name}' is not a run with the present masks, model and settings: one of them"
            " changed since it began, or it holds something else. Improve the model anew, in"
            " another folder."
        )
    write_atomically(folder / PLAN_FILE, plan.json().encode())


def _train(
    plan: Plan,
    split: Split,
    folder: Path,
    token: CancelToken,
    shown: LabelledImage,
    limit: _EpochLimit,
) -> Generator[Progress, None, ModelFolder]:
    """Train a model, or go on with one that was stopped, or return the finished one."""
    run = RunFolder(folder)
    if run.finished:
        return _with_record(open_model(run.model), plan, split)
    resume = run.recipe.is_file()
    if folder.exists() and not resume:
        shutil.rmtree(folder)  # killed before the first step
    start = StartingPoint(plan.model.weights, plan.model)
    job = iter_train(
        plan.recipe,
        split,
        run,
        token=token,
        start=start,
        resume=resume,
        shown=shown,
        enough=limit,
    )
    return _with_record((yield from job), plan, split)


def _with_record(model: ModelFolder, plan: Plan, split: Split) -> ModelFolder:
    """Write into a model's record which patients, images and masks it learnt from."""
    names = {image.name for image in split.training}
    learnt = [image for image in plan.corrections.images if image.labelled.name in names]
    found = {
        "patients": tuple(sorted({image.patient for image in learnt})),
        "sources": tuple(sorted({image.source for image in learnt})),
        "masks": tuple(sorted({image.mask for image in learnt})),
    }
    if model.spec.training is None:
        return model
    record = model.spec.training.model_copy(update=found)
    if record == model.spec.training:
        return model
    described = replace(model, spec=model.spec.model_copy(update={"training": record}))
    write_spec(described)
    return described


def _check_unseen(model: ModelFolder, plan: Plan, test: Sequence[LabelledImage]) -> None:
    """Raise `DataError` if a model or one before it learnt from a patient it is tested on."""
    seen = Seen.by(model.spec, plan.model.spec)
    unseen = plan.corrections.unseen(seen)
    for image in test:
        if image.group not in unseen or content_hash(image.pixels()) in seen.images:
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
    about = {"metrics": {tested: figures}, "description": _describe(plan, proof)}
    described = replace(model, spec=model.spec.model_copy(update=about))
    write_spec(described)
    return described


def _describe(plan: Plan, proof: Proof) -> str:
    """Say what a model is for: images like those of the project, and what its parent drew."""
    images, patients = len(plan.corrections.images), len(plan.corrections.by_patient)
    gain = proof.overall
    found = ""
    if gain.current is not None and gain.candidate is not None:
        found = (
            f" On patients that neither had seen Dice is {gain.candidate:.3f}, with"
            f" '{plan.model.name}' {gain.current:.3f}."
        )
    elsewhere = (
        "Whether it draws other images as well as that one was not measured."
        if proof.reference is None
        else "It was also compared on other images: see the report."
    )
    return (
        f"For images like the {count(images, 'corrected image')} of"
        f" {count(patients, 'patient')} of the project in which '{plan.model.name}' was"
        f" fine-tuned.{found} {elsewhere} For research and annotation, not a medical device."
    )


def _named(called: str, job: Generator[Progress, None, T]) -> Generator[Progress, None, T]:
    """Run a job that is one part of a longer one, and say which."""
    while True:
        try:
            step = next(job)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        yield replace(step, message=f"{called}: {step.message}")
