"""Imports go along the flow, from left to right: a module knows only what stands before it."""

import ast
import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path

import pytest

HELPERS = Path(__file__).resolve().parent.parent / "helpers"
FLOW = """
    quiet embedded datasets preprocessing augmentation architectures complexity profiling transfer training parallel
    evaluation plots drawings claims lessons twins address exercises backends kernel runner __main__
""".split()


def imported(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def modules():
    """Return ``{module: its files}``; a package is a module of several files."""
    files = {path.stem: [path] for path in HELPERS.glob("*.py") if path.stem != "__init__"}
    packages = {path.parent.name: sorted(path.parent.glob("*.py")) for path in HELPERS.glob("*/__init__.py")}
    return files | packages


def test_every_module_has_its_place():
    assert sorted(modules()) == sorted(FLOW)
    package = (HELPERS / "__init__.py").read_text(encoding="utf-8")
    assert " | ".join(FLOW[1:-1]) in " ".join(package.split()), "the docstring of helpers shows the flow"


@pytest.mark.parametrize("module", sorted(modules()))
def test_imports_go_left(module):
    before = FLOW[: FLOW.index(module)]
    for path in modules()[module]:
        for name in imported(path):
            parts = name.split(".")
            if parts[0] == "helpers" and len(parts) > 1 and parts[1] in FLOW:
                of_its_own = parts[1] == module and path.name == "__init__.py"
                assert parts[1] in before or of_its_own, f"{path.name} imports {parts[1]}, which stands to its right"


def test_evaluation_and_plots_take_arrays():
    for module in ("evaluation", "plots", "drawings"):
        assert not any(
            name.startswith(("keras", "tensorflow", "helpers")) for name in imported(HELPERS / f"{module}.py")
        )


def test_package_imports_nothing():
    assert not list(imported(HELPERS / "__init__.py"))


def test_nothing_unsafe_reads_data():
    for path in HELPERS.rglob("*.py"):
        calls = [
            node.func for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)
        ]
        names = {ast.unparse(call) for call in calls}
        assert not names & {"eval", "exec", "pickle.load", "pickle.loads", "yaml.load"}, path.name
        assert "xml.etree" not in " ".join(imported(path)), f"{path.name}: parse XML with defusedxml"


def test_every_third_party_import_is_declared():
    pyproject = tomllib.loads((HELPERS.parent / "pyproject.toml").read_text(encoding="utf-8"))
    declared = {re.match(r"[\w-]+", need)[0].replace("_", "-") for need in pyproject["project"]["dependencies"]}
    with_others = {"tensorflow", "torch", "absl", "IPython"}  # by requirements*.txt, backends, Keras, ipykernel
    of_package = importlib.metadata.packages_distributions()
    for path in HELPERS.rglob("*.py"):
        tops = {name.split(".")[0] for name in imported(path)} - set(sys.stdlib_module_names) - {"helpers"}
        for top in tops - with_others:
            distributions = {name.lower().replace("_", "-") for name in of_package[top]}
            assert distributions & declared, f"{path.name} imports {top}"
