"""Where a batch of the window runs."""

import os

import pytest

from napari_retina_seg._napari.run_on import RunOn
from napari_retina_seg._napari.settings import Settings
from napari_retina_seg.workflows.cluster_options import ClusterOptions


@pytest.fixture
def row(qtbot):
    made = RunOn(Settings())
    qtbot.addWidget(made)
    made.resize(322, made.sizeHint().height())  # of a dock of 340 px
    made.show()
    return made


def test_a_batch_runs_in_the_window_until_another_place_is_chosen(row):
    assert row.options is None
    assert not row.workers.isVisible()
    assert not row.address.isVisible()


def test_processes_and_scheduler_are_chosen_and_remembered(row, qtbot):
    row.place.setCurrentText("Processes")
    row.workers.setValue(1)
    assert row.options == ClusterOptions(workers=1)
    assert row.workers.maximum() == os.cpu_count()
    row.place.setCurrentText("Scheduler")
    assert "address" in row.disabled_reason
    qtbot.keyClicks(row.address, " tls://10.0.0.5:8786 ")
    again = RunOn(Settings())
    qtbot.addWidget(again)
    for one in (row, again):
        assert one.options == ClusterOptions(scheduler="tls://10.0.0.5:8786")
        assert not one.disabled_reason
        assert one.workers.value() == 1


def test_an_address_can_be_read_in_a_dock_of_340_px(row, qtbot):
    row.place.setCurrentText("Scheduler")
    qtbot.waitUntil(lambda: row.address.width() > 50)
    wide = row.address.fontMetrics().horizontalAdvance
    assert row.address.width() >= wide("tcp://10.0.0.5:8786") + 8
