"""The course at the command line: ``python -m helpers list | run | sync | claims | backends | address``."""

import argparse
import ast
import signal
import sys
import textwrap
import time
from pathlib import Path

from helpers.address import read_address, write_address
from helpers.backends import BACKENDS, backend_table, check_backend, put_table
from helpers.claims import read_ledger
from helpers.lessons import LESSONS, ROOT, find_lessons, write_whole
from helpers.runner import EXECUTED, executed_folder, read_report, report_of, run, sync


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
    backends = commands.add_parser("backends", help="run every lesson on every backend and write README's table")
    addresses = commands.add_parser("address", help="the repository's address; with a new one, write it everywhere")
    addresses.add_argument("address", nargs="?", metavar="URL", help="such as https://github.com/NAME/COURSE")
    for command in (runs, syncs, claims):
        command.add_argument("lessons", nargs="*", metavar="NN", help="number or name of a lesson")
    for command in (runs, syncs, backends):
        command.add_argument("--force", action="store_true", help="also lessons that have not changed")
    for command in (runs, syncs):
        command.add_argument("--answers", action="store_true", help="also try the answers of solutions/ to exercises")
    for command in (lists, runs, claims, backends):
        command.add_argument("--folder", type=Path, default=LESSONS, help="folder of the pages")
    runs.add_argument("--workers", type=int, default=1, metavar="N", help="lessons at the same time")
    runs.add_argument("--out", type=Path, help="folder of executed notebooks")
    claims.add_argument("--out", type=Path, default=EXECUTED, help="folder of executed notebooks")
    backends.add_argument("--readme", type=Path, default=ROOT / "README.md", help="file with the table's two markers")
    runs.add_argument("--backend", help=f"that Keras shall run on: {', '.join(BACKENDS)}")
    runs.add_argument("--profile", choices=("quick", "full"), default="quick")
    runs.add_argument("-p", dest="parameters", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"))
    given = parser.parse_args(arguments)
    try:
        carry_out = {
            "list": _list,
            "run": _run,
            "sync": _sync,
            "claims": _claims,
            "backends": _backends,
            "address": _address,
        }
        return carry_out[given.command](given)
    except (ValueError, OSError) as error:  # such as a folder that cannot be written to
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
    options = {"force": given.force, "answers": given.answers, "backend": given.backend}
    records = run(lessons, parameters, given.profile, given.workers, given.out, **options)
    if given.answers:
        _show_answers(records)
    status = _close(records)
    out = given.out or executed_folder(given.backend)
    print(f"{len(records)} of {len(lessons)} lessons in {time.perf_counter() - start:.0f} s; notebooks in {out}")
    return status


def _show_answers(records):
    """Print what each check said to the dots, the wrong answers and the right one."""
    for name, record in records.items():
        for each in record["exercises"]:
            print(f"{name}, {each['exercise']}, {each['answer']}: {each['code']}")
            print(textwrap.indent(each["said"], "    "))


def _literal(text):
    """Return the Python value of a text, or the text itself."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _sync(given):
    records = sync(find_lessons(given.lessons), force=given.force, answers=given.answers)
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


def _backends(given):
    """Run every lesson on every backend; what a page does there is the table's matter, not the exit status's."""
    put_table(given.readme.read_text(encoding="utf-8"), "")  # refuses before hours of work, not after
    lessons = find_lessons(folder=given.folder)
    for backend in BACKENDS:
        check_backend(backend)
    records = {}
    for backend, title in BACKENDS.items():
        print(title)
        records[backend] = run(lessons, force=given.force, backend=backend)
        _close(records[backend])
    table = backend_table(lessons, records)
    write_whole(given.readme, put_table(given.readme.read_text(encoding="utf-8"), table))
    print(f"The table is written to {given.readme}.")
    return 0


def _address(given):
    if given.address is not None:
        print(f"{len(write_address(given.address))} files changed. The address is now:")
    print(read_address())
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a polite kill stops a run as Ctrl-C does
    sys.exit(main())
