"""The repository's address: all places name the same one, and one command writes another, and back."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from helpers.__main__ import main
from helpers.address import read_address, write_address
from helpers.lessons import find_lessons
from helpers.twins import is_twin

ROOT = Path(__file__).resolve().parent.parent
OTHER = "https://github.com/a-teacher/Course.2027"


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def named_addresses(text):
    badges = re.findall(r"colab\.research\.google\.com/github/([^/\s]+/[^/\s]+)/blob/main/notebooks/", text)
    clones = re.findall(r"git clone [^\n]*https://github\.com/(\S+) course", text)
    return [f"https://github.com/{each}" for each in badges + clones]


def test_all_places_name_the_address_of_pyproject():
    address = read_address()
    pages = [*ROOT.glob("lessons/*.py"), *ROOT.glob("notebooks/*.ipynb")]
    for path in pages:
        assert named_addresses(path.read_text(encoding="utf-8")) == [address] * 2, f"{path.name}: badge, bootstrap"
    for path in ROOT.glob("*.md"):
        assert set(named_addresses(path.read_text(encoding="utf-8"))) <= {address}, path.name
    assert pages and named_addresses((ROOT / "README.md").read_text(encoding="utf-8"))


def test_citation_is_that_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert citation["cff-version"] == "1.2.0" and citation["message"] and citation["title"]
    assert citation["repository-code"] == project["urls"]["Repository"]
    assert (citation["version"], citation["license"]) == (project["version"], project["license"])
    assert citation["authors"] == project["authors"]


def test_a_fork_gets_its_address_and_can_go_back(copy_course, tmp_path):
    copy, old = copy_course(tmp_path / "copy"), read_address()
    before, lessons = contents(copy), find_lessons(folder=copy / "lessons")

    def twins():
        return [lesson.name for lesson in lessons if is_twin(lesson, copy / "notebooks" / f"{lesson.name}.ipynb")]

    pairs = twins()
    command = [sys.executable, "-B", "-m", "helpers", "address", OTHER]
    said = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=True).stdout
    after = contents(copy)
    changed = {path for path in after if after[path] != before.get(path)}
    assert after.keys() == before.keys() and f"{len(changed)} files changed" in said
    assert read_address(copy) == OTHER
    assert {copy / name for name in ("README.md", "CITATION.cff", "pyproject.toml")} < changed
    owned = old.removeprefix("https://github.com/").encode()
    assert not [path for path, content in after.items() if owned in content], "the old address is left"
    assert pairs and twins() == pairs, "a lesson and its notebook still have the same cells"

    assert set(write_address(old, copy)) == changed
    assert contents(copy) == before


@pytest.fixture
def small(tmp_path):
    """A course of two files, at another address than its lesson says: the lesson comes from another fork."""
    (tmp_path / "lessons").mkdir()
    (tmp_path / "pyproject.toml").write_text('[project.urls]\nRepository = "https://github.com/me/course"\n')
    (tmp_path / "lessons" / "90_page.py").write_bytes(
        b"# (https://colab.research.google.com/github/they/x.y/blob/main/notebooks/90_page.ipynb)\r\n"
        b"    # !test -d course || git clone --depth 1 https://github.com/they/x.y course\r\n"
        b"# https://github.com/me/course. https://github.com/me/courses https://github.com/me/course.js\r\n"
        b"# https://colab.research.google.com/github/they/x.y/blob/main/other.ipynb https://github.com/they/x.y\r\n"
    )
    return tmp_path


@pytest.mark.parametrize("address", [OTHER, OTHER + "/", OTHER + ".git", "https://github.com/me/course"])
def test_a_lesson_from_another_fork_gets_the_address_too(small, address):
    write_address(address, small)
    new = read_address(small).removeprefix("https://github.com/")
    assert new in ("a-teacher/Course.2027", "me/course")
    assert (small / "lessons" / "90_page.py").read_bytes().decode().split("\r\n")[:-1] == [
        f"# (https://colab.research.google.com/github/{new}/blob/main/notebooks/90_page.ipynb)",
        f"    # !test -d course || git clone --depth 1 https://github.com/{new} course",
        f"# https://github.com/{new}. https://github.com/me/courses https://github.com/me/course.js",
        "# https://colab.research.google.com/github/they/x.y/blob/main/other.ipynb https://github.com/they/x.y",
    ]
    assert write_address(address, small) == []


@pytest.mark.parametrize(
    "address",
    [
        "",
        "a-teacher/course",
        "http://github.com/a/b",
        "https://github.com/a",
        "https://github.com/a/.git",
        "https://github.com/a/..",
        "https://github.com/a/b/c",
        "https://github.com/a/b c",
        "https://github.com/a_b/c",
        "https://gitlab.com/a/b",
        "https://github.com/a/b\n",
    ],
)
def test_another_form_of_address_is_refused_and_nothing_written(small, address):
    before = contents(small)
    with pytest.raises(ValueError, match=re.escape(f"Received: address={address!r}")):
        write_address(address, small)
    assert contents(small) == before


def test_a_broken_address_in_pyproject_is_named(small):
    (small / "pyproject.toml").write_text('[project.urls]\nRepository = "https://example.org"\n')
    for call in (read_address, lambda root: write_address(OTHER, root)):
        with pytest.raises(ValueError, match="Received: pyproject.toml's Repository='https://example.org'"):
            call(small)


def test_command_line(capsys):
    assert main(["address"]) == 0
    assert capsys.readouterr().out.strip() == read_address()
    assert main(["address", "github.com/a/b"]) == 2
    assert "Received: address='github.com/a/b'" in capsys.readouterr().err
