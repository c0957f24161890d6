"""Run lessons: each in a kernel of its own, with its time, peak memory and claims, and resumed if stopped."""

import contextlib
import hashlib
import json
import os
import re
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import UTC, datetime
from pathlib import Path

import nbformat
import papermill
import psutil
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines
from tqdm import tqdm

from helpers.claims import mismatches, read_ledger, recorded_claims
from helpers.lessons import (
    ROOT,
    check_parameters,
    fingerprint,
    is_twin,
    profile_parameters,
    read_page,
    twin,
    versions,
)

EXECUTED = ROOT / "build" / "executed"


class LessonEngine(NBClientEngine):
    """Papermill's own engine; it also notes the kernel's peak memory and reports each executed cell."""

    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, start_timeout=60, folder=None, on_cell=None, **_):
        client = PapermillNotebookClient(
            nb_man,
            kernel_name=kernel_name,
            startup_timeout=start_timeout,
            record_timing=False,
            extra_arguments=["--log-level=ERROR"],  # ipykernel warns of its own transport at each start
            resources={"metadata": {"path": str(folder)}},  # papermill's own cwd would move every thread
        )

        def after_cell(**_):
            nb_man.nb.metadata.papermill["peak_memory"] = peak_memory(client.km.provisioner.pid)
            if on_cell:
                on_cell()

        client.on_cell_executed = after_cell
        client.execute()


papermill_engines.register("lesson", LessonEngine)


def peak_memory(pid):
    """Return the most memory a process has held so far, in bytes; on macOS what it holds now."""
    status = Path(f"/proc/{pid}/status")
    if status.exists():
        return next(int(line.split()[1]) * 1024 for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    memory = psutil.Process(pid).memory_info()
    return getattr(memory, "peak_wset", memory.rss)  # peak_wset: Windows


def execute(lesson, parameters, on_cell=None):
    """Execute a page through papermill in a kernel of its own.

    Args:
        lesson: the page.
        parameters: ``{name: value}``, checked.
        on_cell: called after each executed cell.

    Returns:
        ``(notebook, record)``: the notebook as far as it was executed, and ``status`` ("ok" or
        "failed"), ``error`` (None or a sentence), ``seconds``, ``peak_memory`` in bytes, ``claims``.
    """
    error, start = None, time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="lesson-") as scratch:
        page, executed = Path(scratch, f"{lesson.name}.ipynb"), Path(scratch, "executed.ipynb")
        nbformat.write(read_page(lesson.path), page)
        try:
            papermill.execute_notebook(
                page, executed, parameters, engine_name="lesson", progress_bar=False, folder=ROOT, on_cell=on_cell
            )
        except papermill.PapermillExecutionError as failure:
            error = f"cell [{failure.exec_count}]{_failing_line(failure.traceback)}: {failure.ename}: {failure.evalue}"
        except Exception as failure:  # a kernel that died or did not start
            error = f"its kernel: {type(failure).__name__}: {failure}"
        notebook = nbformat.read(executed if executed.exists() else page, as_version=4)
    notebook.metadata.setdefault("papermill", {}).update(input_path=f"lessons/{lesson.path.name}", output_path=None)
    return notebook, {
        "status": "failed" if error else "ok",
        "error": error,
        "seconds": round(time.perf_counter() - start, 1),
        "peak_memory": notebook.metadata.papermill.get("peak_memory"),
        "claims": recorded_claims(notebook),
    }


def run(lessons, parameters=None, profile="quick", workers=1, out=EXECUTED, force=False, ledger=None):
    """Run lessons, print a line for each, and record them in ``report.json`` beside the folder ``out``.

    Args:
        lessons: what ``find_lessons`` returns.
        parameters: ``{name: value}`` for each of them, on top of the profile.
        profile: ``"quick"``, the values in the pages, or ``"full"``.
        workers: lessons that run at the same time.
        out: folder of the executed notebooks.
        force: run a lesson also if nothing it depends on has changed since its last good run.
        ledger: ``{claim id: row}``; the course's own if None.

    Returns:
        ``{lesson name: record}``: what ``execute`` returns, and ``differs``, a sentence for each asserted
        claim whose verdict is not the ledger's.

    Raises:
        ValueError: a parameter or a profile that one of the lessons does not have; nothing has run then.
        KeyboardInterrupt: Ctrl-C; finished lessons are kept and no kernel is left.
    """
    plan = {lesson.name: {**profile_parameters(lesson, profile), **(parameters or {})} for lesson in lessons}
    for lesson in lessons:
        check_parameters(lesson, plan[lesson.name])
    if workers < 1:
        raise ValueError(f"At least one worker is needed. Received: workers={workers}")
    Path(out).mkdir(parents=True, exist_ok=True)
    _sweep(out)
    ledger = read_ledger() if ledger is None else ledger
    report_path, lock, stopping = report_of(out), threading.Lock(), threading.Event()

    def run_one(lesson):
        parameters, output = plan[lesson.name], Path(out, f"{lesson.name}.ipynb")
        inputs, last = fingerprint(lesson, parameters), read_report(report_path).get(lesson.name)
        good = last and last["status"] == "ok" and (last["inputs"], last["output"]) == (inputs, _hash(output))
        if good and not force:
            bar.update(_code_cells(lesson))
            return {**last, "status": "unchanged"}
        if stopping.is_set():
            return None
        notebook, record = execute(lesson, parameters, bar.update)
        if stopping.is_set():
            return None
        write_whole(output, nbformat.writes(notebook))
        record |= {"profile": profile, "parameters": parameters, "inputs": inputs, "output": _hash(output)}
        record |= {"finished": datetime.now(UTC).isoformat(timespec="seconds"), "versions": versions()}
        with lock:
            write_whole(report_path, json.dumps({**read_report(report_path), lesson.name: record}, indent=1))
        return record

    records = {}
    bar = tqdm(total=sum(_code_cells(lesson) for lesson in lessons), unit=" cells", disable=None, leave=False)
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
                _kill_kernels()
                time.sleep(0.1)
            raise
    return records


def sync(lessons, folder=ROOT / "notebooks", out=EXECUTED, force=False):
    """Run the lessons whose cells differ from their notebook's, and write the notebooks kept in git.

    Args:
        lessons: what ``find_lessons`` returns.
        folder: where the notebooks lie.
        out: folder of the executed notebooks.
        force: run and write all of them.

    Returns:
        As ``run``, for the lessons that differed; a notebook is written only if its lesson ran well.
    """
    changed = [lesson for lesson in lessons if force or not is_twin(lesson, folder / f"{lesson.name}.ipynb")]
    records = run(changed, out=out, force=force) if changed else {}
    for name, record in records.items():
        if not record["error"] and not record["differs"]:
            executed = nbformat.read(Path(out, f"{name}.ipynb"), as_version=4)
            write_whole(folder / f"{name}.ipynb", nbformat.writes(twin(executed)))
    return records


def summary_line(lesson, record):
    """Return a lesson's line of the run's table."""
    verdicts = [claim["verdict"] for claim in record["claims"]]
    counts = ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in dict.fromkeys(verdicts)) or "none"
    memory = f"{record['peak_memory'] / 1e6:.0f} MB" if record["peak_memory"] else "?"
    return f"{lesson.name:24} {record['status']:10} {record['seconds']:5.0f} s {memory:>12}   {counts}"


def report_of(out):
    """Return the path of the report that belongs to a folder of executed notebooks."""
    return Path(out).parent / "report.json"


def read_report(path):
    """Return ``{lesson name: record of its last run}``, empty where there is none yet."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}


def write_whole(path, text):
    """Write a text file such that whoever looks, also after a kill, finds the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_text(text.rstrip("\n") + "\n", encoding="utf-8")
    os.replace(unfinished, path)


def _hash(path):
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None


def _code_cells(lesson):
    return sum(cell.cell_type == "code" and bool(cell.source.strip()) for cell in read_page(lesson.path).cells)


def _sweep(out):
    """Remove what a killed run had begun to write."""
    for path in [*Path(out).glob(".*.ipynb.*"), *report_of(out).parent.glob(".report.json.*")]:
        if not psutil.pid_exists(int(path.suffix[1:])):
            path.unlink()


def _failing_line(traceback):
    """Return the line of the cell that the first arrow of IPython's traceback points to."""
    text = re.sub(r"\x1b\[[\d;]*m", "", "\n".join(traceback))
    arrow = re.search(r"^-+> *\d+ (.+)$", text, re.MULTILINE)
    return f" `{arrow[1].strip()}`" if arrow else ""


def _kill_kernels():
    for kernel in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if "ipykernel" in " ".join(kernel.cmdline()):
                for process in (*kernel.children(recursive=True), kernel):
                    process.kill()
