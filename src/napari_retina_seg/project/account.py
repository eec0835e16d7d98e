"""Who sits at the computer, as far as it knows."""

from __future__ import annotations

import getpass


def current_username() -> str:
    """Return the name of the account; empty if it has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return ""
