"""Commands that repair an installation."""

from __future__ import annotations

import json
from importlib import metadata

_NAME = "napari-retina-seg"


def install(extra: str = "", *, again: bool = False) -> str:
    """Return the command that reinstalls this program from its origin.

    Parameters
    ----------
    extra : str
        Such as ``qt``.
    again : bool
        Reinstall packages that are present.
    """
    wanted = f"{_NAME}[{extra}]" if extra else _NAME
    origin = _origin()
    if origin:
        wanted += f" @ {origin}"
    return f'python -m pip install {"--force-reinstall " if again else ""}"{wanted}"'


def _origin() -> str:
    """Return the URL it was installed from; None for a package index."""
    try:
        written = metadata.distribution(_NAME).read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        return ""
    known = json.loads(written) if written else {}
    system = known.get("vcs_info", {}).get("vcs")
    return f"{system}+{known['url']}" if system else known.get("url", "")
