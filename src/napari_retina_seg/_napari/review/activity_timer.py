"""Time that a person is at work, and the moments at which work is kept aside."""

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
        Seconds without mouse or keys after which the time stops.
    rest : float
        Seconds without them after which work is kept aside.
    interval : float
        Seconds between two times that it is kept aside, at work or not.
    seconds : float
        Counted since `start`.

    Signals
    -------
    ticked : ()
        The time shown may have changed.
    idle : ()
        Hands are off for the first time since they were on.
    interval_elapsed : ()
        Another interval is over.
    """

    ticked = Signal()
    idle = Signal()
    interval_elapsed = Signal()

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.idle_after, self.rest, self.interval = 30.0, 5.0, 60.0
        self.seconds = 0.0
        self.is_running = False
        self._last_sign = self._last_tick = self._last_lapse = time.monotonic()
        self._was_active = False
        self._timer = QTimer(self, interval=_TICK)
        self._timer.timeout.connect(self.tick)

    @property
    def is_idle(self) -> bool:
        """Whether nobody is at work."""
        return time.monotonic() - self._last_sign > self.idle_after

    def start(self, seconds: float = 0) -> None:
        """Count for an image, from so many seconds on."""
        self.seconds = seconds
        self.is_running = True
        self._last_sign = self._last_tick = self._last_lapse = time.monotonic()
        self._was_active = False
        QCoreApplication.instance().installEventFilter(self)
        self._timer.start()
        self.ticked.emit()

    def stop(self) -> None:
        """Count no more: nothing is open."""
        self.count()
        self.is_running = False
        self._timer.stop()
        QCoreApplication.instance().removeEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: ARG002, N802 - Qt's
        """Take note that somebody is at work; every event goes on its way."""
        if event.type() in _ACTIVE:
            self._last_sign = time.monotonic()
            self._was_active = True
        return False

    def count(self) -> None:
        """Count the time since the last time, as far as somebody was at work in it."""
        if self.is_running:
            now = time.monotonic()
            end = min(now, self._last_sign + self.idle_after)
            self.seconds += max(0.0, end - self._last_tick)
            self._last_tick = now

    def tick(self) -> None:
        """Count, and say what it is time for."""
        if not self.is_running:
            return
        self.count()
        self.ticked.emit()
        now = time.monotonic()
        if self._was_active and now - self._last_sign >= self.rest:
            self._was_active = False
            self.idle.emit()
        if now - self._last_lapse >= self.interval:
            self._last_lapse = now
            self.interval_elapsed.emit()


def as_clock(seconds: float) -> str:
    """Write seconds as a clock does."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
