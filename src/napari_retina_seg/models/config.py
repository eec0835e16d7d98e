"""Architecture configurations: the numbers from which `models.networks` builds a network."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

Rate = Annotated[float, Field(ge=0, lt=1)]
Widths = Annotated[tuple[PositiveInt, ...], Field(min_length=2, max_length=8)]


class ArchitectureConfig(BaseModel):
    """Settings shared by all architectures.

    Attributes
    ----------
    channels : int
        Channels of the input.
    classes : int
        Classes of the label scheme; 2 classes are one sigmoid output.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    channels: PositiveInt = 1
    classes: Annotated[int, Field(ge=2, le=256)] = 2

    @property
    def outputs(self) -> int:
        """Channels of the output."""
        return 1 if self.classes == 2 else self.classes

    @property
    def activation(self) -> str:
        """Activation of the output."""
        return "sigmoid" if self.classes == 2 else "softmax"


class UNetConfig(ArchitectureConfig):
    """A U-Net, plain or residual.

    Attributes
    ----------
    widths : tuple of int
        Channels at each resolution, finest first.
    residual : bool
        Residual blocks.
    batch_norm : bool
        Batch normalisation after each convolution.
    dropout : tuple of float
        Rate at each resolution, finest first; the last one holds for all deeper ones.
    transposed : bool
        Upsample by 2 × 2 transposed convolutions, else bilinearly.
    stem_strides : tuple of int
        Strides (rows, columns) of a convolution before the first level. ``(1, 2)`` halves the
        work and keeps the full axial resolution that boundaries need.
    """

    kind: Literal["unet"] = "unet"
    widths: Widths = (16, 32, 64, 128, 256)
    residual: bool = False
    batch_norm: bool = False
    dropout: Annotated[tuple[Rate, ...], Field(min_length=1)] = (0.0,)
    transposed: bool = True
    stem_strides: tuple[PositiveInt, PositiveInt] = (1, 1)

    @property
    def multiple(self) -> tuple[int, int]:
        """Rows and columns of the input must be multiples of these."""
        factor = 2 ** (len(self.widths) - 1)
        return factor * self.stem_strides[0], factor * self.stem_strides[1]


class SegNetConfig(ArchitectureConfig):
    """A SegNet (Badrinarayanan et al. 2017) whose decoder also sees the encoder's features.

    Attributes
    ----------
    widths : tuple of int
        Channels at each resolution, finest first.
    """

    kind: Literal["segnet"] = "segnet"
    classes: Annotated[int, Field(ge=2, le=256)] = 8
    widths: Widths = (64, 128, 256, 512)

    @property
    def multiple(self) -> tuple[int, int]:
        """Rows and columns of the input must be multiples of these."""
        return 2 ** len(self.widths), 2 ** len(self.widths)


class EncoderUNetConfig(ArchitectureConfig):
    """A U-Net on the encoder of a classification network.

    Attributes
    ----------
    encoder : str
        Name of the network in ``keras.applications``.
    widths : tuple of int
        Channels of the decoder, finest first.
    caffe_input : bool
        Scale colours to 0 … 255 and subtract the means of ImageNet, as the published weights of
        VGG16 expect. EfficientNetB0 brings its own scaling.
    """

    kind: Literal["encoder-unet"] = "encoder-unet"
    channels: PositiveInt = 3
    encoder: Literal["efficientnetb0", "vgg16"] = "efficientnetb0"
    caffe_input: bool = False
    widths: Annotated[tuple[PositiveInt, ...], Field(min_length=5, max_length=5)] = (
        16,
        32,
        64,
        128,
        256,
    )

    @property
    def multiple(self) -> tuple[int, int]:
        """Rows and columns of the input must be multiples of these."""
        return 32, 32

    @model_validator(mode="after")
    def _check_caffe_input(self) -> Self:
        if self.caffe_input and (self.encoder != "vgg16" or self.channels != 3):
            raise ValueError("caffe_input is for a vgg16 encoder of 3 channels")
        return self


Architecture = Annotated[UNetConfig | SegNetConfig | EncoderUNetConfig, Field(discriminator="kind")]
