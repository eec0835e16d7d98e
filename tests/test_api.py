"""The public API: what is offered, how it is called, and that it does what it says."""

import ast
import doctest
import importlib
import inspect
import subprocess
import sys
import typing
from dataclasses import is_dataclass
from pathlib import Path

import numpy as np
import pytest

import napari_retina_seg as rs
from helpers import TINY_RECIPE, tiny_model, write_png
from napari_retina_seg.imaging.phantom import phantom_bscan
from napari_retina_seg.project.notifications import ChangeListener
from napari_retina_seg.project.view import ProjectView

SOURCE = Path(rs.__file__).parent
SCAN = phantom_bscan(rows=160, columns=192)
CALLS = """
Project(folder, *, author)
Project.accept(image_id, prediction=None, *, seconds=0, comment='')
Project.add_images(paths, *, copy=False, patient_of=None, spacing=None, progress=None, cancel=None)
Project.burden()
Project.check(*, progress=None, cancel=None)
Project.close()
Project.create(folder, *, scheme, author, database=None, files=None)
Project.find_image(text)
Project.history(image_id)
Project.images(filters=None)
Project.mark_ungradable(image_id, reason, *, seconds=0, comment='')
Project.rank_images()
Project.read_image(image_id)
Project.reopen(image_id, version=None, *, comment='')
Project.status()
Project.truth(image_id)
asymmetry(eye, fellow)
check_dataset(data, scheme=None, *, options=None, progress=None, cancel=None)
evaluate(model, data, *, split='test', split_file=None, reference=None, options=None, skip_bad=False, progress=None, cancel=None)
explain(image, model=None, classes=(), *, target=None, layer='', method=None, index=None, progress=None, cancel=None)
export_masks(project, folder, format, *, selection=None, identities='hide', patients=None, with_images=False, progress=None, cancel=None)
find_agreement(project, *, progress=None, cancel=None)
follow_up(visit, baseline)
import_masks(project, path, *, author=None, second_grading=False, remap=None, progress=None, cancel=None)
list_models(modality=None)
load_model(model)
measure(image, mask=None, *, model=None, scheme=None, spacing=None, laterality=None, fovea=None, disc=None, uncertainty=False, progress=None, cancel=None)
predict_images(project, model, image_ids=None, *, reviewed=False, mirrored=False, progress=None, cancel=None)
read_image(path, *, max_pixels=None)
read_images(path, *, max_pixels=None)
save_measurement_report(found, path, *, progress=None, cancel=None)
segment(image, model=None, *, index=None, probabilities=False, progress=None, cancel=None)
train(recipe, data, out, *, changes=None, options=None, validation_share=0.2, skip_bad=False, start_from=None, resume=False, progress=None, cancel=None)
"""  # noqa: E501 - a table
FIELDS = {
    "Explanation": "maps values labels scheme model weights_sha256 layer method target index",
    "Filters": "states author patient text conflict",
    "LabelClass": "value name abbreviation color order code",
    "LabelScheme": "name classes surfaces",
    "Length": "um origin",
    "ModelFolder": "path spec",
    "Progress": "done total message",
    "ReadOptions": "group_pattern groups remap",
    "RetinaImage": "pixels color modality spacing laterality name source metadata valid",
    "Annotation": "labels boundaries ignore probabilities",
    "Segmentation": "labels boundaries ignore probabilities scheme provenance skipped",
    "Spacing": "slice axial lateral",
    "ProjectImage": "id name sha256 path",
    "Version": "id image_id number parent kind grading round state conflict scheme author model",
}
STATES = "unreviewed in-progress corrected accepted second-read adjudicated ungradable"


def written(name: str) -> str:
    """Return how something is called: its parameters and their defaults."""
    target = rs
    for part in name.split("."):
        target = getattr(target, part)
    signature = inspect.signature(target)
    parameters = [
        parameter.replace(annotation=inspect.Parameter.empty, default=_plain(parameter.default))
        for parameter in signature.parameters.values()
        if parameter.name != "self"
    ]
    bare = inspect.Signature(parameters)
    return f"{name}{bare}"


def _plain(default: object) -> object:
    return str(default) if isinstance(default, str) else default


def test_public_functions_are_called_as_before():
    expected = CALLS.strip().splitlines()
    assert [written(line.partition("(")[0]) for line in expected] == expected


def test_every_public_function_is_in_the_table():
    functions = {name for name in rs.__all__ if inspect.isfunction(getattr(rs, name))}
    listed = {line.partition("(")[0] for line in CALLS.strip().splitlines()}
    assert functions == {name for name in listed if name[0].islower()}


@pytest.mark.parametrize("name", FIELDS)
def test_public_values_begin_with_the_same_fields(name):
    fields = FIELDS[name].split()
    assert list(inspect.signature(getattr(rs, name)).parameters)[: len(fields)] == fields


def test_states_are_stored_under_the_same_names():
    assert [state.value.replace(" ", "-") for state in rs.State] == STATES.split()


def test_types_of_public_calls_are_public():
    public = {getattr(rs, name) for name in rs.__all__}
    calls = [call for call in public if inspect.isfunction(call)]
    calls += [call for name, call in inspect.getmembers(rs.Project, inspect.isfunction)
              if not name.startswith(("_", "iter_"))]  # fmt: skip
    values = [one for one in public if is_dataclass(one) and ".project." in one.__module__]
    types = [kind for one in (*calls, *values) for hint in typing.get_type_hints(one).values()
             for kind in flatten(hint)]  # fmt: skip
    ours = {kind for kind in types if kind.__module__.startswith("napari_retina_seg")}
    # The methods of Project that only read, and what the Review dock listens with.
    assert ours - public == {ProjectView, ChangeListener}


def flatten(hint: object) -> list[type]:
    """Return the classes in a type."""
    inner = [kind for part in typing.get_args(hint) for kind in flatten(part)]
    return [*inner, hint] if inspect.isclass(hint) else inner


def test_long_functions_report_progress_and_can_be_cancelled():
    short = {"asymmetry", "follow_up", "list_models", "load_model", "read_image", "read_images"}
    for name in rs.__all__:
        function = getattr(rs, name)
        if inspect.isfunction(function) and name not in short:
            assert list(inspect.signature(function).parameters)[-2:] == ["progress", "cancel"], name


def test_names_are_listed_and_documented():
    assert set(rs.__all__) <= set(dir(rs))
    assert "Project" in rs.__all__
    for name in rs.__all__:
        assert inspect.getdoc(getattr(rs, name)), name
    with pytest.raises(AttributeError, match="segmnt"):
        _ = rs.segmnt


def test_importing_the_package_is_light():
    heavy = "{'tensorflow', 'keras', 'napari', 'qtpy', 'PyQt6', 'numpy', 'cv2', 'sqlalchemy'}"
    code = f"import sys, napari_retina_seg\nprint(sorted({heavy} & set(sys.modules)))\n"
    heaviest = "{'tensorflow', 'keras', 'napari', 'qtpy', 'PyQt6'}"
    code += "[getattr(napari_retina_seg, name) for name in napari_retina_seg.__all__]\n"
    code += f"print(sorted({heaviest} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["[]", "[]"]


def test_type_checkers_and_python_see_the_same_names():
    stub = ast.parse((SOURCE / "__init__.pyi").read_text(encoding="utf-8"))
    imported = {
        alias.name for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    listed = next(
        ast.literal_eval(node.value) for node in stub.body if isinstance(node, ast.Assign)
    )
    assert imported == set(listed) == set(rs.__all__)
    assert len(listed) == len(imported)
    assert (SOURCE / "py.typed").is_file()


def test_what_yields_progress_is_called_iter():
    """A generator function that is called but not walked does nothing, and says nothing."""
    called_otherwise = [
        f"{path.name}: {node.name}"
        for path in SOURCE.rglob("*.py")
        for node in _public_functions(ast.parse(path.read_text(encoding="utf-8")))
        if node.returns is not None
        and ast.unparse(node.returns).startswith("Generator[Progress")
        and not node.name.startswith("iter_")
    ]
    assert not called_otherwise


def _public_functions(tree: ast.Module) -> list[ast.FunctionDef]:
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    owners = [tree, *(node for node in classes if not node.name.startswith("_"))]
    functions = [
        node for owner in owners for node in owner.body if isinstance(node, ast.FunctionDef)
    ]
    return [node for node in functions if not node.name.startswith("_")]


@pytest.fixture
def files(tmp_path, monkeypatch) -> Path:
    """Go to a folder with what the examples of the documentation use."""
    write_png(tmp_path / "scan.png", SCAN.image.pixels)
    write_png(tmp_path / "scan_mask.png", SCAN.labels)
    for seed in range(3):
        scan = phantom_bscan(seed, 160, 192)
        for folder, pixels in (("images", scan.image.pixels), ("masks", scan.labels)):
            path = tmp_path / "my-data" / folder / f"patient{seed}_left.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_png(path, pixels)
    (tmp_path / "recipe.toml").write_text(TINY_RECIPE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_first_example(files):
    import napari_retina_seg as rs

    scan = rs.read_image("scan.png")
    result = rs.segment(scan, "oct-layers")
    project = rs.Project.create("study", scheme="oct-layers", author="Ann")
    project.add_images(["scan.png"])
    assert project.status().images == 1
    project.close()
    assert result.labels.shape == (160, 192)
    assert result.boundaries.shape == (8, 192)
    assert result.scheme.names[0] == "Background"
    assert result.provenance.model == "resunet-tian2015-phantoms"


def _documented() -> list[doctest.DocTest]:
    finder = doctest.DocTestFinder()
    modules = {importlib.import_module(getattr(rs, name).__module__) for name in rs.__all__}
    modules.add(importlib.import_module("napari_retina_seg.io.inputs"))
    found = [test for module in modules for test in finder.find(module)]
    return sorted((test for test in found if test.examples), key=lambda test: test.name)


@pytest.mark.parametrize("example", _documented(), ids=lambda test: test.name)
def test_examples_of_the_documentation(example, files, capsys):
    failed, _ = doctest.DocTestRunner().run(example, out=sys.__stderr__.write)
    assert not failed


def test_every_public_function_has_an_example():
    with_example = {test.name.rpartition(".")[2] for test in _documented()}
    functions = {name for name in rs.__all__ if inspect.isfunction(getattr(rs, name))}
    assert functions <= with_example


@pytest.mark.parametrize("kind", ["path", "text", "array"])
def test_images_are_taken_as_files_and_as_arrays(files, kind):
    image = {"path": Path("scan.png"), "text": "scan.png", "array": SCAN.image.pixels}[kind]
    expected = rs.segment(rs.RetinaImage(SCAN.image.pixels), "oct-layers")
    found = rs.segment(image, rs.load_model("oct-layers"))
    np.testing.assert_array_equal(found.labels, expected.labels)


def test_progress_is_reported_and_work_is_cancelled(files):
    steps: list[rs.Progress] = []
    rs.segment("scan.png", "oct-layers", progress=steps.append)
    assert (steps[-1].done, steps[-1].total) == (1, 1)
    token = rs.CancelToken()
    paths = sorted(Path("my-data/images").iterdir())
    with (
        rs.Project.create("study", scheme="oct-layers", author="Ann") as project,
        pytest.raises(rs.Cancelled),
    ):
        project.add_images(paths, progress=lambda _: token.cancel(), cancel=token)


def test_what_a_progress_callback_raises_ends_the_work(files):
    def interrupt(_: rs.Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rs.segment("scan.png", "oct-layers", progress=interrupt)


def test_one_path_is_one_file(files):
    with rs.Project.create("study", scheme="oct-layers", author="Ann") as project:
        assert [image.name for image in project.add_images("scan.png").images] == ["scan"]


def test_wrong_names_are_a_sentence(files):
    with pytest.raises(rs.RetinaSegError, match=r"no scheme 'oct'.*oct-layers"):
        rs.Project.create("study", scheme="oct", author="Ann")
    assert not Path("study").exists()
    with (
        rs.Project.create("study", scheme="oct-layers", author="Ann") as project,
        pytest.raises(rs.RetinaSegError, match=r"no format 'jpeg'.*png"),
    ):
        rs.export_masks(project, "out", "jpeg")
    with pytest.raises(rs.RetinaSegError, match="no class 'retina'"):
        rs.explain("scan.png", "oct-layers", ["retina"])
    with pytest.raises(rs.RetinaSegError, match="no model 'oct'"):
        rs.load_model("oct")


def test_a_model_that_was_altered_is_not_loaded(tmp_path):
    model = tiny_model(tmp_path / "model", rs.Modality.OCT)
    assert rs.load_model(model.path) == rs.load_model(model) == model
    model.weights.write_bytes(model.weights.read_bytes()[:-1])
    for altered in (model, model.path):
        with pytest.raises(rs.RetinaSegError, match="cut short or altered"):
            rs.load_model(altered)


def test_a_choice_is_taken_by_its_value_as_well():
    image = rs.RetinaImage(SCAN.image.pixels, modality="oct", laterality="OS")
    assert (image.modality, image.laterality) == (rs.Modality.OCT, rs.Laterality.LEFT)
    assert rs.list_models("oct") == rs.list_models(rs.Modality.OCT) != rs.list_models()
    assert rs.Filters(states="accepted") == rs.Filters(states=frozenset({"accepted"}))
    assert rs.Selection(states={"accepted"}, eye="OS").eye is rs.Laterality.LEFT


@pytest.mark.parametrize("method", list(rs.Method))
def test_a_method_of_explaining_is_taken_by_its_value(tmp_path, method):
    model = tiny_model(tmp_path / "model", rs.Modality.OCT)
    maps = [
        rs.explain(SCAN.image, model, "RNFL", method=way).maps for way in (method, method.value)
    ]
    np.testing.assert_array_equal(*maps)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: rs.list_models("octt"),
            "There is no modality 'octt': choose one of 'oct', 'fundus'",
        ),
        (lambda: rs.RetinaImage(SCAN.image.pixels, modality="x"), "There is no modality 'x'"),
        (lambda: rs.explain(SCAN.image, method="CAM"), "There is no method 'CAM'"),
        (lambda: rs.explain(np.stack([SCAN.image.pixels] * 2)), "has 2 slices: say with 'index'"),
        (lambda: rs.Filters(states="done"), "There is no state 'done'"),
        (lambda: rs.export_masks("study", "out", "png"), "'study' is not an open project"),
        (lambda: rs.find_agreement("study"), "'study' is not an open project"),
        (lambda: rs.import_masks("study", "a.png"), "'study' is not an open project"),
        (lambda: rs.predict_images("study", "oct-layers"), "'study' is not an open project"),
    ],
)
def test_a_wrong_choice_is_refused(call, message):
    with pytest.raises(rs.RetinaSegError, match=message):
        call()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "jpeg"}, "There is no format 'jpeg'"),
        ({"identities": "pseudonyms"}, None),
        ({"identities": "hidden"}, "There is no way to treat identities 'hidden'"),
    ],
)
def test_an_export_takes_its_options_by_value(tmp_path, options, message):
    write_png(tmp_path / "scan7.png", SCAN.image.pixels)
    with rs.Project.create(tmp_path / "study", scheme="oct-layers", author="Ann") as project:
        (image,) = project.add_images(sorted(tmp_path.glob("*.png"))).images
        project.attach(image.id, rs.Annotation(SCAN.labels), author="Ann")
        arguments = {"format": "png"} | options
        if message is not None:
            with pytest.raises(rs.RetinaSegError, match=message):
                rs.export_masks(project, tmp_path / "out", **arguments)
            return
        assert rs.export_masks(project, tmp_path / "out", **arguments).pseudonyms == 1
    assert not list((tmp_path / "out").glob("*scan7*"))
