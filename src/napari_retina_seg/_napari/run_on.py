"""Choice of where a batch runs: in this window, in other processes, or on other computers."""

from __future__ import annotations

import os

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFormLayout, QLineEdit, QSpinBox, QWidget

from napari_retina_seg._napari import settings as remembered
from napari_retina_seg._napari.settings import Settings
from napari_retina_seg._napari.widgets import add_row, combo_box, stack
from napari_retina_seg.workflows.cluster_options import ClusterOptions

_WINDOW, _PROCESSES, _SCHEDULER = "This window", "Processes", "Scheduler"
_TOOLTIP = (
    "Where the batch runs. The results are the same.\n"
    f"{_PROCESSES}: of this computer, so many images at a time; each needs about 1 GB of memory.\n"
    f"{_SCHEDULER}: on the workers of a Dask scheduler, which have to see images and models under"
    " the same names."
)


class RunOn(QWidget):
    """Row of a form: where a batch runs; remembered across sessions.

    Signals
    -------
    changed : ()
        Another choice, or another address.
    """

    changed = Signal()

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings
        self.place = combo_box()
        self.place.addItems([_WINDOW, _PROCESSES, _SCHEDULER])
        self.place.setToolTip(_TOOLTIP)
        self.workers = QSpinBox()
        self.workers.setRange(1, os.cpu_count() or 1)
        self.workers.setToolTip("Number of processes.")
        self.address = QLineEdit()
        self.address.setPlaceholderText("tcp://10.0.0.5:8786")
        self.address.setToolTip("Address that 'dask scheduler' prints when it starts.")
        row = stack(self.place, self.workers, horizontal=True)
        row.setStretch(0, 1)
        form = QFormLayout(self)
        add_row(form, "Run on", stack(row, self.address))
        self.place.setCurrentText(settings.choice(remembered.RUN_ON, _WINDOW))
        self.workers.setValue(int(settings.number(remembered.WORKERS, 2)))
        self.address.setText(settings.choice(remembered.SCHEDULER, ""))
        self.place.currentTextChanged.connect(self._on_change)
        self.workers.valueChanged.connect(self._on_change)
        self.address.textChanged.connect(self._on_change)
        self._show_fields()

    @property
    def options(self) -> ClusterOptions | None:
        """Where the batch is to run; None for this window."""
        chosen = self.place.currentText()
        if chosen == _PROCESSES:
            return ClusterOptions(workers=self.workers.value())
        return ClusterOptions(scheduler=self._typed) if chosen == _SCHEDULER else None

    @property
    def disabled_reason(self) -> str:
        """Why no batch can start; empty if one can."""
        is_missing = self.place.currentText() == _SCHEDULER and not self._typed
        return "Type the address of the scheduler." if is_missing else ""

    @property
    def _typed(self) -> str:
        return self.address.text().strip()

    def _on_change(self) -> None:
        self._show_fields()
        self._settings.remember_choice(remembered.RUN_ON, self.place.currentText())
        self._settings.remember_number(remembered.WORKERS, self.workers.value())
        self._settings.remember_choice(remembered.SCHEDULER, self._typed)
        self.changed.emit()

    def _show_fields(self) -> None:
        self.workers.setVisible(self.place.currentText() == _PROCESSES)
        self.address.setVisible(self.place.currentText() == _SCHEDULER)
