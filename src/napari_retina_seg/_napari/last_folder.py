"""Remember the last folder of file dialogs, by purpose."""

from __future__ import annotations

from pathlib import Path

from napari_retina_seg._napari.settings import Settings


class LastFolder:
    """A folder that is remembered across sessions.

    Parameters
    ----------
    purpose : str
        Kind of file; each one has its own folder.
    """

    def __init__(self, purpose: str) -> None:
        self._key = f"folders/{purpose}"

    def begin(self, first: str = "") -> str:
        """Return the remembered folder, or `first` if there is none."""
        last = Settings().choice(self._key, "")
        return last if last and Path(last).is_dir() else first

    def remember(self, folder: Path) -> None:
        """Remember a folder for the next dialog."""
        Settings().remember_choice(self._key, str(folder))
