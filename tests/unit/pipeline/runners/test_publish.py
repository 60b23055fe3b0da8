"""Results land where users look, whole, and metrics.json gathers the summaries."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from belka.molecules import REJECTED_SCHEMA
from pipeline.runners.outcomes import NodeOutcome
from pipeline.runners.publish import publish_results


def _write_rejections(folder: Path, reasons: list[str]) -> None:
    folder.mkdir(parents=True)
    rows = [{"source": "train", "row": row, "reason": reason} for row, reason in enumerate(reasons)]
    pq.write_table(pa.Table.from_pylist(rows, REJECTED_SCHEMA), folder / "rejected.parquet")


def test_everything_is_published(tmp_path: Path) -> None:
    molecules, rejected, submission = tmp_path / "m", tmp_path / "r", tmp_path / "s"
    _write_rejections(molecules, ["unknown protein"])
    _write_rejections(rejected, ["unparsable SMILES", "unparsable SMILES"])
    (molecules / "summary.json").write_text('{"rows": 3}', encoding="utf-8")
    (molecules / "conflicts.parquet").write_bytes(b"a list")
    submission.mkdir()
    (submission / "submission.csv").write_text("id,binds\n1,0.5\n", encoding="utf-8")
    evaluation = tmp_path / "e"
    evaluation.mkdir()
    (evaluation / "report.html").write_text("a page", encoding="utf-8")
    statistics = tmp_path / "b"
    statistics.mkdir()
    (statistics / "enrichment.html").write_text("blocks", encoding="utf-8")
    outcomes = {
        "block-statistics": NodeOutcome(5, cached=False, outputs={"block_statistics": statistics}),
        "affinity-evaluator": NodeOutcome(4, cached=False, outputs={"evaluation": evaluation}),
        "parquet-merge": NodeOutcome(1, cached=False, outputs={"molecules": molecules}),
        "molecule-transform": NodeOutcome(2, cached=False, outputs={"rejected": rejected}),
        "submission-writer": NodeOutcome(3, cached=True, outputs={"submission": submission}),
    }
    out = tmp_path / "out"
    publish_results(outcomes, {"parquet-merge": {"state": "done"}}, out)
    metrics = publish_results(outcomes, {"submission-writer": {"state": "cached"}}, out)
    assert (out / "submission.csv").read_text(encoding="utf-8") == "id,binds\n1,0.5\n"
    assert (
        pq.read_table(out / "rejected.parquet")["reason"].to_pylist() == ["unknown protein"] + ["unparsable SMILES"] * 2
    )
    assert (out / "report.html").read_text(encoding="utf-8") == "a page"
    assert (out / "enrichment.html").read_text(encoding="utf-8") == "blocks"
    assert metrics == json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    assert (out / "conflicts.parquet").read_bytes() == b"a list"
    assert metrics["rejected"] == {"train": {"unparsable SMILES": 2, "unknown protein": 1}}
    assert list(metrics["rejected"]["train"]) == ["unparsable SMILES", "unknown protein"]
    assert metrics["data"] == {"rows": 3}
    assert set(metrics["steps"]) == {"parquet-merge", "submission-writer"}


def test_an_earlier_submission_does_not_stay_where_this_run_has_none(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "submission.csv").write_text("id,binds\n", encoding="utf-8")
    (tmp_path / "report.html").write_text("of a node that did not run", encoding="utf-8")
    publish_results(
        {"submission-writer": NodeOutcome(3, cached=False, outputs={"submission": tmp_path / "s"})}, {}, tmp_path
    )
    assert not (tmp_path / "submission.csv").exists()
    assert (tmp_path / "report.html").exists()


def test_nothing_is_published_for_nodes_that_never_ran(tmp_path: Path) -> None:
    assert publish_results({}, {}, tmp_path) == {"rejected": {}, "steps": {}}
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.json"]
