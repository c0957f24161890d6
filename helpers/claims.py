"""Turn a sentence of the lecture decks into something a notebook measures.

A lesson ends each section with one line::

    claim("practice-init-same", measured=spread, holds=spread == 0)

It prints a verdict for the reader and leaves the same verdict in the cell's output as JSON,
so that the executed notebook is its own record: nothing else is written.
"""

import csv
import json
import math
import numbers
import textwrap
from pathlib import Path

import numpy as np
from IPython.display import display

CLAIM_MIME = "application/vnd.course.claim+json"
LEDGER = Path(__file__).resolve().parent.parent / "lessons" / "claims.csv"
VERDICTS = {True: "holds", False: "refuted", None: "undecided"}


def read_ledger(path=LEDGER):
    """Return the ledger as ``{claim id: row}``; a row holds the columns of ``claims.csv``."""
    with open(path, newline="", encoding="utf-8") as file:
        return {row["id"]: row for row in csv.DictReader(file)}


def claim(claim_id, measured, holds):
    """Show and record whether a claim of the decks holds in this run.

    Args:
        claim_id: id of a row of ``lessons/claims.csv``.
        measured: what this run found, a finite number or a short text with its unit; None if the
            machine cannot measure it (no GPU, say).
        holds: True, False, or None where this run cannot tell; a comparison over seeds has it as ``.holds``.

    Raises:
        KeyError: the ledger has no such claim.
        TypeError, ValueError: ``measured`` or ``holds`` is something else.
    """
    ledger = read_ledger()
    if claim_id not in ledger:
        raise KeyError(f"No such claim in {LEDGER.name}. Received: claim_id={claim_id!r}")
    if not (holds is None or isinstance(holds, bool | np.bool_)):
        raise TypeError(f"A claim holds, does not (False), or cannot be told (None). Received: holds={holds!r}")
    if isinstance(measured, numbers.Real) and not isinstance(measured, bool):  # NumPy's numbers too
        if not math.isfinite(measured):
            raise ValueError(f"A measurement is finite, or None. Received: measured={measured!r}")
        measured = int(measured) if isinstance(measured, numbers.Integral) else float(f"{measured:.4g}")
    elif not (measured is None or isinstance(measured, str)):
        raise TypeError(f"A measurement is a number, a text or None. Received: measured={measured!r}")
    row = ledger[claim_id]
    verdict = "unmeasured" if measured is None else VERDICTS[None if holds is None else bool(holds)]
    lines = [f"{verdict.upper()}: {row['claim']}"]
    if measured is not None:
        lines.append(f"here: {measured}" if isinstance(measured, str) else f"here: {measured:,}")
    if row["deck_figure"]:
        lines.append(f"the deck: {row['deck_figure']}")
    text = "\n".join(textwrap.fill(line, 96, subsequent_indent="    ") for line in lines)
    record = {"id": claim_id, "verdict": verdict, "measured": measured}
    display({"text/plain": text, CLAIM_MIME: record}, raw=True)


def read_result(name):
    """Return a record of ``results/NAME.json``: figures measured on named hardware by a command that it names.

    Raises:
        FileNotFoundError: there is no such record.
    """
    path = LEDGER.parent.parent / "results" / f"{name}.json"
    if not path.exists():
        known = ", ".join(sorted(each.stem for each in path.parent.glob("*.json"))) or "none"
        raise FileNotFoundError(f"Records in {path.parent.name}: {known}. Received: name={name!r}")
    return json.loads(path.read_text(encoding="utf-8"))


def recorded_claims(notebook):
    """Return what ``claim`` recorded in an executed notebook.

    Args:
        notebook: a notebook as ``nbformat`` reads it.

    Returns:
        List of ``{"id": ..., "verdict": ..., "measured": ...}`` in the order of the page.
    """
    outputs = (output for cell in notebook.cells for output in cell.get("outputs", []))
    return [output.data[CLAIM_MIME] for output in outputs if CLAIM_MIME in output.get("data", {})]


def mismatches(lesson_number, claims, ledger):
    """Return a sentence for each asserted claim of a lesson whose verdict is not the ledger's.

    Args:
        lesson_number: such as ``"03"``.
        claims: what ``recorded_claims`` found in the lesson's notebook.
        ledger: what ``read_ledger`` returns.
    """
    verdicts = {claim["id"]: claim["verdict"] for claim in claims}
    asserted = {key: row for key, row in ledger.items() if row["asserted"] == "yes" and row["lesson"] == lesson_number}
    return [
        f"{key}: the ledger says {row['verdict']}, this run {verdicts.get(key, 'did not measure it')}"
        for key, row in asserted.items()
        if verdicts.get(key) != row["verdict"]
    ]
