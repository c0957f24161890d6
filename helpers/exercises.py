"""The exercises of a page: their checks, their answers, and what each check says to each answer.

An exercise is a cell tagged ``exercise`` and ``exercise-NAME`` that holds dots, and right below it a cell
tagged ``check``. Its answers stand in ``lessons/solutions/NN_name.py``, each in a cell tagged
``exercise-NAME``: one right answer, and at least one that is tagged ``wrong`` as well.
"""

from typing import NamedTuple

import jupytext
import nbformat

from helpers.lessons import read_page

FEWEST_WORDS = 5  # of a sentence that helps


class Exercise(NamedTuple):
    """An exercise: its name, the code of its check, and its answers ``(kind, code)``, the right one last."""

    name: str
    check: str
    answers: list


def solutions_of(lesson):
    """Return the path of a lesson's answers, ``solutions/NN_name.py`` beside the page."""
    return lesson.path.parent / "solutions" / lesson.path.name


def read_exercises(lesson):
    """Read the exercises of a page and their answers.

    Args:
        lesson: the page.

    Returns:
        List of ``Exercise`` in the order of the page.

    Raises:
        ValueError: an exercise without a name, a check, a right or a wrong answer, or an answer to no exercise.
    """
    checks = _read_checks(lesson)
    answers = {name: [] for name in checks}
    path = solutions_of(lesson)
    if checks and not path.exists():
        raise ValueError(
            f"The answers to {', '.join(checks)} stand in solutions/{path.name}: write it, or run without answers. "
            "Received: no such file"
        )
    for cell in jupytext.read(path).cells if path.exists() else []:
        if cell.cell_type == "code" and cell.source:
            tags = _tags(cell)
            names = [name for name in checks if f"exercise-{name}" in tags]
            if len(names) != 1:
                known = ", ".join(f"exercise-{name}" for name in checks) or "none"
                raise ValueError(
                    f"An answer has the tag of its exercise; {lesson.path.name} has: {known}. "
                    f"Received: tags={tags} in solutions/{path.name}"
                )
            answers[names[0]].append(("wrong" if "wrong" in tags else "right", cell.source))
    for name, given in answers.items():
        kinds = [kind for kind, _ in given]
        if kinds.count("right") != 1 or "wrong" not in kinds:
            raise ValueError(
                f"solutions/{path.name} needs one right answer to exercise-{name} and at least one tagged wrong. "
                f"Received: {kinds.count('right')} right, {kinds.count('wrong')} wrong"
            )
    return [
        Exercise(name, checks[name], sorted(answers[name], key=lambda answer: answer[0] == "right")) for name in checks
    ]


def _read_checks(lesson):
    """Return ``{name: code of its check}`` for the exercises of a page, in its order."""
    cells = read_page(lesson.path).cells
    checks = {}
    for cell, below in zip(cells, [*cells[1:], None]):
        tags = _tags(cell)
        names = [tag.removeprefix("exercise-") for tag in tags if tag.startswith("exercise-")]
        if not names and "exercise" not in tags:
            continue
        if len(names) != 1 or "exercise" not in tags or names[0] in checks:
            raise ValueError(
                "An exercise has the tags exercise and exercise-NAME, another name for each. "
                f"Received: tags={tags} in {lesson.path.name}"
            )
        if below is None or "check" not in _tags(below):
            raise ValueError(
                f"Right below exercise-{names[0]} comes its cell tagged check. Received: none in {lesson.path.name}"
            )
        checks[names[0]] = below.source
    return checks


def append_answers(notebook, exercises):
    """Append to a notebook, for each exercise, every answer and below it a copy of the check.

    An error in one of these cells does not stop the notebook.

    Args:
        notebook: a page as ``read_page`` returns it; it is changed.
        exercises: what ``read_exercises`` returns.
    """
    for exercise in exercises:
        for kind, code in exercise.answers:
            for source in (code, exercise.check):
                metadata = {"tags": ["raises-exception"], "answer": [exercise.name, kind]}
                notebook.cells.append(nbformat.v4.new_code_cell(source, metadata=metadata))


def take_answers(notebook, exercises):
    """Take the appended cells off an executed notebook, and tell what the checks said.

    Args:
        notebook: an executed notebook; it is changed, and left with the cells of its page.
        exercises: those whose answers were appended.

    Returns:
        List of records, for each exercise the page's own dots, the wrong answers and the right one:
        ``exercise``, ``answer`` ("blank", "wrong" or "right"), ``code``, what its check ``said``, and
        ``error``, the name of the exception or None.
    """
    appended = [cell for cell in notebook.cells if "answer" in cell.metadata]
    notebook.cells = [cell for cell in notebook.cells if "answer" not in cell.metadata]
    records = []
    for name in (exercise.name for exercise in exercises):
        for answer, check in zip(notebook.cells, notebook.cells[1:]):
            if f"exercise-{name}" in _tags(answer):
                records.append(_record(name, "blank", answer, check))
        for answer, check in zip(appended[::2], appended[1::2]):
            if answer.metadata["answer"][0] == name:
                records.append(_record(*answer.metadata["answer"], answer, check))
    return records


def _record(name, kind, answer, check):
    outputs = [*answer.get("outputs", []), *check.get("outputs", [])]
    printed = "".join(output.text for output in outputs if output.get("name") == "stdout")
    errors = [output for output in outputs if output.output_type == "error"]
    said = "\n".join([printed.strip(), *(error.evalue for error in errors)]).strip()
    error = errors[0].ename if errors else None
    return {"exercise": name, "answer": kind, "code": answer.source, "said": said, "error": error}


def faults(records):
    """Return a sentence for each answer to which its check did not say what it should.

    Args:
        records: what ``take_answers`` returns.
    """
    wanted = {
        "blank": 'left blank, its check prints "Not answered yet: ..."',
        "wrong": f"a wrong answer raises AssertionError with a sentence of {FEWEST_WORDS} words or more",
        "right": 'the right answer makes its check print "Right ..."',
    }
    return [
        f"exercise {record['exercise']}: {wanted[record['answer']]}. "
        f"Received: {' '.join(filter(None, (record['error'], record['said'])))!r} to `{record['code']}`"
        for record in records
        if not _is_as_wanted(record)
    ]


def _is_as_wanted(record):
    if record["answer"] == "wrong":
        return record["error"] == "AssertionError" and len(record["said"].split()) >= FEWEST_WORDS
    start = {"blank": "Not answered yet", "right": "Right"}[record["answer"]]
    return record["error"] is None and record["said"].startswith(start)


def _tags(cell):
    return cell.metadata.get("tags", [])
