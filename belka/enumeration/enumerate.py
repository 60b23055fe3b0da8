"""From the blocks of a library to a table of its best molecules."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from belka.chemistry.direct import DirectFingerprints
from belka.chemistry.fingerprints import FingerprintSettings
from belka.contract import LINKER, LINKER_REPLACEMENT, SMILES, SMILES_NO_LINKER
from belka.enumeration.block_rows import BlockRows, learn_rows
from belka.enumeration.library import ProductLibrary
from belka.enumeration.linear import LinearScorer
from belka.enumeration.pairs import pair_scorer
from belka.enumeration.search import Best, Scorer, best_products
from belka.enumeration.select import Chosen, Ranked, Wanted, choose
from belka.errors import BelkaError, InputError
from belka.models.folder import ModelFolder
from belka.models.linear_member import read_linear_member
from belka.predict.check import CheckSettings, SmilesChecker
from belka.predict.predictor import Predictor, result_columns, score_checked

logger = logging.getLogger(__name__)

_BATCH: Final = 1_024
_GROWTH: Final = 4
_MOST_GROWTH: Final = 64  # times the first pool
# A float32 sum of 200 terms, as a served graph adds them, errs by at most 200 * 2**-24 of the sum of their sizes, and
# two such sums may err in opposite ways (Higham: Accuracy and Stability of Numerical Algorithms, section 3.1).
_SERVED_ROUNDING: Final = 400 * 2.0**-24


class Source(NamedTuple):
    """A score of the products of a library.

    Attributes:
        scorer: The score.
        library: The blocks that have one.
        rows: Their bits; None where the score reads none.
        model: The model whose member scores, or that may rank what odds find; None = there is none.
    """

    scorer: Scorer
    library: ProductLibrary
    rows: BlockRows | None = None
    model: ModelFolder | None = None


@dataclass(frozen=True)
class Ranking:
    """How molecules are ranked.

    Attributes:
        pool: The exact best by the score that are looked at first, at least 1; up to `_MOST_GROWTH` times as many where
            too few of them may be taken.
        by_model: Whether the whole model ranks the pool; otherwise the score does.
    """

    pool: int
    by_model: bool = False


@dataclass(frozen=True)
class Enumerated:
    """The result.

    Attributes:
        table: One row for each molecule, see `enumerate_library`.
        best: The pool that it was chosen from.
        chosen: What was passed over.
        library: The blocks.
        ties: Molecules of the pool, beyond those that were wanted, with the score of the last of them.
    """

    table: pa.Table
    best: Best
    chosen: Chosen
    library: ProductLibrary
    ties: int


def linear_source(model: ModelFolder, target: str, library: ProductLibrary) -> Source:
    """The score of a model's linear member: its log-odds of a target.

    Raises:
        InputError: The model has no such member or target, or its fingerprints are no unions of blocks' bits.
    """
    member = read_linear_member(model)
    column = target_place(model.targets, target)
    rows, kept = learn_rows(library, model.ecfp or FingerprintSettings())
    scorer = LinearScorer(kept, rows, member.weights[:, column], float(member.bias[column]))
    return Source(scorer, kept, rows, model)


def pair_source(statistics: Path, target: str, library: ProductLibrary, model: ModelFolder | None = None) -> Source:
    """The score of odds of pairs of blocks, see `belka.enumeration.pairs`; a model may rank what it finds.

    Raises:
        InputError: The statistics or the model do not know the target, or the statistics do not know the blocks.
    """
    if model is not None:
        target_place(model.targets, target)
    return Source(pair_scorer(statistics, target, library), library, model=model)


def target_place(targets: Sequence[str], target: str) -> int:
    """Place of a target.

    Raises:
        InputError: It is none of them.
    """
    if target in targets:
        return targets.index(target)
    raise InputError(
        "The model does not know the target.",
        received=target,
        expected=" or ".join(targets),
        action="Name one of them with --target.",
    )


def enumerate_library(source: Source, target: str, wanted: Wanted, ranking: Ranking) -> Enumerated:
    """Find the best molecules of all that a library's blocks can be joined to.

    Args:
        source: The score.
        target: The target that is ranked by.
        wanted: How many, and which may be taken.
        ranking: By what.

    Returns:
        The molecules, the best first: `rank` int64, `smiles`, `block1`, `block2`, `block3` as the library lists them,
        `score` float64, the columns of `belka predict` where the model ranks, and the properties of the filters.

    Raises:
        InputError: Too many products have the score of the last.
        BelkaError: RDKit's fingerprint of a molecule is another than the one put together of its blocks.
    """
    pool = max(ranking.pool, wanted.count)
    most = _MOST_GROWTH * pool
    while True:
        best = best_products(source.scorer, pool, tolerance=_SERVED_ROUNDING * source.scorer.size)
        found = _of_pool(source, target, wanted, ranking, best)
        is_whole = len(best.scores) >= source.library.size or pool >= most
        if len(found.chosen.rows) >= wanted.count or is_whole:
            return found
        pool = min(_GROWTH * pool, most)
        logger.info("%d of %d molecules found: the best %d are looked at.", len(found.chosen.rows), wanted.count, pool)


def _of_pool(source: Source, target: str, wanted: Wanted, ranking: Ranking, best: Best) -> Enumerated:
    smiles = cache(lambda row: source.library.smiles(*best.molecules[row].tolist()))
    columns: dict[str, Any] = {}
    order = np.arange(len(best.scores))
    if ranking.by_model and source.model is not None:
        columns = predicted(source.model, [smiles(row) for row in range(len(best.scores))])
        probabilities = np.asarray(columns[f"probability_{target}"].to_numpy(zero_copy_only=False), np.float64)
        # The order of the pool, by score and blocks, decides between equal probabilities.
        order = np.argsort(-np.nan_to_num(probabilities, nan=-1.0), kind="stable")
    rank_by = best.scores if not columns else probabilities
    molecules = best.molecules[order]
    packed = None
    if wanted.most_similar is not None:
        packed = _direct([smiles(int(row)) for row in order], FingerprintSettings())
    chosen = choose(Ranked(molecules, lambda row: smiles(int(order[row])), packed), wanted)
    rows = order[chosen.rows] if chosen.rows else np.empty(0, np.int64)
    texts = [smiles(int(row)) for row in rows]
    if source.rows is not None and source.model is not None and source.model.ecfp is not None:
        check_fingerprints(texts, source.rows.packed(best.molecules[rows]), source.model.ecfp)
    ties = int((rank_by == rank_by[rows[-1]]).sum() - (rank_by[rows] == rank_by[rows[-1]]).sum()) if len(rows) else 0
    table = _table(source.library, best, rows, texts, columns, wanted, chosen)
    return Enumerated(table, best, chosen, source.library, ties)


def predicted(model: ModelFolder, smiles: Sequence[str]) -> dict[str, pa.Array]:
    """What the whole model says of molecules, as `belka predict` does: its columns."""
    checker, predictor = SmilesChecker(CheckSettings.of(model)), Predictor(model)
    names = [field.name for field in result_columns(model)]
    parts = [
        score_checked(checker.check_all(smiles[start : start + _BATCH]), predictor)
        for start in range(0, max(len(smiles), 1), _BATCH)
    ]
    return {name: pa.concat_arrays(arrays) for name, arrays in zip(names, zip(*parts, strict=True), strict=True)}


def check_fingerprints(smiles: Sequence[str], packed: NDArray[np.uint8], settings: FingerprintSettings) -> None:
    """Compare fingerprints put together of blocks with those that RDKit computes from the molecules.

    Args:
        smiles: n molecules, with their linker.
        packed: uint8 [n, n_bytes].
        settings: The fingerprint.

    Raises:
        BelkaError: One differs.
    """
    differs = (_direct(smiles, settings) != packed).any(axis=1)
    if differs.any():
        raise BelkaError(
            "The fingerprint put together from a molecule's building blocks differs from the one RDKit computes.",
            received=smiles[int(np.argmax(differs))],
            expected="equal bits",
            action="Report the molecule; take its blocks out of the library until then.",
        )


def _direct(smiles: Sequence[str], settings: FingerprintSettings) -> NDArray[np.uint8]:
    plain = [text.replace(LINKER, LINKER_REPLACEMENT) for text in smiles]
    batch = pa.record_batch({SMILES_NO_LINKER: pa.array(plain, pa.string())})
    return DirectFingerprints(settings).compute(batch).packed


def _table(
    library: ProductLibrary,
    best: Best,
    rows: NDArray[np.int64],
    smiles: Sequence[str],
    columns: dict[str, pa.Array],
    wanted: Wanted,
    chosen: Chosen,
) -> pa.Table:
    blocks = best.molecules[rows].tolist()
    listed = [
        [(library.first if place == 0 else library.amines)[row[place]].listed for row in blocks] for place in range(3)
    ]
    properties = np.array(chosen.properties, np.float64).reshape(len(rows), len(wanted.properties))
    taken = pa.array(rows, pa.int64())
    return pa.table(
        {
            "rank": pa.array(range(1, len(rows) + 1), pa.int64()),
            SMILES: pa.array(smiles, pa.string()),
            **{f"block{place + 1}": pa.array(names, pa.string()) for place, names in enumerate(listed)},
            "score": pa.array(best.scores[rows], pa.float64()),
            **{name: column.take(taken) for name, column in columns.items()},
            **{name: pa.array(properties[:, place]) for place, name in enumerate(wanted.properties)},
        }
    )
