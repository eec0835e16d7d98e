"""Networks by their configuration."""

from __future__ import annotations

from typing import Any

from napari_retina_seg.engine.architectures.encoders import build_encoder_unet
from napari_retina_seg.engine.architectures.segnet import build_segnet
from napari_retina_seg.engine.architectures.unet import build_unet
from napari_retina_seg.models.config import Architecture, EncoderUNetConfig, SegNetConfig


def build(config: Architecture) -> Any:
    """Build the Keras model of a configuration, with random weights."""
    if isinstance(config, SegNetConfig):
        return build_segnet(config)
    if isinstance(config, EncoderUNetConfig):
        return build_encoder_unet(config)
    return build_unet(config)


__all__ = ["build", "build_encoder_unet", "build_segnet", "build_unet"]
