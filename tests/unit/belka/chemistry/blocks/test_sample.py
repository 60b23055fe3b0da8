"""Sampling takes the same molecules whatever the shards, as many of each block as asked for."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from belka.chemistry.blocks import sample
from belka.chemistry.blocks.sample import draw_molecules, sample_molecules
from belka.hashing import splitmix64
from belka.molecules import list_shards


def draw(folder: Path, **sizes: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = sample_molecules(list_shards(folder), n_blocks=20, **sizes).to_pylist()
    return rows


def test_lowest_hashes_of_each_block_whatever_the_shards(
    library: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    molecules = library.molecules.to_pylist()
    hashes = splitmix64(np.arange(len(molecules)))
    order = sorted(range(len(molecules)), key=lambda row: hashes[row])
    expected: set[int] = set(order[:7])
    taken: Counter[tuple[int, int]] = Counter()
    for row in order:
        keys = {(min(n, 2), molecules[row][f"block{n}_id"]) for n in (1, 2, 3)}
        if any(taken[key] < 3 for key in keys):
            expected.add(row)
        taken.update(keys)
    monkeypatch.setattr(sample, "_COMPACT_ABOVE", 10)
    monkeypatch.setattr(sample, "_SCAN_ROWS", 16)
    for files in (1, 3):
        folder = library.write(tmp_path / str(files), files=files)
        drawn = draw(folder, per_block=3, at_random=7)
        assert [row["molecule_id"] for row in drawn] == sorted(expected)
        assert drawn[0] == {name: molecules[min(expected)][name] for name in drawn[0]}


def test_molecules_without_blocks_are_never_drawn(build_library: Callable[..., Any], tmp_path: Path) -> None:
    rows = [("CCO", None, None, None), ("CCN", 0, 1, None), ("CCC", 0, 1, 1)]
    folder = build_library(["C", "N"], rows).write(tmp_path, files=1)
    assert [row["molecule_id"] for row in draw(folder, per_block=5, at_random=5)] == [2]
    folder = build_library(["C", "N"], rows[:1]).write(tmp_path / "none", files=1)
    assert draw(folder, per_block=5, at_random=5) == []


def test_everything_when_more_is_asked_for_than_there_is(library: Any, tmp_path: Path) -> None:
    folder = library.write(tmp_path, files=1)
    assert len(draw(folder, per_block=10**6, at_random=0)) == len(library.molecules)


def test_any_molecules_at_random_whatever_the_shards(
    library: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample, "_SCAN_ROWS", 16)
    found = []
    for files in (1, 3):
        shards = list_shards(library.write(tmp_path / str(files), files=files))
        drawn = [draw_molecules(shards, count, seed=1, columns=("molecule_id", "smiles")) for count in (7, 20, 10**6)]
        assert drawn[0].column_names == ["molecule_id", "smiles"]
        found.append([table["molecule_id"].to_pylist() for table in drawn])
    assert found[0] == found[1]
    few, more, all_of_them = found[0]
    assert (len(few), len(more), all_of_them) == (7, 20, list(range(len(library.molecules))))
    assert set(few) < set(more)
    assert few != draw_molecules(shards, 7, seed=2, columns=("molecule_id",))["molecule_id"].to_pylist()


def test_molecules_without_blocks_are_drawn_at_random_too(build_library: Callable[..., Any], tmp_path: Path) -> None:
    folder = build_library(["C", "N"], [("CCO", None, None, None), ("CCC", 0, 1, 1)]).write(tmp_path, files=1)
    assert len(draw_molecules(list_shards(folder), 5, seed=1, columns=("smiles",))) == 2
    assert len(draw_molecules(list_shards(folder), 0, seed=1, columns=("smiles",))) == 0
