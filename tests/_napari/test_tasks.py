"""Background work: what comes of it, in which thread, and who may go away meanwhile."""

import gc
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from qtpy.QtCore import QObject

from napari_retina_seg._napari.job import Job, JobResult
from napari_retina_seg._napari.tasks import SerialTaskQueue, Task, in_background, is_idle
from napari_retina_seg.types.progress import Progress


class Listener(QObject):
    """Notes what comes, and in which thread."""

    def __init__(self) -> None:
        super().__init__()
        self.heard, self.threads = [], set()

    def hear(self, what: object) -> None:
        self.heard.append(what)
        self.threads.add(threading.current_thread())


def test_work_that_a_pool_refuses_is_not_waited_for(qtbot):
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    with pytest.raises(RuntimeError, match="after shutdown"):
        Task(lambda _: None, pool).start()
    assert is_idle()


def test_a_queue_that_is_shut_down_says_that_a_task_is_not_run(qtbot):
    queue, run, said = SerialTaskQueue(QObject()), [], []
    queue.submit(lambda: run.append("before"), run.append, said.append)
    queue.shutdown()
    queue.submit(lambda: run.append("after"), run.append, said.append)
    assert run == ["before"]
    assert len(said) == 1
    assert "nothing more was read or saved" in said[0]


def test_steps_and_end_come_in_order_in_the_windows_thread(qtbot):
    listener, at_work = Listener(), []

    def work(tell):
        at_work.append(threading.current_thread())
        for step in range(100):
            tell(step)
        return "end"

    task = Task(work)
    task.stepped.connect(listener.hear)
    task.ended.connect(listener.hear)
    task.start()
    qtbot.waitUntil(is_idle)
    assert listener.heard == [*range(100), "end"]
    assert listener.threads == {threading.current_thread()}
    assert listener.threads.isdisjoint(at_work)


def test_an_unreferenced_task_is_kept_until_its_result_is_delivered(qtbot):
    opens_next, listener = threading.Event(), Listener()
    in_background(lambda: opens_next.wait(10), listener.hear)
    for _ in range(3):
        gc.collect()
        in_background(gc.collect)
    assert not is_idle()
    opens_next.set()
    qtbot.waitUntil(is_idle)
    assert listener.heard == [True]


def test_an_error_is_logged_and_still_an_end(qtbot, caplog):
    listener = Listener()
    in_background(lambda: 1 / 0, listener.hear)
    qtbot.waitUntil(is_idle)
    assert listener.heard == [None]
    assert "ZeroDivisionError" in caplog.text
    caplog.clear()


def test_a_listener_may_go_away(qtbot):
    opens_next, listener = threading.Event(), Listener()
    heard = listener.heard
    in_background(lambda: opens_next.wait(10), listener.hear)
    listener.deleteLater()
    with qtbot.waitSignal(listener.destroyed):
        pass
    opens_next.set()
    qtbot.waitUntil(is_idle)
    assert heard == []


@pytest.mark.parametrize("how", ["deleted", "abandoned"])
def test_a_job_stops_when_what_it_belongs_to_goes_away(qtbot, how):
    started, tokens, parent, ends = threading.Event(), [], QObject(), []

    def steps(token):
        tokens.append(token)
        started.set()
        while not token.cancelled:
            time.sleep(0.01)
            yield Progress(0, 1)
        return JobResult(None)

    job = Job(steps, "a job", parent)
    job.done.connect(ends.append)
    job.start()
    assert started.wait(10)
    if how == "deleted":
        bar = job._bar
        parent.deleteLater()
        with qtbot.waitSignal(parent.destroyed):
            pass
        bar.close()
    else:
        job.abandon()
    qtbot.waitUntil(is_idle)
    assert tokens[0].cancelled
    assert ends == []


PROGRAM = """
import faulthandler, gc, sys, time
faulthandler.enable()
from qtpy.QtCore import QCoreApplication, QObject
from napari_retina_seg._napari.tasks import LatestOnlyWorker
from napari_retina_seg._napari.job import Job, JobResult, JobStatus
from napari_retina_seg.types.progress import Progress

def steps(token):
    for step in range(20):
        time.sleep(0.05)
        yield Progress(step, 20)
    print("job", flush=True)
    return JobResult(JobStatus.SUCCEEDED)

def preview():
    time.sleep(2)
    print("preview", flush=True)

app, parent = QCoreApplication(sys.argv), QObject()
job = Job(steps, "a job", parent)
job.start()
LatestOnlyWorker(parent).submit("a preview", preview)
app.processEvents()
time.sleep(0.1)
app.processEvents()
"""


def test_a_program_may_end_while_work_is_under_way():
    """PyQt deletes its objects at the end of the program; the work must have ended by then."""
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout == "job\npreview\n"
    assert "Error" not in done.stderr
