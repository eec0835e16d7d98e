"""How masks are shown over the image: opacity and outlines, the same for all masks, remembered."""

from __future__ import annotations

from napari.layers import Labels

from napari_retina_seg._napari.settings import Settings

_OPACITY, _OUTLINES = "view/opacity", "view/outlines"
_LIGHT = 0.4  # the tissue is seen through the mask


def apply_look(mask: Labels, settings: Settings) -> None:
    """Show a mask as the last one was shown, or at a low opacity."""
    mask.opacity = min(max(settings.number(_OPACITY, _LIGHT), 0.0), 1.0)
    mask.contour = int(settings.switch(_OUTLINES))


def remember_look(mask: Labels, settings: Settings) -> None:
    """Remember how a mask is shown, for the masks that are opened next."""
    settings.remember_number(_OPACITY, mask.opacity)
    settings.remember_switch(_OUTLINES, mask.contour > 0)
