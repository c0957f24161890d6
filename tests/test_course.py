"""Every lesson once, in the quick profile, through papermill, as ``make course`` runs it."""

import nbformat
import pytest

from helpers.exercises import FEWEST_WORDS
from helpers.lessons import LESSONS, find_lessons
from helpers.runner import EXECUTED, run

SOLUTIONS = (LESSONS / "solutions").exists()  # a class's copy may be without


@pytest.mark.parametrize("lesson", find_lessons(), ids=lambda lesson: lesson.name)
def test_lesson(lesson):
    record = run([lesson], answers=SOLUTIONS)[lesson.name]
    assert record["error"] is None
    assert record["differs"] == []
    notebook = nbformat.read(EXECUTED / f"{lesson.name}.ipynb", as_version=4)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not [output.text for output in outputs if output.get("name") == "stderr"], "log noise"
    assert any("Not answered yet" in output.get("text", "") for output in outputs), "a blank exercise says so"
    if SOLUTIONS:
        check_answers(record["exercises"])


def check_answers(records):
    """The run that proved the page has also tried the answers: one blank, some wrong, one right for each exercise."""
    assert records, "a page has an exercise that it checks"
    for exercise in {record["exercise"] for record in records}:
        kinds = [record["answer"] for record in records if record["exercise"] == exercise]
        assert kinds == ["blank", *["wrong"] * (len(kinds) - 2), "right"] and len(kinds) > 2
    for record in records:
        said = record["said"]
        if record["answer"] == "wrong":
            assert record["error"] == "AssertionError" and len(said.split()) >= FEWEST_WORDS, record
        else:
            assert record["error"] is None, record
            assert said.startswith({"blank": "Not answered yet", "right": "Right"}[record["answer"]]), record
