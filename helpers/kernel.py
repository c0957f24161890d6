"""Execute one page in a kernel of its own, with its time, its peak memory and what it claimed."""

import contextlib
import os
import re
import tempfile
import time
from pathlib import Path

import nbformat
import papermill
import psutil
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines

from helpers.backends import default_backend
from helpers.claims import recorded_claims
from helpers.exercises import append_answers, faults, take_answers
from helpers.lessons import ROOT, read_page


class LessonEngine(NBClientEngine):
    """Papermill's own engine; it also notes peak memory and what checks say to answers, and reports each cell."""

    @classmethod
    def execute_managed_notebook(
        cls, nb_man, kernel_name, start_timeout=60, folder=None, env=None, exercises=(), on_cell=None, **_
    ):
        client = PapermillNotebookClient(
            nb_man,
            kernel_name=kernel_name,
            startup_timeout=start_timeout,
            record_timing=False,
            extra_arguments=["--log-level=ERROR"],  # ipykernel warns of its own transport at each start
            resources={"metadata": {"path": str(folder)}},  # papermill's own cwd would move every thread
        )

        def after_cell(cell, **_):
            if "answer" not in cell.metadata:  # the page's memory, whether answers follow or not
                nb_man.nb.metadata.papermill["peak_memory"] = peak_memory(client.km.provisioner.pid)
            if on_cell:
                on_cell()

        client.on_cell_executed = after_cell
        try:
            client.execute(env=env)
        finally:  # before papermill looks for errors, for some answers shall raise one
            nb_man.nb.metadata.papermill["exercises"] = take_answers(nb_man.nb, exercises)


papermill_engines.register("lesson", LessonEngine)


def peak_memory(pid):
    """Return the most memory a process has held so far, in bytes; on macOS what it holds now.

    Args:
        pid: number of a running process.
    """
    status = Path(f"/proc/{pid}/status")
    if status.exists():
        return next(int(line.split()[1]) * 1024 for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    memory = psutil.Process(pid).memory_info()
    return getattr(memory, "peak_wset", memory.rss)  # peak_wset: Windows


def execute(lesson, parameters, on_cell=None, exercises=(), backend=None):
    """Execute a page through papermill in a kernel of its own.

    Args:
        lesson: the page.
        parameters: ``{name: value}``, checked.
        on_cell: called after each executed cell.
        exercises: what ``read_exercises`` returns, to try their answers at the end of the page; none if empty.
        backend: that Keras shall run on; the default one if None.

    Returns:
        ``(notebook, record)``: the page as far as it was executed, and ``status`` ("ok" or "failed"),
        ``error`` (None or a sentence), ``seconds``, ``peak_memory`` in bytes, ``claims``, and
        ``exercises``, what ``take_answers`` returns, empty if the page failed.
    """
    error, start = None, time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="lesson-") as scratch:
        page, executed = Path(scratch, f"{lesson.name}.ipynb"), Path(scratch, "executed.ipynb")
        notebook = read_page(lesson.path)
        append_answers(notebook, exercises)
        nbformat.write(notebook, page)
        env = {**os.environ, "KERAS_BACKEND": backend or default_backend()}
        ours = {"folder": ROOT, "env": env, "exercises": exercises, "on_cell": on_cell}
        try:
            papermill.execute_notebook(page, executed, parameters, engine_name="lesson", progress_bar=False, **ours)
        except papermill.PapermillExecutionError as failure:
            error = f"cell [{failure.exec_count}]{_failing_line(failure.traceback)}: {failure.ename}: {failure.evalue}"
        except Exception as failure:  # a kernel that died or did not start
            error = f"its kernel: {type(failure).__name__}: {failure}"
        notebook = nbformat.read(executed, as_version=4) if executed.exists() else read_page(lesson.path)
    notebook.metadata.setdefault("papermill", {}).update(input_path=f"lessons/{lesson.path.name}", output_path=None)
    told = notebook.metadata.papermill.pop("exercises", [])
    tried = [] if error else told
    error = error or "; ".join(faults(tried)) or None
    return notebook, {
        "status": "failed" if error else "ok",
        "error": error,
        "seconds": round(time.perf_counter() - start, 1),
        "peak_memory": notebook.metadata.papermill.get("peak_memory"),
        "claims": recorded_claims(notebook),
        "exercises": tried,
    }


def kill_kernels():
    """End every kernel that this process has started, and what they have started."""
    for kernel in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if "ipykernel" in " ".join(kernel.cmdline()):
                for process in (*kernel.children(recursive=True), kernel):
                    process.kill()


def _failing_line(traceback):
    """Return the line of the cell that the first arrow of IPython's traceback points to."""
    text = re.sub(r"\x1b\[[\d;]*m", "", "\n".join(traceback))
    arrow = re.search(r"^-+> *\d+ (.+)$", text, re.MULTILINE)
    return f" `{arrow[1].strip()}`" if arrow else ""
