"""Every lesson once, in the quick profile, through papermill, as ``make course`` runs it."""

import nbformat
import pytest

from helpers.lessons import find_lessons
from helpers.runner import EXECUTED, run


@pytest.mark.parametrize("lesson", find_lessons(), ids=lambda lesson: lesson.name)
def test_lesson(lesson):
    record = run([lesson])[lesson.name]
    assert record["error"] is None
    assert record["differs"] == []
    notebook = nbformat.read(EXECUTED / f"{lesson.name}.ipynb", as_version=4)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not [output.text for output in outputs if output.get("name") == "stderr"], "log noise"
    assert any("Not answered yet" in output.get("text", "") for output in outputs), "a blank exercise says so"
