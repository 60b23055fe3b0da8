"""The molecules that all of several runs held out, with the predictions of each run in one order.

Runs on one molecules table share its ids. Others are matched by molecule, whatever their ids: a molecule that each run
held out was trained on by none of them. Where a block is new to any of the runs, intervals resample it.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from belka.chemistry.blocks.compose import read_catalogue
from belka.contract import LABEL_UNKNOWN, MOLECULE_ID, SMILES, Subset
from belka.errors import InputError
from belka.models.unseen import block_key, molecule_hashes
from belka.molecules import list_shards, read_rows
from components.affinity_evaluator.predictions import Predictions, read_predictions
from components.affinity_evaluator.units import NewBlocks
from pipeline.comparison.finished_run import FinishedRun


@dataclass(frozen=True)
class SharedMolecules:
    """What several runs are compared on.

    Attributes:
        targets: Targets that all runs have, in the order of the first run.
        predictions: Of each run: the same molecules in the same order, under the ids of the first run, with labels that
            all runs agree on.
        new_blocks: Blocks that are new to any of the runs.
        held_out: Validation molecules of each run.
        same_table: Whether all runs used one molecules table.
        other_group: Molecules that all held out, left out as not all have them in the same split group.
        other_labels: Labels left out as not all runs have the same.
    """

    targets: tuple[str, ...]
    predictions: tuple[Predictions, ...]
    new_blocks: NewBlocks
    held_out: tuple[int, ...]
    same_table: bool
    other_group: int
    other_labels: int

    @property
    def number(self) -> int:
        """How many molecules they are."""
        return len(self.predictions[0].ids)


def share_molecules(runs: Sequence[FinishedRun]) -> SharedMolecules:
    """Find the validation molecules that all runs held out.

    Args:
        runs: Two or more.

    Raises:
        InputError: They have no target or no molecule in common.
    """
    targets = tuple(target for target in runs[0].targets if all(target in run.targets for run in runs))
    if not targets:
        raise InputError(
            "The runs have no target in common.",
            received="; ".join(f"{run.name}: {', '.join(run.targets)}" for run in runs),
            expected="at least one target that all were trained on",
            action="Compare runs on the same targets.",
        )
    read = [_of_targets(run, targets) for run in runs]
    same_table = len({run.molecules_digest for run in runs}) == 1
    keys = [each.ids if same_table else _hashes(run, each.ids) for run, each in zip(runs, read, strict=True)]
    common: NDArray[Any] = functools.reduce(np.intersect1d, keys)
    if not common.size:
        raise InputError(
            "The runs held out no molecule in common.",
            received="; ".join(f"{run.name}: {len(each.ids):,}" for run, each in zip(runs, read, strict=True)),
            expected="validation molecules that no run trained on",
            action="Compare runs with the same data.validation_fraction and system.seed on the same raw files.",
        )
    aligned = [each.where(np.isin(own, common)) for each, own in zip(read, keys, strict=True)]
    # In the order of the keys, which all have.
    orders = [np.argsort(own[np.isin(own, common)], kind="stable") for own in keys]
    aligned = [_ordered(each, order) for each, order in zip(aligned, orders, strict=True)]
    in_one_group = np.all([each.groups == aligned[0].groups for each in aligned], axis=0)
    agreed = np.all([each.labels == aligned[0].labels for each in aligned], axis=0)
    labels = np.where(agreed, aligned[0].labels, np.int8(LABEL_UNKNOWN))
    kept = [
        Predictions(aligned[0].ids, aligned[0].groups, labels, each.probabilities).where(in_one_group)
        for each in aligned
    ]
    return SharedMolecules(
        targets=targets,
        predictions=tuple(kept),
        new_blocks=_new_blocks(runs, same_table=same_table),
        held_out=tuple(len(each.ids) for each in read),
        same_table=same_table,
        other_group=int((~in_one_group).sum()),
        other_labels=int((~agreed).sum()),
    )


def _of_targets(run: FinishedRun, targets: Sequence[str]) -> Predictions:
    found = read_predictions(run.predictions, len(run.targets))
    columns = [run.targets.index(target) for target in targets]
    return Predictions(found.ids, found.groups, found.labels[:, columns], found.probabilities[:, columns])


def _ordered(predictions: Predictions, order: NDArray[np.int64]) -> Predictions:
    return Predictions(
        predictions.ids[order], predictions.groups[order], predictions.labels[order], predictions.probabilities[order]
    )


def _hashes(run: FinishedRun, ids: NDArray[np.int64]) -> NDArray[np.uint64]:
    """The hash of each molecule; two of one hash are told apart by nothing, and there is one row a molecule."""
    hashes, rows = [np.empty(0, np.uint64)], [np.empty(0, np.int64)]
    for shard in list_shards(run.molecules_dir):
        if shard.split == Subset.VALIDATION.split:
            for batch in read_rows(shard.path, [MOLECULE_ID, SMILES]):
                rows.append(batch.column(MOLECULE_ID).to_numpy())
                hashes.append(molecule_hashes(batch.column(SMILES)))
    all_rows, all_hashes = np.concatenate(rows), np.concatenate(hashes)
    order = np.argsort(all_rows)
    return all_hashes[order[np.searchsorted(all_rows[order], ids)]]


def _new_blocks(runs: Sequence[FinishedRun], *, same_table: bool) -> NewBlocks:
    """The blocks of the first run's molecules, of which those are new that any run had not seen."""
    found = NewBlocks.read(runs[0].molecules_dir)
    if same_table:
        return found
    new = {
        block_key(smiles)
        for run in runs
        for smiles, is_new in zip(
            read_catalogue(run.molecules_dir), NewBlocks.read(run.molecules_dir).is_new, strict=True
        )
        if is_new
    }
    catalogue = read_catalogue(runs[0].molecules_dir)
    return NewBlocks(found.of_molecules, np.array([block_key(smiles) in new for smiles in catalogue], np.bool_))
