"""The course at the command line: ``python -m helpers list | run | sync | claims``."""

import argparse
import ast
import signal
import sys
import time
from pathlib import Path

from helpers.claims import read_ledger
from helpers.lessons import LESSONS, find_lessons
from helpers.runner import EXECUTED, read_report, report_of, run, sync


def main(arguments=None):
    """Carry out one command.

    Args:
        arguments: words of the command line; those of this process if None.

    Returns:
        Exit status: 0, 1 if a lesson or a claim failed, 2 for bad input, 130 if stopped.
    """
    parser = argparse.ArgumentParser(prog="python -m helpers", description="Run the course.")
    commands = parser.add_subparsers(dest="command", required=True)
    lists = commands.add_parser("list", help="the lessons, with their parameters")
    runs = commands.add_parser("run", help="run lessons, all of them if none is named")
    syncs = commands.add_parser("sync", help="execute lessons that changed and refresh their notebooks")
    claims = commands.add_parser("claims", help="the ledger, with the verdicts of the last run")
    for command in (runs, syncs, claims):
        command.add_argument("lessons", nargs="*", metavar="NN", help="number or name of a lesson")
    for command in (runs, syncs):
        command.add_argument("--force", action="store_true", help="also lessons that have not changed")
    for command in (lists, runs, claims):
        command.add_argument("--folder", type=Path, default=LESSONS, help="folder of the pages")
    for command in (runs, claims):
        command.add_argument("--out", type=Path, default=EXECUTED, help="folder of executed notebooks")
    runs.add_argument("--profile", choices=("quick", "full"), default="quick")
    runs.add_argument("--workers", type=int, default=1, metavar="N", help="lessons at the same time")
    runs.add_argument("-p", dest="parameters", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"))
    given = parser.parse_args(arguments)
    try:
        return {"list": _list, "run": _run, "sync": _sync, "claims": _claims}[given.command](given)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped. Finished lessons are kept: the same command goes on with the rest.", file=sys.stderr)
        return 130


def _list(given):
    for lesson in find_lessons(folder=given.folder):
        print(lesson.title)
        for name, default in lesson.parameters.items():
            print(f"    -p {name} {default!r}")
    return 0


def _run(given):
    start = time.perf_counter()
    parameters = {name: _literal(value) for name, value in given.parameters}
    lessons = find_lessons(given.lessons, given.folder)
    records = run(lessons, parameters, given.profile, given.workers, given.out, given.force)
    status = _close(records)
    print(f"{len(records)} of {len(lessons)} lessons in {time.perf_counter() - start:.0f} s; notebooks in {given.out}")
    return status


def _literal(text):
    """Return the Python value of a text, or the text itself."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _sync(given):
    records = sync(find_lessons(given.lessons), force=given.force)
    print(f"{len(records)} notebooks differed from their lesson; all others have its cells.")
    return _close(records)


def _close(records):
    """Name what went wrong in a run, and return the exit status."""
    for name, record in records.items():
        for sentence in [f"failed in {record['error']}"] * bool(record["error"]) + record["differs"]:
            print(f"{name}: {sentence}")
    return int(any(record["error"] or record["differs"] for record in records.values()))


def _claims(given):
    report = read_report(report_of(given.out))
    found = {claim["id"]: claim for record in report.values() for claim in record["claims"]}
    numbers = {lesson.number for lesson in find_lessons(given.lessons, given.folder)} if given.lessons else None
    print(f"{'lesson':6} {'claim':28} {'kind':10} {'ledger':11} {'asserted':8} {'last run':11} measured")
    for key, row in read_ledger().items():
        if numbers is None or row["lesson"] in numbers:
            last = found.get(key, {"verdict": "-", "measured": None})
            measured = "" if last["measured"] is None else last["measured"]
            words = (row["lesson"], key, row["kind"], row["verdict"] or "-", row["asserted"] or "-", last["verdict"])
            print("{:6} {:28} {:10} {:11} {:8} {:11} {}".format(*words, measured))
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a polite kill stops a run as Ctrl-C does
    sys.exit(main())
