"""From corrected photographs to a promoted model, in one command, on a tiny network."""

import json
import os
import re
import shutil
import signal
import sys
from dataclasses import replace

import cv2
import numpy as np
import pytest
import tifffile

from helpers import write_png
from napari_retina_seg.models.overrides import parse_overrides
from napari_retina_seg.models.recipe import Recipe
from napari_retina_seg.models.registry import find_model, open_model
from napari_retina_seg.models.spec import lineage
from napari_retina_seg.project.model_uses import UsedModel
from napari_retina_seg.project.project import Project
from napari_retina_seg.project.states import Action
from napari_retina_seg.training.run_folder import RunFolder
from napari_retina_seg.types.annotation import Annotation
from napari_retina_seg.types.errors import DataError, ModelError, ProjectError
from napari_retina_seg.types.labels import FUNDUS_VESSELS
from napari_retina_seg.types.progress import Cancelled, CancelToken, finish
from napari_retina_seg.workflows.corrections import Seen
from napari_retina_seg.workflows.improvement_plan import (
    divide_patients,
    improvement_folder,
    iter_plan,
    new_name,
)
from napari_retina_seg.workflows.improving import iter_improve
from napari_retina_seg.workflows.patients import PatientRule
from napari_retina_seg.workflows.promoting import (
    check_promotable,
    open_used,
    promote,
    promoted_model,
    roll_back,
)
from napari_retina_seg.workflows.proof_masks import Place, ProofMasks

SIDE = 112
RUNS = ("fold-1", "fold-2", "fold-3", "candidate")
QUICK = (
    "crop=[64, 64]",
    "batch=4",
    "epochs=2",
    "steps_per_epoch=20",
    "learning_rate=2e-2",
    "warmup=0",
    "ema=0.5",
    # The model to begin with draws nothing yet.
    "kept_share=0",
    "batch_statistics=fast",
)
SET = [part for text in QUICK for part in ("--set", text)]
ALONE = "--each-image-its-own-patient"


def photograph(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw a disc with dark vessels, and the mask of the vessels."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    for _ in range(4):
        ends = rng.integers(10, SIDE - 10, (2, 2))
        cv2.line(mask, tuple(map(int, ends[0])), tuple(map(int, ends[1])), 1, 4)
    disc = cv2.circle(np.zeros_like(mask), (SIDE // 2, SIDE // 2), 50, 1, -1)
    mask &= disc
    pixels = np.full((SIDE, SIDE, 3), (60, 110, 190), np.float64)  # blue, green, red
    pixels[mask > 0] *= 0.45
    pixels += rng.normal(0, 4, pixels.shape)
    return np.clip(pixels, 1, 255).astype(np.uint8) * disc[..., np.newaxis], mask


def fill(folder, count, *, start=0, scheme=FUNDUS_VESSELS):
    """Add photographs to a project, and correct their masks."""
    paths, masks = [], []
    for seed in range(start, start + count):
        pixels, mask = photograph(seed)
        paths.append(folder.parent / "photographs" / f"p{seed}.png")
        write_png(paths[-1], pixels)
        masks.append(mask)
    opened = (folder / "project.sqlite").exists()
    with (
        Project(folder, author="Ann")
        if opened
        else Project.create(folder, scheme=scheme, author="Ann")
    ) as project:
        added = project.add_images(paths, copy=True)
        assert not added.problems
        for image, mask in zip(added.images, masks, strict=True):
            project.save_version(image.id, Annotation(mask), Action.CORRECT)
    return folder


@pytest.fixture(scope="module")
def corrected(tmp_path_factory):
    return fill(tmp_path_factory.mktemp("corrected") / "study", 6)


@pytest.fixture
def study(corrected, tmp_path):
    shutil.copytree(corrected.parent, tmp_path / "copy")
    folder = tmp_path / "copy" / "study"
    with Project(folder, author="Ann") as project:  # the files are where they were added
        assert project.status().images == 6
    return folder


def make_plan(project, model, *more):
    changes = parse_overrides([*QUICK, *more], Recipe)
    return finish(iter_plan(project, model, rule=PatientRule(each_image=True), changes=changes))


def test_corrections_become_a_proven_promoted_model_that_segments(run, study, fundus_model):
    """Through a program that was stopped in the middle, and goes on."""
    with Project(study, author="Ann") as project:
        plan = make_plan(project, fundus_model)
        token = CancelToken()

        def stop(step):
            if step.message.startswith("Model 2 of 4: epoch 2"):
                token.cancel()

        with pytest.raises(Cancelled):
            finish(iter_improve(plan, improvement_folder(study, plan), token=token), stop)
    runs = study / "improvements" / "tiny-fundus"
    finished = (runs / "fold-1" / "best.weights.h5").stat().st_mtime_ns
    assert not RunFolder(runs / "fold-2").finished

    command = ("project", "improve", study, "--model", fundus_model.path, ALONE, *SET)
    result = run(*command, "--promote", "--author", "Ann")
    assert result.exit_code == 0, result.output
    assert "6 corrected masks of 6 patients" in result.stderr
    assert "cross-validation: 3 models" in result.stderr
    assert "Proven" in result.stdout
    assert (runs / "fold-1" / "best.weights.h5").stat().st_mtime_ns == finished

    told = json.loads((runs / "improvement.json").read_text())
    assert told["proven"]
    assert told["objections"] == []
    assert told["overall"]["difference"]["value"] > 0.1
    assert len(told["images"]) == 6
    for name in ("improvement.html", "improvement.md", "evaluation.html"):
        text = (runs / name).read_text()
        assert "tiny-fundus-tuned" in text
        assert "p0.png" not in text  # names of files may be names of persons

    promoted = find_model("tiny-fundus-tuned")
    assert promoted.path == study / "models" / "tiny-fundus-tuned"
    assert promoted.spec.ancestors[0].name == "tiny-fundus"
    assert len(promoted.spec.training.images) == 6
    assert len(promoted.spec.training.patients) == 6
    assert list(promoted.spec.metrics) == [
        "cross-validation in the project (of models trained in the same way)"
    ]
    assert "tiny-fundus-tuned" in run("models").stdout
    assert promoted.spec.promotion.by == "Ann"
    assert "For images like the 6 corrected images of 6 patients" in promoted.spec.description
    card = run("models", "show", "tiny-fundus-tuned").stdout
    assert "Began with tiny-fundus" in card
    assert "by Ann on " in card
    traced = run("project", "models", study, "--trace", "current").stdout
    assert traced.startswith("tiny-fundus-tuned (weights sha256 ")
    assert "40 steps, seed " in traced
    for number in range(1, 7):
        assert f"#{number} p{number - 1}, version 1 by Ann" in traced
    assert "tiny-fundus (weights sha256 " in traced

    shown = ProofMasks(runs, FUNDUS_VESSELS).read(Place.of("#3"))
    assert all(mask.shape == (SIDE, SIDE) for mask in shown)
    assert (shown[0] != shown[1]).any()
    for one in (*(f"fold-{fold}" for fold in (1, 2, 3)), "candidate"):
        assert cv2.imread(str(runs / one / "snapshot.png")) is not None

    photo = study.parent / "photographs" / "p0.png"
    drawn = run("segment", photo, "-o", study.parent / "out", "-m", "tiny-fundus-tuned")
    assert drawn.exit_code == 0, drawn.output
    assert "6 predicted" in run("project", "predict", study, "--all").stdout
    with Project(study, author="Ann") as project:
        assert project.history(1)[-1].model == "tiny-fundus-tuned"
    listed = run("project", "models", study).stdout
    assert "Ann: tiny-fundus-tuned instead of tiny-fundus. Dice" in listed

    # All patients have taught it: there is nobody to prove a next one on.
    again = run("project", "improve", study, ALONE, *SET)
    assert again.exit_code == 1
    assert "0 patients that the model in use never saw" in again.stderr

    run("models", "add", fundus_model.path)
    back = run("project", "roll-back", study)
    assert "'tiny-fundus' is in use again, instead of 'tiny-fundus-tuned'" in back.stdout
    with Project(study, author="Ann") as project:
        assert promoted_model(project).name == "tiny-fundus"
        (promoted.path / "model.weights.h5").write_bytes(b"cut")
        with pytest.raises(ModelError, match="cut short or altered"):
            roll_back(project)
        assert promoted_model(project).name == "tiny-fundus"


def kill_in(method, action):
    """Run something in a copy of this process that is killed when it calls a method of Project."""
    process = os.fork()
    if not process:
        setattr(Project, method, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        try:
            action()
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == -signal.SIGKILL


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_a_third_of_many_patients_proves_the_candidate_whose_promotion_may_be_killed(
    run, tmp_path, fundus_model
):
    study = fill(tmp_path / "many" / "study", 12)
    command = ("project", "improve", study, "--model", fundus_model.path, ALONE, *SET)
    result = run(*command, "--author", "Ann")
    assert result.exit_code == 0, result.output
    assert "5 patients of 12 are kept for the proof" in result.stderr
    assert "It takes about" in result.stderr.split("Runs and report are in")[0]
    runs = study / "improvements" / "tiny-fundus"
    assert [path.parent.name for path in runs.glob("*/model")] == ["fold-1"]
    told = json.loads((runs / "improvement.json").read_text())
    assert len(told["images"]) == 5

    # It is the tested model that is promoted, and none of the tested has taught it.
    with Project(study, author="Ann") as project:
        plan = make_plan(project, fundus_model)
        found = finish(iter_improve(plan, improvement_folder(study, plan)))
    tested = set(plan.folds[0])
    assert len(found.candidate.spec.training.patients) == 7
    assert not tested & set(found.candidate.spec.training.patients)
    assert list(found.candidate.spec.metrics) == ["patients of the project that it had not seen"]

    def promote_it():
        with Project(study, author="Ann") as project:
            promote(project, found)

    kill_in("use_model", promote_it)
    assert find_model("tiny-fundus-tuned").path == study / "models" / "tiny-fundus-tuned"
    with Project(study, author="Ann") as project:
        assert project.model_uses() == ()
        # The same command goes on with the same run, though the name is taken by now.
        again = make_plan(project, fundus_model)
        assert again.recipe.name == "tiny-fundus-tuned"
        assert improvement_folder(study, again) == runs
        promote(project, replace(found, plan=again))
        assert promoted_model(project).name == "tiny-fundus-tuned"
        assert promoted_model(project).spec.promotion.by == "Ann"


def test_time_and_memory_are_estimated_and_nothing_is_kept(run, study, fundus_model):
    command = ("project", "improve", study, "--model", fundus_model.path, ALONE, *SET)
    result = run(*command, "--estimate")
    assert result.exit_code == 0, result.output
    assert re.search(r"It takes about \d+ (s|min) and \d+\.\d GB of memory", result.stdout)
    assert not (study / "improvements").exists()


@pytest.mark.usefixtures("untraced")
def test_a_mask_that_changed_since_the_proof_forbids_the_promotion(study, fundus_model):
    with Project(study, author="Ann") as project:
        plan = make_plan(project, fundus_model)
        folder = improvement_folder(study, plan)
        job = iter_improve(plan, folder)
        next(job)
        job.close()
        assert improvement_folder(study, plan) == folder
        parent = project.history(1)[-1].number
        project.reopen(1)
        project.save_version(1, Annotation(photograph(99)[1]), Action.CORRECT, parent=parent)
        changed = make_plan(project, fundus_model)
        assert improvement_folder(study, changed) != folder
        with pytest.raises(DataError, match="not a run with the present masks"):
            next(iter_improve(changed, folder))


def test_another_rule_for_patients_hides_none_that_a_model_learnt_from(
    study, fundus_model, tmp_path
):
    """Also if the image that it learnt from is not among the corrected ones any more."""
    with Project(study, author="Ann") as project:
        first = make_plan(project, fundus_model)
        record = {"sources": (first.corrections.images[0].source,)}
        parent = lineage(fundus_model.spec)[0].model_copy(update=record)
        seen = Seen.by(fundus_model.spec.model_copy(update={"ancestors": (parent,)}))
        table = tmp_path / "patients.csv"
        rows = [f"p{seed},{'aabcde'[seed]}" for seed in range(6)]
        table.write_text("\n".join(["name,patient", *rows]))
        project.remove_images([1], "blurred")
        again = finish(iter_plan(project, fundus_model, rule=PatientRule(table=table)))
    corrections = again.corrections
    second = next(image for image in corrections.images if image.labelled.name == "#2")
    assert len(corrections.by_patient) == 5
    assert second.patient not in corrections.unseen(seen)
    assert len(corrections.unseen(seen)) == 4


@pytest.mark.usefixtures("untraced")
def test_the_training_can_be_ended_early_for_all_models_alike(study, fundus_model):
    with Project(study, author="Ann") as project:
        plan = make_plan(project, fundus_model, "steps_per_epoch=1")
        folder = improvement_folder(study, plan)
        wanted = []
        job = iter_improve(plan, folder, enough=lambda: bool(wanted))
        for step in job:
            if "Model 2 of 4: epoch 1" in step.message:
                wanted.append(True)
            if "Model 3 of 4: epoch 1" in step.message:
                break
        job.close()
        found = finish(iter_improve(plan, folder))
    epochs = [open_model(folder / name / "model").spec.training.epochs for name in RUNS]
    assert epochs == [2, 1, 1, 1]
    assert found.candidate.spec.training.epochs == 1


def test_too_little_is_said_in_a_sentence(run, tmp_path, fundus_model, oct_model):
    few = fill(tmp_path / "few" / "study", 2)
    improve = ("project", "improve", few, "--model")
    unknown = run(*improve, fundus_model.path)
    assert "The patients of 2 images are not known" in unknown.stderr
    little = run(*improve, fundus_model.path, ALONE)
    assert "corrected masks of 2 patients, and a proof needs 3 or more" in little.stderr
    one = run(*improve, fundus_model.path, "--patients-from-name", "^(p)")
    assert "corrected masks of 1 patient, and a proof needs 3 or more" in one.stderr
    other = run(*improve, oct_model.path, ALONE)
    assert "The project has the classes of 'fundus-vessels' (Vessel)" in other.stderr
    Project.create(tmp_path / "empty", scheme=FUNDUS_VESSELS, author="Ann").close()
    none = run("project", "improve", tmp_path / "empty", "--model", fundus_model.path)
    assert "There is no mask to learn from" in none.stderr
    unused = run("project", "improve", tmp_path / "empty")
    assert "No model was used in this project yet" in unused.stderr
    for result in (unknown, little, one, other, none, unused):
        assert result.exit_code == 1, result.output
        assert len(result.stderr.splitlines()) <= 2


def test_a_parent_that_is_altered_or_missing_is_said_before_the_training(
    run, study, fundus_model, tmp_path
):
    altered = tmp_path / "altered"
    shutil.copytree(fundus_model.path, altered)
    with (altered / "model.weights.h5").open("ab") as file:
        file.write(b"more")
    used = UsedModel("gone", "models/gone", "0" * 64)
    result = run("project", "improve", study, "--model", altered, ALONE)
    assert "cut short or altered" in result.stderr
    with Project(study, author="Ann") as project:
        project.use_model(used, used, "")
    missing = run("project", "improve", study, ALONE)
    for one in (result, missing):
        assert one.exit_code in (1, 2)  # 2: what the option names is no model
        assert "Traceback" not in one.output
    assert "gone" in missing.stderr
    assert not list((study / "improvements").glob("*/fold-1"))


def test_scans_among_photographs_and_unreadable_files_are_left_out(study, fundus_model):
    with Project(study, author="Ann") as project:
        project.set_modality([1], "oct")
        with pytest.raises(ProjectError, match="There is no modality 'octs'"):
            project.set_modality([1], "octs")
        project.image(2).path.write_bytes(b"cut")
        rule = PatientRule(each_image=True)
        plan = finish(iter_plan(project, fundus_model, rule=rule))
        left = plan.corrections.left_out
        assert len(plan.corrections.images) == 4
        assert left[0] == "#1 is not a fundus photograph: it is left out."
        assert left[1].startswith("#2 is left out")
        told = " ".join((*left, *plan.sentences))
        assert "p0" not in told  # names and folders of files may be names of persons
        assert "p1" not in told
        assert "photographs" not in told


def test_of_a_patient_who_taught_the_model_no_later_image_is_tested(study, fundus_model):
    """Not even if the image that it learnt from can't be found among the masks any more."""
    spec = fundus_model.spec
    with Project(study, author="Ann") as project:
        plan = finish(iter_plan(project, fundus_model, rule=PatientRule(each_image=True)))
        (known, *_) = plan.corrections.images
        parent = lineage(spec)[0].model_copy(update={"patients": (known.patient,)})
        seen = Seen.by(spec.model_copy(update={"ancestors": (parent,)}))
    assert known.patient not in plan.corrections.unseen(seen)
    assert len(plan.corrections.unseen(seen)) == 5


def test_a_successor_is_not_named_like_its_ancestors_or_what_the_project_keeps(fundus_model):
    """On a computer where they are not listed."""
    spec = fundus_model.spec
    tuned = spec.model_copy(update={"name": "tiny-fundus-tuned", "ancestors": lineage(spec)})
    assert new_name(spec, ()) == "tiny-fundus-tuned"
    assert new_name(tuned, ()) == "tiny-fundus-tuned-2"
    third = tuned.model_copy(
        update={"name": "tiny-fundus-tuned-2", "ancestors": (*lineage(tuned),)}
    )
    assert new_name(third, ()) == "tiny-fundus-tuned-3"
    assert new_name(tuned, ("tiny-fundus-tuned-2",)) == "tiny-fundus-tuned-3"


def test_what_forbids_a_promotion_is_found_before_it(study, fundus_model):
    rule = PatientRule(each_image=True)
    with Project(study, author="Ann") as project:
        taken = {"name": "resunet-tian2015-phantoms"}
        plan = finish(iter_plan(project, fundus_model, rule=rule, changes=taken))
        with pytest.raises(ModelError, match="already a model 'resunet-tian2015-phantoms'"):
            check_promotable(project, plan)
        plan = finish(iter_plan(project, fundus_model, rule=rule))
        check_promotable(project, plan)
        other = UsedModel("other", "", "0" * 64)
        project.use_model(other, other, "")
        with pytest.raises(ProjectError, match="'other' is in use in this project, and not"):
            check_promotable(project, plan)


def test_a_model_by_name_is_no_path(study, fundus_model):
    used = UsedModel(str(fundus_model.path), "", fundus_model.spec.weights_sha256)
    with (
        Project(study, author="Ann") as project,
        pytest.raises(ModelError, match="is not listed here"),
    ):
        open_used(project, used)


def test_patients_stay_together_and_each_is_tested_once(study, fundus_model, tmp_path):
    table = tmp_path / "patients.csv"
    rows = [f"p{seed},{'AaBBCc'[seed]}" for seed in range(6)]
    table.write_text("\n".join(["name,patient", *rows]))
    with Project(study, author="Ann") as project:
        plan = finish(iter_plan(project, fundus_model, rule=PatientRule(table=table)))
        assert sorted(map(len, plan.folds)) == [1, 1, 1]
        for fold in plan.folds:
            split = plan.split(fold)
            assert len(split.test) == 2
            assert len(split.training) == 4
        assert improvement_folder(study, plan).name == "tiny-fundus"


def test_a_folder_of_another_run_is_not_mixed_with_this_one(run, study, fundus_model, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    command = ("project", "improve", study, "--model", fundus_model.path, ALONE, *SET)
    result = run(*command, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "holds something else" in result.stderr
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"


def test_a_patient_who_taught_the_model_or_one_before_it_is_not_tested(
    study, fundus_model, tmp_path
):
    table = tmp_path / "patients.csv"
    rows = [f"p{seed},{'aabcde'[seed]}" for seed in range(6)]
    table.write_text("\n".join(["name,patient", *rows]))
    rule = PatientRule(table=table)
    spec = fundus_model.spec
    with Project(study, author="Ann") as project:
        first = finish(iter_plan(project, fundus_model, rule=rule)).corrections.images[0]
        parent = lineage(spec)[0].model_copy(update={"images": (first.content,)})
        child = replace(fundus_model, spec=spec.model_copy(update={"ancestors": (parent,)}))
        plan = finish(iter_plan(project, child, rule=rule))
    tested = {patient for fold in plan.folds for patient in fold}
    assert len(tested) == 4
    assert first.patient not in tested  # both of the patient's images
    assert "1 patient of them taught the model in use already" in " ".join(plan.sentences)


def test_one_picture_of_two_patients_is_refused(study, fundus_model, tmp_path):
    with Project(study, author="Ann") as project:
        first = project.image(1)
        copy = tmp_path / "again.tif"
        tifffile.imwrite(copy, project.read_image(1).plane(), photometric="rgb")
        added = project.add_images([copy]).images[0]
        drawn = project.annotation(first.id, 1)
        project.save_version(added.id, drawn, Action.CORRECT)
        with pytest.raises(DataError, match="#1 and #7 show the same picture"):
            finish(iter_plan(project, fundus_model, rule=PatientRule(each_image=True)))


def test_a_rare_class_is_on_both_sides():
    people = [f"p{number:02}" for number in range(15)]
    for seed in range(5):
        rare = np.random.default_rng(seed).choice(people, 3, replace=False)
        shown = {one: frozenset({0, 1, 2} if one in rare else {0, 1}) for one in people}
        (fold,) = divide_patients(people, shown)
        assert len(fold) == 5
        assert len(set(rare) & set(fold)) == 2
        assert divide_patients(people, shown) == (fold,)


def test_a_class_of_which_nothing_can_be_proven_is_said_before_the_training(study, fundus_model):
    with Project(study, author="Ann") as project:
        plan = finish(iter_plan(project, fundus_model, rule=PatientRule(each_image=True)))
    assert "can't be promoted" not in " ".join(plan.sentences)
    without = [replace(image, pixels=(image.pixels[0], 0)) for image in plan.corrections.images[1:]]
    images = (plan.corrections.images[0], *without)
    rare = replace(plan, corrections=replace(plan.corrections, images=images))
    assert "is shown by 1 patient of the proof" in " ".join(rare.sentences)


def test_of_many_patients_a_third_is_tested_once():
    people = [f"p{number:02}" for number in range(18)]
    (fold,) = divide_patients(people)
    assert len(fold) == 6
    assert [len(fold) for fold in divide_patients(people[:12])] == [5], "enough to prove something"
    few = divide_patients(people[:7])
    assert sorted(patient for fold in few for patient in fold) == people[:7]
    assert sorted(map(len, few)) == [2, 2, 3]
