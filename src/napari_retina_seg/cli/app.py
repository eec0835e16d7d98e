"""The command-line app: its commands and error handling."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from napari_retina_seg import __version__
from napari_retina_seg.cli import (
    agreement,
    dataset,
    demo,
    doctor,
    evaluate,
    exchange,
    explain,
    improve,
    measure,
    models,
    names,
    project,
    project_check,
    project_images,
    project_member,
    project_predict,
    project_server,
    segment,
    train,
)
from napari_retina_seg.cli.cluster_options import on_workers
from napari_retina_seg.cli.console import UsageError, echo, say
from napari_retina_seg.cli.limits import opens_files
from napari_retina_seg.types.errors import RetinaSegError
from napari_retina_seg.types.progress import Cancelled

FAILED, REFUSED, INTERRUPTED = 1, 2, 130


class _Sentences(TyperGroup):
    """Command group that reports errors in one sentence instead of a traceback."""

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        """Run the command; with ``--debug`` exceptions are not caught."""
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, Cancelled) as error:
            say("Cancelled: finished results are kept.")
            raise typer.Exit(INTERRUPTED) from error
        except (typer.Exit, typer.Abort, BrokenPipeError):
            raise
        except Exception as error:
            # Typer reports wrong options itself.
            if ctx.params["debug"] or hasattr(error, "exit_code"):
                raise
            say(_sentence(error))
            raise typer.Exit(REFUSED if isinstance(error, UsageError) else FAILED) from error


def _sentence(error: Exception) -> str:
    if isinstance(error, RetinaSegError):
        return str(error)
    return (
        f"Unexpected error ({type(error).__name__}: {error}): run"
        " 'napari-retina-seg --debug …' with the same command to see the traceback."
    )


app = typer.Typer(
    cls=_Sentences,
    name="napari-retina-seg",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("segment")(opens_files(on_workers(segment.segment_command)))
app.command("measure")(opens_files(on_workers(measure.measure_command)))
app.command("explain")(opens_files(on_workers(explain.explain_command)))
app.add_typer(models.app, name="models")
app.command("demo")(demo.demo_command)
app.command("doctor")(doctor.doctor_command)
app.add_typer(dataset.app, name="dataset")
project.app.command("predict")(opens_files(project_predict.predict_command))
project.app.command("agreement")(opens_files(agreement.agreement_command))
project.app.command("adjudicate")(opens_files(agreement.adjudicate_command))
project.app.command("names")(opens_files(names.names_command))
project.app.command("check")(opens_files(project_check.check_command))
project.app.command("move")(opens_files(project_server.move_command))
project.app.command("join")(project_server.join_command)
project.app.command("password")(project_server.password_command)
project.app.command("queue")(project_images.queue_command)
project.app.command("assign")(project_images.assign_command)
project.app.command("remove")(project_images.remove_command)
project.app.command("restore")(project_images.restore_command)
project.app.command("modality")(project_images.modality_command)
project.app.command("export")(opens_files(exchange.export_command))
project.app.command("import")(opens_files(exchange.import_command))
project.app.command("improve")(opens_files(improve.improve_command))
project.app.command("burden")(opens_files(improve.burden_command))
project.app.command("roll-back")(improve.roll_back_command)
project.app.command("models")(improve.used_models_command)
project.app.add_typer(project_member.app, name="member")
app.add_typer(project.app, name="project")
app.command("train")(opens_files(train.train_command))
app.command("evaluate")(opens_files(on_workers(evaluate.evaluate_command)))


def _show_version(wanted: bool) -> None:
    if wanted:
        echo(f"napari-retina-seg {__version__}")
        raise typer.Exit


@app.callback()
def program(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Segment OCT scans and fundus photographs."""
