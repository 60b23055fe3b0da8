"""The TFX component BlockFingerprintLearner."""

from pathlib import Path
from typing import cast

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component

from belka.chemistry.fingerprints import FingerprintKind
from belka.machine import worker_count
from components.artifact_types import BlockFingerprints, Molecules
from components.block_fingerprints.learn import EcfpMethod, learn_block_fingerprints


@component
def BlockFingerprintLearner(  # noqa: N802, PLR0917 - TFX names a component after its function and passes arguments by name
    molecules: InputArtifact[Molecules],
    block_fingerprints: OutputArtifact[BlockFingerprints],
    method: Parameter[str] = "auto",
    ecfp_size: Parameter[int] = 2048,
    ecfp_radius: Parameter[int] = 2,
    ecfp_chirality: Parameter[int] = 1,
    fingerprint: Parameter[str] = "ecfp",
    n_workers: Parameter[int] = 1,
    code_version: Parameter[str] = "",
) -> None:
    """Learn the fingerprint rows of building blocks and audit them.

    Args:
        molecules: One row a molecule, from ParquetMerge.
        block_fingerprints: Receives the tables and summary.json.
        method: `auto` or `direct`.
        ecfp_size: Number of fingerprint bits, a multiple of 8.
        ecfp_radius: Radius of the fingerprint in bonds.
        ecfp_chirality: 1 = the fingerprint tells enantiomers apart; a number, because Kubeflow turns booleans into them.
        fingerprint: Kind of the fingerprint; the tables of other kinds than ecfp are empty.
        n_workers: Processes of the audit; 0 = as many as there are cores to use.
        code_version: Changes when the code, RDKit or scikit-fingerprints does, so that cached tables of another one are not used.
    """
    del code_version
    learn_block_fingerprints(
        Path(molecules.uri),
        Path(block_fingerprints.uri),
        method=cast(EcfpMethod, method),
        ecfp_size=ecfp_size,
        ecfp_radius=ecfp_radius,
        ecfp_chirality=bool(ecfp_chirality),
        n_workers=worker_count(n_workers),
        fingerprint=cast(FingerprintKind, fingerprint),
    )
