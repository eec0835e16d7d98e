"""``--workers`` and ``--scheduler``, options of all commands that work through batches."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from napari_retina_seg.cli.console import Bar, UsageError, start_engine
from napari_retina_seg.types.batches import Mapper, iter_in_turn
from napari_retina_seg.workflows.cluster_options import ClusterOptions, WorkerNeeds

if TYPE_CHECKING:
    from napari_retina_seg.workflows.cluster import Cluster

Command = TypeVar("Command", bound=Callable[..., Any])

_WORKERS = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        metavar="N",
        help="Work in N processes of this computer at a time; each needs about 1 GB of memory.",
    ),
]
_SCHEDULER = Annotated[
    str | None,
    typer.Option(
        "--scheduler",
        metavar="ADDRESS",
        help="Work on the workers of a Dask scheduler, such as tcp://10.0.0.5:8786. They have to"
        " see files and folders under the same names.",
    ),
]


def on_workers(command: Command) -> Command:
    """Add the options ``--workers`` and ``--scheduler``, which become the argument `cluster`."""

    @functools.wraps(command)
    def distributed_command(
        *args: Any, workers: int | None = None, scheduler: str | None = None, **options: Any
    ) -> Any:
        if workers and scheduler:
            raise UsageError("Give either --workers or --scheduler, not both.")
        chosen = ClusterOptions(workers, scheduler) if workers or scheduler else None
        return command(*args, cluster=chosen, **options)

    # Typer derives options from signature and annotations.
    signature = inspect.signature(command, eval_str=True)
    kept = [one for one in signature.parameters.values() if one.name != "cluster"]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=option)
        for name, option in (("workers", _WORKERS), ("scheduler", _SCHEDULER))
    ]
    distributed_command.__signature__ = signature.replace(parameters=[*kept, *added])  # type: ignore[attr-defined]
    annotations = {**command.__annotations__, "workers": _WORKERS, "scheduler": _SCHEDULER}
    annotations.pop("cluster")
    distributed_command.__annotations__ = annotations
    return distributed_command  # type: ignore[return-value]


@contextmanager
def opened(
    options: ClusterOptions, bar: Bar, needs: WorkerNeeds | None = None
) -> Iterator[Cluster]:
    """Open the workers, and say where their dashboard is."""
    from napari_retina_seg.workflows.cluster import open_cluster

    bar.begin(options.message)
    with open_cluster(options, needs) as cluster:
        if cluster.dashboard:
            bar.say(f"Dashboard: {cluster.dashboard}")
        bar.begin(f"On {cluster.label}")
        yield cluster


@contextmanager
def opened_mapper(
    options: ClusterOptions | None,
    bar: Bar,
    needs: WorkerNeeds | None = None,
    *,
    starts_engine: bool = True,
    in_order: bool = True,
) -> Iterator[Mapper]:
    """Open the workers, or without options start TensorFlow here; yield what maps jobs.

    Without `in_order` workers' results are handed out as they end: none waits in memory.
    """
    if options is not None:
        with opened(options, bar, needs) as cluster:
            yield functools.partial(cluster.iter_map, in_order=in_order)
        return
    if starts_engine:
        bar.begin("Starting TensorFlow")
        start_engine()
    yield iter_in_turn


def seen_by_workers(paths: Sequence[Path], options: ClusterOptions | None) -> list[Path]:
    """Return paths that mean the same in workers that were started in another folder."""
    return [path if options is None else path.absolute() for path in paths]
