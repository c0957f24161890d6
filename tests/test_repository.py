"""What a clone holds: small, clean, and true to what the README says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.lessons import find_lessons

ROOT = Path(__file__).resolve().parent.parent


def test_sizes(git_files):
    sizes = {path: path.stat().st_size for path in git_files()}
    assert sum(sizes.values()) < 58e6
    assert sum(size for path, size in sizes.items() if path.is_relative_to(ROOT / "data")) < 51e6


def test_every_data_set_has_a_card():
    for folder in (path for path in (ROOT / "data").iterdir() if path.is_dir()):
        card = (folder / "README.md").read_text(encoding="utf-8")
        for word in ("licence:", "source:", "sha256", "How it was built"):
            assert word in card, f"{folder.name}: {word}"


def test_git_leaves_the_bytes_of_data_alone():
    for path in ("data/goods/splits.csv", "data/fashion_mnist/README.md", "data/new/labels.csv"):
        found = subprocess.run(["git", "check-attr", "text", path], cwd=ROOT, capture_output=True, text=True)
        if found.returncode:
            pytest.skip("not a git checkout")
        assert found.stdout.endswith("text: unset\n"), "with changed line ends its checksum would be wrong"


def test_ruff_finds_nothing():
    found = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--quiet", "."], cwd=ROOT, capture_output=True, text=True
    )
    assert found.returncode == 0, found.stdout


def test_readme_lists_every_lesson_and_links_to_what_is_there():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for lesson in find_lessons():
        assert f"notebooks/{lesson.name}.ipynb" in text, f"the table of lessons lacks {lesson.name}"
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "TEACHING.md"):
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
            assert target.startswith("https://") or (ROOT / target).exists(), f"{page.name}: {target}"
