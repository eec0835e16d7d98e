"""The same capabilities without a screen."""

from __future__ import annotations

import os


def main() -> None:
    """Run the command line program."""
    # Before TensorFlow starts, or its greetings stand between the lines of every command.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

    from napari_retina_seg.cli.app import app

    app(prog_name="napari-retina-seg")
