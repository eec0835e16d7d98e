"""Settings of the docks, kept across sessions."""

from __future__ import annotations

from qtpy.QtCore import QSettings

from napari_retina_seg.types.image import Modality

PROBABILITIES = "advanced/probabilities"
UNCERTAINTY = "advanced/uncertainty"
ADVANCED_OPEN = "advanced/open"
PIXEL_SIZE_OPEN = "pixel_size/open"
CARD_OPEN = "card/open"
COLORS = "explain/colors"
SCALE = "explain/scale"
AUTHOR = "review/author"
PROJECTS = "review/projects"
SERVER = "review/server"
COPIES = "review/copies"
OPENS_NEXT = "review/goes_on"
QUEUE_ORDER = "review/order"
SHOWS_UNCERTAINTY = "review/uncertainty"
HISTORY_OPEN = "review/history_open"
PREDICT_OPEN = "review/predict_open"
EXPORT_FORMAT = "exchange/format"
EXPORT_NAMES = "exchange/names"
PROJECT_MODEL = "review/model"
IMPROVE_OPEN = "improve/details_open"
IMPROVE_SETTINGS_OPEN = "improve/settings_open"
RUN_ON = "batches/run_on"
WORKERS = "batches/workers"
SCHEDULER = "batches/scheduler"
DOCKS = "window/docks"
DOCK_WIDTH = "window/dock_width"


class Settings:
    """User settings: the last model of each modality, switches, numbers and choices."""

    def __init__(self) -> None:
        # An INI file on every platform, so that its path is known and can be redirected.
        self._file = QSettings(
            QSettings.Format.IniFormat,
            QSettings.Scope.UserScope,
            "napari-retina-seg",
            "napari-retina-seg",
        )

    def model(self, modality: Modality) -> str:
        """Return the name of the model last used, or an empty string."""
        return str(self._file.value(f"model/{modality.value}", ""))

    def remember_model(self, modality: Modality, name: str) -> None:
        """Remember the model last used."""
        self._file.setValue(f"model/{modality.value}", name)

    def switch(self, key: str, default: bool = False) -> bool:
        """Return whether something is switched on."""
        return str(self._file.value(key, default)).lower() == "true"

    def remember_switch(self, key: str, on: bool) -> None:
        """Remember whether something is switched on."""
        self._file.setValue(key, on)

    def number(self, key: str, default: float) -> float:
        """Return a number."""
        return float(self._file.value(key, default))

    def remember_number(self, key: str, value: float) -> None:
        """Remember a number."""
        self._file.setValue(key, float(value))

    def choice(self, key: str, default: str) -> str:
        """Return the last choice, as text."""
        return str(self._file.value(key, default))

    def remember_choice(self, key: str, choice: str) -> None:
        """Remember a choice, as text."""
        self._file.setValue(key, choice)
