"""``python -m napari_retina_seg``: the command line."""

from napari_retina_seg.cli import main

main()
