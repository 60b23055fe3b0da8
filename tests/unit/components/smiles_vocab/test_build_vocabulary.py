"""build_vocabulary on files of the molecules layout, read back by read_vocabulary."""

import logging
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from atomInSmiles import smiles_tokenizer

from belka.errors import InputError
from belka.tokens.vocabulary import read_vocabulary
from components.smiles_vocab.build import build_vocabulary

SAMPLE = Path(__file__).parents[4] / "../shared/data/leash_sample"


def write_shard(folder: Path, split: str, number: int, smiles: list[str | None], group: int = 2) -> None:
    path = folder / f"Split-{split}" / f"molecules-{number:05d}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"smiles_no_linker": pa.array(smiles, pa.string())}), path, row_group_size=group)


@pytest.mark.parametrize("n_workers", [1, 4])
def test_tokens_of_all_splits_shards_and_row_groups_are_sorted_behind_the_special_ones(
    tmp_path: Path, n_workers: int
) -> None:
    write_shard(tmp_path, "train", 0, ["CC", "O", "[C@@H](N)", "n"])
    write_shard(tmp_path, "train", 1, ["Br"])
    write_shard(tmp_path, "validation", 0, ["Cl", None])
    write_shard(tmp_path, "test", 0, ["%10[Si]#"])
    expected = ["[PAD]", "[MASK]", "#", "%10", "(", ")", "Br", "C", "Cl", "N", "O", "[C@@H]", "[Si]", "n"]
    assert build_vocabulary(tmp_path, tmp_path / "out", n_workers=n_workers) == expected
    assert (tmp_path / "out" / "vocab.txt").read_bytes() == ("\n".join(expected) + "\n").encode()
    assert read_vocabulary(tmp_path / "out") == read_vocabulary(tmp_path / "out" / "vocab.txt") == expected
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["vocab.txt"]


def test_skipped_characters_are_counted_and_shown(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_shard(tmp_path, "train", 0, ["CC", "CXY", "Z"])
    with caplog.at_level(logging.WARNING):
        build_vocabulary(tmp_path, tmp_path, n_workers=1)
    assert "3 characters belong to no SMILES token and are skipped, for example in 'CXY'" in caplog.text


def test_special_tokens_and_unusable_texts_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_shard(tmp_path, "train", 0, ["C[PAD]", "[a\nb]", "[MASK]", "[c\r]"])
    with caplog.at_level(logging.WARNING):
        assert build_vocabulary(tmp_path, tmp_path, n_workers=1) == ["[PAD]", "[MASK]", "C"]
    assert read_vocabulary(tmp_path) == ["[PAD]", "[MASK]", "C"]
    assert "'[PAD]'" in caplog.text
    assert "'[MASK]'" in caplog.text


def test_nothing_to_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There are no molecules"):
        build_vocabulary(tmp_path, tmp_path, n_workers=1)
    write_shard(tmp_path, "train", 0, ["", None])
    with pytest.raises(InputError, match="hold no SMILES token"):
        build_vocabulary(tmp_path, tmp_path, n_workers=1)
    with pytest.raises(InputError, match="n_workers=0"):
        build_vocabulary(tmp_path, tmp_path, n_workers=0)
    assert not (tmp_path / "vocab.txt").exists()


def test_broken_shards_are_errors_that_name_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "Split-test"
    folder.mkdir()
    (folder / "molecules-00000.parquet").write_bytes(b"PAR1 cut off")
    with pytest.raises(InputError, match=r"cannot be read(.|\n)*molecules-00000.parquet"):
        build_vocabulary(tmp_path, tmp_path, n_workers=1)
    pq.write_table(pa.table({"smiles": ["C"]}), folder / "molecules-00000.parquet")
    with pytest.raises(InputError, match=r"lacks columns(.|\n)*also smiles_no_linker"):
        build_vocabulary(tmp_path, tmp_path, n_workers=1)


@pytest.mark.skipif(not SAMPLE.exists(), reason="the real sample is not beside the checkout")
def test_vocabulary_of_the_real_sample_equals_atom_in_smiles(tmp_path: Path) -> None:
    tokens: set[str] = set()
    for split in ("train", "test"):
        column = pq.read_table(SAMPLE / f"{split}.parquet", columns=["molecule_smiles"]).column(0).unique()
        smiles = [text.replace("[Dy]", "[H]") for text in column.to_pylist()]
        write_shard(tmp_path, split, 0, list(smiles), group=10_000)
        tokens.update(token for text in smiles for token in smiles_tokenizer(text))
    assert build_vocabulary(tmp_path, tmp_path, n_workers=2) == ["[PAD]", "[MASK]", *sorted(tokens)]
