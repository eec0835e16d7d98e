import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from npe2 import PluginManager, PluginManifest

import napari_retina_seg
from napari_retina_seg.io import SUFFIXES
from napari_retina_seg.io.formats.nifti import SUFFIXES as NIFTI

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
    assert {f"*{suffix}" for suffix in (*SUFFIXES, *NIFTI)} <= set(reader.filename_patterns)
    assert manifest.name == "napari-retina-seg"


@pytest.mark.parametrize(
    ("name", "offered"),
    [
        ("1.2.840.113619.2.1", True),
        ("IM000001", True),
        ("I1000002.DCM", True),
        ("scan.dcm.1", True),
        ("OP.1.2.3.44", True),
        ("points.csv", False),
        ("movie.avi", False),
        ("stack.nd2", False),
        ("archive.7z", False),
        ("layers.v2.json", False),
    ],
)
def test_files_of_others_are_not_asked_for(name, offered):
    """A pattern for everything would make napari ask which reader is to open, say, points."""
    manager = PluginManager()
    manager.register(PluginManifest.from_file(MANIFEST))
    assert bool(list(manager.iter_compatible_readers([name]))) is offered


def test_importing_the_plugin_leaves_tensorflow_alone():
    code = (
        "import sys\n"
        "from napari_retina_seg._napari import actions, demo, reader\n"
        "from napari_retina_seg._napari import samples, segment_widget\n"
        "from napari_retina_seg._napari.explain import widget\n"
        "heavy = {'tensorflow', 'keras', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
