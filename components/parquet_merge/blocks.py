"""Building blocks of the raw files: the codes of their texts, the blocks of used rows, and which are held out.

Rows are read with the codes of texts, since which rows are used shows only while they are read. The second stage then
replaces them by the codes of blocks.
"""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from belka.chemistry.smiles import is_missing, read_text
from belka.chemistry.spelling import canonical_spelling
from belka.contract import RAW_BLOCKS
from belka.errors import InputError
from belka.queries import explained_errors, fetch_row, sql_pattern
from belka.raw_directory import EXTRA, TRAIN, RawFile
from components.parquet_merge.record_format import FLAG_BIT

logger = logging.getLogger(__name__)

# A triple of blocks is one int64: three codes of 21 bits, 0 where there is no block.
CODE_BITS = 21
MAX_BLOCKS = (1 << CODE_BITS) - 1


@dataclass(frozen=True)
class BlockTexts:
    """The texts in the columns of building blocks; the code of a text is its place + 1, that of a missing one 0.

    Attributes:
        texts: The distinct texts of train and test, sorted by code point, without those of missing values.
        shown: Source -> the texts in any of its rows, usable or not.
        training_positions: For each of the three positions, whether an otherwise usable row of the training file has a
            block there. A library with fewer positions leaves a column empty.
    """

    texts: tuple[str, ...]
    shown: Mapping[str, frozenset[str]]
    training_positions: tuple[bool, ...]

    def codes(self, texts: AbstractSet[str]) -> npt.NDArray[np.bool_]:
        """Whether each code, bool[n_texts + 1], is that of one of some texts."""
        return np.array([False, *(text in texts for text in self.texts)], dtype=np.bool_)


@dataclass(frozen=True)
class BlockTable:
    """The building blocks of the rows that are used; the block id is the position in sorted order.

    A block is a structure, not a text: texts of one structure are one block, which has one id, is held out as one and
    has one row in every table. Its SMILES is RDKit's canonical text (`belka.chemistry.spelling`). Of a text that RDKit
    cannot read it is the text. Both depend on the row's text alone, so spelling a library anew changes neither ids nor
    which blocks are held out.

    Attributes:
        smiles: SMILES, sorted by code point.
        in_training: bool[n_blocks], whether a used row of the training file has the block, in any position.
        in_validation: bool[n_blocks], whether the block is held out for validation; a subset of `in_training`.
        training_positions: As in `BlockTexts`.
        code_of_text: int64[n_texts + 1], code of a text -> block id + 1; 0 = no used block.
        n_respelled: Texts of used rows that are not the SMILES of their block.
    """

    smiles: tuple[str, ...]
    in_training: npt.NDArray[np.bool_]
    in_validation: npt.NDArray[np.bool_]
    training_positions: tuple[bool, ...]
    code_of_text: npt.NDArray[np.int64]
    n_respelled: int

    def counts(self) -> dict[str, int]:
        """What summary.json says of them."""
        return {
            "distinct": len(self.smiles),
            "in_training": int(self.in_training.sum()),
            "in_validation": int(self.in_validation.sum()),
            "respelled": self.n_respelled,
        }

    def place(self, records: pa.Table, source: str) -> pa.Table:
        """Replace the codes of texts in `triple` by those of blocks, and set the flag bit of `bits`.

        Args:
            records: Records of one source, RECORD_SCHEMA or TEST_SCHEMA, with or without SMILES.
            source: `train` or `test`; records of the extra file have no blocks.
        """
        lookup = self.in_validation if source == TRAIN else ~self.in_training
        triple, flag = (np.zeros(len(records), dtype=np.int64) for _ in range(2))
        of_texts = block_codes(records["triple"].to_numpy())
        for position, (text_codes, used) in enumerate(zip(of_texts, self.training_positions, strict=True)):
            codes = self.code_of_text[text_codes]
            triple |= codes << (CODE_BITS * position)
            # A test molecule without a block where the training library has one is not of that library.
            flag |= np.concatenate(([source != TRAIN and used], lookup))[codes]
        columns = {"triple": triple, "bits": records["bits"].to_numpy() | (flag << FLAG_BIT)}
        for name, values in columns.items():
            records = records.set_column(records.schema.get_field_index(name), name, pa.array(values))
        return records


def collect_texts(engine: Any, files: Sequence[RawFile], *, work_dir: Path) -> BlockTexts:
    """Read the distinct texts in the block columns of train and test, and make the DuckDB function `block_code`.

    It turns a text into its code by a cast to an ENUM, in which the texts of missing values come first.

    Args:
        engine: DuckDB connection with the raw views.
        files: The raw files.
        work_dir: Existing folder for a temporary file.

    Returns:
        The texts; their `training_positions` are those that hold any text.

    Raises:
        InputError: If there are more texts than a code has room for.
    """
    by_position: dict[str, list[frozenset[str]]] = {}
    missing = {""}
    for file in files:
        if file.source != EXTRA:
            lists = ", ".join(f"list(DISTINCT block{i})" for i in (1, 2, 3))
            with explained_errors(f"reading {file.path}"):
                found = fetch_row(engine, f"SELECT {lists} FROM {file.source}_raw")  # noqa: S608 - names of ours
            given = [frozenset(texts or ()) - {None} for texts in found]
            missing |= {text for texts in given for text in texts if is_missing(text)}
            by_position[file.source] = [texts - missing for texts in given]
    shown = {source: frozenset().union(*positions) for source, positions in by_position.items()}
    texts = sorted(frozenset().union(*shown.values()))
    if len(texts) > MAX_BLOCKS:
        raise InputError(
            "There are too many distinct building blocks.",
            received=f"{len(texts):,}",
            expected=f"at most {MAX_BLOCKS:,}",
            action="Check that the building block columns hold building blocks, not whole molecules.",
        )
    # Through a file: to hand DuckDB an Arrow table imports pandas, a second of start-up.
    list_path = work_dir / "block_list.parquet"
    pq.write_table(pa.table({"text": pa.array([*sorted(missing), *texts], pa.string())}), list_path)
    engine.execute(f"CREATE TYPE block AS ENUM (SELECT text FROM read_parquet({sql_pattern(list_path)}))")  # noqa: S608 - the path is quoted
    code = f"coalesce(greatest(enum_code(text::block)::BIGINT - {len(missing) - 1}, 0), 0)"
    engine.execute(f"CREATE MACRO block_code(text) AS {code}")
    return BlockTexts(tuple(texts), shown, tuple(map(bool, by_position[TRAIN])))


def make_block_table(
    texts: BlockTexts, used: Mapping[str, npt.NDArray[np.bool_]], *, seed: int, share: float
) -> BlockTable:
    """Find the blocks of the texts that are used, and draw the held-out ones.

    Args:
        texts: The texts.
        used: Source, train and test -> whether a used row has the text of a code, bool[n_texts + 1].
        seed: Seed of the draw; any integer.
        share: Share of the training file's blocks to hold out, in [0, 1); rounded to the nearest count, but at least
            one block when it is above 0 and there are at least two.
    """
    is_used = np.logical_or.reduce(list(used.values()))
    block_of = {text: _block_smiles(text) for text, has_row in zip(texts.texts, is_used[1:], strict=True) if has_row}
    respelled = {text: smiles for text, smiles in block_of.items() if text != smiles}
    if respelled:
        text, smiles = next(iter(respelled.items()))
        logger.warning("%d texts of building blocks are respelled, such as %r: %s.", len(respelled), text, smiles)
    blocks = sorted(set(block_of.values()))
    code_of = {smiles: code for code, smiles in enumerate(blocks, start=1)}
    training = {block_of[text] for text, shown in zip(texts.texts, used[TRAIN][1:], strict=True) if shown}
    held_out = _draw(training, seed=seed, share=share)
    return BlockTable(
        tuple(blocks),
        np.array([block in training for block in blocks], dtype=np.bool_),
        np.array([block in held_out for block in blocks], dtype=np.bool_),
        texts.training_positions,
        np.array([0, *(code_of.get(block_of.get(text, ""), 0) for text in texts.texts)], dtype=np.int64),
        len(respelled),
    )


def block_codes(triple: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
    """Split coded triples, int64[n], into the codes of the three positions: 0 = no block."""
    return [(triple >> (CODE_BITS * position)) & MAX_BLOCKS for position in range(len(RAW_BLOCKS))]


def write_blocks(blocks: BlockTable, path: Path) -> None:
    """Write blocks.parquet: block_id int32, smiles string, in_validation bool.

    Args:
        blocks: The blocks.
        path: The file to write.
    """
    table = pa.table(
        {
            "block_id": pa.array(np.arange(len(blocks.smiles), dtype=np.int32)),
            "smiles": pa.array(blocks.smiles, pa.string()),
            "in_validation": pa.array(blocks.in_validation),
        }
    )
    pq.write_table(table, path, compression="zstd")


def _block_smiles(text: str) -> str:
    return canonical_spelling(text) or read_text(text).smiles or text


def _draw(blocks: set[str], *, seed: int, share: float) -> set[str]:
    """Draw by the order of a keyed hash: adding a block to the library moves at most a few others in or out."""
    n_drawn = round(share * len(blocks))
    if share > 0 and len(blocks) > 1:
        n_drawn = max(n_drawn, 1)
    ranked = sorted(blocks, key=lambda block: hashlib.blake2b(f"{seed}:{block}".encode(), digest_size=16).digest())
    return set(ranked[:n_drawn])
