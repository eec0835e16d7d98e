"""OCT phantoms: synthetic macular scans with known masks.

Thickness and brightness of the layers follow healthy maculae on a Spectralis (Tian et al. 2015,
PLOS ONE 10(8): e0133908), as means of a few of its scans; nothing of a scan is copied.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

from napari_retina_seg.imaging.surfaces import to_labels
from napari_retina_seg.types.errors import ImageError
from napari_retina_seg.types.image import Laterality, Modality, Origin, RetinaImage, Spacing

Float = npt.NDArray[np.float32]

_DEPTH_UM = 1920.0  # of tissue in a B-scan, whatever its rows
_AXIAL_UM = 3.87  # the unit of thickness in this module: a row of a 496-row B-scan
_LATERAL_UM = 11.7
_SLICE_UM = 240.0
_SMALLEST = 64  # px; on a coarser grid a layer is thinner than a pixel

_VITREOUS = 6.0
_CHOROID = 128.0
_CHOROID_FADES = 30.0  # depth at which a third is left, in rows of 3.87 µm

# Brightness (0 to 255) down each layer, at equal steps from its upper boundary to its lower.
_BRIGHTNESS = (
    (150, 172, 176, 176, 174, 168),  # RNFL
    (126, 121, 122, 124, 127, 124),  # GCL+IPL: the IPL a little brighter
    (94, 86, 85, 85, 87, 94),  # INL
    (112, 118, 118, 116, 108, 96),  # OPL
    (68, 58, 55, 54, 56, 58, 112, 66, 100),  # ONL, and in it the external limiting membrane
    (185, 222, 216, 192, 150, 136),  # EZ: the line, then the outer segments
    (170, 206, 170, 206, 220, 212, 182, 140),  # interdigitation zone, RPE
)
_RESOLUTION = 32  # steps per layer of the table that is made of it


@dataclass(frozen=True, eq=False)
class Phantom:
    """A synthetic OCT scan with its ground truth.

    Attributes
    ----------
    image : RetinaImage
        uint8, ``(rows, columns)`` or ``(slices, rows, columns)``. The origin of its spacing is
        `Origin.FILE`: the size is known, neither stated by a user nor guessed.
    labels : array
        uint8 classes of the scheme ``oct-layers``, of the same shape.
    heights : array
        float32 heights in px of the scheme's eight surfaces, ``(boundaries, columns)`` or
        ``(slices, boundaries, columns)``; every layer is at least 1 px thick.
    """

    image: RetinaImage
    labels: npt.NDArray[np.uint8]
    heights: Float


def phantom_bscan(seed: int = 0, rows: int = 496, columns: int = 768) -> Phantom:
    """Draw one B-scan through the fovea.

    Parameters
    ----------
    seed : int
        The same seed gives the same scan.
    rows, columns : int
        Size in px. The rows always show 1.92 mm of depth; a column is 11.7 µm wide.

    Returns
    -------
    Phantom
        A right eye, the nasal side on the right.

    Raises
    ------
    ImageError
        If the image would have fewer than 64 rows or columns.
    """
    macula = _Macula.draw(seed, np.zeros(1), rows, columns)
    return Phantom(
        image=_image(macula.scan(0), "OCT B-scan (synthetic)", seed),
        labels=to_labels(macula.heights[0], rows),
        heights=macula.heights[0],
    )


def phantom_volume(seed: int = 0, slices: int = 19, rows: int = 496, columns: int = 512) -> Phantom:
    """Draw a volume of parallel B-scans, 240 µm apart, the fovea in the middle one.

    Parameters
    ----------
    seed : int
        The same seed gives the same volume.
    slices, rows, columns : int
        Size in px; see `phantom_bscan`.

    Returns
    -------
    Phantom
        A right eye, the nasal side on the right.

    Raises
    ------
    ImageError
        If there would be no slice, or fewer than 64 rows or columns.
    """
    if slices < 1:
        raise ImageError(f"A volume needs at least one slice: received {slices}.")
    across = (np.arange(slices) - slices // 2) * _SLICE_UM / 1000
    macula = _Macula.draw(seed, across, rows, columns)
    scans = np.stack([macula.scan(index) for index in range(slices)])
    return Phantom(
        image=_image(scans, "OCT volume (synthetic)", seed),
        labels=np.stack([to_labels(heights, rows) for heights in macula.heights]),
        heights=macula.heights,
    )


def _image(pixels: npt.NDArray[np.uint8], name: str, seed: int) -> RetinaImage:
    return RetinaImage(
        pixels=pixels,
        modality=Modality.OCT,
        spacing=Spacing.from_um(
            slice=_SLICE_UM if pixels.ndim == 3 else None,
            axial=_DEPTH_UM / pixels.shape[-2],
            lateral=_LATERAL_UM,
            origin=Origin.FILE,
        ),
        laterality=Laterality.RIGHT,
        name=name,
        source=f"synthetic phantom, seed {seed}",
    )


@dataclass(frozen=True, eq=False)
class _Macula:
    """The anatomy behind a phantom: boundaries and vessels of all its slices.

    Attributes
    ----------
    seed, rows : int
        Of the phantom.
    heights : array
        ``(slices, boundaries, columns)`` in px.
    shadow, gain : array
        ``(slices, columns)``: share of the light that vessels take away, and brightness of the
        column as a whole.
    """

    seed: int
    rows: int
    heights: Float
    shadow: Float
    gain: Float

    @classmethod
    def draw(cls, seed: int, across: npt.NDArray[np.float64], rows: int, columns: int) -> _Macula:
        """Place boundaries and vessels for slices at distances `across` (mm) from the fovea."""
        if min(rows, columns) < _SMALLEST:
            raise ImageError(
                f"A phantom needs at least {_SMALLEST} × {_SMALLEST} px: received"
                f" {rows} × {columns}."
            )
        rng = np.random.default_rng(seed)
        along = (np.arange(columns) - (columns - 1) / 2) * _LATERAL_UM / 1000
        x, y = np.meshgrid(along + rng.uniform(-0.15, 0.15), across)
        unit = rows * _AXIAL_UM / _DEPTH_UM
        thickness = np.maximum(_thickness(rng, x, y) * unit, 1.0)
        total = thickness.sum(axis=1)
        # Placed so that the whole retina, and the choroid that can be seen, lie in the frame.
        deepest = _bowl(rng, x, y) * unit
        middle = 0.5 * rows - 0.5 * (deepest.mean() + (deepest - total).mean())
        lowest = middle + deepest
        heights = lowest[:, np.newaxis] - np.concatenate(
            [np.cumsum(thickness[:, ::-1], axis=1)[:, ::-1], np.zeros_like(total[:, np.newaxis])],
            axis=1,
        )
        heights += max(0.0, 4 - heights.min())
        gain = 1 + 0.06 * _waves(rng, x, y, 1.5)
        return cls(
            seed=seed,
            rows=rows,
            heights=heights.astype(np.float32),
            shadow=_shadows(rng, x, y).astype(np.float32),
            gain=gain.astype(np.float32),
        )

    def scan(self, index: int) -> npt.NDArray[np.uint8]:
        """Draw one slice, ``(rows, columns)``."""
        rng = np.random.default_rng([self.seed, 1, index])
        heights = self.heights[index]
        depth = np.arange(self.rows, dtype=np.float32)[:, np.newaxis] + 0.5
        below = (depth - heights[-1]) * np.float32(_DEPTH_UM / self.rows / _AXIAL_UM)
        seen = np.exp(-np.maximum(below, 0) / _CHOROID_FADES)
        light = _retina(heights, self.rows)
        lumens = _grain(rng, light.shape, (5.0, 6.0)) * np.clip(below / 25, 0, 1)
        stroma = _grain(rng, light.shape, (2.0, 2.5))
        beyond = _CHOROID * seen * np.clip(1 + 0.3 * lumens + 0.16 * stroma, 0.1, 1.7)
        light = np.where(below > 0, beyond, light)
        # A vessel takes away the light of everything below the layer it runs in.
        shaded = np.clip((depth - heights[1]) / 6, 0, 1) * self.shadow[index]
        light = cv2.GaussianBlur(light * (1 - shaded), (1, 0), 1, sigmaY=0.7) * self.gain[index]
        # Speckle is multiplicative in intensity. On screen stands its fourth root, where it is a
        # share of the brightness beside the noise of the detector, which fades with the signal.
        speckle = _grain(rng, light.shape, (0.76, 0.56))
        noisy = light + (0.025 * light + 12.0 * seen) * speckle
        return np.asarray(np.clip(noisy, 0, 255), np.uint8)


def _thickness(
    rng: np.random.Generator, x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Thickness of the layers, ``(slices, layers, columns)`` in rows of 3.87 µm.

    The inner layers give way in the pit, which the outer nuclear layer half fills; the nerve
    fibre layer grows towards the disc.
    """
    r = np.hypot(x, y)

    def around(radius: float, width: float) -> npt.NDArray[np.float64]:
        return np.asarray(np.exp(-(((r - radius) / width) ** 2)))

    beside_pit = 1 - around(0, 0.47)
    towards_disc = 1 / (1 + np.exp(-(x - 1.2) / 0.5))
    layers = (
        0.8 + beside_pit * (3.6 + 9.0 * towards_disc + 1.5 * np.abs(y)),
        2.6 + beside_pit * (11.5 + 12.0 * around(0.95, 0.75)),
        2.0 + beside_pit * (5.2 + 2.2 * around(0.95, 0.7)),
        2.4 + beside_pit * (4.0 + 1.5 * around(0.9, 0.8)),
        17.0 + 7.0 * around(0, 0.5) + 7.0 * around(0, 1.5),
        5.5 + 2.6 * around(0, 0.5),
        np.full_like(r, 10.8),
    )
    vary = np.stack([1 + 0.04 * _waves(rng, x, y, 1.2) for _ in layers], axis=1)
    return np.stack(layers, axis=1) * vary


def _bowl(
    rng: np.random.Generator, x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Depth of Bruch's membrane, ``(slices, columns)``: a tilted bowl, in rows of 3.87 µm."""
    tilt_x, tilt_y = rng.uniform(-7, 7), rng.uniform(-3, 3)
    curvature = rng.uniform(1.5, 3.0)
    bowl = tilt_x * x + tilt_y * y - curvature * (x**2 + y**2)
    return np.asarray(bowl + 1.2 * _waves(rng, x, y, 1.5))


def _waves(
    rng: np.random.Generator,
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    length: float,
) -> npt.NDArray[np.float64]:
    """Smooth variation of about unit variance over waves of at least `length` mm."""
    total = np.zeros_like(x)
    for angle, phase, stretch in zip(
        rng.uniform(0, np.pi, 4), rng.uniform(0, 2 * np.pi, 4), rng.uniform(1, 3, 4), strict=True
    ):
        place = np.cos(angle) * x + np.sin(angle) * y
        total += np.cos(2 * np.pi * place / (length * stretch) + phase)
    return np.asarray(total / np.sqrt(2))


def _shadows(
    rng: np.random.Generator, x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Share of light lost to vessels, ``(slices, columns)``; there are none in the pit."""
    lost = np.zeros_like(x)
    for start in rng.uniform(x.min(), x.max(), rng.integers(5, 9)):
        slope, width, dark = rng.uniform(-0.4, 0.4), rng.uniform(0.02, 0.05), rng.uniform(0.15, 0.5)
        lost = np.maximum(lost, dark * np.exp(-(((x - start - slope * y) / width) ** 4)))
    return np.asarray(lost * (1 - np.exp(-((np.hypot(x, y) / 0.6) ** 4))))


def _retina(heights: Float, rows: int) -> Float:
    """Brightness between the first and the last boundary, ``(rows, columns)``; vitreous above."""
    first, last = int(heights[0].min()) - 2, int(heights[-1].max()) + 2
    first, last = max(first, 0), min(last, rows)
    depth = np.arange(first, last, dtype=np.float32)[:, np.newaxis] + np.float32(0.5)
    passed = np.zeros((last - first, heights.shape[1]), np.float32)
    for upper, lower in pairwise(heights):
        passed += np.clip((depth - upper) / (lower - upper), 0, 1)
    table = np.concatenate(
        [
            np.interp(
                (np.arange(_RESOLUTION) + 0.5) / _RESOLUTION, np.linspace(0, 1, len(layer)), layer
            )
            for layer in _BRIGHTNESS
        ]
    ).astype(np.float32)
    place = np.minimum(passed * _RESOLUTION, len(table) - 1).astype(np.intp)
    light = np.full((rows, heights.shape[1]), _VITREOUS, np.float32)
    light[first:last] = np.where(passed > 0, table[place], _VITREOUS)
    # A thin nerve fibre layer reflects less than a thick one.
    thin = np.clip((heights[1] - heights[0]) * 496 / rows / 10, 0, 1)
    fibres = (passed > 0) & (passed < 1)
    light[first:last] *= np.where(fibres, 0.78 + 0.22 * thin, 1)
    return light


def _grain(rng: np.random.Generator, shape: tuple[int, ...], sigma: tuple[float, float]) -> Float:
    """Draw normal noise of unit variance, correlated over `sigma` px along rows and columns."""
    white = rng.standard_normal(shape, np.float32)
    blurred = cv2.GaussianBlur(white, (0, 0), sigmaX=sigma[1], sigmaY=sigma[0])
    return np.asarray(blurred / blurred.std(), np.float32)
