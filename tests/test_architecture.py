"""The rules of the house (CONTRIBUTING.md): one direction, no circle, libraries not bent."""

import ast
import graphlib
import re
import subprocess
from collections.abc import Iterator
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import grimp
import pytest

from dagster_project.config.warehouse import PROJECT_ROOT

PACKAGES = ("dagster_project", "expectations", "bench")
# Each may import what stands to its right, and nothing to its left.
LAYERS = (
    "commands",
    "definitions",
    "automation",
    "assets",
    "alerting",
    "reporting",
    "running",
    "ingestion",
    "config",
)
# Who runs the suites, shows their checks and words what they found.
READERS = ("running", "reporting", "assets", "alerting", "commands")
SOURCES = sorted(path for package in PACKAGES for path in (PROJECT_ROOT / package).rglob("*.py"))
TRACKED = subprocess.run(
    ["git", "ls-files"], cwd=PROJECT_ROOT, capture_output=True, text=True, check=False
).stdout.splitlines()


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    """Who imports whom, imports inside functions and for types included."""
    return grimp.build_graph(*PACKAGES, cache_dir=None)


def test_no_import_circle(graph: grimp.ImportGraph) -> None:
    imports = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    try:
        tuple(graphlib.TopologicalSorter(imports).static_order())
    except graphlib.CycleError as error:
        pytest.fail("import circle: " + " -> ".join(error.args[1]))


def test_imports_point_one_way(graph: grimp.ImportGraph) -> None:
    wrong = [
        f"{importer} imports {imported}"
        for importer, imported in _imports(graph)
        if _rank(importer) is not None
        and _rank(imported) is not None
        and _rank(importer) > _rank(imported)
    ]
    assert not wrong


def test_expectations_know_the_contract_only_and_simulation_the_configuration(
    graph: grimp.ImportGraph,
) -> None:
    wrong = []
    for importer, imported in _imports(graph):
        inside = imported.startswith("dagster_project")
        if importer.startswith("expectations") and inside:
            wrong += [imported] if imported != "dagster_project.config.contract" else []
        if importer.startswith("dagster_project.simulation") and inside:
            allowed = ("dagster_project.simulation", "dagster_project.config")
            wrong += [] if imported.startswith(allowed) else [imported]
        if imported.startswith("expectations") and not importer.startswith("expectations"):
            allowed = tuple(f"dagster_project.{part}" for part in READERS)
            wrong += [] if importer.startswith(allowed) else [f"{importer} imports {imported}"]
    assert not wrong


def _imports(graph: grimp.ImportGraph) -> Iterator[tuple[str, str]]:
    for importer in sorted(graph.modules):
        for imported in sorted(graph.find_modules_directly_imported_by(importer)):
            yield importer, imported


def _rank(module: str) -> int | None:
    part = module.split(".")[1] if "." in module else ""
    return LAYERS.index(part) if part in LAYERS else None


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PROJECT_ROOT)))
def test_libraries_are_used_not_bent(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    imported = {
        alias.asname or alias.name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        and not (getattr(node, "module", None) or "").startswith(PACKAGES)
        for alias in node.names
    }
    problems = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [getattr(node, "module", None) or "", *(alias.name for alias in node.names)]
            parts = [part for name in names for part in name.split(".")]
            if any(part.startswith("_") and not part.startswith("__") for part in parts):
                problems.append(f"line {node.lineno}: a private part of a library")
        elif isinstance(node, ast.Attribute) and _root(node) in imported:
            if node.attr.startswith("_") and not node.attr.startswith("__"):
                problems.append(f"line {node.lineno}: a private part of a library")
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in {"setattr", "delattr"}:
            problems += [f"line {node.lineno}: sets an attribute"] if node.args else []
        elif isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Delete):
            for target in getattr(node, "targets", None) or [node.target]:
                if isinstance(target, ast.Attribute | ast.Subscript) and _root(target) in imported:
                    allowed = ast.unparse(target).startswith("os.environ[")
                    problems += [] if allowed else [f"line {node.lineno}: assigns into a library"]
    assert not problems


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PROJECT_ROOT)))
def test_imports_in_functions_say_why(path: Path) -> None:
    text = path.read_text("utf-8")
    lines = text.splitlines()
    silent = [
        f"line {node.lineno}: {lines[node.lineno - 1].strip()}"
        for function in ast.walk(ast.parse(text))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
        and "#" not in lines[node.lineno - 1] + lines[node.lineno - 2]
    ]
    assert not silent


def test_modules_are_named_for_concepts() -> None:
    names = {path.stem for path in SOURCES}
    assert not names & {"utils", "util", "helpers", "common", "misc"}


def test_nothing_refers_to_a_numbered_section() -> None:
    numbered = re.compile(r"\b[Ss]ection \d|§ ?\d")
    found = [
        f"{name}: {match[0]}"
        for name in TRACKED
        if name.endswith((".py", ".sql", ".yml", ".md"))
        for match in numbered.finditer((PROJECT_ROOT / name).read_text("utf-8"))
    ]
    assert found == []


def test_declared_dependencies_are_the_imported_ones() -> None:
    distributions = packages_distributions()
    imported = {
        _normal(distribution)
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        for name in _top_level_names(node)
        for distribution in distributions.get(name, ())
    }
    declared = {
        _normal(re.split(r"[<>=!;\[ ]", line)[0])
        for line in requires("handoff") or []
        if "extra ==" not in line
    }
    # Used without an import: by configuration, by a command line, or as a part of another.
    by_name = {"dagster-postgres", "dagster-webserver", "dagster-dg-cli", "pytz"}
    assert declared - imported - by_name == set(), "declared and not used"
    unlisted = {
        name
        for name in imported - declared
        if name not in {"handoff", "dbt-adapters", "pydantic-core"}
    }
    assert unlisted == set(), "used and not declared"


def _normal(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


def _top_level_names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name.partition(".")[0] for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [(node.module or "").partition(".")[0]]
    return []
