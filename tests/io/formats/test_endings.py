"""A table of boundaries that was cut short is noticed, wherever it was cut."""

import numpy as np
import pytest

from napari_retina_seg.datasets.layouts.oct_layers import _read_heights
from napari_retina_seg.io.formats.boundaries import read_boundary_csv, write_boundary_csv
from napari_retina_seg.io.formats.record import MaskRecord
from napari_retina_seg.types.errors import DataError, ReadError, RetinaSegError
from napari_retina_seg.types.labels import OCT_LAYERS

LINES = np.linspace(1.5, 21.125, 8)[:, np.newaxis] + np.linspace(0, 0.7, 6)


@pytest.fixture
def exported(tmp_path):
    """Write a table as an export does."""
    rows = np.arange(24)[:, np.newaxis, np.newaxis]
    labels = (rows >= LINES[np.newaxis]).sum(axis=1).astype(np.uint8)
    labels[labels == len(LINES)] = 0
    record = MaskRecord(
        labels=labels, scheme=OCT_LAYERS, name="scan", boundaries=LINES.astype(np.float32)
    )
    path = tmp_path / "scan.csv"
    write_boundary_csv(path, record)
    return path


def segmented(path):
    """Write a table as `segment` does."""
    header = ",".join(surface.name for surface in OCT_LAYERS.surfaces)
    lines = [",".join(f"{height:.3f}" for height in column) for column in LINES.T]
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def test_a_table_of_an_export_is_noticed_wherever_it_is_cut(exported):
    whole = exported.read_bytes()
    for length in range(len(whole)):
        exported.write_bytes(whole[:length])
        with pytest.raises(ReadError):
            read_boundary_csv(exported)
    exported.write_bytes(whole)
    np.testing.assert_array_equal(read_boundary_csv(exported).heights, LINES.astype(np.float32))


@pytest.mark.parametrize(
    "read", [lambda p: read_boundary_csv(p, OCT_LAYERS).heights, _read_heights]
)
def test_a_table_of_segment_is_noticed_if_it_is_cut_in_a_line(tmp_path, read):
    path = segmented(tmp_path / "scan_boundaries.csv")
    whole = path.read_text()
    heights = read(path)
    for length in range(len(whole.splitlines()[0]) + 2, len(whole)):
        path.write_text(whole[:length])
        try:
            found = read(path)
        except (ReadError, DataError):
            continue
        assert found.shape[1] < 6 or length == len(whole) - 1  # all but the last line break
        np.testing.assert_array_equal(found, heights[:, : found.shape[1]])


def test_a_table_of_another_program_may_end_without_a_line_break(tmp_path):
    path = tmp_path / "scan.csv"
    header = ",".join(surface.name for surface in OCT_LAYERS.surfaces)
    path.write_text(f"{header}\n1,2,3,4,5,6,7,8\n1.5,2,3,4,5,6,7,8")
    assert read_boundary_csv(path, OCT_LAYERS).heights.shape == (8, 2)
    path.write_text(f"{header}\n1,2,3,4,5,6,7,8\n1.5,2,3,4,5,6,7,")
    with pytest.raises(RetinaSegError, match="cut short"):
        read_boundary_csv(path, OCT_LAYERS)
