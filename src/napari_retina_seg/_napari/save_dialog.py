"""Save dialogs, which ask before files are replaced."""

from __future__ import annotations

from pathlib import Path

from napari.layers import Layer
from qtpy.QtWidgets import QFileDialog, QMessageBox, QWidget

from napari_retina_seg._napari.layers import KEY
from napari_retina_seg._napari.path_row import LastFolder
from napari_retina_seg._napari.plain import qt_text
from napari_retina_seg.imaging.cam import Method
from napari_retina_seg.types.labels import LabelScheme

_FIGURES = "Figures (*.png *.svg *.pdf)"


def ask_where(parent: QWidget, image: Layer, scheme: LabelScheme, method: Method) -> Path | None:
    """Ask for the file of the figure, and whether existing maps may be replaced.

    Returns
    -------
    Path or None
        None if the user cancelled.
    """
    name = f"{image.name}_explained.png"
    path = ask_for_file(parent, "Save panels", _FIGURES, name, "panels", image)
    if path is None:
        return None
    there = _maps_there(path, scheme, method)
    return path if not there or _may_replace(parent, there) else None


def ask_for_file(
    parent: QWidget, title: str, kinds: str, name: str, purpose: str, image: Layer | None
) -> Path | None:
    """Ask for a file to write; the dialog asks before an existing one is replaced.

    Parameters
    ----------
    parent : QWidget
        Owner of the dialog.
    title : str
        Title of the dialog.
    kinds : str
        Name filter of Qt.
    name : str
        The offered name; its suffix is added to a name without one.
    purpose : str
        As of `LastFolder`; the dialog starts in the folder of the last file of this purpose.
    image : Layer or None
        The image in whose folder the first dialog starts.

    Returns
    -------
    Path or None
        None if the user cancelled.
    """
    dialog = QFileDialog(parent, title)
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setNameFilter(kinds)
    # Added before the dialog checks whether the file exists.
    dialog.setDefaultSuffix(Path(name).suffix.removeprefix("."))
    folder = LastFolder(purpose)
    dialog.setDirectory(folder.initial(_folder_of(image)))
    dialog.selectFile(name)
    accepted = dialog.exec()
    chosen = dialog.selectedFiles()
    dialog.deleteLater()
    if not accepted or not chosen:
        return None
    folder.remember(Path(chosen[0]).parent)
    return Path(chosen[0])


def _folder_of(image: Layer | None) -> str:
    if image is None:
        return ""
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
        qt_text(f"These maps already exist: {', '.join(names)}. Replace them?"),
    )
    return chosen == QMessageBox.StandardButton.Yes
