import pytest

from napari_retina_seg._napari.engine_tasks import SegmentTask, segment
from napari_retina_seg._napari.job import JobResult, JobStatus, as_result, time_left
from napari_retina_seg.models.registry import find_model
from napari_retina_seg.types.image import Modality, RetinaImage
from napari_retina_seg.types.progress import CancelToken, Progress, finish


@pytest.mark.parametrize(
    ("step", "elapsed", "words"),
    [
        (Progress(0, 10), 5, ""),
        (Progress(1, 10), 2, "18 s left"),
        (Progress(9, 10), 0.9, "1 s left"),
        (Progress(1, 100), 4, "7 min left"),
        (Progress(10, 10), 5, ""),
    ],
)
def test_the_time_left(step, elapsed, words):
    assert time_left(step, elapsed) == words


def run(pixels, token) -> JobResult:
    image = RetinaImage(pixels, modality=Modality.OCT, name="scan")
    task = SegmentTask(image, find_model("tiny-oct"), None, probabilities=False)
    return finish(as_result(segment(task, token), task.title))


def test_work_that_is_cancelled(bscan):
    token = CancelToken()
    token.cancel()
    assert run(bscan, token).status is JobStatus.CANCELLED


def test_work_that_fails_in_an_unforeseen_way_is_still_a_sentence(bscan, caplog):
    class Broken:
        """A lazy array whose file went away."""

        shape, dtype = bscan.shape, bscan.dtype

        def __array__(self, dtype=None, copy=None):
            raise RuntimeError("the share is offline")

    outcome = run(Broken(), CancelToken())
    assert outcome.status is JobStatus.FAILED
    assert outcome.message == (
        "Segmenting 'scan' with 'tiny-oct' failed: RuntimeError: the share is offline."
    )
    assert "failed" in caplog.text


def test_work_that_needs_too_much_memory(bscan):
    class Huge:
        shape, dtype = bscan.shape, bscan.dtype

        def __array__(self, dtype=None, copy=None):
            raise MemoryError

    outcome = run(Huge(), CancelToken())
    assert outcome.status is JobStatus.FAILED
    assert outcome.message.startswith("Not enough memory for 'scan'")
