"""``doctor``: check the installation, and print the commands that fix it."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import typer

from napari_retina_seg.cli.console import as_cell, echo
from napari_retina_seg.cli.remedies import install
from napari_retina_seg.cli.screen import probe_screen, run_python
from napari_retina_seg.types.errors import RetinaSegError

# Distributions that provide a package; the first that is installed counts.
_PACKAGES = {
    "napari-retina-seg": ("napari-retina-seg",),
    "napari": ("napari",),
    "npe2": ("npe2",),
    "TensorFlow": ("tensorflow", "tensorflow-cpu", "tensorflow-macos"),
    "Keras": ("keras",),
    "NumPy": ("numpy",),
    "OpenCV": ("opencv-python", "opencv-python-headless", "opencv-contrib-python"),
    "scikit-image": ("scikit-image",),
}
_BINDINGS = ("PyQt6", "PySide6", "PyQt5", "PySide2")

# CPU features that oneDNN's convolutions use, on Intel, AMD and ARM.
_CPU_FLAGS = ("avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "bf16")

_DESCRIBE = (
    "from napari_retina_seg.inference.predictor import describe_device as d;"
    "print('device=' + d().name + ', ' + d().precision)"
)


@dataclass(frozen=True)
class Diagnosis:
    """One line of the report.

    Attributes
    ----------
    subject, state : str
        What was checked, and the result.
    remedy : str or None
        The command that fixes it, if needed.
    """

    subject: str
    state: str
    remedy: str | None = None


def doctor_command() -> None:
    """Check the installation, and print the commands that fix it."""
    from rich.console import Console

    console = Console(stderr=True)
    with console.status("Trying TensorFlow, Qt and OpenGL"):
        findings = list(examine())
    _print_report(findings)
    if any(finding.remedy for finding in findings):
        raise typer.Exit(1)


def examine() -> Iterator[Diagnosis]:
    """Check everything that the program needs."""
    yield Diagnosis("Python", f"{platform.python_version()} ({sys.executable})")
    yield Diagnosis("System", platform.platform())
    yield Diagnosis("Processor", f"{os.cpu_count()} cores, {_cpu_flags()}")
    yield from _examine_packages()
    yield _examine_device()
    yield from _examine_models()
    yield from _examine_screen()


def _cpu_flags() -> str:
    try:
        flags = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    except OSError:
        return platform.processor() or platform.machine()
    return " ".join(flag for flag in _CPU_FLAGS if flag in flags) or "no AVX2"


def _version(distributions: tuple[str, ...]) -> str | None:
    for name in distributions:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None


def _examine_packages() -> Iterator[Diagnosis]:
    for name, distributions in _PACKAGES.items():
        version = _version(distributions)
        remedy = None if version else f"python -m pip install {distributions[0]}"
        yield Diagnosis(name, version or "not installed", remedy)
    bindings = [f"{name} {version}" for name in _BINDINGS if (version := _version((name,)))]
    yield Diagnosis(
        "Qt binding", ", ".join(bindings) or "not installed", None if bindings else install("qt")
    )


def _examine_device() -> Diagnosis:
    run = run_python("-c", _DESCRIBE)
    for line in run.stdout.splitlines():
        if line.startswith("device="):
            return Diagnosis("Inference", line.removeprefix("device="))
    lines = run.stderr.strip().splitlines()
    state = lines[-1] if lines else f"ended with code {run.returncode}"
    return Diagnosis(
        "Inference", f"can't start: {state}", "python -m pip install --force-reinstall tensorflow"
    )


def _examine_models() -> Iterator[Diagnosis]:
    from napari_retina_seg.models.registry import list_models

    try:
        models = list_models()
    except RetinaSegError as error:
        yield Diagnosis("Models", str(error), install(again=True))
        return
    for model in models:
        try:
            model.check_weights()
            yield Diagnosis(f"Model {model.name}", "weights are intact")
        except RetinaSegError as error:
            yield Diagnosis(f"Model {model.name}", str(error), install(again=True))
    if not models:
        yield Diagnosis("Models", "none found", install(again=True))


def _examine_screen() -> Iterator[Diagnosis]:
    screen = probe_screen()
    problems = screen.problems()
    for problem in problems:
        yield Diagnosis(problem.subject, problem.state, problem.remedy)
    if not problems:
        yield Diagnosis("Window", f"{screen.binding} on {screen.platform}")
        yield Diagnosis("OpenGL", str(screen.opengl))


def _print_report(findings: list[Diagnosis]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=False)
    for finding in findings:
        mark = Text("to fix", "bold red") if finding.remedy else Text("ok", "green")
        table.add_row(mark, as_cell(finding.subject), as_cell(finding.state, fold=True))
    Console().print(table)
    remedies = list(dict.fromkeys(finding.remedy for finding in findings if finding.remedy))
    if remedies:
        typer.echo("\nTo fix it:")
    for remedy in remedies:
        echo(f"  {remedy}")
