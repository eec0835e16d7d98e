"""Batches on several processes: of this computer, or of a Dask cluster."""

from __future__ import annotations

import os
import queue
import secrets
import time
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeVar

from napari_retina_seg import __version__
from napari_retina_seg.types.batches import ItemJob, Outcome
from napari_retina_seg.types.counts import count
from napari_retina_seg.types.errors import RetinaSegError
from napari_retina_seg.types.progress import CancelToken, Progress, finish
from napari_retina_seg.workflows.cluster_options import ClusterOptions, WorkerNeeds
from napari_retina_seg.workflows.cluster_queue import BatchQueue

if TYPE_CHECKING:
    from distributed import Client, Future, LocalCluster

Item = TypeVar("Item")
Result = TypeVar("Result")

_CONNECT_SECONDS = 5
_WORKERS_SECONDS = 10  # until a scheduler has its first worker
_WITHOUT_WORKERS_SECONDS = 60  # that a batch goes on waiting when all of them are gone
_STOP_SECONDS = 20  # until what is being worked on has come to its next step
_POLL_SECONDS = 0.2
_AHEAD = 4  # items for each worker that may be begun before an earlier one is done
_THREAD_LIMITS = ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_LOOK_SECONDS = 1.0  # between two looks at how many workers there are


class ClusterError(RetinaSegError):
    """Workers that can't be reached, or that can't do the work."""


@contextmanager
def open_cluster(options: ClusterOptions, needs: WorkerNeeds | None = None) -> Iterator[Cluster]:
    """Start worker processes, or connect to a scheduler; at the end close what was opened.

    Parameters
    ----------
    options : ClusterOptions
        Number of processes or address of the scheduler.
    needs : WorkerNeeds, optional
        What the workers of a scheduler have to have.

    Yields
    ------
    Cluster
        The workers.

    Raises
    ------
    ClusterError
        If Dask's scheduler is not installed, none answers, there are no workers, or one of them
        has another version of the program or lacks what is needed.
    """
    if find_spec("distributed") is None or find_spec("cryptography") is None:
        raise ClusterError(
            "Several workers need further packages: run 'pip install"
            " napari-retina-seg[distributed]'."
        )
    from distributed import Client

    with ExitStack() as stack:
        if options.scheduler is None:
            processes = stack.enter_context(_local_processes(options.workers or 1))
            client = stack.enter_context(Client(processes, set_as_default=False))
            yield Cluster(client, count(options.workers or 1, "process"), is_local=True)
            return
        client = stack.enter_context(closing(_connect(options.scheduler)))
        _check_workers(client, options.scheduler, needs)
        yield Cluster(client, options.scheduler, is_local=False)


@contextmanager
def _local_processes(number: int) -> Iterator[LocalCluster]:
    """Start processes that other users of the computer can't send work to."""
    import logging

    import dask
    from distributed import LocalCluster, Security

    threads = str(max(1, (os.cpu_count() or 1) // number))
    limits = {name: os.environ.get(name, threads) for name in _THREAD_LIMITS}
    # Dask's own settings also make malloc give memory back all the time, which takes long.
    with dask.config.set({"distributed.nanny.pre-spawn-environ": limits}):
        processes = LocalCluster(
            n_workers=number,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,  # a worker that ends is reported with its file
            security=Security.temporary(),
            # One at a time is worked on, so the file at work is to blame; it is tried again alone.
            scheduler_kwargs={"allowed_failures": 0},
        )
    with closing(processes):
        yield processes


def _connect(address: str) -> Client:
    from distributed import Client

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of other versions of libraries: see _check_workers
            return Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
    except TypeError as error:  # Dask's, of an address with tls:// and no certificate
        raise ClusterError(
            f"The scheduler at '{address}' asks for a certificate: name its files in Dask's"
            " configuration, under distributed.comm.tls."
        ) from error
    except (OSError, ValueError) as error:
        raise ClusterError(
            f"No scheduler answers at '{address}': start one with 'dask scheduler', and give its"
            " address, such as tcp://10.0.0.5:8786."
        ) from error


def _check_workers(client: Client, address: str, needs: WorkerNeeds | None) -> None:
    """Check that scheduler and workers have this version of the program, and what is needed."""
    try:
        client.wait_for_workers(1, timeout=_WORKERS_SECONDS)
    except TimeoutError as error:
        raise ClusterError(
            f"The scheduler at '{address}' has no workers: start some with 'dask worker {address}'."
        ) from error
    from napari_retina_seg.workflows.cluster_worker import describe

    answers = {"The scheduler": _ask_scheduler(client)}
    found = client.run(describe, needs, on_error="return")
    answers |= {f"The worker '{worker}'": answer for worker, answer in found.items()}
    for who, answer in answers.items():
        if isinstance(answer, ImportError | AttributeError | RuntimeError):
            raise ClusterError(
                f"{who} can't load napari-retina-seg: run 'pip install"
                f" napari-retina-seg[distributed]=={__version__}' there."
            ) from answer
        if isinstance(answer, Exception):
            raise ClusterError(f"{who} can't be used ({answer}): start it again.") from answer
        version, lack = answer
        if version != __version__:
            raise ClusterError(
                f"{who} has version {version} of napari-retina-seg and this computer {__version__}:"
                " install the same version on both."
            )
        if lack:
            raise ClusterError(f"{who} can't do the work: {lack}")


def _ask_scheduler(client: Client) -> Any:
    from napari_retina_seg.workflows.cluster_worker import describe

    try:
        return client.run_on_scheduler(describe)
    except Exception as error:  # noqa: BLE001 - whatever it raised, it is reported
        return error


class Cluster:
    """Workers that are ready for batches; see `open_cluster`.

    Parameters
    ----------
    client : distributed.Client
        Connection to their scheduler.
    label : str
        Where they are, in words.
    is_local : bool
        Whether they are processes that this one started.
    """

    def __init__(self, client: Client, label: str, *, is_local: bool) -> None:
        self._client = client
        self._is_local = is_local
        self.label = label

    @property
    def dashboard(self) -> str:
        """Address of the page on which Dask shows its work; empty if there is none."""
        if self._is_local and find_spec("bokeh") is None:
            return ""
        return self._client.dashboard_link or ""

    def iter_map(
        self,
        job: ItemJob[Item, Result],
        items: Iterable[Item],
        receive: Callable[[Outcome[Item, Result]], Any],
        token: CancelToken,
        /,
        *,
        in_order: bool = True,
    ) -> Generator[Progress, None, None]:
        """Work on items elsewhere, and hand out their results in order; a `Mapper`.

        Without `in_order` each is handed out when it is done, so that none waits in memory.
        """
        run = self.iter_in_order if in_order else self.iter_outcomes
        work = partial(_run_job, job)
        with closing(run(work, items, token, writes=False)) as outcomes:
            for done, outcome in enumerate(outcomes, 1):
                receive(outcome)
                yield Progress(done, 0, f"on {self.label}")

    def iter_in_order(
        self,
        work: Callable[[Item, CancelToken], Result],
        items: Iterable[Item],
        token: CancelToken,
        *,
        writes: bool = True,
    ) -> Generator[Outcome[Item, Result], None, None]:
        """Work on items as `iter_outcomes` does; yield what became of them in their order.

        While an item is not done, only a few of those that follow are begun.
        """
        ahead = _AHEAD * max(1, self._count_workers())
        waiting: dict[int, Outcome[Item, Result]] = {}
        done = 0
        run = self.iter_outcomes(work, items, token, ahead=ahead, writes=writes)
        with closing(run) as outcomes:
            for outcome in outcomes:
                waiting[outcome.index] = outcome
                while done in waiting:
                    yield waiting.pop(done)
                    done += 1

    def iter_outcomes(
        self,
        work: Callable[[Item, CancelToken], Result],
        items: Iterable[Item],
        token: CancelToken,
        *,
        ahead: int | None = None,
        writes: bool = True,
    ) -> Generator[Outcome[Item, Result], None, None]:
        """Work on items elsewhere, as many at a time as there are workers.

        What fails is tried once more. What a worker was working on when its process ended is tried
        again alone, at the end: if that process ends, too, the item is to blame.

        Parameters
        ----------
        work : callable
            Takes an item and a `CancelToken`; it is pickled, and kept in each worker.
        items : iterable
            The items, asked for as workers become free.
        token : CancelToken
            Stops the work.
        ahead : int, optional
            How many items may be begun while an earlier one is not done; by default any number.
        writes : bool
            Whether the work writes files: when it is cancelled, none is left half written.

        Yields
        ------
        Outcome
            What became of each item, in the order of their ends.

        Raises
        ------
        ClusterError
            If the connection is lost, or no worker is left.
        Cancelled
            If it was cancelled through `token`.
        """
        import cloudpickle

        from napari_retina_seg.io import max_pixels
        from napari_retina_seg.workflows.cluster_worker import BatchPlugin, run_chunk

        name = f"napari-retina-seg-{secrets.token_hex(8)}"
        content = cloudpickle.dumps(work)
        plugin = BatchPlugin(content, max_pixels(), ignores_interrupts=self._is_local)
        self._client.register_plugin(plugin, name=name)
        ended: queue.SimpleQueue[Future] = queue.SimpleQueue()

        def submit(key: str, chunk: tuple[Item, ...]) -> Future:
            packed = cloudpickle.dumps(chunk)
            future = self._client.submit(
                run_chunk, name, __version__, packed, key=f"{name}-{key}", pure=False
            )
            future.add_done_callback(ended.put)
            return future

        batch: BatchQueue[Item, Result] = BatchQueue(items, submit, ahead)
        try:
            yield from self._work_off(batch, ended, token)
        except (KeyboardInterrupt, ClusterError):
            raise
        except BaseException:
            self._cancel(name)
            if writes:
                self._wait(batch, ended)
            raise
        finally:
            with suppress(Exception):  # the connection may be lost
                self._client.unregister_worker_plugin(name)

    def _work_off(
        self,
        batch: BatchQueue[Item, Result],
        ended: queue.SimpleQueue[Future],
        token: CancelToken,
    ) -> Generator[Outcome[Item, Result], None, None]:
        workers, looked = 0, float("-inf")
        seen = time.monotonic()
        while True:
            if self._client.status != "running":
                raise self._lost()
            now = time.monotonic()
            if now - looked > _LOOK_SECONDS:
                workers, looked = self._count_workers(), now
            seen = now if workers else seen
            if now - seen > _WITHOUT_WORKERS_SECONDS:
                raise ClusterError(
                    f"No worker is left at '{self.label}': start some, and start the batch again."
                )
            token.raise_if_cancelled()
            batch.fill(workers)
            if workers and not batch.is_running:
                return
            with suppress(queue.Empty):
                future = ended.get(timeout=_POLL_SECONDS)
                try:
                    yield from batch.collect(future)
                except (CancelledError, OSError) as error:  # Dask's: what work raised is returned
                    raise self._lost() from error

    def _count_workers(self) -> int:
        """Return how many items can be worked on at a time."""
        try:
            return sum(self._client.nthreads().values())
        except OSError as error:
            raise self._lost() from error

    def _lost(self) -> ClusterError:
        return ClusterError(
            f"The scheduler at '{self.label}' no longer answers: start it again, and then the"
            " batch."
        )

    def _cancel(self, name: str) -> None:
        """Cancel what is being worked on, at its next step."""
        from napari_retina_seg.workflows.cluster_worker import cancel_batch

        with suppress(Exception):  # the connection may be lost
            self._client.run(cancel_batch, name, on_error="ignore")

    def _wait(self, batch: BatchQueue[Any, Any], ended: queue.SimpleQueue[Future]) -> None:
        """Wait for what was cancelled."""
        until = time.monotonic() + _STOP_SECONDS
        while batch.is_running and time.monotonic() < until and self._client.status == "running":
            with suppress(queue.Empty):
                batch.forget(ended.get(timeout=_POLL_SECONDS))


def _run_job(job: ItemJob[Item, Result], item: Item, token: CancelToken) -> Result:
    return finish(job(item, token))
