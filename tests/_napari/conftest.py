"""A viewer, the Segment dock, two tiny models, and a home of their own."""

import gc
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from pathlib import Path
from types import FunctionType, SimpleNamespace

import numpy as np
import pytest

from napari_retina_seg._napari.engine_tasks import load_engine

load_engine()  # before anything else imports TensorFlow where the graphics driver can see it

from napari._qt.qt_main_window import _QtMainWindow  # noqa: E402
from napari._qt.qt_viewer import QtViewer  # noqa: E402
from napari._qt.widgets.qt_welcome import QtWelcomeWidget  # noqa: E402
from napari._vispy import canvas  # noqa: E402
from napari.components import ViewerModel  # noqa: E402
from napari.layers import Labels  # noqa: E402
from napari.plugins import _initialize_plugins  # noqa: E402
from napari.settings import NapariSettings, get_settings  # noqa: E402
from napari.utils._proxies import PublicOnlyProxy  # noqa: E402
from napari.utils.events import EventEmitter  # noqa: E402
from npe2 import PluginManifest  # noqa: E402
from pytestqt.qtbot import QtBot  # noqa: E402
from qtpy.QtCore import QSettings  # noqa: E402
from skimage.data import retina  # noqa: E402
from vispy.visuals.shaders import parsing  # noqa: E402
from vispy.visuals.shaders.function import Function  # noqa: E402

from helpers import tiny_model  # noqa: E402
from napari_retina_seg._napari._compat import engine_freeze  # noqa: E402
from napari_retina_seg._napari.job import JobResult  # noqa: E402
from napari_retina_seg._napari.layers import KEY  # noqa: E402
from napari_retina_seg._napari.results import MaskInfo  # noqa: E402
from napari_retina_seg._napari.segment_widget import SegmentWidget  # noqa: E402
from napari_retina_seg._napari.tasks import is_idle  # noqa: E402
from napari_retina_seg.imaging.phantom import phantom_bscan, phantom_volume  # noqa: E402
from napari_retina_seg.models import registry  # noqa: E402
from napari_retina_seg.types.image import Modality  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def cheap_collections() -> None:
    """Keep what the last module has left, imports above all, out of garbage collection.

    napari collects garbage with every layer that is removed and every viewer that is closed, and
    looks at hundreds of thousands of objects each time.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def cheap_viewers() -> Iterator[None]:
    """Spare what costs most in viewers, hundreds of which are opened here.

    Plugins are looked for once, and napari's settings written nowhere and reset after changes only.
    With a layer that is removed napari collects only what was made lately (test_stress.py has the
    real thing), and it looks only once at the signature of a function that is connected. The hidden
    welcome screen is not written anew for each key that is bound, and the window's style sheet not
    set once more for a part of the window. Events are not shown to the method that lets a hidden
    menu bar appear. A text of shaders is parsed once for all its uses.
    """
    plugins = list(PluginManifest.discover())
    settings, reset = get_settings(), NapariSettings.reset
    straight = lru_cache(1000)(partial(Function._clean_code, None))
    signature = lru_cache(1000)(parsing.parse_function_signature)

    def reset_changed(changed: NapariSettings) -> None:
        if changed.model_dump() != defaults:
            reset(changed)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PluginManifest, "discover", lambda **_: iter(plugins))
        patch.setattr(settings, "_save_on_change", False)
        settings.reset()
        defaults = settings.model_dump()
        patch.setattr(NapariSettings, "reset", reset_changed)
        patch.setattr(QtWelcomeWidget, "refresh", lambda *_: None)
        patch.setattr(QtViewer, "setStyleSheet", lambda *_: None)
        patch.delattr(_QtMainWindow, "eventFilter")
        patch.setattr(Function, "_clean_code", lambda _, code: straight(code))
        patch.setattr(parsing, "parse_function_signature", signature)
        patch.setattr(canvas, "gc", SimpleNamespace(collect=lambda: gc.collect(0)))
        patch.setattr(EventEmitter, "_check_signature", staticmethod(_takes_event))
        # Objects are frozen, see below: to ask for it anew with each dock takes 0.1 s.
        patch.setattr(engine_freeze, "_update", lambda: None)
        yield


_looks_at_signature = EventEmitter._check_signature
_SIGNATURES: dict[object, bool] = {}


def _takes_event(callback: Callable[..., object]) -> bool:
    """Tell whether a callback takes the event, as napari finds it out."""
    kind = _kind_of(callback)
    if kind is None:
        return _looks_at_signature(callback)
    if kind not in _SIGNATURES:
        _SIGNATURES[kind] = _looks_at_signature(callback)
    return _SIGNATURES[kind]


def _kind_of(callback: Callable[..., object]) -> object | None:
    """Return what decides on a callback's signature; None where that is not known."""
    if isinstance(callback, partial):
        inner = _kind_of(callback.func)
        given = (len(callback.args), *sorted(callback.keywords))
        return None if inner is None else (partial, inner, given)
    if isinstance(callback, EventEmitter):
        return type(callback)
    function = getattr(callback, "__func__", callback)
    if not isinstance(function, FunctionType) or hasattr(function, "__wrapped__"):
        return None
    return function.__code__, function is callback, len(function.__defaults__ or ())


@pytest.fixture(scope="session")
def model_folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return the folders of a tiny OCT model and a tiny fundus model."""
    folder = tmp_path_factory.mktemp("models")
    for modality in (Modality.OCT, Modality.FUNDUS):
        tiny_model(folder / modality.value, modality)
    return folder / "oct", folder / "fundus"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model_folders: tuple[Path, Path]) -> Path:
    """Keep the user's settings and models out, and offer the tiny models alone."""
    config = tmp_path / "config"
    monkeypatch.setattr(registry.platformdirs, "user_config_dir", lambda name: str(config / name))
    data = tmp_path / "data"
    monkeypatch.setattr(registry.platformdirs, "user_data_dir", lambda name: str(data / name))
    monkeypatch.setattr(registry, "BUNDLED", tmp_path / "no-models")
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(config))
    for folder in model_folders:
        registry.add_model(folder)
    return config


@pytest.fixture
def viewer(make_napari_viewer_proxy: Callable[..., object]) -> object:
    """Return a viewer as a plugin sees it."""
    return make_napari_viewer_proxy()


@pytest.fixture
def windowless(qapp: object, mock_app_model: object, monkeypatch: pytest.MonkeyPatch) -> object:
    """Return a viewer as a plugin sees it, without a window, which is what takes long.

    For what readers and writers do; tests of docks see that they find the viewer of a window.
    """
    _initialize_plugins()
    viewer = PublicOnlyProxy(ViewerModel())
    monkeypatch.setattr("napari.current_viewer", lambda: viewer)
    return viewer


@pytest.fixture
def dock(viewer: object, qtbot: QtBot) -> Iterator[SegmentWidget]:
    """Return the Segment dock of the viewer, opened as the menu does it."""
    _, widget = viewer.window.add_plugin_dock_widget("napari-retina-seg", "Segment")
    yield widget
    let_workers_end(qtbot)


@pytest.fixture
def run(qtbot: QtBot) -> Callable[[SegmentWidget], JobResult]:
    """Return a function that clicks Segment and waits for the end."""

    def click(widget: SegmentWidget) -> JobResult:
        assert widget.button.isEnabled(), widget.button.toolTip()
        with qtbot.waitSignal(widget.finished, timeout=120_000) as end:
            widget.button.click()
        return end.args[0]

    return click


@pytest.fixture(scope="session")
def bscan() -> np.ndarray:
    """Return a B-scan, (96, 128) uint8."""
    return phantom_bscan(rows=96, columns=128).image.pixels


@pytest.fixture(scope="session")
def volume() -> np.ndarray:
    """Return a volume, (5, 96, 128) uint8."""
    return phantom_volume(slices=5, rows=96, columns=128).image.pixels


@pytest.fixture(scope="session")
def photograph() -> np.ndarray:
    """Return a fundus photograph, (118, 118, 3) uint8."""
    return retina()[::12, ::12]


@pytest.fixture
def masks(viewer: object) -> Callable[[], list[Labels]]:
    """Return a function that lists the masks that models drew, the latest last."""
    return lambda: [
        layer for layer in viewer.layers if isinstance(layer.metadata.get(KEY), MaskInfo)
    ]


def let_workers_end(qtbot: QtBot) -> None:
    qtbot.waitUntil(is_idle, timeout=60_000)
