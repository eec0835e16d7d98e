"""Changes that disease, an optic disc and devices make to a B-scan, image and mask alike.

They are drawn, not simulated: enough for a network to meet fluid, drusen and an optic disc before
it sees a patient's. Boundaries go on through a lesion, as graders draw them: fluid within a layer
thickens that layer, what lies under the photoreceptors belongs to the ellipsoid zone, and what
lifts the pigment epithelium off Bruch's membrane to the RPE. Sizes are in rows of 3.87 µm and
columns of about 11.7 µm, those of a Spectralis.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import cv2
import numpy as np
from scipy import ndimage

from napari_retina_seg.imaging.acquisition import (
    add_margins,
    add_shadows,
    bend,
    change_device,
    crop_rows,
)
from napari_retina_seg.imaging.scan import (
    BM,
    EZ,
    ILM,
    INL,
    IPL,
    NFL,
    OPL,
    RPE,
    Float,
    Scan,
    between,
    draw_grain,
    move,
    vitreous,
)

Change = Callable[[Scan, np.random.Generator], Scan]


def add_cysts(scan: Scan, rng: np.random.Generator) -> Scan:
    """Add intraretinal fluid: clusters of dark ovals that thicken the layer they lie in."""
    for _ in range(rng.integers(1, 4)):
        scan = _add_cluster(scan, rng)
    return scan


def add_swelling(scan: Scan, rng: np.random.Generator) -> Scan:
    """Thicken inner nuclear to outer nuclear layer, and blur their edges, as oedema does."""
    columns = scan.light.shape[1]
    bump = _bump(columns, rng.uniform(0, columns), rng.uniform(60, 220))
    layers = np.zeros((7, columns), np.float32)
    for layer in (IPL, INL, OPL):
        layers[layer] = bump * rng.uniform(0, 18)
    swollen = move(scan, _raised(scan.heights, layers))
    soft = cv2.GaussianBlur(swollen.light, (0, 0), rng.uniform(1, 2.5))
    inner = between(swollen, NFL, EZ) * bump
    return replace(
        swollen, light=swollen.light + inner * (soft * rng.uniform(0.7, 1) - swollen.light)
    )


def add_detachment(scan: Scan, rng: np.random.Generator) -> Scan:
    """Lift the photoreceptors off the pigment epithelium by dark fluid."""
    columns = scan.light.shape[1]
    gap = _bump(columns, rng.uniform(0, columns), rng.uniform(40, 200), sharp=True)
    gap *= rng.uniform(8, 45)
    lifted = _open_gap(scan, gap, RPE, compressed=rng.uniform(0, 0.5))
    return _fill_gap(lifted, gap, RPE, rng.uniform(0, 12), rng)


def add_drusen(scan: Scan, rng: np.random.Generator) -> Scan:
    """Lift the pigment epithelium off Bruch's membrane, by drusen or by one detachment."""
    columns = scan.light.shape[1]
    lift = np.zeros(columns, np.float32)
    is_detached = rng.random() < 0.4
    for _ in range(1 if is_detached else rng.integers(2, 12)):
        width, height = (rng.uniform(50, 160), rng.uniform(15, 60))
        if not is_detached:
            width, height = rng.uniform(8, 35), rng.uniform(3, 20)
        one = _bump(columns, rng.uniform(0, columns), width, sharp=True) * height
        lift = np.maximum(lift, one)
    raised = _open_gap(scan, lift, BM, compressed=rng.uniform(0.3, 0.8))
    return _fill_gap(raised, lift, BM, rng.uniform(5, 130), rng)


def add_exudates(scan: Scan, rng: np.random.Generator) -> Scan:
    """Add bright spots within the retina, which shade what lies below."""
    light = scan.light.copy()
    rows, columns = light.shape
    y, x = np.mgrid[:rows, :columns].astype(np.float32)
    drawn = np.flatnonzero(~np.isnan(scan.heights[0]))
    for column in rng.choice(drawn, rng.integers(2, 10)):
        row = rng.uniform(scan.heights[IPL, column], scan.heights[EZ, column])
        size = rng.uniform(1.5, 6), rng.uniform(2, 10)
        spot = np.exp(-((((y - row) / size[0]) ** 2 + ((x - column) / size[1]) ** 2) ** 2))
        shade = np.exp(-(((x - column) / size[1]) ** 4)) * (y > row) * rng.uniform(0.1, 0.7)
        light = light * (1 - shade * (1 - spot))
        light += spot * np.maximum(rng.uniform(150, 240) - light, 0)
    return replace(scan, light=light.astype(np.float32))


def add_disc(scan: Scan, rng: np.random.Generator) -> Scan:
    """Replace columns at one side by an optic disc, in which there are no layers.

    The nerve fibre layer thickens towards it, and the others end at its rim.
    """
    rows, columns = scan.light.shape
    middle = rng.choice([-1, 1]) * columns * rng.uniform(0.25, 0.55) + columns / 2
    half, wide = rng.uniform(45, 90), rng.uniform(20, 50)
    away = np.abs(np.arange(columns) - middle) - half  # columns from the rim
    near = np.clip(1 - away / wide, 0, 1) ** 2
    thick = np.diff(scan.heights, axis=0)
    wanted = thick * (1 - 0.8 * near)
    wanted[ILM] = thick[ILM] * (1 + near) + 14 * near
    top = scan.heights[BM] - wanted.sum(axis=0)
    heights = np.concatenate([top[np.newaxis], top + np.cumsum(wanted, axis=0)])
    moved = move(scan, heights.astype(np.float32))
    inside = away < 0
    cup = np.sqrt(np.clip(1 - (away + half) ** 2 / half**2, 0, 1)) * rng.uniform(-10, 90)
    surface = np.interp(np.arange(columns), np.flatnonzero(~inside), heights[ILM, ~inside]) + cup
    depth = np.arange(rows, dtype=np.float32)[:, np.newaxis] - surface
    dark, noise = vitreous(scan)
    tissue = rng.uniform(110, 190) * np.exp(-np.maximum(depth, 0) / rng.uniform(25, 70))
    speckle = draw_grain(rng, scan.light.shape, 1.2)
    disc = np.where(depth > 0, tissue * (1 + 0.12 * speckle), 0) + dark + noise * speckle
    share = np.clip(-away / 6, 0, 1)
    lines = moved.heights.copy()
    lines[:, inside] = np.nan
    light = moved.light * (1 - share) + disc * share
    return replace(moved, light=light.astype(np.float32), heights=lines)


KINDS: dict[str, Change] = {
    "cysts": add_cysts,
    "swelling": add_swelling,
    "detachment": add_detachment,
    "drusen": add_drusen,
    "exudates": add_exudates,
    "shadows": add_shadows,
    "disc": add_disc,
    "bend": bend,
    "crop": crop_rows,
    "device": change_device,
    "margins": add_margins,
}


def apply(scan: Scan, kinds: Sequence[str], rng: np.random.Generator) -> Scan:
    """Make changes of `KINDS`, in this order."""
    for kind in kinds:
        scan = KINDS[kind](scan, rng)
    return scan


def _add_cluster(scan: Scan, rng: np.random.Generator) -> Scan:
    """Add neighbouring cysts in one layer, some of which reach into the next."""
    rows, columns = scan.light.shape
    layer = int(rng.choice([IPL, INL, OPL, NFL], p=[0.4, 0.12, 0.4, 0.08]))
    count = rng.integers(1, 7)
    across = np.exp(rng.uniform(np.log(4), np.log(40), count))
    down = np.minimum(across * rng.uniform(0.5, 1.6, count), 45)
    centers = rng.uniform(0, columns) + np.cumsum(1.7 * across) - across.sum()
    x = np.arange(columns, dtype=np.float32)
    spans = [
        2 * b * np.sqrt(np.clip(1 - ((x - c) / a) ** 2, 0, 1))
        for a, b, c in zip(across, down, centers, strict=True)
    ]
    # The layers above bend over a cyst more gently than its own outline.
    tall = ndimage.gaussian_filter1d(np.max(spans, axis=0), 6 + 0.4 * across.max())
    thick = np.nan_to_num(np.diff(scan.heights, axis=0))
    layers = np.zeros_like(thick)
    layers[layer] = np.maximum(tall * rng.uniform(0.6, 1.2) - 0.7 * thick[layer], 0)
    moved = move(scan, _raised(scan.heights, layers))
    fluid = np.zeros((rows, columns), np.float32)
    y = np.arange(rows, dtype=np.float32)[:, np.newaxis]
    place = rng.uniform(0.35, 0.65)
    upper, lower = (np.nan_to_num(moved.heights[k], nan=-999) for k in (layer, layer + 1))
    middle = upper + place * (lower - upper)
    for a, b, c in zip(across, down, centers, strict=True):
        if not 0 <= c < columns:
            continue
        inside = ((x - c) / a) ** 2 + ((y - middle[int(c)]) / b) ** 2
        fluid = np.maximum(fluid, np.clip((1 - inside) * min(a, b) / 2.5, 0, 1))
    fluid *= between(moved, ILM, EZ)
    return _darken(moved, fluid, rng.uniform(0, 14), rng)


def _darken(scan: Scan, share: Float, brighter: float, rng: np.random.Generator) -> Scan:
    """Replace the light by that of fluid, which looks like vitreous or a little brighter."""
    dark, noise = vitreous(scan)
    fluid = dark + brighter + max(noise, 2.0) * draw_grain(rng, scan.light.shape, 0.6)
    return replace(scan, light=(scan.light * (1 - share) + fluid * share).astype(np.float32))


def _raised(heights: Float, layers: Float) -> Float:
    """Return the boundaries after each layer grew by `layers` rows, ``(7, columns)``, upwards."""
    growth = np.concatenate([np.cumsum(layers[::-1], axis=0)[::-1], 0 * layers[:1]])
    return _in_frame(heights - growth)


def _in_frame(heights: Float) -> Float:
    """Move columns down whose retina would leave the frame at its top; smoothly."""
    missing = np.maximum(4 - np.nan_to_num(heights[0], nan=99), 0)
    if missing.any():
        heights = heights + np.float32(missing.max())
    return heights


def _open_gap(scan: Scan, gap: Float, line: int, *, compressed: float) -> Scan:
    """Open a gap above a boundary; the outer nuclear layer gives way by a share of it."""
    heights = scan.heights
    outer = heights[EZ] - heights[OPL]
    gives = np.minimum(compressed * gap, 0.6 * np.nan_to_num(outer))
    new = heights.copy()
    new[: OPL + 1] -= gap - gives
    new[EZ:line] -= gap
    new = _in_frame(new)
    # The gap is made of the boundary's own row alone: nothing above or below is stretched.
    old_knots = np.insert(heights, line, heights[line], axis=0)
    new_knots = np.insert(new, line, new[line] - gap, axis=0)
    return move(scan, new, old_knots, new_knots)


def _fill_gap(
    scan: Scan, gap: Float, line: int, brightness: float, rng: np.random.Generator
) -> Scan:
    """Draw what lies in a gap above a boundary."""
    y = np.arange(len(scan.light), dtype=np.float32)[:, np.newaxis] + 0.5
    lower = np.nan_to_num(scan.heights[line], nan=-999)
    # The band above keeps about its own thickness.
    share = np.clip(y - (lower - gap), 0, 1) * np.clip(lower - y, 0, 1) * (gap > 1)
    return _darken(scan, share.astype(np.float32), brightness, rng)


def _bump(columns: int, center: float, half: float, *, sharp: bool = False) -> Float:
    """Return a smooth rise from 0 to 1 around a column; `sharp` ends at once, like a dome."""
    away = (np.arange(columns) - center) / half
    if sharp:
        dome = np.clip(1 - away**2, 0, 1)
        return np.asarray(ndimage.gaussian_filter1d(dome, 2), np.float32)
    return np.asarray(np.exp(-(away**2)), np.float32)
