"""Rules of the house that a reader could forget: import arrows, banned constructs, sizes. Every source is parsed."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SIM = sorted((ROOT / "sim").rglob("*.py"))
ANALYSIS = sorted((ROOT / "analysis").rglob("*.py"))
SOURCES = [*SIM, *ANALYSIS]
PROTOCOL = [path for path in SIM if "protocol" in path.parts]
LONGEST_FUNCTION, LONGEST_MODULE = 60, 500
STARTS_PROCESSES = {"subprocess", "socket", "asyncio", "socketserver", "http", "urllib", "requests"}
WALL_CLOCKS = {"time", "datetime", "random", "secrets", "uuid"}


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def short(path: Path) -> str:
    return str(path.relative_to(ROOT))


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(path: Path) -> Iterator[str]:
    """Dotted names of everything imported anywhere in the file."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{short(path)}:{node.lineno} imports relatively"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def tops(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports(path)}


def own(path: Path) -> set[str]:
    return {name for name in imports(path) if name.split(".")[0] in ("sim", "analysis")}


def inside(name: str, *rooms: str) -> bool:
    return any(name == room or name.startswith(f"{room}.") for room in rooms)


# --- import arrows ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("path", PROTOCOL, ids=short)
def test_the_protocol_imports_the_standard_library_itself_and_errors_only(path: Path) -> None:
    foreign = tops(path) - set(sys.stdlib_module_names) - {"sim"}
    assert not foreign
    assert not (tops(path) & (WALL_CLOCKS | STARTS_PROCESSES))
    assert all(inside(name, "sim.protocol", "sim.errors") or name == "sim" for name in own(path)), own(path)


@pytest.mark.parametrize("path", SIM, ids=short)
def test_sim_imports_nothing_from_analysis_or_tests(path: Path) -> None:
    assert not tops(path) & {"analysis", "tests"}


@pytest.mark.parametrize("path", SOURCES, ids=short)
def test_simpy_is_imported_in_the_world_only(path: Path) -> None:
    assert "simpy" not in tops(path) or inside(name_of(path), "sim.world")


@pytest.mark.parametrize("path", SIM, ids=short)
def test_processes_and_sockets_are_for_the_real_room_only(path: Path) -> None:
    assert not tops(path) & STARTS_PROCESSES or inside(name_of(path), "sim.real")


@pytest.mark.parametrize("path", [p for p in SIM if not inside(name_of(p), "sim.real")], ids=short)
def test_nothing_in_the_simulator_reads_a_wall_clock(path: Path) -> None:
    assert not tops(path) & {"time", "datetime", "secrets", "uuid"}


@pytest.mark.parametrize("path", [p for p in SIM if inside(name_of(p), "sim.world")], ids=short)
def test_the_world_is_imported_by_run_and_laws_only_and_imports_no_run(path: Path) -> None:
    assert not any(inside(name, "sim.run", "sim.real", "sim.scenario") for name in own(path))


@pytest.mark.parametrize(
    "path", [p for p in SIM if not inside(name_of(p), "sim.world", "sim.run", "sim.laws", "sim.__init__")], ids=short
)
def test_only_run_stands_above_the_world(path: Path) -> None:
    """The real room may take from it what is a function of a plan and a seed, and no more."""
    shared = ("links.Link", "workload.build_sends", "faults.strike_times")
    allowed = [f"sim.world.{name}" for name in shared] if inside(name_of(path), "sim.real") else []
    modules = {name.rpartition(".")[0] for name in allowed}
    assert {name for name in own(path) if inside(name, "sim.world", "sim.run")} <= {*allowed, *modules}


@pytest.mark.parametrize("path", [ROOT / "sim/streams.py", ROOT / "sim/trace.py"], ids=short)
def test_streams_and_trace_import_no_role_and_no_world(path: Path) -> None:
    allowed = ("sim.protocol.rows", "sim.errors", "sim.plan", "sim.normal_quantiles")
    assert all(inside(name, *allowed) for name in own(path)), own(path)


@pytest.mark.parametrize("path", [p for p in SIM if "numpy" in tops(p)], ids=short)
def test_numpy_stays_in_streams_trace_world_and_run(path: Path) -> None:
    assert inside(name_of(path), "sim.streams", "sim.trace", "sim.world", "sim.run")


def test_importing_the_command_line_does_not_load_pandas_or_figures() -> None:
    """It imports heavy packages when it needs them."""
    asked = "import sys, sim; print([name for name in ('pandas', 'matplotlib', 'pyarrow') if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True, cwd=ROOT)
    assert found.stdout.strip() == "[]"


# --- determinism ------------------------------------------------------------------------------------------------------
def calls(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.lineno, node.func.id


@pytest.mark.parametrize("path", [p for p in SIM if not inside(name_of(p), "sim.scenario", "sim.real")], ids=short)
def test_nobody_on_the_way_to_a_trace_calls_hash_or_id(path: Path) -> None:
    """Both differ from process to process."""
    assert [(line, name) for line, name in calls(path) if name in ("hash", "id")] == []


def is_a_set(node: ast.expr) -> bool:
    if isinstance(node, ast.Set | ast.SetComp):
        return True
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("set", "frozenset")


def sets_of(tree: ast.AST) -> set[str]:
    """Names and attributes that are assigned or annotated as sets anywhere in the file."""
    found: set[str] = set()
    for node in ast.walk(tree):
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign):
            targets = [node.target]
        annotated = isinstance(node, ast.AnnAssign) and re.match(r"(frozen)?set\b", ast.unparse(node.annotation))
        if annotated or (value is not None and is_a_set(value)):
            found |= {ast.unparse(target) for target in targets}
    return found


@pytest.mark.parametrize("path", [*PROTOCOL, *(p for p in SIM if "world" in p.parts)], ids=short)
def test_no_loop_goes_over_a_set(path: Path) -> None:
    """The order of a set is not stated anywhere."""
    tree = tree_of(path)
    known = sets_of(tree)
    loops: list[ast.expr] = []
    in_order = ("list", "tuple", "enumerate")
    for node in ast.walk(tree):
        if isinstance(node, ast.For):
            loops.append(node.iter)
        elif isinstance(node, ast.comprehension):
            loops.append(node.iter)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in in_order:
            loops += node.args[:1]
    bad = [f"{loop.lineno}: {ast.unparse(loop)}" for loop in loops if is_a_set(loop) or ast.unparse(loop) in known]
    assert [text for text in bad if not is_harmless(tree, text)] == []


def is_harmless(tree: ast.AST, text: str) -> bool:
    """Within ``sorted``, ``sum``, ``min``, ``max``, ``any``, ``all``, ``len`` the order does not come out."""
    line = int(text.split(":")[0])
    wrapped = ("sorted", "sum", "min", "max", "any", "all", "len", "set", "frozenset")
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in wrapped:
            if node.lineno <= line <= (node.end_lineno or node.lineno):
                return True
        if isinstance(node, ast.SetComp) and node.lineno <= line <= (node.end_lineno or node.lineno):
            return True
    return False


@pytest.mark.parametrize("path", PROTOCOL, ids=short)
def test_the_protocol_has_no_float_in_it(path: Path) -> None:
    """Time and sizes are integers, and so is every decision; true division makes floats."""
    found = [
        f"{node.lineno}"
        for node in ast.walk(tree_of(path))
        if (isinstance(node, ast.Constant) and isinstance(node.value, float))
        or (isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div))
    ]
    assert found == []


# --- form -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("path", SOURCES, ids=short)
def test_every_module_says_what_it_is_about(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    if source.strip():
        assert ast.get_docstring(ast.parse(source)), f"{short(path)} has no docstring"


@pytest.mark.parametrize("path", SOURCES, ids=short)
def test_no_function_and_no_module_is_too_long(path: Path) -> None:
    long = [
        f"{node.name}: {(node.end_lineno or 0) - node.lineno + 1} lines"
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > LONGEST_FUNCTION
    ]
    assert long == []
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_MODULE


@pytest.mark.parametrize("path", SOURCES, ids=short)
def test_nothing_is_left_to_do_and_nothing_is_printed_by_accident(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"\b(TODO|FIXME|XXX|NotImplementedError|breakpoint\()", text)
    if inside(name_of(path), "sim"):
        assert [line for line, name in calls(path) if name == "print"] == []


# --- the tree ---------------------------------------------------------------------------------------------------------
def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], capture_output=True, cwd=ROOT, check=False).stdout.decode()
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def texts() -> Iterator[tuple[str, str]]:
    for path in tracked():
        try:
            yield short(path), path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def test_no_absolute_path_of_a_machine_and_no_registry_host_is_in_the_tree() -> None:
    machines = re.compile("|".join(("/" + "work/", "/" + "home/[a-z]", "/" + "Users/[A-Z]", "/" + "root/")))
    hosts = ("pypi" + r"\.org", "pythonhosted" + r"\.org", "index" + "-url", "repo1?" + r"\.maven")
    registries = re.compile("|".join(hosts))
    bad = [
        f"{name}:{number}"
        for name, text in texts()
        for number, line in enumerate(text.splitlines(), start=1)
        if machines.search(line) or registries.search(line)
    ]
    assert bad == []


def test_tests_do_not_sleep_and_are_not_skipped() -> None:
    banned = re.compile(r"\btime\." + r"sleep\(|mark\." + r"skip|pytest\." + r"skip\(|mark\." + "xfail")
    bad = [name for name, text in texts() if name.startswith("tests/") and name.endswith(".py") and banned.search(text)]
    assert bad == []
