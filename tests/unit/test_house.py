"""The house keeps its rules: floors, no arrows in strings, what `import belka` loads, sizes, one voice.

`make lint` checks the contracts of import-linter (pyproject.toml). Here they are shown to bite, and what they cannot
see is searched for: modules of ours that are named in strings and imported by name.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import pytest

REPOSITORY: Final = Path(__file__).parents[2]
PACKAGES: Final = ("belka", "benchmarks", "components", "pipeline", "trainer_module")
HEAVY: Final = {
    "apache_beam",
    "duckdb",
    "keras",
    "numpy",
    "pandas",
    "pyarrow",
    "pydantic",
    "rdkit",
    "skfp",
    "tensorflow",
    "tfx",
}
README_LINES: Final = 5
MAX_FILE_LINES: Final = 400
MAX_FUNCTION_LINES: Final = 60

# Run where KServe's server is installed, which is not here.
ELSEWHERE: Final = {f"belka.serving.{name}" for name in ("predictor", "server", "transformer")}

# Whatever imports a module by its name, or finds one.
BY_NAME: Final = frozenset(
    ["__import__", "entry_points", "find_spec", "import_module", "load_module", "locate", "resolve_name", "run_module"]
)
_OUR_NAME: Final = re.compile(rf"({'|'.join(PACKAGES)})((?:\.\w+)+)(:\w+)?")

# (file, name) -> why it may stand there.
ALLOWED: Final = {
    ("belka/__main__.py", "entry_points"): "starts the console's entry point",
    ("pipeline/cli/main.py", "entry_points"): "adds the commands of packages above the pipeline",
    ("pipeline/cli/kubeflow.py", "find_spec"): "asks for kfp, which is not ours",
    ("pipeline/cli/results.py", "find_spec"): "asks for TensorBoard, which is not ours",
    ("components/molecule_transform/transform_graph.py", "import_module"): "imports PREPROCESSING_FN",
    ("pipeline/create_pipeline.py", "trainer_module.preprocessing.preprocessing_fn"): "PREPROCESSING_FN",
    ("pipeline/create_pipeline.py", "trainer_module.run_fn.run_fn"): "RUN_FN, which TFX's Trainer imports by name",
    ("trainer_module/loop/checkpoints.py", "trainer_module.run_fn"): "the code that a checkpoint's key covers",
    ("pipeline/runners/kubeflow/compile.py", "pipeline.runners.kubeflow.entrypoint"): "the command of a pod",
    ("pipeline/runners/kubeflow/entrypoint.py", "pipeline.runners.kubeflow.entrypoint"): "its own name in its usage",
    # Kubeflow Pipelines imports the artifact types by these names.
    **{
        ("components/artifact_types.py", f"components.{name}"): "TYPE_NAME of an artifact type"
        for name in (
            "AnomalyReport",
            "BlockFingerprints",
            "BlockOdds",
            "Molecules",
            "Rejections",
            "Submission",
            "Summary",
            "Vocabulary",
        )
    },
}


class Source(NamedTuple):
    """A file of one of the packages."""

    name: str
    text: str
    tree: ast.Module


def read_sources(root: Path) -> list[Source]:
    found = []
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            found.append(Source(str(path.relative_to(root)), text, ast.parse(text)))
    return found


SOURCES: Final = read_sources(REPOSITORY)


def arrows_in_strings(root: Path) -> set[tuple[str, str]]:
    """File and name of every import by name, and of every string that names a module of ours."""
    return {(source.name, name) for source in read_sources(root) for name in _arrows(root, source.tree)}


def _arrows(root: Path, tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        names = {getattr(node, "id", None), getattr(node, "attr", None)}
        if isinstance(node, ast.ImportFrom):
            names |= {alias.name for alias in node.names}
        yield from (name for name in names if name in BY_NAME)
        if isinstance(node, ast.JoinedStr):
            start = node.values[0]
            if isinstance(start, ast.Constant) and re.match(rf"({'|'.join(PACKAGES)})\.$", str(start.value)):
                yield str(start.value)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            named = _OUR_NAME.fullmatch(node.value)
            if named is not None and _is_ours(root / named[1], named[2].split(".")[1]):
                yield node.value


def _is_ours(package: Path, name: str) -> bool:
    """Whether a package has a module or a class of this name; `pipeline.yaml` is a file."""
    return name[0].isupper() or (package / name).is_dir() or (package / f"{name}.py").is_file()


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    path = os.pathsep.join([str(root), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.run(
        [sys.executable, "-c", code, "--no-cache", "--no-logo"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def copy_packages(folder: Path) -> None:
    for package in PACKAGES:
        shutil.copytree(REPOSITORY / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "pyproject.toml", folder)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copy")
    copy_packages(folder)
    return folder


@contextmanager
def added(file: Path, line: str) -> Iterator[None]:
    before = file.read_text(encoding="utf-8")
    file.write_text(f"{before}\n{line}\n", encoding="utf-8")
    try:
        yield
    finally:
        file.write_text(before, encoding="utf-8")


def test_contracts_are_kept() -> None:
    done = lint_imports(REPOSITORY)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("belka/errors.py", "from pipeline.steps import Step", "Floors"),
        ("components/artifact_types.py", "from trainer_module.settings import Mode", "Floors"),
        (
            "components/smiles_vocab/component.py",
            "from components.parquet_merge.merge import merge_raw_files",
            "Components share",
        ),
        ("belka/errors.py", "def f():\n    from belka.files import atomic_path", "No circles"),
        ("belka/tokens/graph.py", "def f():\n    import apache_beam", "belka needs no orchestrator"),
    ],
)
def test_a_deliberate_wrong_import_breaks_its_contract(copy: Path, file: str, line: str, contract: str) -> None:
    with added(copy / "belka/files.py", "from belka.errors import BelkaError"):
        assert lint_imports(copy).returncode == 0
        with added(copy / file, line):
            done = lint_imports(copy)
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(rf"^{contract}.* BROKEN", done.stdout, re.MULTILINE), done.stdout


def test_no_arrow_is_hidden_in_a_string() -> None:
    assert arrows_in_strings(REPOSITORY) == set(ALLOWED)


def test_entry_points_are_the_two_declared_ones() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["scripts"] == {"belka": "pipeline.cli.main:program"}
    assert project["entry-points"] == {"belka.commands": {"benchmark": "benchmarks.cli:app"}}


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ('import importlib\nimportlib.import_module("".join(["pipe", "line.steps"]))', "import_module"),
        ('from importlib import import_module as load\nload("pipeline.steps")', "import_module"),
        ('__import__("pipeline").steps', "__import__"),
        ('NODES = "pipeline.steps.nodes_between"', "pipeline.steps.nodes_between"),
        ('MAIN = "pipeline.cli.main:main"', "pipeline.cli.main:main"),
        ('def f(step: str) -> str:\n    return f"components.{step}.component"', "components."),
    ],
)
def test_a_deliberate_arrow_in_a_string_is_found(copy: Path, line: str, name: str) -> None:
    with added(copy / "belka/errors.py", line):
        assert lint_imports(copy).returncode == 0  # which is why strings are searched
        assert ("belka/errors.py", name) in arrows_in_strings(copy) - set(ALLOWED)
    assert arrows_in_strings(copy) == set(ALLOWED)


def loaded_by(statements: str, names: set[str]) -> set[str]:
    code = f"{statements}\nimport sys\nprint(*({names!r} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_import_belka_loads_the_standard_library_alone() -> None:
    assert loaded_by("import belka", HEAVY) == set()


def test_rooms_of_belka_load_no_pipeline_and_only_the_graph_loads_tensorflow() -> None:
    rooms = [
        source.name.removesuffix(".py").replace("/", ".") for source in SOURCES if source.name.startswith("belka/")
    ]
    rooms = [room.removesuffix(".__init__") for room in rooms if not room.endswith("__main__")]
    graph = "belka.tokens.graph"
    assert graph in rooms
    heavy = {"apache_beam", "keras", "tensorflow", "tensorflow_transform", "tfx", *PACKAGES} - {"belka"}
    assert set(rooms) > ELSEWHERE
    assert loaded_by("import " + ", ".join(room for room in rooms if room not in {graph, *ELSEWHERE}), heavy) == set()
    assert loaded_by(f"import {graph}", heavy - {"keras"}) == {"tensorflow"}  # which brings Keras along


def test_a_new_component_passes_its_test_and_keeps_the_rules(tmp_path: Path) -> None:
    copy_packages(tmp_path)
    shutil.copytree(REPOSITORY / ".ci", tmp_path / ".ci")
    made = ["components/block_counts", "tests/unit/components/block_counts"]
    python = [sys.executable, "-m"]
    for command in (
        [".ci/new_component", "block_counts", "count"],
        [*python, "ruff", "check", *made],
        [*python, "ruff", "format", "--check", *made],
        [*python, "pytest", "-q", "-p", "no:cacheprovider", made[1]],
    ):
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert lint_imports(tmp_path).returncode == 0
    readme = (tmp_path / made[0] / "README.md").read_text(encoding="utf-8")
    assert len(readme.splitlines()) == README_LINES


def test_every_component_has_a_readme_of_five_lines() -> None:
    folders = [path.parent for path in (REPOSITORY / "components").glob("*/__init__.py")]
    lines = {path.name: len((path / "README.md").read_text(encoding="utf-8").splitlines()) for path in folders}
    assert lines == dict.fromkeys(lines, README_LINES)


def test_files_and_functions_are_short() -> None:
    long_files = {source.name: n for source in SOURCES if (n := len(source.text.splitlines())) > MAX_FILE_LINES}
    long_functions = {
        f"{source.name}: {function.name}": lines
        for source in SOURCES
        for function in functions(source.tree)
        if function.end_lineno and (lines := function.end_lineno - function.lineno + 1) > MAX_FUNCTION_LINES
    }
    assert (long_files, long_functions) == ({}, {})


def test_the_formatter_is_never_switched_off() -> None:
    assert [source.name for source in SOURCES if re.search(r"# fmt: *(skip|off)", source.text)] == []


def test_loggers_have_one_name() -> None:
    others = [
        f"{source.name}: {ast.unparse(node)}"
        for source in SOURCES
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None
        if ast.unparse(node.value) == "logging.getLogger(__name__)"
        if ast.unparse(node) != "logger = logging.getLogger(__name__)"
    ]
    assert others == []


def test_the_contract_is_imported_by_its_names() -> None:
    others = [
        source.name
        for source in SOURCES
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ImportFrom) and node.module == "belka" and "contract" in {a.name for a in node.names}
    ]
    assert others == []


def test_errors_are_told_in_sentences() -> None:
    odd = [
        f"{source.name}:{node.lineno}: {text}"
        for source in SOURCES
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"BelkaError", "InputError"}
        for text in _sentences(node)
        if not re.fullmatch(r"(?s)(`|\{|[A-Z0-9]|\w+\.\w+ ).*[.!?}]", text)
    ]
    assert odd == []


def _sentences(error: ast.Call) -> Iterator[str]:
    """What is wrong and what to do, as far as they are literals; a value reads as {}."""
    for node in [*error.args[:1], *(keyword.value for keyword in error.keywords if keyword.arg == "action")]:
        if isinstance(node, ast.Constant):
            yield str(node.value)
        elif isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)  # type: ignore[misc]


def test_processes_come_from_the_pool_that_ends_with_its_parent() -> None:
    """Python's own pool lets its processes live on where the one that started them is killed."""
    sources = [path for package in PACKAGES for path in (REPOSITORY / package).rglob("*.py")]
    found = [path.name for path in sources if "ProcessPoolExecutor" in path.read_text(encoding="utf-8")]
    assert found == ["workers.py"]
