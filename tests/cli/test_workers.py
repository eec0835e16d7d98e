"""Commands on the workers of a Dask scheduler; see also tests/workflows/test_cluster.py."""

import logging
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from distributed import LocalCluster

from helpers import write_png
from napari_retina_seg.datasets.layouts import read_data
from napari_retina_seg.imaging.phantom import phantom_bscan, phantom_volume
from napari_retina_seg.inference.evaluate import iter_evaluate_against
from napari_retina_seg.project.project import Project
from napari_retina_seg.types.progress import finish
from napari_retina_seg.workflows import cluster
from napari_retina_seg.workflows.cluster import ClusterError, open_cluster
from napari_retina_seg.workflows.cluster_options import ClusterOptions, WorkerNeeds

SCAN = phantom_bscan(rows=96, columns=128)


def start_scheduler(workers: int) -> LocalCluster:
    return LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        dashboard_address="127.0.0.1:0",
        silence_logs=logging.CRITICAL,
    )


@pytest.fixture(scope="module")
def scheduler():
    with start_scheduler(1) as started:  # each loads TensorFlow
        yield started.scheduler_address


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return a folder of images, where the program works; the workers were started elsewhere."""
    for index in range(3):
        write_png(tmp_path / "in" / f"{index}.png", phantom_bscan(index, 96, 128).image.pixels)
        write_png(tmp_path / "masks" / f"{index}.png", SCAN.labels)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_workers_write_the_files_that_one_process_writes(run, scheduler, folder, oct_model):
    (folder / "in" / "bad.png").write_text("no image")
    np.save(folder / "in" / "volume.npy", phantom_volume(0, 2, 96, 64).image.pixels)
    call = ("segment", "in", "--model", oct_model.path, "--probabilities")
    alone, shared = run(*call, "-o", "here"), run(*call, "-o", "there", "--scheduler", scheduler)
    assert contents(folder / "there") == contents(folder / "here")
    assert len(contents(folder / "there")) == 4 * 4
    assert alone.exit_code == shared.exit_code == 1
    for result in (alone, shared):
        assert "4 segmented" in result.stdout
        assert "1 failed" in result.stdout
        assert result.stderr.count("bad.png") == 1


@pytest.fixture(scope="module")
def volume(tmp_path_factory):
    """Return the file of a volume that is upside down, with a slice in which nothing is seen."""
    pixels = phantom_volume(0, 6, 96, 64).image.pixels[:, ::-1].copy()
    pixels[3] = 7
    path = tmp_path_factory.mktemp("volume") / "volume.npy"
    np.save(path, pixels)
    return path


@pytest.mark.parametrize("out", ["masks", "mask.ome.zarr"])
def test_the_slices_of_a_single_volume_are_shared_out(
    run, scheduler, folder, oct_model, volume, out, monkeypatch
):
    sent, iter_map = [], cluster.Cluster.iter_map

    def spy(self, job, items, *rest):
        sent.extend(items)
        return iter_map(self, job, items, *rest)

    monkeypatch.setattr(cluster.Cluster, "iter_map", spy)
    call = ("segment", volume, "--model", oct_model.path, "--pixel-size", "3.9,11.6,120")
    alone = run(*call, "-o", f"here/{out}")
    shared = run(*call, "-o", f"there/{out}", "--scheduler", scheduler)
    assert (alone.exit_code, shared.exit_code) == (0, 0), shared.output
    here, there = (
        {path.relative_to(one): path.read_bytes() for path in one.rglob("*") if path.is_file()}
        for one in (folder / "here", folder / "there")
    )
    assert there == here
    assert len(here) > 2
    lines = [
        line for line in shared.stderr.splitlines() if not line.startswith("Dashboard: http://")
    ]
    assert lines == alone.stderr.splitlines()
    assert "nothing" in alone.stderr  # of the slice that shows none
    assert [item.index for item in sent] == list(range(6))


def test_a_batch_is_resumed_on_workers(run, scheduler, folder, oct_model):
    call = ("segment", "in", "-o", "out", "--model", oct_model.path, "--resume")
    (folder / "aside").mkdir()
    (folder / "in" / "2.png").rename(folder / "aside" / "2.png")
    assert run(*call).exit_code == 0
    (folder / "aside" / "2.png").rename(folder / "in" / "2.png")
    result = run(*call, "--scheduler", scheduler)
    assert result.exit_code == 0, result.output
    assert "2 finished before" in result.stdout
    assert "1 segmented" in result.stdout
    assert "3 finished before" in run(*call).stdout


_SCHEDULER = """
import logging, time
from distributed import LocalCluster
with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, protocol="tcp://",
                  dashboard_address=None, silence_logs=logging.CRITICAL) as started:
    print(started.scheduler_address, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def other_computer():
    """Return a process with a scheduler and a worker, and its address."""
    command = [sys.executable, "-c", _SCHEDULER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield process, process.stdout.readline().strip()
        process.kill()


def test_what_is_finished_when_the_scheduler_vanishes_is_not_done_again(
    run, other_computer, tmp_path, oct_model
):
    process, address = other_computer
    for index in range(16):
        write_png(tmp_path / "in" / f"{index}.png", phantom_bscan(index, 96, 128).image.pixels)
    call = ("segment", tmp_path / "in", "-o", tmp_path / "out", "--model", oct_model.path)
    record = tmp_path / "out" / "finished.jsonl"

    def kill_when_one_is_finished():
        while process.poll() is None:
            if record.is_file() and '"outputs"' in record.read_text():
                process.kill()
            time.sleep(0.005)

    with ThreadPoolExecutor(1) as elsewhere:
        elsewhere.submit(kill_when_one_is_finished)
        stopped = run(*call, "--resume", "--scheduler", address)
    assert stopped.exit_code == 1
    said = " ".join(stopped.stderr.split())
    assert f"The scheduler at '{address}' no longer answers: start it again" in said
    finished = record.read_text().count('"outputs"')
    assert 1 <= finished < 16
    result = run(*call, "--resume")
    assert f"{finished} finished before" in result.stdout
    assert len(list((tmp_path / "out").glob("*_mask.png"))) == 16


def test_a_single_volume_is_resumed_on_workers(run, scheduler, folder, oct_model, volume):
    call = ("segment", volume, "-o", "out", "--model", oct_model.path, "--resume")
    assert "1 segmented" in run(*call, "--scheduler", scheduler).stdout
    assert "1 finished before" in run(*call).stdout


def test_explain_writes_the_same_figures_and_maps(run, scheduler, folder):
    shutil.rmtree(folder / "in")
    write_png(folder / "in" / "scan.png", phantom_bscan(0, 200, 192).image.pixels)
    call = ("explain", "in", "--model", "oct-layers", "--class", "RNFL", "--point", "100,90")
    alone, shared = run(*call, "-o", "here"), run(*call, "-o", "there", "--scheduler", scheduler)
    assert (alone.exit_code, shared.exit_code) == (0, 0), shared.output
    here, there = contents(folder / "here"), contents(folder / "there")
    assert here.keys() == there.keys()
    maps = [np.load(one / name) for name in here if name.endswith(".npy") for one in
            (folder / "here", folder / "there")]  # fmt: skip
    np.testing.assert_allclose(maps[0], maps[1], rtol=1e-4, atol=1e-5 * np.abs(maps[0]).max())


def test_measure_writes_the_same_tables_and_pages(run, scheduler, folder):
    call = ("measure", "in", "--masks", "masks", "--scheme", "oct-layers", "--modality", "oct",
            "--eye", "OD", "--baseline", "in/0.png")  # fmt: skip
    alone = run(*call, "-o", "here/t.csv", "--report", "here/r.html")
    shared = run(*call, "-o", "there/t.csv", "--report", "there/r.html", "--scheduler", scheduler)
    assert alone.exit_code == shared.exit_code, shared.output
    assert "3 measured, 0 failed" in shared.stdout
    told = [set(one.stderr.replace(f"{folder}/", "").splitlines()) for one in (alone, shared)]
    assert told[0] < told[1]
    assert all(line.startswith("Dashboard: http://") for line in told[1] - told[0])
    assert "pixel size is not known" in alone.stderr
    assert contents(folder / "there") == contents(folder / "here")


def write_data(folder):
    for index in range(4):
        shown = phantom_bscan(index, 96, 128)
        write_png(folder / "data" / "images" / f"{index}.png", shown.image.pixels)
        write_png(folder / "data" / "labels" / f"{index}.png", shown.labels)


def test_an_evaluation_finds_the_same_scores(scheduler, folder, oct_model):
    write_data(folder)
    images = read_data([folder / "data"])
    alone = finish(iter_evaluate_against(oct_model, images, [None]))
    with open_cluster(ClusterOptions(scheduler=scheduler)) as opened:
        job = iter_evaluate_against(oct_model, images, [None], mapper=opened.iter_map)
        shared = finish(job)
    for one, other in zip(alone, shared, strict=True):
        assert [image.scores for image in one.images] == [image.scores for image in other.images]
        assert [case.image.name for case in one.worst] == [case.image.name for case in other.worst]
        assert one.pooled == other.pooled


def test_dataset_check_finds_the_same(run, scheduler, folder):
    write_data(folder)
    (folder / "data" / "images" / "1.png").write_text("no image")
    call = ("dataset", "check", "data")
    alone, shared = run(*call, "-o", "here"), run(*call, "-o", "there", "--scheduler", scheduler)
    assert (alone.exit_code, shared.exit_code) == (1, 1), shared.output
    reports = [(folder / one / "dataset.json").read_text() for one in ("here", "there")]
    assert reports[1].replace(f"{folder}/", "") == reports[0]


def test_predictions_of_workers_are_saved_in_the_project(
    run, scheduler, folder, oct_model, empty_project
):
    found = []
    for name, options in (("here", ()), ("there", ("--scheduler", scheduler))):
        shutil.copytree(empty_project, folder / name)
        run("project", "add", name, "in", "--author", "Ann")
        call = ("project", "predict", name, "--model", oct_model.path, "--author", "Ann")
        result = run(*call, *options)
        assert result.exit_code == 0, result.output
        assert "3 predicted" in result.stdout
        with Project(folder / name, author="Ann") as project:
            masks = [project.annotation(image.id, 1) for image in project.images()]
            found.append([(mask.labels.tolist(), mask.boundaries.tolist()) for mask in masks])
        again = run(*call, *options)
        assert "3 skipped: predicted by this model already" in again.stdout
    assert found[0] == found[1]


def test_no_scheduler_is_said_in_a_sentence(run, folder, monkeypatch):
    monkeypatch.setattr(cluster, "_CONNECT_SECONDS", 0.3)
    for address, said in (
        ("tcp://127.0.0.1:9", "No scheduler answers at 'tcp://127.0.0.1:9': start one"),
        ("nowhere", "No scheduler answers at 'nowhere': start one"),
        ("tls://127.0.0.1:9", "asks for a certificate: name its files in Dask's configuration"),
    ):
        result = run("segment", "in", "-o", "out", "--scheduler", address)
        assert result.exit_code == 1
        assert said in " ".join(result.stderr.split())
    result = run("segment", "in", "-o", "out", "--scheduler", "tcp://a:1", "--workers", 2)
    assert (result.exit_code, "not both" in result.stderr) == (2, True)


def test_a_scheduler_without_workers_is_said(monkeypatch):
    monkeypatch.setattr(cluster, "_WORKERS_SECONDS", 0.3)
    with (
        start_scheduler(0) as started,
        pytest.raises(ClusterError, match="has no workers: start some with 'dask worker tcp"),
        open_cluster(ClusterOptions(scheduler=started.scheduler_address)),
    ):
        pass


def test_workers_of_another_version_are_refused(run, scheduler, folder, monkeypatch):
    monkeypatch.setattr(cluster, "__version__", "99.0")
    result = run("segment", "in", "-o", "out", "--scheduler", scheduler)
    assert result.exit_code == 1
    assert "and this computer 99.0: install the same version" in " ".join(result.stderr.split())


def test_what_workers_lack_is_said_before_anything_is_done(scheduler, oct_model, tmp_path):
    model = shutil.copytree(oct_model.path, tmp_path / "model")
    altered = type(oct_model)(model, oct_model.spec)
    altered.weights.write_bytes(b"cut")
    (tmp_path / "file").touch()
    for needs, said in (
        (WorkerNeeds(models=(altered,)), "cut short or altered"),
        (WorkerNeeds(reads=(tmp_path / "gone.png",)), "gone.png' is not there"),
        (WorkerNeeds(writes=(tmp_path / "file" / "out",)), "Nothing can be written to"),
    ):
        with (
            pytest.raises(ClusterError, match=f"The worker 'tcp.*can't do the work: .*{said}"),
            open_cluster(ClusterOptions(scheduler=scheduler), needs),
        ):
            pass
