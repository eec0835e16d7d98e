import numpy as np
import pytest
from skimage.color import rgb2lab

from napari_retina_seg.types.errors import RetinaSegError
from napari_retina_seg.types.labels import DUKE_LAYERS, OCTID_LAYERS, SCHEMES

# Machado et al. 2009, severity 1, on linear RGB: no red, no green, no blue cones.
DEFICIENCIES = [
    np.eye(3),
    [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.052],
    ],
    [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.01182, 0.04294, 0.968881],
    ],
    [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.3039],
    ],
]


def seen_by(colors, matrix):
    """Return colours as CIELAB, as eyes with other cones see them."""
    colors = colors / 255
    linear = np.where(colors <= 0.04045, colors / 12.92, ((colors + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.transpose(matrix), 0, 1)
    return rgb2lab(np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055))


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=SCHEMES)
@pytest.mark.parametrize("matrix", DEFICIENCIES, ids=["usual", "protan", "deutan", "tritan"])
def test_colours_are_told_apart_by_all_eyes(scheme, matrix):
    lab = seen_by(scheme.palette, matrix)
    distances = np.linalg.norm(lab[:, np.newaxis] - lab, axis=-1)
    assert distances[np.triu_indices(len(lab), 1)].min() > 15  # 2.3 is just noticeable


def test_a_palette_identifies_its_scheme():
    assert len({scheme.palette.tobytes() for scheme in SCHEMES.values()}) == len(SCHEMES)


@pytest.mark.parametrize(
    ("scheme", "layers"),
    [
        (DUKE_LAYERS, "RNFL GCL+IPL INL OPL ONL EZ OS+RPE"),
        (OCTID_LAYERS, "RNFL GCL+IPL INL OPL ONL EZ RPE Choroid"),
    ],
)
def test_layers_lie_in_order_between_their_surfaces(scheme, layers):
    assert [label.abbreviation for label in scheme.classes[1:]] == layers.split()
    assert [label.order for label in scheme.classes[1:]] == list(range(1, len(scheme)))
    assert len(scheme.surfaces) == len(scheme)


def test_surfaces_have_the_codes_of_dicom():
    codes = [surface.code for surface in OCTID_LAYERS.surfaces]
    assert codes[-2:] == ["DCM:128300", "DCM:128301"]
    assert codes[:6] == [surface.code for surface in DUKE_LAYERS.surfaces[:6]]


@pytest.mark.parametrize("text", ["gcl+IPL", "Ganglion cell + INNER plexiform layer", " 2"])
def test_a_class_is_found_by_abbreviation_name_or_value(text):
    assert DUKE_LAYERS.find(text).value == 2


@pytest.mark.parametrize("text", ["", "8", "-1", "nonsense"])
def test_a_class_that_is_not_there_is_reported_with_those_that_are(text):
    with pytest.raises(RetinaSegError, match=r"RNFL, GCL\+IPL, .* values 0 to 7"):
        DUKE_LAYERS.find(text)
