"""Images that leave beside masks show what holds data."""

import numpy as np
from PIL import Image

from napari_retina_seg.io.formats.pictures import write_pictures
from napari_retina_seg.types.image import Modality, RetinaImage


def test_a_marker_of_invalid_pixels_does_not_darken_the_others(tmp_path):
    scan = np.random.default_rng(0).integers(100, 4000, (64, 96)).astype(np.uint16)
    scan[:, :20] = 65535
    image = RetinaImage(scan, modality=Modality.OCT, name="scan")
    (path,) = write_pictures(tmp_path, image, "scan")
    picture = np.asarray(Image.open(path))[:, 20:]
    assert (picture.min(), picture.max()) == (0, 255)
