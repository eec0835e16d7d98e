"""Command-line interface."""

from __future__ import annotations

import os


def main() -> None:
    """Run the command line program."""
    # Set before TensorFlow is imported, to keep its log out of the output.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

    from napari_retina_seg.cli.app import app

    app(prog_name="napari-retina-seg")
