"""A plan says before a run what the run then does, and writes nothing."""

from pathlib import Path

import pytest

from belka.contract import Node
from belka.demo.generate import make_demo_data
from belka.errors import InputError
from pipeline.config.files import load_config, with_found_targets, with_raw_digest
from pipeline.config.settings import Config
from pipeline.runners.local import run_local
from pipeline.runners.outcomes import read_outcomes
from pipeline.runners.plan import PlannedNode, plan_run
from pipeline.steps import Step, step_nodes

NODES = step_nodes(Step.GENERATE_PARQUET, ("clf",))


def config(folder: Path, *overrides: str) -> Config:
    folders = (f"data.raw_dir={folder / 'raw'}", f"data.output_dir={folder / 'out'}")
    return with_raw_digest(with_found_targets(load_config(None, (*folders, "system.n_workers=1", *overrides))))


def plan(config: Config, nodes: list[str] | None = None) -> dict[str, PlannedNode]:
    return {each.node: each for each in plan_run(config, nodes)}


def contents(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*")}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plan")
    make_demo_data(folder / "raw", molecules=200)
    run_local(config(folder), NODES)
    return folder


def test_before_the_first_run_everything_runs_and_no_folder_is_made(tmp_path: Path) -> None:
    make_demo_data(tmp_path / "raw", molecules=100)
    found = plan(config(tmp_path))
    assert not any(node.cached for node in found.values())
    assert found[Node.PARQUET_MERGE].reasons == ("it has not run here",)
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="cannot run"):
        plan(config(tmp_path), [Node.SMILES_VOCAB])


def test_an_equal_run_comes_from_the_cache_and_nothing_is_written(ran: Path) -> None:
    before = contents(ran)
    found = plan(config(ran))
    assert [node for node, each in found.items() if each.cached] == list(NODES)
    assert found[Node.SMILES_VOCAB].reasons == ("it has not run here",)
    assert contents(ran) == before


def test_a_key_that_decides_a_node_is_named_and_what_follows_runs_too(ran: Path) -> None:
    found = plan(config(ran, "data.validation_block_share=0.2"))
    assert found[Node.PARQUET_MERGE].reasons == ("data.validation_block_share: 0.03 -> 0.2",)
    assert found[Node.BLOCK_STATISTICS].reasons == ("parquet-merge runs",)
    assert all(each.cached for each in plan(config(ran, "system.memory_limit_gb=2")).values() if each.node in NODES)


def test_a_part_of_the_nodes_is_planned_alone(ran: Path) -> None:
    found = plan(config(ran), [Node.BLOCK_STATISTICS])
    assert [each.node for each in found.values()] == [Node.BLOCK_STATISTICS]


def test_changed_raw_files_are_named(ran: Path) -> None:
    train = ran / "raw" / "train.parquet"
    kept = train.read_bytes()
    make_demo_data(ran / "raw", molecules=210)
    try:
        (reason,) = plan(config(ran))[Node.PARQUET_MERGE].reasons
        assert reason.startswith("raw files have changed: ")
        assert "train.parquet" in reason
    finally:
        make_demo_data(ran / "raw", molecules=200)
        assert train.read_bytes() == kept


def test_without_the_cache_all_run(ran: Path) -> None:
    found = plan(config(ran).anew())
    assert found[Node.PARQUET_MERGE].reasons == ("the cache is off (--no-resume, or system.enable_cache)",)


def test_the_run_then_does_what_the_plan_said(ran: Path) -> None:
    said = plan(config(ran), NODES)
    run_local(config(ran), NODES)
    outcomes = read_outcomes(ran / "out" / "metadata.db", "belka")
    assert {node: outcomes[node].cached for node in NODES} == {node: said[node].cached for node in NODES}
    assert said[Node.PARQUET_MERGE].cached
