"""The model that a project uses: which it is, promoting another, and going back."""

from __future__ import annotations

import shutil
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from napari_retina_seg.io.atomic import atomic_folder, writing
from napari_retina_seg.models.packaging import write_spec
from napari_retina_seg.models.registry import (
    SPEC_FILE,
    ModelFolder,
    add_model,
    check_name_free,
    current_name,
    default_model,
    find_model,
    list_models,
    open_model,
)
from napari_retina_seg.models.spec import Promotion
from napari_retina_seg.project.model_uses import ModelUse, UsedModel
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.view import ProjectView
from napari_retina_seg.types.confined import confined
from napari_retina_seg.types.errors import DataError, ModelError, OutsideError, ProjectError
from napari_retina_seg.types.image import Modality
from napari_retina_seg.workflows.improvement_plan import MODELS, Plan
from napari_retina_seg.workflows.improving import Improvement
from napari_retina_seg.workflows.selection import find_subjects


def promoted_model(project: ProjectView) -> ModelFolder | None:
    """Return the model that was taken into use in a project; None if none was yet.

    Raises
    ------
    ModelError
        If it is missing or altered.
    """
    uses = project.model_uses()
    return open_used(project, uses[-1].model) if uses else None


def current_model(project: ProjectView) -> ModelFolder:
    """Return the model in use: the promoted one, or else the one most masks began with.

    Raises
    ------
    ModelError
        If it is missing or altered.
    """
    promoted = promoted_model(project)
    if promoted is not None:
        return promoted
    masks = find_subjects(project).masks
    named = Counter(truth.model for _, truth in masks if truth.model)
    known = {model.name: model for model in list_models()}
    for name, _ in named.most_common():
        if name in known:
            return known[name]
    kinds = Counter(image.modality for image, _ in masks if image.modality is not Modality.UNKNOWN)
    if not kinds:
        raise ModelError("No model was used in this project yet: name one with --model.")
    return default_model(kinds.most_common(1)[0][0])


def open_used(project: ProjectView, used: UsedModel) -> ModelFolder:
    """Open a model by which a project knows it.

    Raises
    ------
    ModelError
        If it is missing, or is not the one that was taken into use.
    """
    try:
        if used.folder:
            model = open_model(confined(project.folder, f"{used.folder}/{SPEC_FILE}").parent)
        else:
            model = _listed(used.name)
            model.check_weights()
    except OutsideError as error:
        raise ModelError(str(error)) from error
    if model.spec.weights_sha256 != used.weights_sha256:
        raise ModelError(
            f"'{model.path}' is not the model '{used.name}' that was taken into use, but another:"
            " restore its folder, or go back with 'project roll-back'."
        )
    return model


def find_used(project: ProjectView, name: str) -> ModelFolder:
    """Find a model that was in use in a project, also if it is not listed here, or any other.

    Parameters
    ----------
    project : ProjectView
        The project.
    name : str
        Name of a model, or path of its folder.

    Raises
    ------
    ModelError
        If there is none, or it is altered.
    """
    for use in reversed(project.model_uses()):
        if use.model.name == name:
            return open_used(project, use.model)
    return find_model(name)


def _listed(name: str) -> ModelFolder:
    """Find a listed model; a project may come from elsewhere, so that paths don't count."""
    wanted = current_name(name)
    found = next((model for model in list_models() if model.name == wanted), None)
    if found is None:
        raise ModelError(
            f"The model '{name}' that this project uses is not listed here: add its folder with"
            " 'models add', or name another with --model."
        )
    return found


def used_by(project: ProjectView, model: ModelFolder) -> UsedModel:
    """Return what a project knows a model by."""
    root = project.folder.resolve()
    place = model.path.resolve()
    folder = place.relative_to(root).as_posix() if place.is_relative_to(root) else ""
    return UsedModel(model.name, folder, model.spec.weights_sha256)


def check_promotable(project: ProjectView, plan: Plan) -> None:
    """Check, before or after the training, that nothing but the proof forbids a promotion.

    Parameters
    ----------
    project : ProjectView
        The project.
    plan : Plan
        What is to be promoted, and instead of which model.

    Raises
    ------
    ModelError
        If there is another model of the new one's name.
    ProjectError
        If another model is in use than the one that is to be replaced.
    """
    check_name_free(plan.recipe.name, (project.folder / MODELS / plan.recipe.name).resolve())
    uses = project.model_uses()
    if uses and uses[-1].model != used_by(project, plan.model):
        raise ProjectError(
            f"'{uses[-1].model.name}' is in use in this project, and not '{plan.model.name}': leave"
            " out --model, or go back with 'project roll-back' first."
        )


def promote(project: Project, improvement: Improvement) -> ModelFolder:
    """Take a proven model into use: copied into the project, recorded, and listed by ``models``.

    Parameters
    ----------
    project : Project
        The project.
    improvement : Improvement
        The candidate with its proof.

    Returns
    -------
    ModelFolder
        The model, in the project's folder.

    Raises
    ------
    DataError
        If it is not proven.
    ModelError
        If there is another model of its name: nothing is changed then.
    ProjectError
        If another model was taken into use meanwhile, or the project can't be written.
    """
    proof = improvement.proof
    if not proof.is_proven:
        raise DataError(
            f"'{improvement.candidate.name}' was not promoted. " + " ".join(proof.objections)
        )
    check_promotable(project, improvement.plan)
    source = improvement.candidate
    target = project.folder / MODELS / source.name
    if not _holds(target, source):
        with atomic_folder(target) as new, writing(target):
            shutil.copytree(source.path, new, dirs_exist_ok=True)
            promotion = Promotion(
                by=project.author, at=datetime.now(UTC), reason=improvement.summary
            )
            spec = source.spec.model_copy(update={"promotion": promotion})
            write_spec(ModelFolder(new, spec))
    # Listed first: killed before the record is written, the same command does what is missing.
    model = add_model(target)
    before = used_by(project, improvement.plan.model)
    project.use_model(used_by(project, model), before, improvement.summary)
    return model


def roll_back(project: Project) -> ModelUse:
    """Take the model into use again that was in use before the present one.

    Raises
    ------
    ProjectError
        If no model was promoted yet, or the project can't be written.
    ModelError
        If the model before is missing or altered: nothing is changed then.
    """
    uses = project.model_uses()
    if uses:
        open_used(project, uses[-1].instead_of)
    return project.roll_back_model()


def _holds(target: Path, source: ModelFolder) -> bool:
    """Whether an earlier promotion that was killed left the very model in its place."""
    try:
        spec = open_model(target).spec
        return spec.model_copy(update={"promotion": None}) == source.spec
    except ModelError:
        return False
