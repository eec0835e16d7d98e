"""Options of ``explain``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class MethodName(StrEnum):
    """CAM methods."""

    GRAD_CAM = "grad-cam"
    GRAD_CAM_PLUS_PLUS = "grad-cam++"
    HIRES_CAM = "hirescam"
    LAYER_CAM = "layercam"


class FigureFormat(StrEnum):
    """Formats of the figure."""

    PNG = "png"
    SVG = "svg"
    PDF = "pdf"


class MapFormat(StrEnum):
    """Formats of the maps."""

    NPY = "npy"
    TIFF = "tiff"


ClassNames = Annotated[
    list[str] | None,
    typer.Option(
        "--class",
        "-c",
        metavar="CLASS",
        help="Name, abbreviation or value of a class, such as RNFL; may be repeated."
        " By default all classes.",
    ),
]
LayerName = Annotated[
    str,
    typer.Option(
        help="Layer of the network, such as 'encoder 2', 'bottleneck' or 'decoder 1', or by its own"
        " name in Keras; by default the recommended one.",
        show_default=False,
    ),
]
MethodOption = Annotated[
    MethodName | None,
    typer.Option(
        case_sensitive=False,
        help="CAM method; by default Grad-CAM for a class, HiResCAM for a region or point.",
    ),
]
Slice = Annotated[
    int | None,
    typer.Option(
        "--slice", min=0, help="Only this slice of a volume, counted from 0 as in the window."
    ),
]
RegionFile = Annotated[
    Path | None,
    typer.Option(
        metavar="MASK",
        help="Explain the pixels that are not 0 in this file, of the image's size; by default all"
        " pixels that the model assigns to the class.",
    ),
]
PointText = Annotated[
    str | None,
    typer.Option(metavar="ROW,COLUMN", help="Explain one pixel, such as 240,400."),
]
FormatOption = Annotated[
    FigureFormat, typer.Option("--format", case_sensitive=False, help="Format of the figure.")
]
MapOption = Annotated[MapFormat, typer.Option(case_sensitive=False, help="Format of the maps.")]
