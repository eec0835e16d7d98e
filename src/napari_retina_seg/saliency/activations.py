"""One forward pass, from which the gradients of any score are computed."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_retina_seg.imaging.pixels import resize
from napari_retina_seg.imaging.tiling import Tile, pad_to_multiple
from napari_retina_seg.inference.frozen import FrozenSplit
from napari_retina_seg.inference.predictor import ENGINE_LOCK, passes
from napari_retina_seg.types.progress import CancelToken, Progress

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class _Piece:
    """Activations of one pass, and their gradients."""

    tile: Tile
    split: FrozenSplit
    crossing: tuple[Any, ...]  # tensors behind the cut, the layer's activations first
    logits: Array

    @property
    def activations(self) -> Array:
        """``(cell rows, cell columns, channels)``."""
        return np.asarray(self.crossing[0][0])

    def gradient(self, weights: Array) -> Array:
        """Return ``(cell rows, cell columns, channels)`` of the logits' weighted sum."""
        with ENGINE_LOCK:
            gradient = self.split.backward(self.crossing, weights[np.newaxis])
        return np.asarray(gradient[0], np.float32)


@dataclass(frozen=True, eq=False)
class Activations:
    """Activations of one layer, the logits, and the backward function between them.

    Attributes
    ----------
    cells : array
        ``(cell rows, cell columns, channels)`` float32.
    logits : array
        ``(rows, columns, classes)`` on the network's input. Of a sigmoid there are two:
        background's is the negative of the other.
    padded : tuple of int
        Rows and columns of the input that the cells cover.
    """

    cells: Array
    logits: Array
    padded: tuple[int, int]
    _pieces: tuple[_Piece, ...]

    def gradient(self, value: int, weights: Array) -> Array:
        """Differentiate a weighted sum of a class's logits: the backward pass.

        Parameters
        ----------
        value : int
            The class.
        weights : array
            ``(rows, columns)`` of the logits: which pixels are asked about, and how much.

        Returns
        -------
        array
            The shape of the cells.
        """
        whole = np.zeros(self.padded, np.float32)
        whole[: weights.shape[0], : weights.shape[1]] = weights
        outputs = self._pieces[0].logits.shape[-1]
        sign, channel = (1, value) if outputs > 1 else (2 * value - 1, 0)
        gradient = np.zeros_like(self.cells)
        for piece in self._pieces:
            own = whole[piece.tile.rows, piece.tile.columns] * piece.tile.weight
            if not own.any():
                continue
            out = np.zeros((*own.shape, outputs), np.float32)
            out[..., channel] = sign * own
            gradient[self._cells_of(piece.tile)] += piece.gradient(out)
        return gradient

    def spread(self, cells: Array) -> Array:
        """Bring ``(cell rows, cell columns)`` to the network's input, linearly."""
        rows, columns = self.logits.shape[:2]
        return np.asarray(resize(cells, self.padded)[:rows, :columns], np.float32)

    def _cells_of(self, tile: Tile) -> tuple[slice, slice]:
        return _cells(tile, self.padded, (self.cells.shape[0], self.cells.shape[1]))


def iter_forward(
    split: FrozenSplit, tensor: Array, multiple: tuple[int, int], token: CancelToken
) -> Generator[Progress, None, Activations]:
    """Run a cut network over an input of any size, in tiles if it is large.

    Parameters
    ----------
    split : FrozenSplit
        The network.
    tensor : array
        ``(rows, columns, channels)``.
    multiple : tuple of int
        Rows and columns of the network's input are multiples of these.
    token : CancelToken
        Stops the work before the next tile.

    Yields
    ------
    Progress
        Before each tile, if there are several.

    Returns
    -------
    Activations
        With what the way back needs, which is kept as long as they are.
    """
    padded = pad_to_multiple(tensor, multiple)
    grid = padded.shape[0], padded.shape[1]
    tiles = passes(grid, multiple)
    pieces = []
    for done, tile in enumerate(tiles):
        if len(tiles) > 1:
            yield Progress(done, len(tiles), f"Tile {done + 1} of {len(tiles)}")
        token.raise_if_cancelled()
        pieces.append(_run(split, padded[tile.rows, tile.columns], tile))
    logits = _blend_logits(pieces, grid)
    pixels, first = pieces[0].tile.weight.shape, pieces[0].activations.shape
    stride = pixels[0] // first[0], pixels[1] // first[1]
    cells = _blend(pieces, [piece.activations for piece in pieces], grid, stride)
    rows, columns = tensor.shape[:2]
    return Activations(cells, logits[:rows, :columns], grid, tuple(pieces))


def iter_logits(
    split: FrozenSplit,
    tensor: Array,
    multiple: tuple[int, int],
    where: npt.NDArray[np.bool_],
    token: CancelToken,
) -> Generator[Progress, None, Array]:
    """Run a cut network for the logits at some pixels; tiles without any are left out.

    The arguments are those of `iter_forward`; `where` is ``(rows, columns)`` bool.

    Yields
    ------
    Progress
        Before each tile, if there are several.

    Returns
    -------
    array
        ``(rows, columns, classes)`` as those of `Activations`, valid where asked for.
    """
    padded = pad_to_multiple(tensor, multiple)
    grid = padded.shape[0], padded.shape[1]
    asked = np.zeros(grid, bool)
    asked[: where.shape[0], : where.shape[1]] = where
    chosen = [tile for tile in passes(grid, multiple) if asked[tile.rows, tile.columns].any()]
    pieces = []
    for done, tile in enumerate(chosen):
        if len(chosen) > 1:
            yield Progress(done, len(chosen), f"Tile {done + 1} of {len(chosen)}")
        token.raise_if_cancelled()
        pieces.append(_run(split, padded[tile.rows, tile.columns], tile))
    return _blend_logits(pieces, grid)[: where.shape[0], : where.shape[1]]


def _run(split: FrozenSplit, pixels: Array, tile: Tile) -> _Piece:
    with ENGINE_LOCK:
        crossing, logits = split.forward(pixels[np.newaxis])
    return _Piece(tile, split, crossing, np.asarray(logits[0]))


def _blend_logits(pieces: list[_Piece], grid: tuple[int, int]) -> Array:
    """Return the logits of all classes; of a sigmoid, background's is the negative."""
    logits = _blend(pieces, [piece.logits for piece in pieces], grid, (1, 1))
    return np.concatenate([-logits, logits], axis=-1) if logits.shape[-1] == 1 else logits


def _blend(
    pieces: list[_Piece], values: list[Array], grid: tuple[int, int], stride: tuple[int, int]
) -> Array:
    size = grid[0] // stride[0], grid[1] // stride[1]
    blended = np.zeros((*size, values[0].shape[-1]), np.float32)
    for piece, own in zip(pieces, values, strict=True):
        weight = resize(piece.tile.weight, (own.shape[0], own.shape[1]))
        blended[_cells(piece.tile, grid, size)] += own * weight[..., np.newaxis]
    return blended


def _cells(tile: Tile, grid: tuple[int, int], size: tuple[int, int]) -> tuple[slice, slice]:
    """Return which cells of a coarser grid a tile covers; its edges lie on theirs."""
    rows, columns = grid[0] // size[0], grid[1] // size[1]
    return (
        slice(tile.rows.start // rows, tile.rows.stop // rows),
        slice(tile.columns.start // columns, tile.columns.stop // columns),
    )
