"""``project improve``: fine-tune the model in use with the corrections, prove and promote it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_retina_seg.cli.batch import choose_model
from napari_retina_seg.cli.console import (
    Bar,
    as_cell,
    echo,
    interruptible,
    say,
    start_engine,
)
from napari_retina_seg.cli.inputs import OverwriteReport, check_reports
from napari_retina_seg.cli.patient_options import (
    EachImageItsOwnPatient,
    PatientsFromFolder,
    PatientsFromName,
    PatientTable,
    patient_rule,
)
from napari_retina_seg.cli.project import Author, Folder, open_project

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_retina_seg.datasets.labelled import LabelledImage
    from napari_retina_seg.models.spec import ModelSpec
    from napari_retina_seg.project.model_uses import ModelUse
    from napari_retina_seg.project.view import ProjectView
    from napari_retina_seg.types.progress import CancelToken
    from napari_retina_seg.workflows.improvement_log import ImprovementLog
    from napari_retina_seg.workflows.improvement_plan import Plan
    from napari_retina_seg.workflows.improving import Improvement
    from napari_retina_seg.workflows.patients import PatientRule


def improve_command(
    folder: Folder,
    author: Author,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="Which model to improve; by default the promoted one, or the one that most masks"
            " began with.",
        ),
    ] = None,
    promote: Annotated[
        bool, typer.Option("--promote", help="Take the new model into use if it is proven.")
    ] = False,
    estimate: Annotated[
        bool,
        typer.Option(
            "--estimate",
            help="Only try a few steps, and say how long it will take and how much memory.",
        ),
    ] = False,
    reference: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR",
            help="A data set of the kind that the model learnt from: on its test images the new"
            " model must not be worse. May be repeated.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="DIR",
            help="Folder for the training runs and the report; by default in the project.",
        ),
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Change the recipe, e.g. epochs=5; may be repeated."
        ),
    ] = None,
    patients_from_name: PatientsFromName = None,
    patients: PatientTable = None,
    patients_from_folder: PatientsFromFolder = False,
    each_image_its_own_patient: EachImageItsOwnPatient = False,
) -> None:
    """Fine-tune a model with the corrected masks, and prove what it gained on other patients.

    A run that was stopped goes on where it was when the command is repeated.
    """
    from napari_retina_seg.models.overrides import parse_overrides, with_full_keys
    from napari_retina_seg.models.recipe import Recipe
    from napari_retina_seg.reports.improvement import harm_of, verdict_of
    from napari_retina_seg.workflows.improvement_log import Ended, Note, RunsIn, writing_log
    from napari_retina_seg.workflows.improvement_plan import improvement_folder, iter_plan
    from napari_retina_seg.workflows.improving import iter_improve
    from napari_retina_seg.workflows.patients import rule_options
    from napari_retina_seg.workflows.promoting import check_promotable, current_model
    from napari_retina_seg.workflows.promoting import promote as promote_model

    rule = patient_rule(
        patients_from_name,
        patients,
        each_image=each_image_its_own_patient,
        folder=patients_from_folder,
    )
    changes = with_full_keys(parse_overrides(change or [], Recipe), Recipe)
    if estimate:
        _estimate(folder, author, model, rule, changes)
        return
    options = [*rule_options(rule)]
    options += [part for text in change or [] for part in ("--set", text)]
    with (
        open_project(folder, author) as project,
        writing_log(project.folder, options) as log,
        Bar(1) as bar,
        interruptible() as token,
    ):
        chosen = choose_model(model) if model else current_model(project)
        planning = iter_plan(project, chosen, rule=rule, changes=changes, token=token)
        reading = "Reading the masks"
        plan = bar.walk(log.iter_logged(planning, reading), reading)
        if promote:
            check_promotable(project, plan)
        bar.finish()
        notes = (*plan.corrections.left_out, *plan.sentences)
        for sentence in (f"The model to improve is '{chosen.name}'.", *notes):
            bar.say(sentence)
            log.add(Note(note=sentence))
        bar.begin("Starting TensorFlow")
        log.begin_part("Starting TensorFlow")
        start_engine()
        images = _reference_images(reference or [], chosen.spec, bar, token)
        place = out or improvement_folder(project.folder, plan)
        if not place.exists():  # a run that goes on is in the middle of it
            _say_estimate(plan, bar, log, token)
        bar.say(f"Runs and report are in '{place}'.")
        log.add(RunsIn(runs_in=place.absolute(), candidate=plan.recipe.name))
        job = iter_improve(plan, place, reference=images, token=token, enough=log.is_enough)
        found = bar.walk(log.iter_logged(job), plan.recipe.name)
        bar.finish()
        report = _write_report(found)
        taken = promote_model(project, found) if promote and found.proof.is_proven else None
        log.add(
            Ended(
                failure="",
                summary=found.summary,
                verdict=verdict_of(found.proof),
                harm=harm_of(found.proof),
                proven=found.proof.is_proven,
                promoted=taken is not None,
            )
        )
    _print_result(found, report)
    if taken is not None:
        echo(f"'{taken.name}' is now the model of this project; 'project roll-back' undoes it.")
    elif promote:
        raise typer.Exit(1)


def _say_estimate(plan: Plan, bar: Bar, log: ImprovementLog, token: CancelToken) -> None:
    """Say before a run begins how long it takes and how much memory."""
    from napari_retina_seg.workflows.improvement_estimate import iter_estimate
    from napari_retina_seg.workflows.improvement_log import Note

    found = bar.walk(log.iter_logged(iter_estimate(plan, token)), "Trying a few steps")
    bar.finish()
    bar.say(found.sentence)
    log.add(Note(note=found.sentence))


def _estimate(
    folder: Path,
    author: str,
    model: str | None,
    rule: PatientRule | None,
    changes: Mapping[str, Any],
) -> None:
    from napari_retina_seg.workflows.improvement_estimate import iter_estimate
    from napari_retina_seg.workflows.improvement_plan import iter_plan
    from napari_retina_seg.workflows.promoting import current_model

    with open_project(folder, author) as project, Bar(1) as bar, interruptible() as token:
        chosen = choose_model(model) if model else current_model(project)
        planning = iter_plan(project, chosen, rule=rule, changes=changes, token=token)
        plan = bar.walk(planning, "Reading the masks")
        bar.begin("Starting TensorFlow")
        start_engine()
        found = bar.walk(iter_estimate(plan, token), "Estimating")
    echo(found.sentence)


def _reference_images(
    paths: list[Path], spec: ModelSpec, bar: Bar, token: CancelToken
) -> tuple[LabelledImage, ...]:
    from napari_retina_seg.datasets.evaluation_images import (
        iter_validate_evaluation,
        select_for_evaluation,
    )
    from napari_retina_seg.datasets.layouts import read_data

    if not paths:
        return ()
    chosen = select_for_evaluation(read_data(paths), spec.scheme, spec.modality, "test")
    job = iter_validate_evaluation(chosen.images, spec.scheme, spec.modality, token=token)
    checked = bar.walk(job, "Checking the reference images")
    bar.finish()
    for message in (*chosen.warnings, *checked.warnings):
        bar.say(message)
    return tuple(checked.images)


def _write_report(found: Improvement) -> tuple[Path, ...]:
    from napari_retina_seg import __version__
    from napari_retina_seg.reports.improvement import write_improvement

    plan = found.plan
    record = found.candidate.spec.training
    about = {
        "candidate": f"{found.candidate.name}, weights sha256"
        f" {found.candidate.spec.weights_sha256}",
        "model in use": f"{plan.model.name}, weights sha256 {plan.model.spec.weights_sha256}",
        "steps": "" if record is None else str(record.steps),
        "seed": str(plan.recipe.seed),
        "program": f"napari-retina-seg {__version__}",
    }
    title = f"{found.candidate.name} compared with {plan.model.name}"
    sentences = (found.summary, *plan.sentences, *plan.corrections.left_out)
    return write_improvement(found.proof, title, sentences, about, found.folder)


def _print_result(found: Improvement, report: tuple[Path, ...]) -> None:
    from rich.console import Console
    from rich.table import Table

    from napari_retina_seg.reports.improvement import finding_rows, harm_of, verdict_of

    table = Table(box=None, pad_edge=False)
    for header in ("Dice; px for boundaries", "in use", "new", "difference", "95 % interval", ""):
        table.add_column(header)
    proof = found.proof
    for row in finding_rows((proof.overall, *proof.classes, *proof.boundaries)):
        table.add_row(*map(as_cell, row))
    Console().print(table)
    for sentence in (found.summary, harm_of(proof), verdict_of(proof)):
        echo(sentence)
    echo(str(report[0].resolve()))


def burden_command(
    folder: Folder,
    author: Author,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="DIR",
            help="Folder for a report: a page with plots over time, CSV and JSON.",
        ),
    ] = None,
    overwrite: OverwriteReport = False,
) -> None:
    """Show what correcting each model's masks costs: minutes, changes, what was left unchanged."""
    from napari_retina_seg.project.view import ProjectView
    from napari_retina_seg.reports.burden import FILES, burden_table, notes, write_burden

    if out is not None:
        check_reports(out, FILES, overwrite=overwrite)
    with ProjectView(folder, author=author) as project:
        burden = project.burden()
    header, rows = burden_table(burden)
    if rows:
        _print_table(_without_dates(header), [_without_dates(row) for row in rows])
    for sentence in notes(burden):
        say(sentence)
    if out is not None:
        for path in write_burden(burden, "What corrections cost", out):
            echo(str(path.resolve()))


def _print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in header:
        table.add_column(as_cell(name, fold=True), overflow="fold")
    for row in rows:
        table.add_row(*(as_cell(cell, fold=True) for cell in row))
    Console().print(table)


def _without_dates(row: Sequence[str]) -> tuple[str, ...]:
    """Return the cells that have room on a terminal; the report has all."""
    return (*row[:2], *row[4:])


def roll_back_command(folder: Folder, author: Author) -> None:
    """Use the model again that was in use before the present one."""
    from napari_retina_seg.workflows.promoting import roll_back

    with open_project(folder, author) as project:
        use = roll_back(project)
    echo(f"'{use.model.name}' is in use again, instead of '{use.instead_of.name}'.")


def used_models_command(
    folder: Folder,
    author: Author,
    trace: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Instead, trace a model, by name or folder, to all masks and people behind it;"
            " 'current' is the one in use.",
        ),
    ] = None,
) -> None:
    """List which models were taken into use, by whom, when and why; or trace one."""
    with open_project(folder, author) as project:
        if trace is not None:
            _print_trace(project, trace)
            return
        uses = project.model_uses()
    if not uses:
        say("No model was promoted in this project yet: 'project improve --promote' does it.")
    for use in uses:
        echo(_use_line(use))


def _use_line(use: ModelUse) -> str:
    return (
        f"{use.chosen_at.astimezone():%Y-%m-%d %H:%M} {use.chosen_by}: {use.model.name}"
        f" instead of {use.instead_of.name}. {use.reason}"
    )


def _print_trace(project: ProjectView, name: str) -> None:
    from napari_retina_seg.workflows.promoting import current_model, find_used
    from napari_retina_seg.workflows.tracing import trace

    model = current_model(project) if name == "current" else find_used(project, name)
    for traced in trace(project, model):
        one = traced.model
        echo(f"{one.name} (weights sha256 {one.weights_sha256})")
        steps = "steps not recorded" if one.steps is None else f"{one.steps} steps"
        seed = "" if one.seed is None else f", seed {one.seed}"
        echo(f"  learnt from {one.training_data}; {steps}{seed}; licence: {one.licence}")
        for use in traced.uses:
            echo(f"  {_use_line(use)}")
        for image, version in traced.masks:
            echo(
                f"  #{image.id} {image.name}, version {version.number} by {version.author},"
                f" {version.created_at.astimezone():%Y-%m-%d %H:%M}"
            )
        if traced.people:
            echo(f"  masks by {', '.join(traced.people)}")
        if traced.unknown:
            echo(
                f"  {traced.unknown} more masks, which are not in this project or not shown to you"
            )
        if not one.images:
            echo("  which images these were is not recorded one by one")
