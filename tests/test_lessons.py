"""Pages and their notebooks: the same cells in the same order, whole, executed, clean and small."""

import base64
import io
import re

import jupytext
import matplotlib.pyplot as plt
import nbformat
import pytest
from PIL import Image

from helpers.datasets import load_arrays
from helpers.exercises import read_exercises
from helpers.lessons import LESSONS, check_parameters, find_lessons, profile_parameters, read_lesson
from helpers.twins import is_twin, twin

NOTEBOOKS = LESSONS.parent / "notebooks"
COURSE = find_lessons()
MACHINE_PATH = re.compile(r"(?<![\w.])/(work|tmp|root|home|usr/local/lib|Users)/[\w.]")
every_lesson = pytest.mark.parametrize("lesson", COURSE, ids=lambda lesson: lesson.name)
has_solutions = pytest.mark.skipif(not (LESSONS / "solutions").exists(), reason="a class's copy may be without them")


def test_stems_pair():
    assert sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb")) == [lesson.name for lesson in COURSE]
    assert {path.stem for path in (LESSONS / "full").glob("*.yaml")} <= {lesson.name for lesson in COURSE}


@has_solutions
def test_every_lesson_has_its_answers():
    assert sorted(path.stem for path in (LESSONS / "solutions").glob("*.py")) == [lesson.name for lesson in COURSE]


@has_solutions
@every_lesson
def test_answers_fit_the_exercises_of_the_page(lesson):
    assert read_exercises(lesson), "one exercise at least is checked by the page"


@every_lesson
def test_notebook_is_the_twin_of_its_lesson(lesson):
    assert is_twin(lesson, NOTEBOOKS / f"{lesson.name}.ipynb"), "run make sync"


@every_lesson
def test_notebook_reads_well_before_it_is_run(lesson):
    path = NOTEBOOKS / f"{lesson.name}.ipynb"
    assert path.stat().st_size <= 400_000
    for cell in nbformat.read(path, as_version=4).cells:
        for output in cell.get("outputs", []):
            assert output.output_type != "error", cell.source
            assert output.get("name") != "stderr", f"log noise: {output.get('text')}"
            words = str({key: value for key, value in output.get("data", output).items() if "image" not in key})
            assert not MACHINE_PATH.search(words), f"a machine path: {words}"


@every_lesson
def test_page_has_its_parts(lesson):
    cells = jupytext.read(lesson.path).cells
    first = cells[0].source
    assert first.startswith(f"# {lesson.number} · ") and "colab-badge.svg" in first and "deck" in first
    assert f"notebooks/{lesson.name}.ipynb" in first
    tagged = {tag: cell.source for cell in cells for tag in cell.metadata.get("tags", [])}
    assert {"parameters", "bootstrap", "exercise", "check"} <= set(tagged)
    assert all("  # " in line for line in tagged["parameters"].splitlines()), "each parameter says its unit and meaning"
    assert tagged["bootstrap"] == next(
        cell.source for cell in jupytext.read(COURSE[0].path).cells if "bootstrap" in cell.metadata.get("tags", [])
    ), "the bootstrap cell is the same in every lesson"
    code = lesson.path.read_text(encoding="utf-8")
    assert code.index("import helpers.quiet") < code.index("import keras"), "or the page begins with TensorFlow's log"
    assert cells[-1].cell_type == "markdown" and "seed" in " ".join(lesson.parameters)


@every_lesson
def test_profiles_fit_the_page(lesson):
    check_parameters(lesson, profile_parameters(lesson, "full"))


def page(tmp_path, parameters="epochs = 3  # passes"):
    path = tmp_path / "90_page.py"
    path.write_text(f'# %% [markdown]\n# # 90 · A page\n\n# %% tags=["parameters"]\n{parameters}\n\n# %%\nprint(1)\n')
    return path


def test_lessons_are_found_by_number_or_name(tmp_path):
    page(tmp_path)
    for given in ([], ["90"], ["90_page"], ["90", "90_page"]):
        assert [lesson.name for lesson in find_lessons(given, tmp_path)] == ["90_page"]
    assert find_lessons(folder=tmp_path)[0].title == "90 · A page"
    with pytest.raises(ValueError, match="Lessons here: 90_page. Received: '91'"):
        find_lessons(["90", "91"], tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("epoch", 1, "has the parameters epochs, rate, names, seeds, quiet, rates. Received: 'epoch'"),
        ("epochs", "3", "epochs of lesson 90_page is int, like 3. Received: epochs='3'"),
        ("epochs", 3.5, "is int"),
        ("epochs", True, "is int"),
        ("rate", "fast", "is float"),
        ("rate", True, "is float"),
        ("names", ["a", 1], "is list"),
        ("seeds", 1, "is list"),
        ("quiet", 1, "is bool"),
        ("rates", {"b": [0.1]}, "is dict"),
        ("rates", {"a": [0.1], "b": [0.1]}, "is dict"),
        ("rates", {"a": 0.1}, "is dict"),
    ],
)
def test_parameters_are_checked_by_name_and_type(tmp_path, name, value, message):
    lesson = read_lesson(
        page(tmp_path, 'epochs = 3\nrate = 0.1\nnames = ["a"]\nseeds = [0, 1]\nquiet = True\nrates = {"a": [0.1]}')
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        check_parameters(lesson, {name: value})
    check_parameters(
        lesson, {"epochs": 1, "rate": 1, "names": [], "seeds": [4, 5, 6], "quiet": False, "rates": {"a": [1, 0.2]}}
    )


def test_a_folder_without_pages_is_named(tmp_path):
    with pytest.raises(ValueError, match="no page NN_name.py here"):
        find_lessons(folder=tmp_path / "nothing")
    page(tmp_path)
    for number in ("", "9", "page"):
        with pytest.raises(ValueError, match="Received: "):
            find_lessons(number, tmp_path)


@pytest.mark.parametrize("parameters", ["a = b = 3", "epochs = int(3)", "epochs, rate = 1, 2", "epochs =", "print(1)"])
def test_parameters_are_plain_values(tmp_path, parameters):
    with pytest.raises(ValueError, match="lines like `epochs = 3.*90_page.py"):
        read_lesson(page(tmp_path, parameters))


def test_a_missing_profile_is_named(tmp_path):
    with pytest.raises(ValueError, match="no full/90_page.yaml"):
        profile_parameters(read_lesson(page(tmp_path)), "full")


def test_a_changed_page_has_no_twin(tmp_path):
    lesson = read_lesson(page(tmp_path))
    notebook = jupytext.read(lesson.path)
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    for cell in notebook.cells:
        cell.metadata["papermill"] = {"duration": 1}
        if cell.cell_type == "code":
            cell.execution_count = 1
    path = tmp_path / "90_page.ipynb"
    assert not is_twin(lesson, path)
    nbformat.write(twin(notebook), path)
    assert is_twin(lesson, path)
    assert "papermill" not in path.read_text()
    lesson.path.write_text(lesson.path.read_text().replace("print(1)", "print(2)"))
    assert not is_twin(lesson, path)


def picture(draw):
    """A notebook whose one output is a PNG of what ``draw`` makes of axes, and the PNG."""
    figure, ax = plt.subplots(figsize=(4, 3))
    draw(ax)
    png = io.BytesIO()
    figure.savefig(png)
    plt.close(figure)
    data = {"image/png": base64.b64encode(png.getvalue()).decode(), "text/plain": "<Figure>"}
    output = nbformat.v4.new_output("display_data", data=data)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("show()", outputs=[output])])
    notebook.metadata.update(jupytext={}, kernelspec={"name": "python3"})
    return notebook, png


@pytest.mark.parametrize(
    ("kind", "draw"),
    [
        ("image/png", lambda ax: ax.plot([1, 3, 2])),
        ("image/jpeg", lambda ax: ax.imshow(load_arrays("goods", "train[:1]")[0][0])),
    ],
)
def test_pictures_are_kept_in_fewer_bytes(kind, draw):
    notebook, png = picture(draw)
    data = twin(notebook).cells[0].outputs[0].data
    assert set(data) == {kind, "text/plain"}
    kept = base64.b64decode(data[kind])
    assert len(kept) < 0.7 * len(png.getvalue())
    assert Image.open(io.BytesIO(kept)).size == Image.open(png).size
