"""What workers bring for big batches: images per second, overhead, deaths, bookkeeping.

    python benchmarks/batches.py --images 24 --items 100000

segments B-scans in this process and on 1 and 2 workers, kills one in the middle, and sends many
items that take no time through the bookkeeping. Writes ``docs/batches.json`` and the tables of
``docs/scale.md``.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import json
import os
import platform
import resource
import signal
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import cloudpickle
import cv2
import numpy as np
from tables import markdown_table, replace_section

from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.types.progress import CancelToken
from napari_retina_seg.workflows.cluster import Cluster, open_cluster
from napari_retina_seg.workflows.cluster_options import ClusterOptions

ROOT = Path(__file__).resolve().parents[1]
SHAPE = (496, 768)
WORKERS = (1, 2)
SIMULATED = (1, 2, 4, 8, 16, 32, 64)
SIMULATED_IMAGES = 20_000
BLOCK = 5_000  # items of which the time is said


class Done(NamedTuple):
    """What a worker says of an image."""

    pid: int
    seconds: float


def segment_file(folder: Path, path: Path, _: CancelToken) -> Done:
    from napari_retina_seg.inference.predict import segment
    from napari_retina_seg.io import read_image
    from napari_retina_seg.io.results import save_segmentation

    begun = time.perf_counter()
    image = read_image(path)
    save_segmentation(segment(image, "resunet-tian2015-phantoms"), image, folder, path.stem)
    return Done(os.getpid(), time.perf_counter() - begun)


def run_batch(cluster: Cluster, paths: Sequence[Path], folder: Path, kill_after: int = 0) -> dict:
    """Segment on workers that are warm; at a certain number of results kill one."""
    token, found = CancelToken(), []
    begun, used = time.perf_counter(), time.process_time()
    for outcome in cluster.iter_outcomes(partial(segment_file, folder), paths, token):
        found.append(outcome.get())
        if len(found) == kill_after:
            os.kill(found[-1].pid, signal.SIGKILL)
    seconds = time.perf_counter() - begun
    used = time.process_time() - used
    working = sum(one.seconds for one in found)
    workers = int(cluster.label.split()[0])
    return {
        "seconds": round(seconds, 1),
        "images per second": round(len(paths) / seconds, 2),
        "seconds of work per image": round(working / len(paths), 3),
        "ms of overhead per image": round(1000 * (workers * seconds - working) / len(paths), 1),
        "overhead in %": round(100 * (1 - working / (workers * seconds)), 1),
        "ms of processor in the parent per image": round(1000 * used / len(paths), 1),
        "bytes to a worker per image": len(cloudpickle.dumps((paths[0],))),
        "bytes back per image": len(cloudpickle.dumps(((found[0], None),))),
        "all": [round(one.seconds, 4) for one in found],
    }


def measure_batches(paths: Sequence[Path], workshop: Path) -> dict[str, Any]:
    token, results = CancelToken(), {}
    segment_file(workshop / "warm", paths[0], token)
    begun = time.perf_counter()
    for path in paths:
        segment_file(workshop / "alone", path, token)
    seconds = time.perf_counter() - begun
    results["in turn"] = {
        "seconds": round(seconds, 1),
        "images per second": round(len(paths) / seconds, 2),
    }
    for number in WORKERS:
        with open_cluster(ClusterOptions(workers=number)) as cluster:
            run_batch(cluster, [paths[0]] * number, workshop / "warm")
            results[str(number)] = run_batch(cluster, paths, workshop / str(number))
            if number == max(WORKERS):
                third = len(paths) // 3
                killed = run_batch(cluster, paths, workshop / "killed", kill_after=third)
                results["killed"] = {
                    "seconds": killed["seconds"],
                    "files": len(list((workshop / "killed").iterdir())),
                    "files without a death": len(list((workshop / str(number)).iterdir())),
                    "drafts left": len(list((workshop / "killed").glob(".*"))),
                }
    return results


def do_nothing(item: int, _: CancelToken) -> int:
    return item


def measure_bookkeeping(items: int) -> dict[str, Any]:
    """Send items that take no time to 2 workers."""
    blocks, peaks = [], []
    with open_cluster(ClusterOptions(workers=2)) as cluster:
        used = time.process_time()
        begun = time.perf_counter()
        for done, _ in enumerate(cluster.iter_outcomes(do_nothing, range(items), CancelToken()), 1):
            if done % BLOCK == 0:
                blocks.append(1e6 * (time.perf_counter() - begun) / BLOCK)
                peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
                begun = time.perf_counter()
        used = time.process_time() - used
    return {
        "items": items,
        "µs per item, of each 5,000": [round(one) for one in blocks],
        "MB of memory at most, after each 5,000": peaks,
        "µs of processor in the parent per item": round(1e6 * used / items),
    }


def simulate(seconds: Sequence[float], parent: float, workers: int) -> float:
    """Return images per second if workers take `seconds`, and a parent `parent` for each image.

    The parent does one thing at a time. Workers are alike; storage is not a limit.
    """
    draw = itertools.cycle(np.random.default_rng(0).choice(seconds, 997))
    ends = [0.0] * workers
    free = last = 0.0  # when the parent is free, and when the last image is done
    for _ in range(SIMULATED_IMAGES):
        begin = max(heapq.heappop(ends), free)
        free = begin + parent
        end = free + next(draw)
        last = max(last, end)
        heapq.heappush(ends, end)
    return SIMULATED_IMAGES / last


def write_tables(results: dict[str, Any], page: Path) -> None:
    batches, keeping = results["batches"], results["bookkeeping"]
    rows = [["in turn", f"{batches['in turn']['images per second']:.2f}", "", "", ""]]
    for number in WORKERS:
        one = batches[str(number)]
        rows.append(
            [
                f"{number} worker{'s' if number > 1 else ''}",
                f"{one['images per second']:.2f}",
                f"{one['seconds of work per image']:.2f}",
                f"{one['ms of overhead per image']:.0f} ({one['overhead in %']:.1f} %)",
                f"{one['bytes to a worker per image']} + {one['bytes back per image']}",
            ]
        )
    header = ["", "images/s", "s of work per image", "ms around it", "bytes there + back"]
    killed, blocks = batches["killed"], keeping["µs per item, of each 5,000"]
    peaks = keeping["MB of memory at most, after each 5,000"]
    died = (
        f"With a worker killed after a third of the images the batch took {killed['seconds']} s"
        f" instead of {batches[str(max(WORKERS))]['seconds']} s, the new process's start and the"
        f" loading of the network included; {killed['files']} of"
        f" {killed['files without a death']} files were written."
    )
    kept = (
        f"{keeping['items']:,} items that take no time: {blocks[0]} µs each for the first"
        f" {BLOCK:,}, {blocks[-1]} µs for the last; the parent's memory at most {peaks[0]} MB after"
        f" the first {BLOCK:,} and {peaks[-1]} MB at the end."
    )
    curve = markdown_table(
        ["workers", *map(str, SIMULATED)],
        [["images/s", *(f"{results['simulated'][str(one)]:.1f}" for one in SIMULATED)]],
    )
    busy = batches["1"]["ms of processor in the parent per image"]
    sentence = (
        "Simulated, not measured, for more computers of this kind: each worker takes the times that"
        " images took on one worker here, and what came around them; the parent needs"
        f" {busy:.1f} ms of its processor for"
        " each image (measured), one after another; storage keeps pace."
    )
    about = (
        f"{results['images']} B-scans of {SHAPE[0]} × {SHAPE[1]} px, {results['cores']} cores"
        f" ({results['system']}), {results['load']:.1f} other processes running."
    )
    parts = (about, markdown_table(header, rows), died, kept, sentence, curve)
    replace_section(page, "batches", "\n" + "\n\n".join(parts))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=24)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--out", type=Path, default=ROOT / "docs")
    arguments = parser.parse_args()
    results: dict[str, Any] = {
        "images": arguments.images,
        "cores": os.cpu_count(),
        "system": platform.system(),
        "load": round(os.getloadavg()[0], 1),
    }
    results["bookkeeping"] = measure_bookkeeping(arguments.items)
    with tempfile.TemporaryDirectory() as name:
        paths = []
        for index in range(arguments.images):
            paths.append(Path(name) / f"{index:03}.png")
            cv2.imwrite(str(paths[-1]), phantom_bscan(index, *SHAPE).image.pixels)
        results["batches"] = measure_batches(paths, Path(name))
    one = results["batches"]["1"]
    parent = one["ms of processor in the parent per image"] / 1000
    seconds = [each + one["ms of overhead per image"] / 1000 for each in one["all"]]
    results["simulated"] = {
        str(number): round(simulate(seconds, parent, number), 1) for number in SIMULATED
    }
    print(json.dumps(results, ensure_ascii=False))
    text = json.dumps(results, indent=1, ensure_ascii=False) + "\n"
    (arguments.out / "batches.json").write_text(text, encoding="utf-8")
    write_tables(results, arguments.out / "scale.md")


if __name__ == "__main__":
    main()
