"""Name of the user account, which `--help` shows without loading the database."""

from __future__ import annotations

import getpass


def current_username() -> str:
    """Return the name of the user account; empty if there is none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return ""
