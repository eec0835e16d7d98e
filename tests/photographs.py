"""Photographs whose field of view is known: real retina behind an aperture that is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from skimage.data import retina

SIDES = {"right": 0.0, "bottom": np.pi / 2, "left": np.pi, "top": -np.pi / 2}


@dataclass(frozen=True)
class Source:
    """Retina to look at: everything within `radius` of the centre is in focus and lit."""

    pixels: np.ndarray
    center: tuple[float, float]
    radius: float


@lru_cache
def shipped() -> Source:
    """Return the photograph that comes with scikit-image."""
    return Source(retina(), (705.0, 700.0), 680.0)


@dataclass(frozen=True)
class Page:
    """What a report or a camera's software adds around a photograph.

    Attributes
    ----------
    band : str or None
        Side of the frame along which a band with writing runs.
    band_width, border : float
        Their widths, in shorter sides of the frame; of a border on all sides.
    box, ruler, thumbnail : bool
        Whether there is a box with writing, a scale along an edge, a small copy of the photograph.
    level : int
        Brightness of the band, border, box and ruler.
    """

    band: str | None = None
    band_width: float = 0.08
    border: float = 0.0
    box: bool = False
    ruler: bool = False
    thumbnail: bool = False
    level: int = 240


@dataclass(frozen=True)
class Scene:
    """What a camera does to the retina, and what is around it.

    Attributes
    ----------
    grid : tuple of int
        ``(rows, columns)`` of the photograph.
    radius : float
        Of the aperture, px; its centre is that of the grid, moved by `shift` px.
    cuts : tuple
        Pairs of a direction (radians from the column axis towards the row axis) and the distance
        of the cut from the centre, in radii.
    notch, tab : float or None
        Direction in which something is missing from the aperture, or is added to it.
    light, vignette : float
        Share of the light that is left, and that is left at the right-hand rim.
    spot : bool
        Whether a bright optic disc keeps all of its light.
    surround : tuple of float
        Colour around the field.
    slope, noise : float
        Change of the surround over a radius, as a share; noise of all pixels.
    gap : bool
        Whether a dark line runs along the rim.
    glow : float
        Light that the retina scatters into the surround.
    caption : bool
        Whether there is white text in the surround.
    quality : int or None
        Of the JPEG file.
    grey : bool
        Whether only the green channel is kept.
    corner : float or None
        Radius of the corners, in radii, of a square aperture with round corners instead of a disc.
    page : Page or None
        What else is on the photograph.
    """

    grid: tuple[int, int] = (400, 480)
    radius: float = 180.0
    shift: tuple[float, float] = (0.0, 0.0)
    cuts: tuple[tuple[float, float], ...] = ()
    notch: float | None = None
    tab: float | None = None
    light: float = 1.0
    vignette: float = 1.0
    spot: bool = False
    surround: tuple[float, float, float] = (0.0, 0.0, 0.0)
    slope: float = 0.0
    noise: float = 2.0
    gap: bool = False
    glow: float = 0.0
    caption: bool = False
    quality: int | None = 90
    grey: bool = False
    corner: float | None = None
    page: Page | None = None


def draw(scene: Scene, source: Source | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Draw a photograph.

    Returns
    -------
    tuple of array
        ``(rows, columns, 3)`` uint8 and its field of view, ``(rows, columns)`` bool.
    """
    source = source or shipped()
    center = [side / 2 + by for side, by in zip(scene.grid, scene.shift, strict=True)]
    rows, columns = np.mgrid[: scene.grid[0], : scene.grid[1]].astype(np.float32)
    down, along = (rows - center[0]) / scene.radius, (columns - center[1]) / scene.radius
    within = _within(scene, down, along)
    tissue = _lit(scene, _scaled(source, scene, center), down, along)
    around = np.array(scene.surround) * (1 + scene.slope * down)[..., np.newaxis]
    if scene.glow:
        scattered = cv2.GaussianBlur(tissue, (0, 0), scene.radius / 8)
        around = around + scene.glow * scattered * np.exp(np.minimum(within, 0) * 8)[..., None]
    # The edge of an aperture is a little out of focus.
    open_ = 1 / (1 + np.exp(-np.clip(within * scene.radius / 0.6, -30, 30)))[..., np.newaxis]
    photograph = tissue * open_ + around * (1 - open_)
    if scene.gap:
        dark = np.exp(-(((within * scene.radius + 1) / 1.2) ** 2))[..., np.newaxis]
        photograph = photograph * (1 - 0.7 * dark)
    if scene.caption:
        _write(photograph, within)
    if scene.page is not None:
        _add_page(photograph, within, scene.page)
    rng = np.random.default_rng(0)
    photograph = photograph + rng.normal(0, scene.noise, photograph.shape)
    return _developed(scene, np.clip(photograph, 0, 255).astype(np.uint8)), within > 0


def _scaled(source: Source, scene: Scene, center: list[float]) -> np.ndarray:
    scale = scene.radius / source.radius
    small = cv2.resize(source.pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    shift = [to - scale * of for to, of in zip(center, source.center, strict=True)]
    to_place = np.array([[1, 0, shift[1]], [0, 1, shift[0]]], np.float64)
    size = scene.grid[1], scene.grid[0]
    return cv2.warpAffine(small, to_place, size, borderMode=cv2.BORDER_REFLECT).astype(np.float32)


def _within(scene: Scene, down: np.ndarray, along: np.ndarray) -> np.ndarray:
    """Distance to the edge of the aperture in radii, positive within."""
    within = 1 - np.hypot(down, along)
    if scene.corner is not None:
        side = np.maximum(np.abs([down, along]) - (0.74 - scene.corner), 0)
        within = scene.corner - np.hypot(*side)
    for angle, offset in scene.cuts:
        within = np.minimum(within, offset - along * np.cos(angle) - down * np.sin(angle))
    for angle, size in ((scene.notch, 0.05), (scene.tab, 0.04)):
        if angle is not None:
            bite = np.hypot(down - np.sin(angle), along - np.cos(angle)) - size
            within = np.minimum(within, bite) if angle == scene.notch else np.maximum(within, -bite)
    return within


def _lit(scene: Scene, tissue: np.ndarray, down: np.ndarray, along: np.ndarray) -> np.ndarray:
    left = 1 - (1 - scene.vignette) * np.clip((along - 0.2) / 0.8, 0, 1) ** 1.5
    left = left * scene.light
    if scene.spot:
        edge = (np.hypot(down + 0.2, along - 0.4) - 0.12) * 80
        disc = 1 / (1 + np.exp(np.clip(edge, -30, 30)))
        left = left + (1 - left) * disc
    return tissue * left[..., np.newaxis]


def _write(photograph: np.ndarray, within: np.ndarray) -> None:
    text = np.zeros(within.shape, np.uint8)
    cv2.putText(text, "OD 2009-03-14", (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, 1, 1)
    photograph[(text > 0) & (within < 0)] = 230


def _add_page(photograph: np.ndarray, within: np.ndarray, page: Page) -> None:
    """Draw what else is on a page, over the retina as well where it reaches there."""
    rows, columns = within.shape
    shorter, ink = min(rows, columns), 20.0 if page.level > 128 else 235.0
    height = round(0.12 * shorter)
    below = photograph.copy()
    if page.thumbnail:
        small = cv2.resize(photograph, (height * columns // rows, height))
        photograph[-height - 4 : -4, -small.shape[1] - 4 : -4] = small
    if page.box:
        _write_on(photograph[4 : 4 + height, 4 : 4 + 2 * height], page.level, ink)
    if page.ruler:
        ruler = photograph[rows // 4 : 3 * rows // 4, 4 : 4 + height // 6]
        ruler[:] = page.level
        ruler[:: max(3, height // 8)] = ink
    photograph[within > 0] = below[within > 0]
    if page.band is not None:
        turned = np.rot90(photograph, list(SIDES).index(page.band) + 1)
        band = turned[: round(page.band_width * shorter)]
        _write_on(band, page.level, ink)
        np.rot90(within, list(SIDES).index(page.band) + 1)[: len(band)] = -1
    edge = round(page.border * shorter)
    if edge:
        middle = np.zeros(within.shape, bool)
        middle[edge:-edge, edge:-edge] = True
        photograph[~middle], within[~middle] = page.level, -1


def _write_on(part: np.ndarray, level: float, ink: float) -> None:
    text = np.zeros(part.shape[:2], np.uint8)
    size = len(part) / 50
    cv2.putText(text, "OD 14 March 2009", (4, len(part) // 2), cv2.FONT_HERSHEY_SIMPLEX, size, 1, 1)
    part[:] = np.where(text[..., np.newaxis] > 0, ink, level)


def _developed(scene: Scene, photograph: np.ndarray) -> np.ndarray:
    if scene.grey:
        photograph = np.repeat(photograph[..., 1:2], 3, axis=2)
    if scene.quality is None:
        return photograph
    quality = [cv2.IMWRITE_JPEG_QUALITY, scene.quality]
    encoded = cv2.imencode(".jpg", photograph[..., ::-1], quality)[1]
    return np.ascontiguousarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR)[..., ::-1])


def overlap(first: np.ndarray, second: np.ndarray) -> float:
    """Return intersection over union."""
    return float((first & second).sum() / (first | second).sum())
