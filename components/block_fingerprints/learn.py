"""Learn the fingerprint rows of a library's building blocks from its molecules, and audit them."""

import json
import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import rdkit

from belka.chemistry.blocks.audit import AuditResult, audit_tables
from belka.chemistry.blocks.compose import read_catalogue
from belka.chemistry.blocks.learn import N_REFERENCES, Learnt, learn_tables
from belka.chemistry.blocks.reference import MAX_RADIUS
from belka.chemistry.blocks.row_tables import LEARNT_SUMMARY_FILE, BlockFingerprintTables, save_tables
from belka.chemistry.blocks.sample import sample_molecules
from belka.chemistry.fingerprints import FingerprintSettings
from belka.contract import MOLECULE_ID
from belka.files import atomic_path
from belka.hashing import splitmix64
from belka.molecules import list_shards

logger = logging.getLogger(__name__)


def learn_block_fingerprints(
    molecules_dir: Path,
    output_dir: Path,
    settings: FingerprintSettings,
    *,
    n_workers: int,
    audit_per_block: int = 20,
    audit_at_random: int = 5000,
) -> dict[str, Any]:
    """Write the rows from which MoleculeTransform composes fingerprints, and return the summary.

    Molecules are drawn evenly over blocks and at random; a few of them teach the rows, all of them audit the result.

    Args:
        molecules_dir: Folder written by ParquetMerge.
        output_dir: Receives the two tables and summary.json.
        settings: The fingerprint. The tables stay empty, so that every fingerprint is computed from its SMILES, where
            its method is `direct`, its kind is not ecfp, or its radius is above MAX_RADIUS.
        n_workers: Processes of the audit, at least 1.
        audit_per_block: Molecules of each block and position in the audit (all where there are fewer).
        audit_at_random: Further molecules in the audit, whatever their blocks.

    Raises:
        InputError: If there are no molecules.
        BelkaError: If a composed fingerprint differs from RDKit's; it names the molecule.
    """
    shards = list_shards(molecules_dir)
    obstacle = _obstacle(settings)
    if settings.method == "direct" or obstacle:
        if settings.method == "auto":
            logger.warning("%s", obstacle)
        nothing = BlockFingerprintTables(settings, rdkit.__version__, (), ())
        return _write(Learnt(nothing, 0, {}, "", ()), None, output_dir)
    catalogue = read_catalogue(molecules_dir)
    sample = sample_molecules(
        shards, n_blocks=len(catalogue), per_block=max(audit_per_block, N_REFERENCES), at_random=audit_at_random
    )
    # In random order, so that the references of a block are not neighbours in the table.
    shuffled = sample.take(pa.array(np.argsort(splitmix64(sample[MOLECULE_ID].to_numpy()))))
    learnt = learn_tables(shuffled.to_pylist(), catalogue, settings)
    audit = audit_tables(learnt.tables, sample, catalogue, n_workers=n_workers) if learnt.tables.cores else None
    return _write(learnt, audit, output_dir)


def _obstacle(settings: FingerprintSettings) -> str:
    """Say why nothing of a fingerprint can be composed; empty where something can."""
    if settings.kind != "ecfp":
        return (
            f"Every {settings.name} fingerprint is computed from its SMILES by scikit-fingerprints: only ECFP can be "
            "composed from building blocks, so fingerprint.method has no effect."
        )
    if settings.radius > MAX_RADIUS:
        return (
            f"Fingerprints of radius {settings.radius} reach across building blocks and are computed from the SMILES; "
            f"up to radius {MAX_RADIUS} they could be composed."
        )
    return ""


def _write(learnt: Learnt, audit: AuditResult | None, output_dir: Path) -> dict[str, Any]:
    """Write tables and summary, and log what a user should know."""
    tables = learnt.tables
    summary: dict[str, Any] = {
        "blocks": len(tables.blocks),
        "cores": len(tables.cores),
        "references": learnt.n_references,
        "refused_references": learnt.refused,
        "first_refused": learnt.first_refused,
        "ambiguous_blocks": list(learnt.ambiguous),
        "audit": asdict(audit) if audit else None,
        "ecfp": tables.settings.stored(),
        "rdkit_version": tables.rdkit_version,
    }
    save_tables(tables, output_dir)
    with atomic_path(output_dir / LEARNT_SUMMARY_FILE) as temporary:
        temporary.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    if learnt.refused:
        logger.warning(
            "%d molecules do not consist of the blocks they are listed with (%s), for example %s.",
            sum(learnt.refused.values()),
            learnt.refused,
            learnt.first_refused,
        )
    if learnt.ambiguous:
        logger.warning("%d blocks differ from molecule to molecule: %s.", len(learnt.ambiguous), learnt.ambiguous[:5])
    logger.info(
        "Rows of %d building blocks and %d kinds of core learnt from %d molecules; audit: %s.",
        len(tables.blocks),
        len(tables.cores),
        learnt.n_references,
        audit,
    )
    return summary
