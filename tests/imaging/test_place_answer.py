"""The answer to a point or region, in words."""

import pytest

from napari_retina_seg.imaging.explanation import PlaceAnswer
from napari_retina_seg.types.labels import FUNDUS_VESSELS, OCT_LAYERS


def oct_answer(drawn, before, without, is_point=True) -> str:
    def listed(shares):
        return tuple(shares.get(label.abbreviation, 0) for label in OCT_LAYERS.classes)

    value = OCT_LAYERS.find(drawn).value
    hidden = None if without is None else listed(without)
    return PlaceAnswer(OCT_LAYERS, value, listed(before), hidden, is_point).sentence


SAID = {
    "another wins": (
        ("INL", {"INL": 0.62, "OPL": 0.31, "RPE": 0.07}, {"OPL": 0.55, "INL": 0.3}),
        "Predicted here: INL 62 %, next OPL 31 %. With this place filled in from around"
        " it, OPL would win: 55 %, INL 30 %.",
    ),
    "the same wins": (
        ("INL", {"INL": 0.62, "OPL": 0.38}, {"INL": 0.58, "RPE": 0.42}),
        "Predicted here: INL 62 %, next OPL 38 %. With this place filled in from around"
        " it, still INL 58 %, next RPE 42 %.",
    ),
    "certain": (
        ("INL", {"INL": 0.999, "OPL": 0.001}, {"OPL": 0.998, "INL": 0.002}),
        "Predicted here: INL over 99 %. With this place filled in from around it, OPL"
        " would win: over 99 %, INL under 1 %.",
    ),
    "drawn otherwise": (
        ("OPL", {"INL": 0.6, "OPL": 0.4}, {"OPL": 0.9, "INL": 0.1}),
        "Drawn as OPL (40 %), though INL is more probable here (60 %). With this place filled in"
        " from around it, OPL would win: 90 %, INL 10 %.",
    ),
    "a region": (
        ("INL", {"INL": 0.6, "OPL": 0.4}, {"INL": 0.9, "OPL": 0.1}, False),
        "Predicted in the region, on average: INL 60 %, next OPL 40 %. With the region filled in"
        " from around it, still INL 90 %, next OPL 10 %.",
    ),
    "a region drawn otherwise": (
        ("OPL", {"INL": 0.6, "OPL": 0.4}, None, False),
        "Drawn mostly as OPL (40 %), though INL is more probable in the region, on average"
        " (60 %). Nothing is around the region to fill it in from.",
    ),
}


@pytest.mark.parametrize(("answer", "sentence"), SAID.values(), ids=SAID)
def test_what_is_stated_of_a_place(answer, sentence) -> None:
    assert oct_answer(*answer) == sentence


def test_two_classes_are_enough() -> None:
    found = PlaceAnswer(FUNDUS_VESSELS, 1, (0.3, 0.7), (0.8, 0.2), is_point=True).sentence
    assert found.startswith("Predicted here: Vessel 70 %, next BG 30 %. With")
    assert found.endswith("BG would win: 80 %, Vessel 20 %.")
