"""Run lessons: each in a kernel of its own, with its time, peak memory and claims, and resumed if stopped."""

import hashlib
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import UTC, datetime
from pathlib import Path

import nbformat
import psutil
from tqdm import tqdm

from helpers.backends import check_backend, default_backend, versions
from helpers.claims import mismatches, read_ledger
from helpers.exercises import read_exercises, solutions_of
from helpers.kernel import execute, kill_kernels
from helpers.lessons import ROOT, check_parameters, profile_parameters, read_page, write_whole
from helpers.twins import is_twin, twin

EXECUTED = ROOT / "build" / "executed"


def run(
    lessons,
    parameters=None,
    profile="quick",
    workers=1,
    out=None,
    force=False,
    ledger=None,
    answers=False,
    backend=None,
):
    """Run lessons, print a line for each, and record them in ``report.json`` beside the folder ``out``.

    Args:
        lessons: what ``find_lessons`` returns.
        parameters: ``{name: value}`` for each of them, on top of the profile.
        profile: ``"quick"``, the values in the pages, or ``"full"``.
        workers: lessons that run at the same time.
        out: folder of the executed notebooks; the backend's own if None.
        force: run a lesson also if nothing it depends on has changed since its last good run.
        ledger: ``{claim id: row}``; the course's own if None.
        answers: also try the answers of ``solutions/`` at the end of each page; what its checks say decides
            with the page whether the lesson ran well.
        backend: that Keras shall run on; the default one if None.

    Returns:
        ``{lesson name: record}``: what ``execute`` returns, and ``differs``, a sentence for each asserted
        claim whose verdict is not the ledger's.

    Raises:
        ValueError: a parameter or a profile that one of the lessons does not have, answers that do not fit it,
            or a backend that is not there; nothing has run then.
        KeyboardInterrupt: Ctrl-C; finished lessons are kept and no kernel is left.
    """
    plan = {lesson.name: {**profile_parameters(lesson, profile), **(parameters or {})} for lesson in lessons}
    for lesson in lessons:
        check_parameters(lesson, plan[lesson.name])
    exercises = {lesson.name: read_exercises(lesson) if answers else [] for lesson in lessons}
    check_backend(backend or default_backend())
    if workers < 1:
        raise ValueError(f"At least one worker is needed. Received: workers={workers}")
    out = executed_folder(backend) if out is None else out
    backend = backend or default_backend()
    Path(out).mkdir(parents=True, exist_ok=True)
    _sweep(out)
    ledger = read_ledger() if ledger is None else ledger
    shared = shared_inputs(backend)  # once: it reads all data
    report_path, lock, stopping = report_of(out), threading.Lock(), threading.Event()

    def run_one(lesson):
        parameters, output = plan[lesson.name], Path(out, f"{lesson.name}.ipynb")
        inputs, last = fingerprint(lesson, parameters, shared), read_report(report_path).get(lesson.name)
        tried, solutions = (read_exercises(lesson), _hash(solutions_of(lesson))) if answers else ([], None)
        good = last and last["status"] == "ok" and (last.get("inputs"), last.get("output")) == (inputs, _hash(output))
        if good and not force and (not answers or last.get("solutions") == solutions):
            bar.update(_code_cells(lesson, tried))
            return {**last, "status": "unchanged"}
        if stopping.is_set():
            return None
        bar.set_description_str(lesson.name)
        notebook, record = execute(lesson, parameters, bar.update, tried, backend)
        if stopping.is_set():
            return None
        write_whole(output, nbformat.writes(notebook))
        record |= {"profile": profile, "parameters": parameters, "inputs": inputs, "output": _hash(output)}
        record |= {"finished": datetime.now(UTC).isoformat(timespec="seconds"), "versions": versions(backend)}
        record["solutions"] = solutions
        with lock:
            write_whole(report_path, json.dumps({**read_report(report_path), lesson.name: record}, indent=1))
        return record

    records = {}
    total = sum(_code_cells(lesson, exercises[lesson.name]) for lesson in lessons)
    layout = "{desc} {bar} {n_fmt} of {total_fmt} cells, {elapsed}"
    bar = tqdm(total=total, bar_format=layout, disable=None, leave=False)  # disable=None: only on a terminal
    tqdm.write(f"{'lesson':24} {'status':10} {'time':>7} {'peak memory':>12}   claims")
    with ThreadPoolExecutor(workers) as pool, bar:
        futures = {pool.submit(run_one, lesson): lesson for lesson in lessons}
        try:
            for future in as_completed(futures):
                lesson, record = futures[future], future.result()
                differs = [] if record["error"] else mismatches(lesson.number, record["claims"], ledger)
                records[lesson.name] = {**record, "differs": differs}
                tqdm.write(summary_line(lesson, record))
        except BaseException:
            stopping.set()
            pool.shutdown(wait=False, cancel_futures=True)
            while not all(future.done() for future in futures):
                kill_kernels()
                time.sleep(0.1)
            raise
    return records


def sync(lessons, folder=ROOT / "notebooks", out=EXECUTED, force=False, answers=False):
    """Run the lessons whose cells differ from their notebook's, and write the notebooks kept in git.

    Args:
        lessons: what ``find_lessons`` returns.
        folder: where the notebooks lie.
        out: folder of the executed notebooks.
        force: run and write all of them.
        answers: as for ``run``.

    Returns:
        As ``run``, for the lessons that differed; a notebook is written only if its lesson ran well.
    """
    changed = [lesson for lesson in lessons if force or not is_twin(lesson, folder / f"{lesson.name}.ipynb")]
    records = run(changed, out=out, force=force, answers=answers) if changed else {}
    for name, record in records.items():
        if not record["error"] and not record["differs"]:
            executed = nbformat.read(Path(out, f"{name}.ipynb"), as_version=4)
            write_whole(folder / f"{name}.ipynb", nbformat.writes(twin(executed)))
    return records


def shared_inputs(backend):
    """Return a hash of what every lesson's result depends on: helpers, data, results, statements, versions.

    Of the ledger it takes the statements, which pages print, and not the verdicts, which they do not.

    Args:
        backend: that Keras runs on.
    """
    digest = hashlib.sha256()
    for pattern in ("helpers/**/*.py", "helpers/*.mplstyle", "data/**/*", "results/**/*"):
        for path in sorted(path for path in ROOT.glob(pattern) if path.is_file()):
            digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    statements = [[key, row["claim"], row["deck_figure"]] for key, row in read_ledger().items()]
    digest.update(json.dumps([statements, versions(backend)], sort_keys=True).encode())
    return digest.hexdigest()


def fingerprint(lesson, parameters, shared):
    """Return a hash of all that a lesson's result depends on.

    Args:
        lesson: the page.
        parameters: ``{name: value}`` that differ from the page's own.
        shared: what ``shared_inputs`` returns.
    """
    own = json.dumps([parameters, shared], sort_keys=True)
    return hashlib.sha256(lesson.path.read_bytes() + own.encode()).hexdigest()


def summary_line(lesson, record):
    """Return a lesson's line of the run's table.

    Args:
        lesson: the page.
        record: what ``execute`` found.
    """
    verdicts = [claim["verdict"] for claim in record["claims"]]
    counts = ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in dict.fromkeys(verdicts)) or "none"
    memory = f"{record['peak_memory'] / 1e6:.0f} MB" if record["peak_memory"] else "?"
    return f"{lesson.name:24} {record['status']:10} {record['seconds']:5.0f} s {memory:>12}   {counts}"


def executed_folder(backend=None):
    """Return where a backend's executed notebooks lie: apart, unless it is the default one."""
    return EXECUTED if backend in (None, default_backend()) else EXECUTED.parent / backend / "executed"


def report_of(out):
    """Return the path of the report that belongs to a folder of executed notebooks."""
    return Path(out).parent / "report.json"


def read_report(path):
    """Return ``{lesson name: record of its last run}``, empty where there is none yet."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}


def _hash(path):
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None


def _code_cells(lesson, exercises):
    own = sum(cell.cell_type == "code" and bool(cell.source.strip()) for cell in read_page(lesson.path).cells)
    return own + 2 * sum(len(exercise.answers) for exercise in exercises)


def _sweep(out):
    """Remove what a killed run had begun to write."""
    for path in [*Path(out).glob(".*.ipynb.*"), *report_of(out).parent.glob(".report.json.*")]:
        if path.suffix[1:].isdigit() and not psutil.pid_exists(int(path.suffix[1:])):  # an editor's own it leaves
            path.unlink()
