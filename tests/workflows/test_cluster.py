import os
import signal
import sys
import time
from collections import Counter
from contextlib import closing
from functools import partial

import cloudpickle
import dask.array as da
import numpy as np
import pytest

from napari_retina_seg.types.batches import iter_in_turn
from napari_retina_seg.types.errors import ImageError
from napari_retina_seg.types.progress import Cancelled, CancelToken, Progress, finish
from napari_retina_seg.workflows.cluster import ClusterError, open_cluster
from napari_retina_seg.workflows.cluster_options import ClusterOptions

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers don't know the tests


@pytest.fixture(scope="module")
def cluster():
    with open_cluster(ClusterOptions(workers=2)) as opened:
        yield opened


def outcomes(cluster, work, items, token=None, **options):
    found = list(cluster.iter_outcomes(work, items, token or CancelToken(), **options))
    return {outcome.item: outcome for outcome in found}


def test_all_is_worked_on_in_other_processes(cluster):
    found = outcomes(cluster, lambda item, _: (item * item, os.getpid()), range(500))
    assert [found[item].get()[0] for item in range(500)] == [item * item for item in range(500)]
    assert os.getpid() not in {outcome.get()[1] for outcome in found.values()}


def test_lazy_pixels_are_read_where_they_are_needed(cluster):
    def work(item, _):
        where = da.zeros(8, chunks=1).map_blocks(lambda block: block + os.getpid())
        return set(np.asarray(where)) == {os.getpid()}

    found = outcomes(cluster, work, range(4))
    assert all(outcome.get() for outcome in found.values())


def _log(folder, item):
    with (folder / "log").open("a") as file:
        file.write(f"{item}\n")


def _fail(folder, item, _):
    _log(folder, item)
    if item == 3:
        raise ImageError("nothing to see")
    if item == 5 and not (folder / "tried").exists():
        (folder / "tried").touch()
        raise OSError("the share was away")
    return item


def test_what_fails_is_tried_once_more(cluster, tmp_path):
    found = outcomes(cluster, partial(_fail, tmp_path), range(8))
    assert [item for item in range(8) if found[item].error] == [3]
    assert isinstance(found[3].error, ImageError)
    assert "_fail" in found[3].error.__notes__[0]
    counts = Counter((tmp_path / "log").read_text().split())
    assert {item for item, number in counts.items() if number == 2} == {"3", "5"}


class StubbornError(Exception):
    def __reduce__(self):
        raise TypeError("can't be pickled")


def test_an_error_that_cannot_travel_is_told(cluster):
    def work(item, _):
        raise StubbornError("of a library")

    found = outcomes(cluster, work, [1])
    assert str(found[1].error) == "StubbornError: of a library"


def test_results_come_in_order_and_few_are_begun_ahead(cluster, tmp_path):
    def work(item, _):
        _log(tmp_path, item)
        if item == 0:
            until = time.monotonic() + 10
            while len((tmp_path / "log").read_text().split()) < 8 and time.monotonic() < until:
                time.sleep(0.01)
            begun = (tmp_path / "log").read_text().split()
            return len(begun)
        return item

    with closing(cluster.iter_in_order(work, range(40), CancelToken())) as found:
        results = [outcome.get() for outcome in found]
    assert results[1:] == list(range(1, 40))
    assert results[0] == 8


def test_without_order_no_result_waits_for_an_earlier_item(cluster, tmp_path):
    def job(item, token):
        yield Progress(0, 1, "")
        until = time.monotonic() + 10
        while item == 0 and not (tmp_path / "5").exists() and time.monotonic() < until:
            time.sleep(0.01)
        return item

    received = []

    def receive(outcome):
        (tmp_path / str(outcome.item)).touch()
        received.append(outcome.get())

    finish(cluster.iter_map(job, range(8), receive, CancelToken(), in_order=False))
    assert sorted(received) == list(range(8))
    assert received.index(0) > received.index(5)


def test_a_job_gives_the_same_here_and_there(cluster):
    def job(item, token):
        yield Progress(0, 1, f"step of {item}")
        if item == 2:
            raise ImageError("nothing to see")
        return item * 10

    def run(mapper):
        found = []
        finish(mapper(job, range(4), found.append, CancelToken()))
        return [(one.index, one.item, one.result, str(one.error)) for one in found]

    assert run(cluster.iter_map) == run(iter_in_turn)


def _kill_once(folder, item, _):
    if item == 4 and not (folder / "died").exists():
        (folder / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.01)
    (folder / str(item)).touch()
    return item


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal")
def test_the_work_of_a_worker_that_died_is_done_by_another(cluster, tmp_path):
    found = outcomes(cluster, partial(_kill_once, tmp_path), range(60))
    assert [found[item].get() for item in range(60)] == list(range(60))
    assert all((tmp_path / str(item)).exists() for item in range(60))


def _kill_always(item, _):
    if item == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal")
def test_what_kills_workers_is_named_and_nothing_else(cluster):
    found = outcomes(cluster, _kill_always, range(6))
    assert [item for item in range(6) if found[item].error] == [1]
    assert "ended twice" in str(found[1].error)


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal")
def test_ctrl_c_which_reaches_all_processes_is_for_the_parent(cluster):
    def work(item, _):
        os.kill(os.getpid(), signal.SIGINT)
        return item

    assert outcomes(cluster, work, [1])[1].get() == 1


def _work_until_cancelled(folder, item, token):
    (folder / f"{item} begun").touch()
    try:
        while True:
            token.raise_if_cancelled()
            time.sleep(0.01)
    finally:
        (folder / f"{item} ended").touch()


def test_cancelling_waits_until_nothing_is_worked_on(cluster, tmp_path):
    token, until = CancelToken(), time.monotonic() + 30

    def items():
        yield 0
        while not (tmp_path / "0 begun").exists() and time.monotonic() < until:
            time.sleep(0.01)
        token.cancel()
        yield 1

    with pytest.raises(Cancelled):
        outcomes(cluster, partial(_work_until_cancelled, tmp_path), items(), token)
    assert (tmp_path / "0 ended").exists()
    assert (tmp_path / "1 begun").exists() == (tmp_path / "1 ended").exists()


def test_without_the_packages_the_command_to_install_them_is_said(monkeypatch):
    monkeypatch.setattr("napari_retina_seg.workflows.cluster.find_spec", lambda _: None)
    with (
        pytest.raises(ClusterError, match=r"pip install napari-retina-seg\[distributed\]"),
        open_cluster(ClusterOptions(workers=1)),
    ):
        pass
