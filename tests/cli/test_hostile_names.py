"""What the terminal shows of names that would steer it."""

import json

import pytest
from rich.console import Console

from helpers import write_png
from hostile import HOSTILE, hidden_in
from napari_retina_seg.cli.console import Bar, as_cell
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.types.text import displayed

NAMES = [text.replace("/", "_") for text in HOSTILE]


def test_names_comments_and_authors_are_text_on_the_terminal(run, tmp_path):
    folder, scans = tmp_path / "project", tmp_path / "scans"
    run("project", "create", folder, "--scheme", "oct-layers", "--author", "Ann")
    for seed, name in enumerate(NAMES):
        write_png(scans / "a.png", phantom_bscan(seed, 64, 64).image.pixels)
        (scans / "a.png").rename(scans / f"{name}.png")
    results = [run("project", "add", folder, scans, "--author", HOSTILE[0])]
    write_png(tmp_path / "mask.png", phantom_bscan(0, 64, 64).labels)
    attach = ("project", "attach", folder, "#1", tmp_path / "mask.png")
    results.append(run(*attach, "--author", HOSTILE[2], "--comment", HOSTILE[0]))
    results.append(run("project", "names", folder))
    results.append(run("project", "history", folder, "#1"))
    results.append(run("project", "history", folder, f"no {HOSTILE[0]}"))
    as_json = run("project", "history", folder, "#1", "--json")
    for result in (*results, as_json):
        assert not hidden_in(result.stdout + result.stderr)
        assert result.stdout or result.stderr
    assert [one["comment"] for one in json.loads(as_json.stdout)] == [HOSTILE[0]]
    listed = run("project", "names", folder).stdout
    assert listed.count("\n") == len(NAMES)  # no name forges a line
    assert all(f"'{displayed(name)}' →" in listed for name in NAMES)


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_is_markup_or_a_code_in_tables_and_beside_the_bar(text, capsys):
    console = Console(force_terminal=True, color_system="truecolor", width=200)
    with console.capture() as captured:
        console.print(as_cell(text))
    assert captured.get() == f"{displayed(text)}\n"
    with Bar(1) as bar:
        bar.say(text)
        bar.begin(text)
    assert capsys.readouterr().err == f"{displayed(text)}\n"
