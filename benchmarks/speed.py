"""What a click costs beside the network itself; everything in one run, as ratios.

    python benchmarks/speed.py

writes ``docs/speed.json``, ``docs/speed.md`` and the table in the README. Needs a screen.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from skimage.data import retina
from skimage.transform import resize
from tables import markdown_table, replace_section, row

from napari_retina_seg._napari.engine_tasks import load_engine
from napari_retina_seg.imaging.phantom import phantom_bscan, phantom_volume
from napari_retina_seg.imaging.target import Point
from napari_retina_seg.imaging.tiling import pad_to_multiple
from napari_retina_seg.inference import predict
from napari_retina_seg.inference.decode import decode
from napari_retina_seg.inference.predictor import describe_device, load_network, load_predictor
from napari_retina_seg.inference.target_layers import cut
from napari_retina_seg.models.registry import BUNDLED, ModelFolder, find_model, list_models
from napari_retina_seg.saliency.explainer import explain
from napari_retina_seg.saliency.split_network import find_target_layer, list_target_layers
from napari_retina_seg.types.image import Modality, RetinaImage

ROOT = Path(__file__).resolve().parents[1]
REPEATS = 7
BARE = "the bare forward pass"


def main() -> None:
    if len(sys.argv) > 1:
        print(json.dumps(ALONE[sys.argv[1]]()))
        return
    rows = [*inference("oct-layers", phantom_bscan().image), *inference("fundus-vessels", photo())]
    rows += explanations()
    for name in ALONE:
        rows += in_a_process(name)
    rows += starts()
    facts = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, no GPU",
        "precision": describe_device().precision,
        "repeats": REPEATS,
        "rows": rows,
    }
    (ROOT / "docs/speed.json").write_text(json.dumps(facts, indent=1) + "\n")
    write_documents(facts)


def photo(size: int = 1411) -> RetinaImage:
    pixels = cv2.resize(retina(), (size, size), interpolation=cv2.INTER_AREA)
    return RetinaImage(pixels, color=True, modality=Modality.FUNDUS, name="retina")


def median(work: Callable[[], Any]) -> float:
    work()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def inference(name: str, image: RetinaImage) -> list[dict[str, Any]]:
    """Compare a whole segmentation with the bare network, frozen and as Keras runs it."""
    model = find_model(name)
    predictor = load_predictor(model)
    network = load_network(model)
    prepare = model.spec.preprocessing.prepare
    prepared = prepare(image.plane(), image.spacing)
    tensor = pad_to_multiple(prepared.tensor, model.spec.architecture.multiple)
    bare = median(lambda: predictor.run(tensor))
    rows, columns = prepared.tensor.shape[:2]
    output = predictor.run(tensor)[:rows, :columns]
    before = median(lambda: prepare(image.plane(), image.spacing))
    after = median(lambda: decode(output, prepared.geometry, model.spec, probabilities=False))
    whole = median(lambda: predict.segment(image, model))
    keras = median(lambda: network.predict(tensor[np.newaxis], verbose=0))
    size = f"{image.grid[0]} × {image.grid[1]}"
    return [
        row(f"`{name}`, {size}: image to mask", whole, BARE, bare),
        row(f"`{name}`: before and after the network", before + after, BARE, bare),
        row(f"`{name}`: frozen graph", bare, "`model.predict`", keras),
    ]


def explanations() -> list[dict[str, Any]]:
    """Compare maps of evidence with the bare forward pass of the same network."""
    rows = []
    for model in list_models():
        if not model.path.is_relative_to(BUNDLED):
            continue
        image = phantom_bscan().image if model.spec.modality is Modality.OCT else photo(576)
        first = len(model.spec.scheme) // 2
        point = Point(*(side // 2 for side in image.grid))
        bare, tensor = bare_pass(model, image)
        one = median(lambda: explain(image, model, (first,), target=point))  # noqa: B023
        size = f"{tensor.shape[0]} × {tensor.shape[1]}"
        rows.append(row(f"`{model.name}`, {size}: a map for a point", one, BARE, bare))
    return [*rows, all_classes()]


def all_classes() -> dict[str, Any]:
    """Compare the maps of all layers with a forward pass, and a backward pass for each layer."""
    image, model = phantom_bscan().image, find_model("oct-layers")
    everything = median(lambda: explain(image, model))
    bare, tensor = bare_pass(model, image)
    classes = len(model.spec.scheme)
    return row(
        f"`oct-layers`: maps of all {classes} classes",
        everything,
        f"the bare forward pass and {classes} times TensorFlow's own backward pass",
        bare + classes * own_backward_pass(model, tensor),
    )


def own_backward_pass(model: ModelFolder, tensor: np.ndarray) -> float:
    """Time the derivative of the logits by the layer that is offered first, by a tape."""
    import keras
    import tensorflow as tf

    layer = find_target_layer(list_target_layers(model), model.name).layer
    split = cut(load_network(model), layer)
    crossing = keras.tree.flatten(split.first([tf.constant(tensor[np.newaxis])], training=False))
    with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
        tape.watch(crossing[0])
        logits = split.second(crossing, training=False)
    return median(lambda: tape.gradient(logits, crossing[0]))


def bare_pass(model: ModelFolder, image: RetinaImage) -> tuple[float, np.ndarray]:
    predictor = load_predictor(model)
    tensor = model.spec.preprocessing.prepare(image.plane(), image.spacing).tensor
    padded = pad_to_multiple(tensor, model.spec.architecture.multiple)
    return median(lambda: predictor.run(padded)), tensor


def volume() -> list[dict[str, Any]]:
    """Compare 49 B-scans with 49 bare forward passes."""
    image = phantom_volume(slices=49, rows=496, columns=512).image
    model = find_model("oct-layers")
    predictor = load_predictor(model)
    tensor = model.spec.preprocessing.prepare(image.plane(0), image.spacing).tensor
    bare = median(lambda: predictor.run(tensor))
    start = time.perf_counter()
    predict.segment(image, model)
    seconds = time.perf_counter() - start
    return [row("a volume of 49 B-scans", seconds, "49 bare passes", 49 * bare, **memory())]


def large_photograph() -> list[dict[str, Any]]:
    """Compare a 12-megapixel photograph with the bare forward pass at the network's scale."""
    pixels = (resize(retina(), (3464, 3464), order=1) * 255).astype(np.uint8)
    image = RetinaImage(pixels, color=True, modality=Modality.FUNDUS)
    model = find_model("fundus-vessels")
    predictor = load_predictor(model)
    tensor = model.spec.preprocessing.prepare(pixels, image.spacing).tensor
    padded = pad_to_multiple(tensor, model.spec.architecture.multiple)
    bare = median(lambda: predictor.run(padded))
    whole = median(lambda: predict.segment(image, model))
    return [row("a photograph of 12 megapixels", whole, BARE, bare, **memory())]


def memory() -> dict[str, float]:
    """Peak memory of this process in MB; getrusage would count the process that started it."""
    status = Path("/proc/self/status").read_text()
    kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    return {"peak_mb": int(kilobytes) / 1e3}


def click() -> list[dict[str, Any]]:
    """Compare a click, until the layer is drawn, with the bare forward pass."""
    from click_to_layer import click_to_layer

    load_engine()
    image = phantom_bscan().image
    model = find_model("oct-layers")
    predictor = load_predictor(model)
    tensor = model.spec.preprocessing.prepare(image.plane(), image.spacing).tensor
    bare = median(lambda: predictor.run(tensor))
    seconds, opening = click_to_layer(image, REPEATS)
    what = "one click: B-scan, click to layer on screen"
    return [row(what, seconds, BARE, bare, dock_seconds=opening)]


def first_click() -> list[dict[str, Any]]:
    """Compare the first result after the program's start with one that needs no window."""
    from click_to_layer import first_click

    image = phantom_bscan().image
    seconds = first_click(image)
    code = (
        "from napari_retina_seg import segment;"
        "from napari_retina_seg.imaging.phantom import phantom_bscan;"
        "segment(phantom_bscan().image, 'oct-layers')"
    )
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    alone = time.perf_counter() - start
    what = "the first result, from opening the dock, with TensorFlow not loaded yet"
    return [row(what, seconds, "a script that segments one image", alone)]


def strokes() -> list[dict[str, Any]]:
    """Compare a stroke of the brush with that of napari without the plugin."""
    from painting import painting

    return painting()


def drags() -> list[dict[str, Any]]:
    """Compare frames while a boundary line is dragged with frames while nothing is."""
    from dragging import dragging

    return dragging()


def pages() -> list[dict[str, Any]]:
    """Compare the next image of a long queue with that of a short one, and with bare layers."""
    from paging import paging

    return paging()


ALONE = {
    "volume": volume,
    "large_photograph": large_photograph,
    "click": click,
    "first_click": first_click,
    "strokes": strokes,
    "drags": drags,
    "pages": pages,
}


def in_a_process(name: str) -> list[dict[str, Any]]:
    """Measure in a fresh process, so that peak memory is this measurement's own."""
    with tempfile.TemporaryDirectory() as nobody:  # whose settings are those of a first start
        run = subprocess.run(
            [sys.executable, __file__, name],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "XDG_CONFIG_HOME": nobody},
        )
    return json.loads(run.stdout.strip().splitlines()[-1])


def starts() -> list[dict[str, Any]]:
    """Compare package and command line with an empty Python and with napari."""
    empty = command("pass")
    napari = command("import napari, napari.layers")
    package = command("import napari_retina_seg.io, napari_retina_seg.models.registry")
    help_page = command("from napari_retina_seg.cli import main; main()", "--help")
    return [
        row("import of readers and models", package, "`import napari`", napari),
        row("`napari-retina-seg --help`", help_page, "an empty Python", empty),
    ]


def command(code: str, *arguments: str) -> float:
    def run() -> None:
        subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, check=True)

    return median(run)


def write_documents(facts: dict[str, Any]) -> None:
    table = markdown_table(
        ["", "time, s", "against", "time, s", "ratio", "peak memory, MB"],
        [
            [
                r["what"],
                f"{r['seconds']:.2f}",
                r["peer"],
                f"{r['peer_seconds']:.2f}",
                f"{r['ratio']:.2f}",
                f"{r['peak_mb']:.0f}" if "peak_mb" in r else "",
            ]
            for r in facts["rows"]
        ],
    )
    opening = next(r["dock_seconds"] for r in facts["rows"] if "dock_seconds" in r)
    note = (
        f"{facts['machine']}; {facts['precision']}; medians of {facts['repeats']} runs after one"
        f" to warm up. Opening the dock for the first time: {opening:.2f} s."
    )
    text = "# How fast it is\n\nMade by `python benchmarks/speed.py`; figures in `docs/speed.json`."
    (ROOT / "docs/speed.md").write_text(f"{text}\n\n{table}\n\n{note}\n")
    replace_section(ROOT / "README.md", "speed", f"{table}\n\n{note}")


if __name__ == "__main__":
    main()
