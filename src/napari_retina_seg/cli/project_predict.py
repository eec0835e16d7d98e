"""``project predict``: a model over the images of a project."""

from __future__ import annotations

from typing import Annotated

import typer

from napari_retina_seg.cli.batch import choose_model
from napari_retina_seg.cli.cluster_options import on_workers, opened_mapper
from napari_retina_seg.cli.console import Bar, UsageError, echo, interruptible, say
from napari_retina_seg.cli.project import Author, Folder, open_project
from napari_retina_seg.workflows.cluster_options import ClusterOptions


@on_workers
def predict_command(
    folder: Folder,
    author: Author,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="Name of a model (see 'models') or path of a model folder; by default the one"
            " that was promoted in this project.",
        ),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Also images that a person has worked on.")
    ] = False,
    mirrored: Annotated[
        bool,
        typer.Option(
            "--mirrored",
            help="Also segment each image mirrored: how much the masks differ counts in the order"
            " by gain ('project queue'). It takes twice as long.",
        ),
    ] = False,
    cluster: ClusterOptions | None = None,
) -> None:
    """Run a model over the images that no one has worked on yet, and save its masks.

    Images that have its prediction already are skipped.
    """
    named = choose_model(model) if model else None
    from napari_retina_seg.workflows.predicting import find_worker_needs, iter_predict_images
    from napari_retina_seg.workflows.promoting import promoted_model

    with open_project(folder, author) as project, Bar(1) as bar, interruptible() as token:
        chosen = named or promoted_model(project)
        if chosen is None:
            raise UsageError("No model was promoted in this project yet: name one with --model.")
        image_ids = [image.id for image in project.images()]
        needs = find_worker_needs(project, chosen, image_ids)
        with opened_mapper(cluster, bar, needs, in_order=False) as mapper:
            job = iter_predict_images(
                project,
                chosen,
                image_ids,
                reviewed=every,
                mirrored=mirrored,
                token=token,
                mapper=mapper,
            )
            done = bar.walk(job, "Predicting")
    for sentence in (*done.warnings, *done.unfit, *done.problems, *done.model_warnings):
        say(sentence)
    skipped = (
        (done.skipped, "predicted by this model already"),
        (done.graded, "worked on by a person (--all predicts these too)"),
        (done.unfit, "the model is for another kind of image"),
    )
    reasons = [f"{len(images)} skipped: {reason}" for images, reason in skipped if images]
    counts = (f"{len(done.image_ids)} predicted", *reasons, f"{len(done.problems)} failed")
    echo("; ".join(counts) + ".")
    if done.failed:
        raise typer.Exit(1)
