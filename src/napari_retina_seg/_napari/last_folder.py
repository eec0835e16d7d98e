"""Where a dialog for files begins: where the last one of its purpose ended."""

from __future__ import annotations

from pathlib import Path

from napari_retina_seg._napari.settings import Settings


class LastFolder:
    """A folder that is remembered from one session to the next.

    Parameters
    ----------
    purpose : str
        What is saved or opened there; each purpose has a folder of its own.
    """

    def __init__(self, purpose: str) -> None:
        self._key = f"folders/{purpose}"

    def begin(self, first: str = "") -> str:
        """Return where to begin: where it ended the last time, and the first time where it says."""
        last = Settings().choice(self._key, "")
        return last if last and Path(last).is_dir() else first

    def remember(self, folder: Path) -> None:
        """Begin in this folder the next time."""
        Settings().remember_choice(self._key, str(folder))
