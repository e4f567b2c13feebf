"""The house stands: rooms import downwards only, outside packages stay in their homes."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("fleetcast", "reports", "planner", "calibration", "simulator", "scenarios")
"""From the front door down: a room may import itself and the rooms after it."""
BELOW_THE_DOOR = ROOMS[1:]
HOMES = {
    "pydantic": ("scenarios",),
    "pydantic_core": ("scenarios",),
    "ruamel": ("scenarios",),
    "simpy": ("simulator",),
    "numba": ("simulator",),
    "llvmlite": ("simulator",),
    "distributed": ("simulator",),
    "ray": ("simulator",),
    "matplotlib": ("reports",),
    "jinja2": ("reports",),
    "duckdb": ("reports",),
    "click": ("fleetcast",),
    "rich": ("fleetcast",),
    "numpy": BELOW_THE_DOOR,
    "scipy": BELOW_THE_DOOR,
    "pandas": ("simulator", "calibration", "planner", "reports"),
    "pyarrow": ("simulator", "planner", "reports"),
}
FORBIDDEN_NAMES = ("utils", "common", "helpers")
MODULES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in MODULES}


def room_of(path):
    return path.relative_to(ROOT).parts[0]


def imports(path):
    """(line, dotted name) of each import of a module, wherever in the file it stands.

    `from a import b` counts as `a.b`: b may be a module.
    """
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)


def found(*wanted):
    """'file:line' of nodes that any of the predicates picks, below the front door."""
    return [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in MODULES
        if room_of(path) in BELOW_THE_DOOR
        for node in ast.walk(TREES[path])
        if any(picks(node) for picks in wanted)
    ]


def calls(name):
    return lambda node: (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
    )


def imports_in(rooms, *names):
    return [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in MODULES
        if room_of(path) in rooms
        for line, name in imports(path)
        if name.split(".")[0] in names
    ]


def test_every_room_has_modules():
    """The other tests would pass on an empty list."""
    assert {room_of(path) for path in MODULES} == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_no_room_imports_a_room_above_it(room):
    above = ROOMS[: ROOMS.index(room)]
    assert not imports_in([room], *above, "tests", "benchmarks")


def test_outside_packages_stay_in_their_homes():
    """A package without a home here is a new dependency: give it one, on purpose."""
    strays = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in MODULES
        for line, name in imports(path)
        for package in [name.split(".")[0]]
        if package not in ROOMS
        and package not in sys.stdlib_module_names
        and room_of(path) not in HOMES.get(package, ())
    ]
    assert not strays


def test_modules_form_no_cycle():
    """Counts imports inside functions too: those are how cycles hide."""
    names = {".".join(p.relative_to(ROOT).with_suffix("").parts): p for p in MODULES}
    names = {name.removesuffix(".__init__"): path for name, path in names.items()}
    graph = {
        name: {known for _, used in imports(path) for known in [module_in(names, used)] if known}
        for name, path in names.items()
    }
    for name, used in graph.items():
        # A package's parts may import each other by full name; that runs the package first.
        used -= {name}
    tuple(TopologicalSorter(graph).static_order())  # raises CycleError, naming the cycle


def module_in(names, used):
    """The module of ours that an import like 'planner.search.Tally' runs, or None."""
    return next((name for name in (used, used.rpartition(".")[0]) if name in names), None)


def test_no_module_has_a_name_that_says_nothing():
    files = [*MODULES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]
    assert not [
        path for path in files if path.stem in FORBIDDEN_NAMES or path.stem.startswith("manager")
    ]


def test_no_class_is_a_manager():
    classes = (n for tree in TREES.values() for n in ast.walk(tree) if isinstance(n, ast.ClassDef))
    assert not [node.name for node in classes if node.name.endswith(("Manager", "Helper", "Utils"))]


def test_nothing_prints_below_the_front_door():
    assert not found(calls("print"))


def test_randomness_comes_from_streams_alone():
    """No global generator, no `random`, no seed from hash(): it differs between processes."""

    def global_numpy_generator(node):
        """np.random.normal, but not the classes np.random.Generator and its kin."""
        return (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Attribute)
            and node.value.attr == "random"
            and isinstance(node.value.value, ast.Name)
            and node.value.value.id in ("np", "numpy")
            and node.attr[0].islower()
        )

    assert not found(global_numpy_generator, calls("hash"))
    assert not imports_in(BELOW_THE_DOOR, "random", "secrets", "uuid")
    assert not [
        (path, name)
        for path in MODULES
        for _, name in imports(path)
        if name.startswith("numpy.random.") and name.split(".")[2][0].islower()
    ]


def test_no_wall_clock_in_results():
    assert not imports_in(BELOW_THE_DOOR, "time", "datetime")


def test_commands_and_workers_start_without_the_slow_half_of_scipy():
    """`scipy.special` has the same distributions, and half a second less to import."""
    assert not [
        f"{path.relative_to(ROOT)}:{line}"
        for path in MODULES
        for line, name in imports(path)
        if name.startswith("scipy.stats")
    ]


def test_no_test_folder_is_a_package():
    """Packages named like the rooms would hide the rooms."""
    assert not list((ROOT / "tests").rglob("__init__.py"))


@pytest.mark.parametrize("option, shown", [("--help", "init"), ("--version", "version")])
def test_help_loads_nothing_heavy(option, shown):
    """Together these packages take seconds to import. A fresh process, as a user would start."""
    heavy = ("scipy", "pandas", "matplotlib", "numba", "simpy", "pyarrow", "numpy")
    program = (
        "import sys\n"
        "from fleetcast.__main__ import main\n"
        "try:\n    main()\n"
        "except SystemExit as exit:\n    assert not exit.code, exit.code\n"
        f"print('loaded:', sorted(set({heavy!r}) & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, option],
        cwd=ROOT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "loaded: []"
    assert shown in done.stdout
