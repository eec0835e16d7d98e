"""Where a batch is to run, and what that takes: without anything heavy to import."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_retina_seg.types.errors import RetinaSegError

if TYPE_CHECKING:
    from napari_retina_seg.models.registry import ModelFolder


@dataclass(frozen=True)
class ClusterOptions:
    """Where a batch is to run.

    Attributes
    ----------
    workers : int or None
        Number of processes on this computer.
    scheduler : str or None
        Address of a Dask scheduler, such as ``tcp://10.0.0.5:8786``.
    """

    workers: int | None = None
    scheduler: str | None = None

    @property
    def message(self) -> str:
        """What is being done until the workers are there."""
        return "Starting the workers" if self.scheduler is None else "Connecting to the scheduler"


@dataclass(frozen=True)
class WorkerNeeds:
    """What each worker has to have for a batch.

    Attributes
    ----------
    models : tuple of ModelFolder
        Models, unaltered.
    reads : tuple of Path
        Files or folders that have to be there.
    writes : tuple of Path
        Folders in which it has to be able to write.
    """

    models: tuple[ModelFolder, ...] = ()
    reads: tuple[Path, ...] = ()
    writes: tuple[Path, ...] = ()

    def check(self) -> str:
        """Return what is missing here, in a sentence; empty if nothing is."""
        from napari_retina_seg.io.atomic import check_folder

        try:
            for model in self.models:
                model.check_weights()
            for folder in self.writes:
                check_folder(folder)
        except RetinaSegError as error:
            return str(error)
        unseen = [path for path in self.reads if not path.exists()]
        if unseen:
            return f"'{unseen[0]}' is not there: name files that are at the same place everywhere."
        return ""
