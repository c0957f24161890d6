import helpers.quiet  # noqa: F401  before any test imports Keras

import shutil
import subprocess
from pathlib import Path

import keras
import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def seed():
    """Weights and data of each test are drawn from one seed, so that none fails by chance."""
    keras.utils.set_random_seed(0)


@pytest.fixture(scope="session")
def git_files():
    """A function that lists the files that git tracks, or those that its options ask for."""

    def files(*options):
        command = ["git", "ls-files", *options, "-z"]
        try:
            listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("not a git checkout")
        return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).exists()]

    return files


@pytest.fixture(scope="session")
def copy_course(git_files):
    """A function that copies the course to a new folder: all that git keeps, and what is not committed yet."""

    def copy(folder):
        for path in git_files("--cached", "--others", "--exclude-standard"):
            copied = folder / path.relative_to(ROOT)
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copied)
        return folder

    return copy
