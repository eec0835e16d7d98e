"""Measure a volume, save its report, and tell arteries from veins: the guide's pictures.

PYTHONPATH=src:tests xvfb-run -a -s "-screen 0 1366x768x24" python docs/guide_measure.py

The volume is synthetic, written as a device writes one (``tests/vendor_files.py``); the photograph
is scikit-image's.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import cv2
import napari
import numpy as np
from drive_window import SIZE, WindowDriver, settle, wait_until
from napari.settings import get_settings
from PyQt6.QtCore import QSize
from PyQt6.QtGui import QImage, QPainter
from PyQt6.QtPdf import QPdfDocument
from qtpy.QtCore import QSettings

from napari_retina_seg.imaging.phantom import Phantom, phantom_volume
from vendor_files import write_vol

HOME = Path(tempfile.mkdtemp(prefix="guide-"))
IMAGES = Path(__file__).parent / "images"
SLICES, ROWS, COLUMNS = 25, 496, 512
FACE, FACE_MM = 560, 0.012  # size of the en-face image in px and of a pixel
DISTANCE_MM, LATERAL_MM = 0.24, 0.0117
REPORT = 900, 1274  # px of the report's page
ARTERIES = (160, 740), (966, 480)  # row and column of the photograph
VEINS = (431, 950), (1222, 720)


def main() -> None:
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(HOME))
    get_settings().appearance.theme = "dark"
    path = write_scan(HOME / "eye01.vol", phantom_volume(3, SLICES, ROWS, COLUMNS))
    viewer = napari.Viewer(show=False)
    viewer.show()
    viewer.window.resize(*SIZE)
    driver = WindowDriver(viewer)
    viewer.open(path, plugin="napari-retina-seg")
    viewer.dims.set_current_step(0, SLICES // 2)
    segment = driver.open_dock("Segment")
    viewer.reset_view()
    driver.keep(IMAGES / "guide_volume.png")
    segment.images.whole.setChecked(True)
    driver.click(segment.button)
    wait_until(lambda: not segment.is_running, "the mask", segment.status)
    settle(500)
    measure = driver.open_dock("Measure")
    driver.click(measure.button)
    wait_until(lambda: not measure.is_running, "the tables", measure.status)
    viewer.reset_view()
    driver.keep(IMAGES / "guide_measure.png")
    report = HOME / "eye01-measurements.pdf"
    measure.save_report(report)
    wait_until(lambda: not measure.is_running, "the report", measure.status)
    viewer.layers.clear()
    tell_vessels(driver, segment)
    viewer.close()
    draw_page(report, IMAGES / "guide_report.png")


def tell_vessels(driver: WindowDriver, segment: Any) -> None:
    """Make some vessels of a photograph arteries and veins by clicks."""
    driver.viewer.open_sample("napari-retina-seg", "fundus-photograph")
    segment.parent().raise_()
    driver.click(segment.button)
    wait_until(lambda: not segment.is_running, "the vessels", segment.status)
    correct = driver.open_dock("Correct")
    tool = correct.vessels.kinds
    driver.click(tool.button)
    wait_until(lambda: not tool.work.is_running, "the segments")
    driver.viewer.reset_view()
    for key, places in (("A", ARTERIES), ("V", VEINS)):
        driver.press(key)
        for place in places:
            driver.tap(place)
    driver.keep(IMAGES / "guide_arteries.png")


def write_scan(path: Path, phantom: Phantom) -> Path:
    """Write a volume with an en-face image and the device's own ILM and BM."""
    pixels, heights = phantom.image.pixels, phantom.heights
    width, height = COLUMNS * LATERAL_MM, (SLICES - 1) * DISTANCE_MM
    left, bottom = (FACE * FACE_MM - width) / 2, (FACE * FACE_MM + height) / 2
    y = bottom - DISTANCE_MM * np.arange(SLICES)
    places = np.stack([np.full(SLICES, left), y, np.full(SLICES, left + width), y], axis=1)
    noise = np.random.default_rng(0).normal(0, 0.7, (SLICES, 2, COLUMNS))
    lines = heights[:, [0, 7]] + noise
    return write_vol(
        path, (pixels / np.float32(255)) ** 4, places=places, lines=lines,
        face=draw_face(pixels), scale_x=LATERAL_MM, distance=DISTANCE_MM, scale_z=1.92 / ROWS,
        face_scale_x=FACE_MM, face_scale_y=FACE_MM,
    )  # fmt: skip


def draw_face(pixels: np.ndarray) -> np.ndarray:
    """Return an en-face image: the mean of each column, from the last slice to the first."""
    mean = pixels.mean(axis=1, dtype=np.float32)[::-1]
    size = round(COLUMNS * LATERAL_MM / FACE_MM), round(SLICES * DISTANCE_MM / FACE_MM)
    inner = cv2.GaussianBlur(cv2.resize(mean, size, interpolation=cv2.INTER_CUBIC), (0, 0), 2)
    across, down = ((FACE - length) // 2 for length in size)
    face = cv2.copyMakeBorder(inner, down, FACE - size[1] - down, across, FACE - size[0] - across,
                              cv2.BORDER_REFLECT)  # fmt: skip
    return np.uint8(cv2.normalize(face, None, 20, 230, cv2.NORM_MINMAX))


def draw_page(report: Path, picture: Path) -> None:
    """Save a picture of the report's first page."""
    document = QPdfDocument(None)
    document.load(str(report))
    page = document.render(0, QSize(*REPORT))
    white = QImage(page.size(), QImage.Format.Format_RGB32)
    white.fill(0xFFFFFFFF)
    painter = QPainter(white)
    painter.drawImage(0, 0, page)
    painter.end()
    white.save(str(picture))


if __name__ == "__main__":
    main()
