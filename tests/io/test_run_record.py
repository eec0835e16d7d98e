"""A record of a run that was altered is refused in one sentence."""

import json

import pytest

from napari_retina_seg.io.run_record import RECORD, Finished, RunRecord
from napari_retina_seg.types.errors import WriteError

SETTINGS = {"model": "a"}
DONE = {"name": "x", "sha256": "0", "outputs": {"x_mask.png": "0"}}


def write(folder, *entries):
    lines = [entry if isinstance(entry, str) else json.dumps(entry) for entry in entries]
    (folder / RECORD).write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.parametrize(
    "entry",
    [
        {**DONE, "other": 1},
        {"name": "x"},
        {**DONE, "outputs": {"../x_mask.png": "0"}},
        {**DONE, "outputs": {"within/x_mask.png": "0"}},
        {"planned": [1]},
        [1],
    ],
)
def test_entries_of_another_form_are_refused(tmp_path, entry):
    write(tmp_path, {"settings": SETTINGS}, entry)
    with pytest.raises(WriteError, match="damaged or was changed"):
        RunRecord(tmp_path, SETTINGS)


@pytest.mark.parametrize("entry", [DONE, {"planned": ["x"]}])
def test_entries_without_settings_are_refused(tmp_path, entry):
    write(tmp_path, '{"settings": {"mod', entry)
    with pytest.raises(WriteError, match="damaged or was changed"):
        RunRecord(tmp_path, SETTINGS)


def test_results_of_two_settings_are_refused(tmp_path):
    write(tmp_path, {"settings": {"model": "b"}}, DONE, {"settings": SETTINGS})
    with pytest.raises(WriteError, match="another model"):
        RunRecord(tmp_path, SETTINGS)


def test_what_was_noted_is_read_again(tmp_path):
    record = RunRecord(tmp_path, SETTINGS)
    record.plan(["x", "y"])
    record.add(Finished(**DONE))
    again = RunRecord(tmp_path, SETTINGS)
    assert again.planned == {"x", "y"}
    assert again.finished == {"x": Finished(**DONE)}
