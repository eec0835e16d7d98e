import subprocess
import sys
from importlib import import_module
from pathlib import Path

from npe2 import PluginManifest

import napari_retina_seg
from napari_retina_seg.io import SUFFIXES

MANIFEST = Path(napari_retina_seg.__file__).parent / "napari.yaml"


def test_every_python_name_can_be_imported():
    manifest = PluginManifest.from_file(MANIFEST)
    names = [command.python_name for command in manifest.contributions.commands]
    for name in [*names, manifest.on_activate]:
        module, _, attribute = name.partition(":")
        assert callable(getattr(import_module(module), attribute)), name


def test_every_suffix_that_can_be_read_is_offered():
    manifest = PluginManifest.from_file(MANIFEST)
    (reader,) = manifest.contributions.readers
    assert set(reader.filename_patterns) == {f"*{suffix}" for suffix in SUFFIXES}
    assert manifest.name == "napari-retina-seg"


def test_importing_the_plugin_leaves_tensorflow_alone():
    code = (
        "import sys\n"
        "from napari_retina_seg._napari import demo, keys, reader\n"
        "from napari_retina_seg._napari import samples, segment_widget\n"
        "from napari_retina_seg._napari.explain import widget\n"
        "heavy = {'tensorflow', 'keras', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
