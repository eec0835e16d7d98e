"""What the package says of itself: licences, versions, files beside the code."""

import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

# Licences that a BSD package may depend on: permissive, and MPL, which covers its own files only.
ALLOWED = re.compile(
    r"\b(BSD|0BSD|MIT|Apache|ISC|PSF|Python Software Foundation|Zlib|CC0|MPL|Mozilla|Unlicense"
    r"|HPND|MIT-CMU|FreeBSD|matplotlib|SciPy|Public Domain)\b",
    re.IGNORECASE,
)
REFUSED = re.compile(r"\b[AL]?GPL|GNU\b|proprietary|non-?commercial", re.IGNORECASE)
# Packages whose metadata state no licence, and what their licence file says.
STATED_ELSEWHERE = {"namex": "Apache License"}
DRIVER = "psycopg"  # LGPL: it is asked for by an extra alone, and nothing of it is in this package


def required(*chosen: str) -> dict[str, importlib.metadata.Distribution]:
    """Return the distributions that an installation with some extras brings, by name."""
    found: dict[str, importlib.metadata.Distribution] = {}
    extras: dict[str, set[str]] = {}
    optional = PROJECT["optional-dependencies"]
    wanted = [*PROJECT["dependencies"], *(text for extra in chosen for text in optional[extra])]
    waiting = [Requirement(text) for text in wanted]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        known = extras.setdefault(name, set())
        if name in found and requirement.extras <= known:
            continue
        known |= requirement.extras
        try:
            found[name] = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            pytest.fail(f"{name} is required, but not installed")
        for text in found[name].requires or ():
            inner = Requirement(text)
            environments = [{"extra": extra} for extra in (*known, "")]
            if inner.marker is None or any(map(inner.marker.evaluate, environments)):
                waiting.append(inner)
    return found


def licence_of(distribution: importlib.metadata.Distribution) -> str:
    """Return what the metadata state: an SPDX expression, else classifiers, else free text."""
    metadata = distribution.metadata
    expression = metadata.get("License-Expression")
    classifiers = [
        text.removeprefix("License :: ").removeprefix("OSI Approved :: ")
        for text in metadata.get_all("Classifier") or ()
        if text.startswith("License :: ")
    ]
    text = (metadata.get("License") or "")[:200]
    return expression or " OR ".join(classifiers) or text


@pytest.mark.parametrize("extra", [None, "distributed", "object-store", "postgresql", "zarr"])
def test_nothing_required_is_under_the_gpl(extra):
    doubtful = {
        name: licence_of(distribution)
        for name, distribution in required(*([extra] if extra else [])).items()
        if name not in STATED_ELSEWHERE
        and not name.startswith(DRIVER)
        and (
            REFUSED.search(licence_of(distribution)) or not ALLOWED.search(licence_of(distribution))
        )
    }
    assert not doubtful


def test_licences_that_are_stated_elsewhere_are_those():
    for name, text in STATED_ELSEWHERE.items():
        distribution = required()[name]
        assert not licence_of(distribution)
        (file,) = (file for file in distribution.files or () if file.name == "LICENSE")
        assert text in file.read_text()


def test_the_gpl_is_recognised():
    for text in ("GPL V3.0", "GNU General Public License v3 (GPLv3)", "LGPL-2.1-only", "AGPL-3.0"):
        assert REFUSED.search(text)
    for text in ("BSD-3-Clause", "MPL-2.0 AND MIT", "Apache Software License", "HPND"):
        assert ALLOWED.search(text)
        assert not REFUSED.search(text)


def test_stated_versions_are_those_that_are_tested():
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert SpecifierSet(PROJECT["requires-python"]).contains(running)
    napari = next(
        Requirement(text) for text in PROJECT["dependencies"] if text.startswith("napari")
    )
    assert napari.specifier.contains(importlib.metadata.version("napari"))
    assert any(specifier.operator == "<" for specifier in napari.specifier)


def test_the_changelog_is_by_version():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.+)$", changelog, re.MULTILINE)
    shape = re.compile(r"\d+\.\d+\.\d+ \((unreleased|\d{4}-\d\d-\d\d)\)")
    assert headings
    assert all(shape.fullmatch(heading) for heading in headings)


def test_files_for_users_are_there():
    for name in ("LICENSE", "SECURITY.md", "CITATION.cff", "CONTRIBUTING.md"):
        assert (ROOT / name).is_file(), name
