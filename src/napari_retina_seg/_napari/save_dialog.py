"""Save dialog for panels and maps of the Explain dock; asks before replacing files."""

from __future__ import annotations

from pathlib import Path

from napari.layers import Layer
from qtpy.QtWidgets import QFileDialog, QMessageBox, QWidget

from napari_retina_seg._napari.last_folder import LastFolder
from napari_retina_seg._napari.layers import KEY
from napari_retina_seg.imaging.cam import Method
from napari_retina_seg.types.labels import LabelScheme

_FIGURES = "Figures (*.png *.svg *.pdf)"


def ask_where(parent: QWidget, image: Layer, scheme: LabelScheme, method: Method) -> Path | None:
    """Ask for the file of the figure, and whether existing maps may be replaced.

    The dialog starts in the folder of the last figure, or else in that of the image.

    Returns
    -------
    Path or None
        None if the user cancelled.
    """
    dialog = QFileDialog(parent, "Save panels")
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setNameFilter(_FIGURES)
    dialog.setDefaultSuffix("png")  # added before the dialog checks whether the file exists
    folder = LastFolder("panels")
    dialog.setDirectory(folder.begin(_folder_of(image)))
    dialog.selectFile(f"{image.name}_explained.png")
    accepted = dialog.exec()
    chosen = dialog.selectedFiles()
    dialog.deleteLater()
    if not accepted or not chosen:
        return None
    path = Path(chosen[0])
    folder.remember(path.parent)
    there = _maps_there(path, scheme, method)
    return path if not there or _may_replace(parent, there) else None


def _folder_of(image: Layer) -> str:
    known = image.metadata.get(KEY)
    source = (known and known.source) or image.source.path
    return str(Path(source).parent) if source and Path(source).is_file() else ""


def _maps_there(path: Path, scheme: LabelScheme, method: Method) -> list[str]:
    """List existing maps that would be replaced."""
    from napari_retina_seg.reports.explanation import map_name

    names = [
        map_name(path.stem, scheme, label.value, method.slug, "npy") for label in scheme.classes
    ]
    return [name for name in names if (path.parent / name).exists()]


def _may_replace(parent: QWidget, names: list[str]) -> bool:
    chosen = QMessageBox.question(
        parent,
        "Replace maps?",
        f"These maps already exist: {', '.join(names)}. Replace them?",
    )
    return chosen == QMessageBox.StandardButton.Yes
