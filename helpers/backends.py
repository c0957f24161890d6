"""The backends that Keras runs on: which one a run takes, the versions with it, and README's table of them."""

import contextlib
import importlib.metadata
import json
import os
import platform
from importlib.util import find_spec
from pathlib import Path

BACKENDS = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}
VERSIONED = "keras tensorflow tensorflow-cpu jax torch numpy scipy scikit-learn matplotlib tensorflow-datasets".split()
MARKERS = "<!-- backends -->", "<!-- /backends -->"


def default_backend():
    """Return the backend that Keras takes by itself: ``KERAS_BACKEND``, its own settings, or TensorFlow."""
    chosen = os.environ.get("KERAS_BACKEND")
    with contextlib.suppress(OSError, ValueError):  # settings that are not there or not JSON, Keras leaves aside
        settings = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras"), "keras.json").read_text(encoding="utf-8")
        chosen = chosen or json.loads(settings).get("backend")
    return chosen or "tensorflow"


def check_backend(name):
    """Refuse a backend that Keras does not have, or that is not installed.

    Args:
        name: one of ``BACKENDS``.

    Raises:
        ValueError: names the backends, or how to install this one.
    """
    if name not in BACKENDS:
        raise ValueError(f"Keras runs on {', '.join(BACKENDS)}. Received: backend={name!r}")
    if find_spec(name) is None:
        raise ValueError(f"{BACKENDS[name]} is missing: python -m pip install {name}. Received: backend={name!r}")


def versions(backend=None):
    """Return ``{name: value}`` of what decides a lesson's figures: Python, machine, backend, GPUs, packages.

    Args:
        backend: the one of the run; the default one if None.
    """
    found = {"python": platform.python_version(), "machine": platform.machine()}
    found["backend"] = backend or default_backend()
    found["gpus"] = len(list(Path("/dev").glob("nvidia[0-9]*")))
    found["visible_gpus"] = os.environ.get("CUDA_VISIBLE_DEVICES", "all")
    for package in VERSIONED:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


def backend_table(lessons, records):
    """Return a table in Markdown: a row for each lesson, a column for each backend, and what they ran on.

    Args:
        lessons: those that were run.
        records: ``{backend: {lesson name: record}}``, each as ``run`` returns it.
    """
    lines = [["lesson", *(BACKENDS[backend] for backend in records)], ["---"] * (1 + len(records))]
    lines += [[each.title, *(_word(column[each.name]) for column in records.values())] for each in lessons]
    ran = [record for column in records.values() for record in column.values()]
    titles = {"python": "Python", "keras": "Keras", "tensorflow-cpu": "TensorFlow", **BACKENDS}
    found = {titles[name]: version for name, version in ran[-1]["versions"].items() if name in titles}
    date = max(record["finished"] for record in ran)[:10]
    hardware = f"{os.cpu_count()} CPU cores, {ran[-1]['versions']['gpus']} GPUs"
    packages = ", ".join(f"{title} {version}" for title, version in found.items())
    return "\n".join([*(f"| {' | '.join(line)} |" for line in lines), "", f"{date}, {hardware}: {packages}."])


def _word(record):
    if record["error"]:
        return "no"
    if record["differs"]:
        return "differs: " + ", ".join(sentence.split(":")[0] for sentence in record["differs"])
    return f"yes, {record['seconds']:.0f} s"


def put_table(text, table):
    """Return a text with a table in the place of what stood between the two ``MARKERS``.

    Args:
        text: Markdown with both markers.
        table: what ``backend_table`` returns.

    Raises:
        ValueError: a marker is missing.
    """
    before, start, rest = text.partition(MARKERS[0])
    _, end, after = rest.partition(MARKERS[1])
    if not end:
        raise ValueError(f"README's table stands between {' and '.join(MARKERS)}. Received: a text without them")
    return f"{before}{start}\n\n{table}\n\n{end}{after}"
