"""Exercises and their answers: what is refused, what is appended, and what a kernel says to each answer."""

import re

import nbformat
import pytest

from helpers.__main__ import main
from helpers.exercises import append_answers, faults, read_exercises, take_answers
from helpers.lessons import find_lessons, read_lesson, read_page
from helpers.runner import run

PAGE = """# %% [markdown]
# # 90 · A page

# %% tags=["parameters"]
number = 2  # of nothing
"""
DOUBLE = """
# %% tags=["exercise", "exercise-double"]
double = ...

# %% tags=["check"]
if double is ...:
    print("Not answered yet: replace the dots.")
else:
    assert double == 2 * number, "Not this: take the number twice, and no more."
    print("Right: it is", double)
"""
HALF = DOUBLE.replace("double", "half").replace("2 * number", "number / 2")
DOUBLE_ANSWERS = """
# %% tags=["exercise-double"]
double = 4

# %% tags=["exercise-double", "wrong"]
double = 3

# %% tags=["exercise-double", "wrong"]
double = 5
"""
HALF_ANSWERS = DOUBLE_ANSWERS.replace("double", "half").replace("= 4", "= 1")


def write(tmp_path, page, answers=None):
    """Write a page and its answers; return the lesson."""
    path = tmp_path / "lessons" / "90_page.py"
    (path.parent / "solutions").mkdir(parents=True, exist_ok=True)
    path.write_text(PAGE + page, encoding="utf-8")
    if answers is not None:
        (path.parent / "solutions" / path.name).write_text(answers, encoding="utf-8")
    return read_lesson(path)


def test_answers_are_read_in_the_order_of_the_page(tmp_path):
    double, half = read_exercises(write(tmp_path, DOUBLE + HALF, HALF_ANSWERS + DOUBLE_ANSWERS))
    assert (double.name, half.name) == ("double", "half")
    assert double.answers == [("wrong", "double = 3"), ("wrong", "double = 5"), ("right", "double = 4")]
    assert half.check.startswith("if half is ...")


def test_a_page_without_exercises_needs_no_answers(tmp_path):
    assert read_exercises(write(tmp_path, "")) == []


CHECK = '# %% tags=["check"]'


@pytest.mark.parametrize(
    ("page", "answers", "message"),
    [
        (DOUBLE, None, "to double stand in solutions/90_page.py: write it, or run without answers"),
        (DOUBLE, HALF_ANSWERS, "90_page.py has: exercise-double. Received: tags=['exercise-half']"),
        ("", DOUBLE_ANSWERS, "90_page.py has: none. Received: tags=['exercise-double']"),
        (DOUBLE, DOUBLE_ANSWERS + "# %%\ndouble = 6\n", "Received: tags=[] in solutions/90_page.py"),
        (DOUBLE + HALF, DOUBLE_ANSWERS, "one right answer to exercise-half and at least one tagged wrong"),
        (DOUBLE, DOUBLE_ANSWERS.replace(', "wrong"', ""), "Received: 3 right, 0 wrong"),
        (DOUBLE, DOUBLE_ANSWERS.replace('e"]', 'e", "wrong"]'), "Received: 0 right, 3 wrong"),
        (DOUBLE.partition(CHECK)[0], DOUBLE_ANSWERS, "Right below exercise-double"),
        (DOUBLE.replace(CHECK, f"# %%\nprint(1)\n\n{CHECK}"), DOUBLE_ANSWERS, "tagged check. Received: none in 90"),
        (DOUBLE.replace(', "exercise-double"', ""), DOUBLE_ANSWERS, "tags=['exercise'] in 90_page.py"),
        (DOUBLE + DOUBLE, DOUBLE_ANSWERS, "another name for each. Received: tags=['exercise', 'exercise-double']"),
    ],
)
def test_badly_formed_exercises_are_refused_before_anything_runs(tmp_path, page, answers, message):
    lesson = write(tmp_path, page, answers)
    with pytest.raises(ValueError, match=re.escape(message)):
        run([lesson], out=tmp_path / "build" / "executed", ledger={}, answers=True)
    assert not (tmp_path / "build").exists()


def test_answers_are_appended_and_taken_off(tmp_path):
    lesson = write(tmp_path, DOUBLE, DOUBLE_ANSWERS)
    exercises, notebook, page = read_exercises(lesson), read_page(lesson.path), read_page(lesson.path)
    append_answers(notebook, exercises)
    nbformat.validate(notebook)
    sources = [cell.source for cell in notebook.cells[len(page.cells) :]]
    check = page.cells[-1].source
    assert sources == ["double = 3", check, "double = 5", check, "double = 4", check]
    assert all(cell.metadata.tags == ["raises-exception"] for cell in notebook.cells[len(page.cells) :])
    records = take_answers(notebook, exercises)
    assert notebook == page
    assert [record["answer"] for record in records] == ["blank", "wrong", "wrong", "right"]


def record(answer, said, error=None):
    return {"exercise": "double", "answer": answer, "code": "double = 3", "said": said, "error": error}


@pytest.mark.parametrize(
    ("told", "message"),
    [
        (record("blank", "Right: 4"), "left blank, its check prints"),
        (record("blank", "Not answered yet", "NameError"), "left blank"),
        (record("wrong", "Right: 3"), "a wrong answer raises AssertionError"),
        (record("wrong", "Too much: halve it, then try again.", "TypeError"), "a wrong answer raises"),
        (record("wrong", "No.", "AssertionError"), "a sentence of 5 words or more"),
        (record("right", "Not this: take the number twice.", "AssertionError"), "the right answer makes its check"),
        (record("right", "4"), 'print "Right ..."'),
    ],
)
def test_faults_are_named(told, message):
    (sentence,) = faults([told])
    assert sentence.startswith("exercise double: ") and message in sentence
    assert told["said"] in sentence and "to `double = 3`" in sentence


def outputs(lesson, folder):
    notebook = nbformat.read(folder / f"{lesson.name}.ipynb", as_version=4)
    return [(cell.source, [output.text for output in cell.get("outputs", [])]) for cell in notebook.cells]


def test_one_run_proves_blank_wrong_and_right(tmp_path, capsys):
    lesson = write(tmp_path, DOUBLE + HALF, DOUBLE_ANSWERS + HALF_ANSWERS)
    out, options = tmp_path / "build" / "executed", {"out": tmp_path / "build" / "executed", "ledger": {}}

    def go(**more):
        return run(find_lessons(folder=lesson.path.parent), **options, **more)[lesson.name]

    told = go(answers=True)
    assert told["status"] == "ok"
    no, dots = "Not this: take the number twice, and no more.", "Not answered yet: replace the dots."
    assert [(each["exercise"], each["answer"], each["said"], each["error"]) for each in told["exercises"]] == [
        ("double", "blank", dots, None),
        ("double", "wrong", no, "AssertionError"),
        ("double", "wrong", no, "AssertionError"),
        ("double", "right", "Right: it is 4", None),
        ("half", "blank", dots, None),
        ("half", "wrong", no, "AssertionError"),
        ("half", "wrong", no, "AssertionError"),
        ("half", "right", "Right: it is 1", None),
    ]
    assert [source for source, _ in outputs(lesson, out)] == [cell.source for cell in read_page(lesson.path).cells]
    assert outputs(lesson, out)[-1][1] == [f"{dots}\n"] and "double = 4" not in (out / "90_page.ipynb").read_text()

    assert main(["run", "--folder", str(lesson.path.parent), "--out", str(out), "--answers"]) == 0
    assert f"90_page, double, wrong: double = 3\n    {no}\n" in capsys.readouterr().out
    assert go()["status"] == "unchanged", "a run with answers is also one without"
    assert go(answers=True)["status"] == "unchanged"
    write(tmp_path, DOUBLE + HALF, DOUBLE_ANSWERS + HALF_ANSWERS.replace("5", "6"))
    assert go()["status"] == "unchanged" and go(answers=True)["exercises"][-2]["code"] == "half = 6"
    assert go(force=True)["exercises"] == []
    assert go(answers=True)["status"] == "ok", "a run without answers proves none"


def test_a_check_that_misjudges_fails_the_lesson(tmp_path):
    accepts = DOUBLE.replace("    assert", "    pass  #")
    refuses = HALF.replace("==", "!=")
    raises = DOUBLE.replace("double", "word").replace("2 * number", "word.upper()")
    answers = DOUBLE_ANSWERS + HALF_ANSWERS + DOUBLE_ANSWERS.replace("double", "word").replace("= 4", "= 'A'")
    lesson = write(tmp_path, accepts + refuses + raises, answers)
    told = run([lesson], out=tmp_path / "executed", ledger={}, answers=True)[lesson.name]
    assert told["status"] == "failed" and told["differs"] == []
    for sentence in (
        "exercise double: a wrong answer raises AssertionError with a sentence of 5 words or more. "
        "Received: 'Right: it is 3' to `double = 3`",
        'exercise half: the right answer makes its check print "Right ...". '
        "Received: 'AssertionError Not this: take the number twice, and no more.' to `half = 1`",
        "exercise word: a wrong answer raises AssertionError with a sentence of 5 words or more. "
        "Received: \"AttributeError 'int' object has no attribute 'upper'\" to `word = 3`",
    ):
        assert sentence in told["error"]
    assert len(outputs(lesson, tmp_path / "executed")) == len(read_page(lesson.path).cells)
    assert (tmp_path / "report.json").exists()


def test_answers_of_a_page_that_fails_are_not_judged(tmp_path):
    lesson = write(tmp_path, "# %%\n1 / 0\n" + DOUBLE, DOUBLE_ANSWERS)
    told = run([lesson], out=tmp_path / "executed", ledger={}, answers=True)[lesson.name]
    assert told["error"] == "cell [2] `1 / 0`: ZeroDivisionError: division by zero" and told["exercises"] == []
    assert "double = 4" not in (tmp_path / "executed" / "90_page.ipynb").read_text()
