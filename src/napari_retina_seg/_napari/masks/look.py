"""How masks are shown over the image: opacity and outlines, remembered for the next mask."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from napari.layers import Labels

from napari_retina_seg._napari.layers import KEY, unwrap_proxy
from napari_retina_seg._napari.results import MaskInfo
from napari_retina_seg._napari.settings import Settings

_OUTLINES = "view/outlines"
# Settings with the opacity, and its first value: tissue is seen through layers, which cover it, but
# vessels are thin and would be lost.
_OF_LAYERS, _OF_VESSELS = ("view/opacity", 0.4), ("view/opacity_of_vessels", 0.7)
# Widths of outlines that are shown only while a map lies under the mask.
_OUTLINED: WeakKeyDictionary[Labels, int] = WeakKeyDictionary()


def apply_look(mask: Labels, settings: Settings) -> None:
    """Show a mask as the last one was shown, or at a low opacity."""
    mask.opacity = min(max(settings.number(*_opacity_setting(mask)), 0.0), 1.0)
    if settings.switch(_OUTLINES) and not mask.contour:
        mask.contour = 1


def remember_look(mask: Labels, settings: Settings) -> None:
    """Remember how a mask is shown, for the masks that are opened next."""
    if unwrap_proxy(mask) in _OUTLINED:
        return
    settings.remember_number(_opacity_setting(mask)[0], mask.opacity)
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


def _opacity_setting(mask: Labels) -> tuple[str, float]:
    known = mask.metadata.get(KEY)
    covers = not isinstance(known, MaskInfo) or bool(known.scheme.surfaces)
    return _OF_LAYERS if covers else _OF_VESSELS
