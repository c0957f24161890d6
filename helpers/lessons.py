"""The pages of the course: which there are, and their parameters."""

import ast
import hashlib
import os
from pathlib import Path
from typing import NamedTuple

import jupytext
import yaml

ROOT = Path(__file__).resolve().parent.parent
LESSONS = ROOT / "lessons"


class Lesson(NamedTuple):
    """A page ``NN_name.py``: where it lies, its title, and the defaults of its ``parameters`` cell."""

    path: Path
    title: str
    parameters: dict

    @property
    def name(self):
        return self.path.stem

    @property
    def number(self):
        return self.name[:2]


def find_lessons(numbers=(), folder=LESSONS):
    """Return the lessons of a folder, or those of these numbers, in the order of the course.

    Args:
        numbers: such as ``["03", "3", "03_lenet"]``; none for all.
        folder: where the pages lie.

    Raises:
        ValueError: no such lesson, or a page that ``read_lesson`` refuses.
    """
    numbers = [numbers] if isinstance(numbers, str) else numbers
    paths = {path.stem: path for path in sorted(Path(folder).glob("[0-9][0-9]_*.py"))}
    if not paths:
        raise ValueError(f"There is no page NN_name.py here. Received: folder={str(folder)!r}")
    chosen = set()
    for number in numbers:
        names = {name for name in paths if number == name or (number and number.zfill(2) == name[:2])}
        if not names:
            raise ValueError(f"Lessons here: {', '.join(paths)}. Received: {number!r}")
        chosen |= names
    return [read_lesson(paths[name]) for name in sorted(chosen or paths)]


def read_lesson(path):
    """Read a page's title and parameters.

    Args:
        path: a page in jupytext's percent format.

    Raises:
        ValueError: the page has not one cell tagged ``parameters``, or a value in it is not plain.
    """
    cells = read_page(path).cells
    title = next((line[2:] for cell in cells for line in cell.source.splitlines() if line.startswith("# ")), path.stem)
    tagged = [cell.source for cell in cells if "parameters" in cell.metadata.get("tags", [])]
    if len(tagged) != 1:
        raise ValueError(f"A page has one cell tagged parameters. Received: {len(tagged)} in {path.name}")
    try:
        assignments = ast.parse(tagged[0]).body
        names = [target.id for each in assignments for target in each.targets]
        values = [ast.literal_eval(each.value) for each in assignments]
        return Lesson(path, title, dict(zip(names, values, strict=True)))
    except (SyntaxError, ValueError, AttributeError) as error:
        raise ValueError(f"Parameters are lines like `epochs = 3  # passes`. Received: {path.name}: {error}") from error


def read_page(path):
    """Return a page as a notebook without outputs, whose cell ids depend on the cells alone.

    Args:
        path: a page in jupytext's percent format.
    """
    notebook = jupytext.read(path)
    seen = {}
    for cell in notebook.cells:
        digest = hashlib.sha256(cell.source.encode()).hexdigest()[:8]
        seen[digest] = seen.get(digest, 0) + 1
        cell.id = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    return notebook


def profile_parameters(lesson, profile):
    """Return what a profile changes: nothing for ``quick``, ``full/NN_name.yaml`` beside the page for ``full``.

    Args:
        lesson: the page.
        profile: ``"quick"`` or ``"full"``.

    Raises:
        ValueError: the lesson has no such profile.
    """
    if profile == "quick":
        return {}
    path = lesson.path.parent / profile / f"{lesson.name}.yaml"
    if not path.exists():
        raise ValueError(f"Lesson {lesson.name} has no {profile}/{path.name}. Received: profile={profile!r}")
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(values, dict):
        raise ValueError(f"A profile has lines like `epochs: 3`. Received: {path}")
    return values


def check_parameters(lesson, values):
    """Refuse a parameter that the page does not have, or a value of another type than its default.

    Args:
        lesson: the page.
        values: ``{name: value}``.

    Raises:
        ValueError: names the parameter, what the page has, and what was received.
    """
    for name, value in values.items():
        if name not in lesson.parameters:
            known = ", ".join(lesson.parameters)
            raise ValueError(f"Lesson {lesson.name} has the parameters {known}. Received: {name!r}")
        default = lesson.parameters[name]
        if not _same_type(value, default):
            kind = type(default).__name__
            raise ValueError(f"{name} of lesson {lesson.name} is {kind}, like {default!r}. Received: {name}={value!r}")


def _same_type(value, default):
    if isinstance(default, (list, tuple)):
        return isinstance(value, (list, tuple)) and all(_same_type(each, default[0]) for each in value if default)
    if isinstance(default, dict):
        same_keys = isinstance(value, dict) and value.keys() == default.keys()
        return same_keys and all(_same_type(value[key], default[key]) for key in default)
    if isinstance(default, float):
        return type(value) in (int, float)
    return default is None or type(value) is type(default)


def write_whole(path, text):
    """Write a text file such that whoever looks, also after a kill, finds the old file or the new one.

    Args:
        path: of the file; its folder is made if need be.
        text: what it shall hold, with line ends as they are there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_text(text.rstrip("\n") + "\n", encoding="utf-8", newline="\n")
    os.replace(unfinished, path)
