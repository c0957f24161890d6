"""Backends: the one that is asked for is the one that is used, its results stay apart, and README shows them."""

import json

import pytest

from helpers import runner
from helpers.__main__ import main
from helpers.backends import BACKENDS, MARKERS, backend_table, default_backend, put_table, versions
from helpers.lessons import ROOT, find_lessons
from helpers.runner import executed_folder, read_report, report_of, run

PAGE = """# %% [markdown]
# # {} · A page

# %% tags=["parameters"]
number = 2  # of nothing

# %%
import os

assert os.environ["KERAS_BACKEND"] != "jax" or number == {}, "no grouped convolutions"
print(os.environ["KERAS_BACKEND"])
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with two pages, the second of which fails on JAX; all backends seem to be installed."""
    monkeypatch.setattr(runner, "EXECUTED", tmp_path / "build" / "executed")
    monkeypatch.setattr("helpers.backends.find_spec", lambda name: True)
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    path = tmp_path / "lessons"
    path.mkdir()
    (path / "90_one.py").write_text(PAGE.format(90, 2), encoding="utf-8")
    (path / "91_two.py").write_text(PAGE.format(91, 3), encoding="utf-8")
    return path


def test_the_default_is_what_keras_takes(folder, tmp_path, monkeypatch):
    assert default_backend() == "tensorflow"
    (tmp_path / "keras").mkdir()
    (tmp_path / "keras" / "keras.json").write_text(json.dumps({"backend": "torch"}))
    assert default_backend() == versions()["backend"] == "torch"
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert default_backend() == versions()["backend"] == "jax"
    assert versions("torch")["backend"] == "torch"


def test_a_named_backend_reaches_the_kernel_and_keeps_its_results_apart(folder, tmp_path):
    one = find_lessons("90", folder)
    assert run(one, ledger={}, backend="jax")["90_one"]["versions"]["backend"] == "jax"
    assert run(one, ledger={})["90_one"]["versions"]["backend"] == "tensorflow"
    for backend, out in (("jax", tmp_path / "build" / "jax"), ("tensorflow", tmp_path / "build")):
        assert executed_folder(backend) == out / "executed" and report_of(out / "executed") == out / "report.json"
        assert f'"{backend}\\n"' in (out / "executed" / "90_one.ipynb").read_text()
        assert read_report(out / "report.json")["90_one"]["versions"]["backend"] == backend
        assert run(one, ledger={}, backend=backend)["90_one"]["status"] == "unchanged"


def test_a_backend_that_is_not_there_is_refused_before_anything_runs(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("helpers.backends.find_spec", lambda name: None)
    for backend, message in (
        ("jax", "JAX is missing: python -m pip install jax. Received: backend='jax'"),
        ("torch", "PyTorch is missing: python -m pip install torch. Received: backend='torch'"),
        ("theano", "Keras runs on tensorflow, jax, torch. Received: backend='theano'"),
    ):
        assert main(["run", "--folder", str(folder), "--backend", backend]) == 2
        assert message in capsys.readouterr().err
    readme = tmp_path / "README.md"
    readme.write_text("\n".join(MARKERS))
    assert main(["backends", "--folder", str(folder), "--readme", str(readme)]) == 2
    assert "is missing" in capsys.readouterr().err
    assert not (tmp_path / "build").exists() and readme.read_text() == "\n".join(MARKERS)


def record(seconds=58.4, error=None, differs=()):
    found = {"python": "3.12.1", "backend": "torch", "gpus": 0, "keras": "3.15.1", "tensorflow-cpu": "2.21.0"}
    finished = f"2026-11-{int(seconds) % 30:02}T03:15:13+00:00"
    return {"seconds": seconds, "error": error, "differs": list(differs), "finished": finished, "versions": found}


def test_the_table_has_a_row_for_each_lesson_and_a_column_for_each_backend(folder):
    differs = ["speed-lenet: the ledger says holds, this run refuted", "goods-size: the ledger says holds, ..."]
    records = {
        "tensorflow": {"90_one": record(), "91_two": record(differs=differs)},
        "jax": {"90_one": record(49.6), "91_two": record(error="cell [2]: ValueError: no")},
    }
    rows = backend_table(find_lessons(folder=folder), records).splitlines()
    assert rows[:4] == [
        "| lesson | TensorFlow | JAX |",
        "| --- | --- | --- |",
        "| 90 · A page | yes, 58 s | yes, 50 s |",
        "| 91 · A page | differs: speed-lenet, goods-size | no |",
    ]
    assert rows[5].startswith("2026-11-28, ") and rows[5].endswith(
        " CPU cores, 0 GPUs: Python 3.12.1, Keras 3.15.1, TensorFlow 2.21.0."
    )


def test_the_table_takes_the_place_of_the_old_one():
    text = f"# Course\n\n{MARKERS[0]}\nold\n{MARKERS[1]}\n\nMore.\n"
    once = put_table(text, "| new |")
    assert once == f"# Course\n\n{MARKERS[0]}\n\n| new |\n\n{MARKERS[1]}\n\nMore.\n" == put_table(once, "| new |")
    for bad in ("# Course", MARKERS[0], MARKERS[1], "\n".join(reversed(MARKERS))):
        with pytest.raises(ValueError, match="stands between <!-- backends --> and .* a text without them"):
            put_table(bad, "")
    put_table((ROOT / "README.md").read_text(encoding="utf-8"), "")


def test_one_command_runs_every_lesson_on_every_backend(folder, tmp_path, capsys):
    readme = tmp_path / "README.md"
    readme.write_text(f"Before\n{MARKERS[0]}\n{MARKERS[1]}\nAfter\n")
    assert main(["backends", "--folder", str(folder), "--readme", str(readme)]) == 0
    printed, text = capsys.readouterr().out, readme.read_text()
    assert "91_two: failed in cell [2]" in printed and "AssertionError: no grouped convolutions" in printed
    assert printed.count(" ok ") == 5 and all(title in printed for title in BACKENDS.values())
    assert text.startswith("Before\n") and text.endswith("After\n") and "| 91 · A page | yes, " in text
    assert [line.count("yes, ") for line in text.splitlines() if "A page" in line] == [3, 2]
    assert [line.split("|")[3].strip() for line in text.splitlines() if "91 ·" in line] == ["no"]
    assert "no grouped" not in text

    readme.write_text("no markers")
    assert main(["backends", "--folder", str(folder), "--readme", str(readme)]) == 2
    assert "Received: a text without them" in capsys.readouterr().err and readme.read_text() == "no markers"
