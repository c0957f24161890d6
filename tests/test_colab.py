"""A notebook alone in an empty folder, as Colab opens it: its bootstrap cell must fetch all the rest.

The kernel has a stand-in for ``google.colab`` and no ``helpers``; git takes the course's address for a
repository made of the working tree. ``make colab`` runs every notebook whole, with Colab's versions.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell

from helpers.address import read_address
from helpers.claims import mismatches, read_ledger, recorded_claims

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
STARTUP = """
import sys
sys.meta_path[:] = [each for each in sys.meta_path if "Editable" not in getattr(each, "__name__", "")]
import google.colab
"""
BEFORE = """
import importlib.util, sys
assert "google.colab" in sys.modules
assert not importlib.util.find_spec("helpers"), "only the bootstrap shall bring helpers"
"""
AFTER = "import helpers.lessons\nprint(helpers.lessons.ROOT)"


@pytest.fixture(scope="module")
def repository(copy_course, tmp_path_factory):
    """A git repository of the working tree."""
    folder = copy_course(tmp_path_factory.mktemp("origin") / "course")
    plain = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}  # no hooks or signatures of the user's
    someone = {f"GIT_{role}_{part}": "nobody" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
    for command in ("init --quiet", "add --all", "commit --quiet --message course"):
        git = ["git", "-c", "core.compression=0", *command.split()]
        subprocess.run(git, cwd=folder, env={**os.environ, **plain, **someone}, check=True)
    return folder


@pytest.fixture
def run_alone(repository, tmp_path, monkeypatch):
    """A function that runs cells in an empty folder and a kernel like Colab's; the bootstrap twice."""
    content, site, profile, kernel = (
        tmp_path / name for name in ("content", "site", "ipython", "jupyter/kernels/colab")
    )

    def run(cells, python=sys.executable):
        spec = {
            "argv": [str(python), "-m", "ipykernel_launcher", "--log-level=ERROR", "-f", "{connection_file}"],
            "env": {
                "PYTHONPATH": str(site),
                "IPYTHONDIR": str(profile),
                "PATH": os.pathsep.join([str(Path(python).parent), os.environ["PATH"]]),  # whose pip is called
                "GIT_CONFIG_COUNT": "1",
                "GIT_CONFIG_KEY_0": f"url.{repository.as_uri()}.insteadOf",
                "GIT_CONFIG_VALUE_0": read_address(),
            },
            "display_name": "like Colab's",
            "language": "python",
        }
        for path, text in (
            (site / "google" / "colab" / "__init__.py", ""),
            (profile / "profile_default" / "startup" / "colab.py", STARTUP),
            (kernel / "kernel.json", json.dumps(spec)),
        ):
            path.parent.mkdir(parents=True)
            path.write_text(text, encoding="utf-8")
        content.mkdir()
        monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
        (bootstrap,) = (cell for cell in cells if "bootstrap" in cell.metadata.get("tags", []))
        again = new_code_cell(bootstrap.source)
        notebook = nbformat.v4.new_notebook(cells=[new_code_cell(BEFORE), *cells, again, new_code_cell(AFTER)])
        resources = {"metadata": {"path": str(content)}}
        NotebookClient(notebook, kernel_name="colab", timeout=600, resources=resources).execute()
        outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
        assert not [output.text for output in outputs if output.get("name") == "stderr"], "log noise"
        assert outputs[-1].text.strip() == str(content.resolve() / "course"), "helpers come from the clone"
        assert [path.name for path in content.iterdir()] == ["course"]
        assert bootstrap.outputs == again.outputs == [], "git had something to say"
        return notebook

    return run


def test_the_bootstrap_brings_helpers_and_data(run_alone):
    cells = nbformat.read(NOTEBOOKS / "03_lenet.ipynb", as_version=4).cells
    first_data = next(i for i, cell in enumerate(cells) if cell.cell_type == "code" and "load_arrays(" in cell.source)
    executed = run_alone(cells[: first_data + 1])
    assert "12000 images to train on" in executed.cells[first_data + 1].outputs[0].text


@pytest.mark.skipif("COLAB_PYTHON" not in os.environ, reason="make colab runs it, with Colab's versions")
@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_the_whole_notebook(run_alone, path):
    cells = nbformat.read(path, as_version=4).cells
    executed = run_alone(cells, Path(os.environ["COLAB_PYTHON"]).absolute())
    assert mismatches(path.stem[:2], recorded_claims(executed), read_ledger()) == []
