"""A change of a source gives a new version to what imports it, and to nothing else."""

import re
import shutil
from pathlib import Path
from typing import Final

import grimp
import pytest

import belka.code_version as code_version_module
from belka.code_version import code_version, imported_files, library_versions

REPOSITORY: Final = Path(__file__).parents[3]
PACKAGES: Final = ("belka", "components", "pipeline", "trainer_module")
# Node -> the modules it starts from, see tests/unit/pipeline/test_create_pipeline.py.
STARTS: Final = {
    "parquet-merge": ("components.parquet_merge.component",),
    "block-statistics": ("components.block_statistics.component",),
    "smiles-vocab": ("components.smiles_vocab.component",),
    "block-fingerprints": ("components.block_fingerprints.component",),
    "molecule-transform": ("components.molecule_transform.executor", "trainer_module.preprocessing"),
    "statistics-gen": ("components.data_validation.component",),
    "trainer-clf": ("components.tfx_own", "trainer_module.run_fn"),
    "affinity-evaluator": ("components.affinity_evaluator.component",),
    "pusher": ("components.model_pusher.executor",),
    "bulk-inferrer": ("components.tfx_own",),
    "submission-writer": ("components.submission_writer.component",),
}
# Files that are no modules -> the only nodes that read them.
READ_FILES: Final = {
    "components/data_validation/schema.pbtxt": {"statistics-gen"},
    "belka/pages/style.css": {"affinity-evaluator", "block-statistics"},
    "components/block_statistics/enrichment.html.j2": {"block-statistics"},
    "components/affinity_evaluator/report/report.html.j2": {"affinity-evaluator"},
    "components/affinity_evaluator/report/model_card.md.j2": {"affinity-evaluator"},
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tree")
    for package in PACKAGES:
        shutil.copytree(REPOSITORY / package, root / package, ignore=shutil.ignore_patterns("__pycache__"))
    return root


def importers() -> dict[str, set[str]]:
    """Source -> nodes that can import it, by another tool's graph of imports."""
    graph = grimp.build_graph(*PACKAGES, exclude_type_checking_imports=True, cache_dir=None)
    for package in ("belka", "components"):  # what their __getattr__ loads on first use of a name
        for imported in graph.find_modules_directly_imported_by(package):
            graph.remove_import(importer=package, imported=imported)
    found: dict[str, set[str]] = {}
    for node, starts in STARTS.items():
        reached = {module for start in starts for module in (start, *graph.find_upstream_modules(start))}
        parents = {module.rsplit(".", n)[0] for module in reached for n in range(1, module.count(".") + 1)}
        for module in reached | parents:
            path = module.replace(".", "/")
            name = f"{path}/__init__.py" if (REPOSITORY / path).is_dir() else f"{path}.py"
            found.setdefault(name, set()).add(node)
    return found


def _nodes_by_file(tree: Path) -> dict[str, set[str]]:
    """File -> nodes whose version is made of it, among others."""
    found: dict[str, set[str]] = {}
    for node, starts in STARTS.items():
        for path in imported_files(*starts, root=tree):
            found.setdefault(str(path.relative_to(tree)), set()).add(node)
    return found


def test_versions_are_made_of_exactly_the_sources_that_nodes_import(tree: Path) -> None:
    sources = {str(path.relative_to(tree)) for package in PACKAGES for path in (tree / package).rglob("*.py")}
    assert len(sources) > 150
    found, expected = _nodes_by_file(tree), importers() | READ_FILES
    assert {name: nodes for name, nodes in found.items() if nodes != expected.get(name)} == {}
    assert {name for name in (sources | READ_FILES.keys()) & expected.keys() if name not in found} == set()


def test_each_of_them_changes_the_version_of_these_nodes_alone(tree: Path) -> None:
    before = {node: code_version(*starts, root=tree) for node, starts in STARTS.items()}
    expected = importers() | READ_FILES
    sources = sorted(path for package in PACKAGES for path in (tree / package).rglob("*.py"))
    wrong = {}
    # Every twelfth source: all of them take minutes.
    for path in [*sources[::12], *(tree / name for name in READ_FILES)]:
        content, name = path.read_bytes(), str(path.relative_to(tree))
        path.write_bytes(content + b"\n")
        changed = {node for node, starts in STARTS.items() if code_version(*starts, root=tree) != before[node]}
        path.write_bytes(content)
        if changed != expected.get(name, set()):
            wrong[name] = changed ^ expected.get(name, set())
    assert wrong == {}


def test_a_runner_repeats_nothing_and_a_loss_repeats_training_alone(tree: Path) -> None:
    """The cases that the rule is for, so that the test above cannot agree with a graph that is empty."""
    users = importers()
    assert users.get("pipeline/runners/kubeflow/compile.py") is None
    assert users["trainer_module/losses/binary_loss.py"] == {"trainer-clf"}
    assert users["components/parquet_merge/group.py"] == {"parquet-merge"}
    assert users["belka/settings.py"] == set(STARTS)
    assert tree / "belka/tokens/scan.py" in imported_files(*STARTS["smiles-vocab"], root=tree)


def test_libraries_are_those_that_are_imported() -> None:
    merge, training = (library_versions(*STARTS[node]) for node in ("parquet-merge", "trainer-clf"))
    assert {"duckdb", "pyarrow", "numpy"} <= merge.keys()
    assert "tensorflow" not in merge
    assert {"tensorflow", "keras"} <= training.keys()
    assert "rdkit" in library_versions(*STARTS["block-fingerprints"])


def test_what_python_brings_and_what_is_ours_is_no_library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(code_version_module, "_distributions", lambda name: {name: "1"})
    (tmp_path / "belka").mkdir()
    for name, content in {
        "__init__": "",
        "reads": "import json, numpy\nimport belka.other\n",
        "other": "import re",
    }.items():
        (tmp_path / "belka" / f"{name}.py").write_text(content)
    assert library_versions("belka.reads", root=tmp_path) == {"numpy": "1"}


def test_another_version_of_a_library_is_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = ("block-fingerprints", "pusher")
    before = {node: code_version(*STARTS[node]) for node in nodes}
    known = code_version_module._distributions
    monkeypatch.setattr(
        code_version_module, "_distributions", lambda name: {"rdkit": "9"} if name == "rdkit" else known(name)
    )
    changed = {node for node in nodes if code_version(*STARTS[node]) != before[node]}
    assert changed == {"block-fingerprints"}


def test_the_whole_programs_version_names_all_sources(tree: Path) -> None:
    before = code_version(root=tree)
    assert before == code_version(root=tree)
    assert re.fullmatch(r"0\.1\.0\+sources\.[0-9a-f]{16}", before), "another form would forget every result at once"
    path = tree / "pipeline/steps.py"
    content = path.read_bytes()
    path.write_bytes(content + b"\n")
    assert code_version(root=tree) != before
    path.write_bytes(content)
