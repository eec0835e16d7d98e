"""Working time of the user, and the moments to autosave."""

from __future__ import annotations

import time

from qtpy.QtCore import QCoreApplication, QEvent, QObject, QTimer, Signal

_ACTIVE = frozenset(
    {
        QEvent.Type.MouseMove,
        QEvent.Type.MouseButtonPress,
        QEvent.Type.MouseButtonRelease,
        QEvent.Type.KeyPress,
        QEvent.Type.Wheel,
        QEvent.Type.TabletMove,
        QEvent.Type.TabletPress,
    }
)
_TICK = 1000  # ms


class ActivityTimer(QObject):
    """Counts seconds while mouse or keys are used anywhere in the program.

    Attributes
    ----------
    idle_after : float
        Seconds without input after which the time pauses.
    rest : float
        Seconds without input after which `idle` is emitted.
    interval : float
        Seconds between two `interval_elapsed`, with or without input.
    seconds : float
        Counted since `start`.

    Signals
    -------
    ticked : ()
        The time shown may have changed.
    idle : ()
        Emitted once after `rest` seconds without input.
    interval_elapsed : ()
        Emitted every `interval` seconds.
    """

    ticked = Signal()
    idle = Signal()
    interval_elapsed = Signal()

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.idle_after, self.rest, self.interval = 30.0, 5.0, 60.0
        self.seconds = 0.0
        self.is_running = False
        self._last_input = self._last_tick = self._last_interval = time.monotonic()
        self._was_active = False
        self._timer = QTimer(self, interval=_TICK)
        self._timer.timeout.connect(self.tick)

    @property
    def is_idle(self) -> bool:
        """Whether there was no input for `idle_after` seconds."""
        return time.monotonic() - self._last_input > self.idle_after

    def start(self, seconds: float = 0) -> None:
        """Start timing an image at a number of seconds."""
        self.seconds = seconds
        self.is_running = True
        self._last_input = self._last_tick = self._last_interval = time.monotonic()
        self._was_active = False
        QCoreApplication.instance().installEventFilter(self)
        self._timer.start()
        self.ticked.emit()

    def stop(self) -> None:
        """Stop timing: no image is open."""
        self.count()
        self.is_running = False
        self._timer.stop()
        QCoreApplication.instance().removeEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: ARG002, N802 - Qt's
        """Record user input; no event is consumed."""
        if event.type() in _ACTIVE:
            self._last_input = time.monotonic()
            self._was_active = True
        return False

    def count(self) -> None:
        """Add the time since the last call, without idle time."""
        if self.is_running:
            now = time.monotonic()
            end = min(now, self._last_input + self.idle_after)
            self.seconds += max(0.0, end - self._last_tick)
            self._last_tick = now

    def tick(self) -> None:
        """Update the time and emit the signals that are due."""
        if not self.is_running:
            return
        self.count()
        self.ticked.emit()
        now = time.monotonic()
        if self._was_active and now - self._last_input >= self.rest:
            self._was_active = False
            self.idle.emit()
        if now - self._last_interval >= self.interval:
            self._last_interval = now
            self.interval_elapsed.emit()


def as_clock(seconds: float) -> str:
    """Format seconds as minutes:seconds or hours:minutes:seconds."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
