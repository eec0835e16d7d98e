import subprocess
import sys

import pytest

from napari_retina_seg import __version__

COMMANDS = ["segment", "explain", "models", "demo", "doctor", "train", "evaluate"]

_HELP = """
import sys
from napari_retina_seg.cli import main
heavy = {"tensorflow", "keras", "napari", "qtpy", "PyQt6", "PySide6", "superqt", "numpy", "cv2"}
for words in sys.argv[1:]:
    sys.argv = ["napari-retina-seg", *words.split()]
    try:
        main()
    except SystemExit as ended:
        assert not ended.code, words
    found = heavy & set(sys.modules)
    assert not found, (words, found)
"""


def test_help_brings_in_nothing_heavy():
    commands = ["--help", "segment -h", "explain -h", "--version"]
    done = subprocess.run(
        [sys.executable, "-c", _HELP, *commands], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("napari-retina-seg") >= len(commands)


def test_importing_the_command_line_leaves_the_environment_alone():
    code = (
        "import os; before = dict(os.environ); import napari_retina_seg.cli.app;"
        " assert dict(os.environ) == before"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_help_names_every_command(run):
    result = run("--help")
    assert result.exit_code == 0
    assert all(command in result.stdout for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_every_command_explains_itself(run, command, flag):
    result = run(command, flag)
    assert result.exit_code == 0
    assert "Usage" in result.stdout


def test_the_version_is_the_package_s(run):
    assert run("--version").stdout == f"napari-retina-seg {__version__}\n"


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["segment"], ["segment", "a.png"], ["segment", "--no-such-option"]]
)
def test_a_wrong_command_line_ends_with_2(run, arguments):
    assert run(*arguments).exit_code == 2
