"""Which shards stand for a split."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from belka.errors import InputError
from components.data_validation.sampling import sample_shards, sampled_examples


def test_shards_are_spread_over_the_split() -> None:
    shards = [Path(f"s{i}") for i in range(8)]
    assert sample_shards(shards, 0.25) == [Path("s0"), Path("s4")]
    assert sample_shards(shards[::-1], 1.0) == shards
    assert sample_shards([], 0.5) == []


@given(count=st.integers(1, 60), rate=st.floats(0, 1, exclude_min=True))
def test_at_least_one_shard_none_twice_and_no_fewer_than_the_rate(count: int, rate: float) -> None:
    chosen = sample_shards([Path(f"s{i:02d}") for i in range(count)], rate)
    assert len(set(chosen)) == len(chosen) >= max(1, rate * count)
    assert len(chosen) - 1 < rate * count


@pytest.mark.parametrize("rate", [0.0, 1.01, float("nan")])
def test_a_rate_out_of_range_is_refused(rate: float) -> None:
    with pytest.raises(
        InputError, match=r"sample rate of the statistics is out of range[\s\S]*data_validation.sample_rate"
    ):
        sample_shards([Path("a")], rate)


def test_the_sample_has_the_content_of_its_shards_and_no_half_written_one(tmp_path: Path) -> None:
    split = tmp_path / "Split-train"
    split.mkdir()
    for name in ("a", "b", ".c"):
        (split / name).write_text(name)
    (tmp_path / "Split-test").mkdir()
    with sampled_examples(tmp_path, {"train": 0.5, "test": 0.5}) as folder:
        assert [path.read_text() for path in (folder / "Split-train").iterdir()] == ["a"]
        assert list((folder / "Split-test").iterdir()) == []
    assert not folder.exists()
    assert (split / "a").is_file()
