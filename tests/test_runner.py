"""The runner on pages that take a second: what it refuses, keeps, skips and resumes."""

import json
import os
import signal
import subprocess
import sys
import time

import nbformat
import psutil
import pytest

from helpers import backends
from helpers.__main__ import main
from helpers.claims import mismatches
from helpers.lessons import find_lessons
from helpers.runner import read_report, run, sync

LEDGER = {"speed-lenet": {"lesson": "90", "verdict": "holds", "asserted": "yes"}}
CLAIM = 'from helpers.claims import claim\nclaim("speed-lenet", measured=1, holds={})'


@pytest.fixture
def course(tmp_path):
    """A function that writes pages; calling ``go`` runs them all."""

    class Course:
        folder, out, report = tmp_path / "lessons", tmp_path / "build" / "executed", tmp_path / "build" / "report.json"

        def write(self, name, code):
            self.folder.mkdir(exist_ok=True)
            header = f'# %% [markdown]\n# # {name[:2]} · A page\n\n# %% tags=["parameters"]\nnumber = 2  # of nothing\n'
            (self.folder / f"{name}.py").write_text(f"{header}\n# %%\n{code}\n", encoding="utf-8")

        def go(self, numbers=(), **options):
            return run(find_lessons(numbers, self.folder), out=self.out, **{"ledger": {}, **options})

        def text(self, name):
            notebook = nbformat.read(self.out / f"{name}.ipynb", as_version=4)
            return "".join(
                output.text for cell in notebook.cells for output in cell.get("outputs", []) if "text" in output
            )

    return Course()


def test_lessons_run_and_are_recorded(course, capsys):
    course.write("90_one", "print(number * 3)\n" + CLAIM.format(True))
    course.write("91_two", "data = bytearray(300_000_000)\ndel data\nprint(number)")
    records = course.go(parameters={"number": 5}, workers=2, ledger=LEDGER)
    assert (course.text("90_one"), course.text("91_two")) == ("15\n", "5\n")
    assert json.loads(course.report.read_text()).keys() == records.keys() == {"90_one", "91_two"}
    assert records["90_one"]["claims"] == [{"id": "speed-lenet", "verdict": "holds", "measured": 1}]
    assert not records["90_one"]["differs"]
    extra = records["91_two"]["peak_memory"] - records["90_one"]["peak_memory"]
    assert 250e6 < extra < 350e6, "the peak counts memory that was given back"
    table = capsys.readouterr().out
    assert "1 holds" in table and table.count(" ok ") == 2


def test_a_failing_lesson_does_not_stop_the_rest(course):
    course.write("90_one", "first = 1\nraise RuntimeError('out of paper')")
    course.write("91_two", "print(number)")
    course.write("92_dead", "import os\nos._exit(1)")
    records = course.go()
    assert [records[name]["status"] for name in ("90_one", "91_two", "92_dead")] == ["failed", "ok", "failed"]
    assert records["90_one"]["error"] == "cell [2] `raise RuntimeError('out of paper')`: RuntimeError: out of paper"
    assert "its kernel" in records["92_dead"]["error"]
    assert nbformat.read(course.out / "90_one.ipynb", as_version=4).cells


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"parameters": {"nmber": 1}}, "has the parameters number. Received: 'nmber'"),
        ({"parameters": {"number": "1"}}, "Received: number='1'"),
        ({"profile": "full"}, "no full/90_one.yaml"),
        ({"workers": 0}, "Received: workers=0"),
    ],
)
def test_bad_input_is_refused_before_anything_runs(course, options, message):
    course.write("90_one", "print(number)")
    with pytest.raises(ValueError, match=message):
        course.go(**options)
    assert not course.out.parent.exists()


def test_unchanged_lessons_are_skipped(course, monkeypatch):
    course.write("90_one", "import time\nprint(time.time())")
    course.go()
    first = course.text("90_one")
    assert course.go()["90_one"]["status"] == "unchanged" and course.text("90_one") == first

    def ran_again(**options):
        before = course.text("90_one")
        course.go(**options)
        return course.text("90_one") != before

    assert ran_again(force=True)
    assert ran_again(parameters={"number": 3})
    course.write("90_one", "import time\nprint('new', time.time())")
    assert ran_again()
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setattr(backends, "find_spec", lambda name: True)  # the page does not import it
    assert ran_again()
    monkeypatch.setattr(backends, "VERSIONED", ["numpy"])
    assert ran_again()
    (course.out / "90_one.ipynb").unlink()
    assert course.go()["90_one"]["status"] == "ok"


def test_a_backend_that_is_not_installed_is_refused_before_any_page_runs(course, monkeypatch):
    course.write("90_one", "print(1)")
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setattr(backends, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="pip install jax. Received: backend='jax'"):
        course.go()
    assert not course.report.exists()


def test_a_failed_lesson_is_run_again(course):
    course.write("90_one", f"import pathlib\nassert pathlib.Path({str(course.folder / 'there')!r}).exists()")
    assert course.go()["90_one"]["status"] == "failed"
    (course.folder / "there").touch()
    assert course.go()["90_one"]["status"] == "ok"


@pytest.mark.parametrize("holds", [False, None])
def test_an_asserted_claim_must_come_out_as_in_the_ledger(course, holds):
    course.write("90_one", CLAIM.format(holds))
    for _ in range(2):  # the second time from the report
        (sentence,) = course.go(ledger=LEDGER)["90_one"]["differs"]
        assert sentence.startswith("speed-lenet: the ledger says holds, this run ")


def test_an_asserted_claim_must_be_measured(course):
    course.write("90_one", "print(number)")
    assert course.go(ledger=LEDGER)["90_one"]["differs"] == [
        "speed-lenet: the ledger says holds, this run did not measure it"
    ]
    assert mismatches("90", [], {"speed-lenet": {"lesson": "91", "verdict": "holds", "asserted": "yes"}}) == []


def test_sync_writes_the_notebooks_of_changed_lessons(course, tmp_path):
    course.write("90_one", "print(number)")
    course.write("91_bad", "1 / 0")
    notebooks = tmp_path / "notebooks"

    def go(**options):
        return list(sync(find_lessons(folder=course.folder), notebooks, course.out, **options))

    assert go() == ["90_one", "91_bad"]
    assert [path.name for path in notebooks.iterdir()] == ["90_one.ipynb"], "a failed lesson leaves no notebook"
    course.write("91_bad", "1 / 1")
    assert go() == ["91_bad"] and go() == []
    text = (notebooks / "90_one.ipynb").read_text(encoding="utf-8")
    assert "papermill" not in text and '"2\\n"' in text
    assert go(force=True) == ["90_one", "91_bad"]
    assert (notebooks / "90_one.ipynb").read_text(encoding="utf-8") == text, "a second run writes the same"


def test_a_damaged_report_counts_as_none(course):
    course.write("90_one", "print(number)")
    course.go()
    course.report.write_text('{"90_one": {"stat')
    assert course.go()["90_one"]["status"] == "ok"


def test_what_a_killed_run_had_begun_is_swept_away(course):
    course.write("90_one", "print(number)")
    course.out.mkdir(parents=True)
    (course.out / ".90_one.ipynb.99999999").write_text("{")
    (course.out.parent / ".report.json.99999999").write_text("{")
    course.go()
    assert [path.name for path in course.out.iterdir()] == ["90_one.ipynb"]
    assert sorted(path.name for path in course.out.parent.iterdir()) == ["executed", "report.json"]


SLOW = "import time\nfor _ in range({}):\n    time.sleep(0.1)\nprint(number)"


def wait_until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_run_leaves_nothing_half_done_and_resumes(course, signal_number):
    course.write("90_quick", "print(number)")
    running = course.folder / "running"
    course.write("91_slow", f"import pathlib\npathlib.Path({str(running)!r}).touch()\n{SLOW.format(600)}")
    command = [sys.executable, "-m", "helpers", "run", "--folder", str(course.folder), "--out", str(course.out)]
    process = psutil.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_until(running.exists)
    kernels = process.children(recursive=True)
    assert kernels
    process.send_signal(signal_number)
    _, errors = process.communicate(timeout=30)
    if signal_number != signal.SIGKILL:
        assert process.returncode == 130 and errors.strip().endswith("the same command goes on with the rest.")
        assert "Traceback" not in errors
    gone, alive = psutil.wait_procs(kernels, timeout=15)
    assert not alive, "a kernel is left"
    assert [path.name for path in course.out.iterdir()] == ["90_quick.ipynb"]
    assert sorted(path.name for path in course.out.parent.iterdir()) == ["executed", "report.json"]
    assert read_report(course.report).keys() == {"90_quick"}

    course.write("91_slow", SLOW.format(1))
    records = course.go()
    assert [records[name]["status"] for name in records] == ["unchanged", "ok"]
    assert course.text("91_slow") == "2\n"


def test_a_resumed_run_gives_what_an_uninterrupted_one_gives(course, tmp_path):
    for name in ("90_one", "91_two"):
        course.write(name, "print(number)")
    course.go(["90"])
    resumed = course.go()
    course.out = tmp_path / "again" / "executed"
    whole = course.go()
    for name in whole:
        assert resumed[name]["inputs"] == whole[name]["inputs"] and resumed[name]["claims"] == whole[name]["claims"]
        assert course.text(name) == "2\n"


def test_command_line(capsys, monkeypatch):
    assert main(["list"]) == 0
    assert "03 · LeNet" in capsys.readouterr().out
    assert main(["claims", "03"]) == 0
    table = capsys.readouterr().out
    assert "practice-lenet" in table and "goods-gpu" not in table
    for arguments, message in (
        (["run", "77"], "Received: '77'"),
        (["run", "03", "-p", "epoch", "1"], "Received: 'epoch'"),
        (["run", "03", "-p", "epochs", "many"], "Received: epochs='many'"),
        (["run", "03", "-p", "epochs", "[1"], "Received: epochs='[1'"),
        (["run", "03", "-p", "epochs", "1e1"], "Received: epochs=10.0"),
        (["run", "03", "-p", "margin", "1e-3", "-p", "seeds", "0"], "Received: seeds=0"),
        (["run", "--folder", "nowhere"], "Received: folder='nowhere'"),
    ):
        assert main(arguments) == 2
        assert message in capsys.readouterr().err
    record = {"error": None, "differs": [], "claims": [], "status": "ok"}
    for change, status in (({}, 0), ({"error": "cell [3]"}, 1), ({"differs": ["speed-lenet: ..."]}, 1)):
        monkeypatch.setattr("helpers.__main__.run", lambda *_, change=change, **__: {"03_lenet": record | change})
        assert main(["run", "03"]) == status
        if change:
            assert "cell [3]" in (out := capsys.readouterr().out) or "speed-lenet" in out
