"""The site: what it takes from files beside it is there, and it names every public thing.

`tox -e docs` builds it, and fails on a page or link that is not there.
"""

import importlib.util
import re
from pathlib import Path

import pytest

import napari_retina_seg as rs

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(DOCS.glob("*.md"))


def script(name):
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def hook():
    return script("readme_sections")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_sections_of_other_files_are_there(hook, page):
    shown = hook.on_page_markdown(page.read_text(encoding="utf-8"))
    assert not re.search(r"<!-- from ", shown)
    assert not re.search(r"\]\((docs|\.\.)/", shown)
    assert len(shown) > 200


def test_links_are_as_from_the_page(hook, tmp_path, monkeypatch):
    monkeypatch.setattr(hook, "ROOT", tmp_path)
    text = (
        "# Title\n## One\nSee [the guide](docs/guide.md#begin), [it](https://a.org/b),"
        " [here](#two), [us](CONTRIBUTING.md), [a file](CITATION.cff).\n"
        "\n![p](docs/images/p.png)\n## Two\nno\n"
    )
    (tmp_path / "A.md").write_text(text)
    assert hook.on_page_markdown("# Page\n\n<!-- from A.md: One -->\n") == (
        "# Page\n\nSee [the guide](guide.md#begin), [it](https://a.org/b), [here](#two),"
        " [us](contributing.md), a file.\n\n![p](images/p.png)\n"
    )
    whole = hook.on_page_markdown("<!-- from A.md -->")
    assert whole.startswith("## One")
    assert "## Two" in whole


def test_a_heading_that_is_gone_is_an_error(hook):
    with pytest.raises(KeyError, match="No such heading"):
        hook.section("README.md", "No such heading")


def test_the_reference_has_every_public_name_once():
    text = (DOCS / "reference.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^::: napari_retina_seg\.(\w+)$", text, re.M)) == sorted(rs.__all__)


def test_every_page_is_in_the_navigation():
    listed = re.findall(
        r": ([\w/]+\.(?:md|ipynb))$", (DOCS.parent / "mkdocs.yml").read_text(), re.M
    )
    pages = {page.name for page in PAGES if not page.name.endswith("_template.md")}
    notebooks = {f"notebooks/{path.name}" for path in (DOCS / "notebooks").glob("*.ipynb")}
    assert sorted(listed) == sorted(pages | notebooks)


def test_links_of_the_readme_are_there():
    links = script("absolute_links")
    text = (DOCS.parent / "README.md").read_text(encoding="utf-8")
    targets = [link[3].partition("#")[0] for link in links.LINK.finditer(text)]
    assert "docs/guide.md" in targets
    assert all((DOCS.parent / target).is_file() for target in targets)


def test_links_of_the_readme_are_absolute_in_a_package():
    links = script("absolute_links")
    text = "![a](docs/images/a.png) [b](docs/b.md#c) [d](https://d.org) [e](#e) [m](mailto:x@y.z)"
    assert links.absolute(text, "https://host.org/o/n/", "v1.2.3") == (
        "![a](https://host.org/o/n/raw/v1.2.3/docs/images/a.png)"
        " [b](https://host.org/o/n/blob/v1.2.3/docs/b.md#c)"
        " [d](https://d.org) [e](#e) [m](mailto:x@y.z)"
    )
    readme = (DOCS.parent / "README.md").read_text(encoding="utf-8")
    made = links.absolute(readme, "https://host.org/o/n", "v1")
    assert not links.LINK.search(made)
    assert not re.search(r"""(?:src|href)=["'](?!https?:)""", made)
