"""How masks are shown over the image: opacity and outlines, the same for all masks, remembered."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from napari.layers import Labels

from napari_retina_seg._napari.layers import unwrap_proxy
from napari_retina_seg._napari.settings import Settings

_OPACITY, _OUTLINES = "view/opacity", "view/outlines"
_LIGHT = 0.4  # the tissue is seen through the mask
# Widths of outlines that are shown only while a map lies under the mask.
_OUTLINED: WeakKeyDictionary[Labels, int] = WeakKeyDictionary()


def apply_look(mask: Labels, settings: Settings) -> None:
    """Show a mask as the last one was shown, or at a low opacity."""
    mask.opacity = min(max(settings.number(_OPACITY, _LIGHT), 0.0), 1.0)
    if settings.switch(_OUTLINES) and not mask.contour:
        mask.contour = 1


def remember_look(mask: Labels, settings: Settings) -> None:
    """Remember how a mask is shown, for the masks that are opened next."""
    if unwrap_proxy(mask) in _OUTLINED:
        return
    settings.remember_number(_OPACITY, mask.opacity)
    settings.remember_switch(_OUTLINES, mask.contour > 0)


def outline_for_now(mask: Labels, width: int) -> None:
    """Outline a mask until `end_outline`, without remembering that."""
    _OUTLINED[unwrap_proxy(mask)] = width
    mask.contour = width


def end_outline(mask: Labels) -> None:
    """Fill a mask again that was outlined for now, unless its outline was changed since."""
    if mask.contour == _OUTLINED.get(unwrap_proxy(mask)):
        mask.contour = 0
    _OUTLINED.pop(unwrap_proxy(mask), None)
