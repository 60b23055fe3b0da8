"""All molecules of the real sample: what is composed of their building blocks equals RDKit's bit by bit."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from belka.chemistry.blocks.compose import ComposedEcfp, read_catalogue
from belka.chemistry.blocks.compose_feature import ComposedBlocks
from belka.chemistry.blocks.feature import DirectBlocks
from belka.chemistry.blocks.row_tables import load_tables
from belka.chemistry.fingerprints import FingerprintSettings
from belka.contract import SMILES
from belka.molecules import list_shards, read_rows
from belka.settings import DataSettings, SystemSettings
from components.block_fingerprints.learn import learn_block_fingerprints
from components.parquet_merge.merge import merge_raw_files

SAMPLE = Path(__file__).parents[2] / "../shared/data/leash_sample"
pytestmark = pytest.mark.skipif(not SAMPLE.exists(), reason="the real sample is not beside the checkout")


@pytest.fixture(scope="module")
def molecules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample") / "molecules"
    system = SystemSettings(memory_limit_gb=2.0, n_workers=2)
    merge_raw_files(SAMPLE, folder, data=DataSettings(spelling="as_given"), system=system)
    return folder


def test_all_molecules_of_the_sample_are_composed_and_equal_rdkit(molecules: Path, tmp_path: Path) -> None:
    summary = learn_block_fingerprints(
        molecules, tmp_path, FingerprintSettings(), n_workers=2, audit_at_random=1_000_000
    )
    assert summary["audit"]["n_molecules"] == summary["audit"]["n_composed"] == 59_963
    assert summary["audit"]["n_contradicted"] == 0
    assert summary["blocks"] == summary["audit"]["n_blocks"] == 1_145
    assert summary["refused_references"] == {}


@pytest.mark.slow
def test_the_feature_blocks_of_all_molecules_of_the_sample_is_that_of_their_smiles(
    molecules: Path, tmp_path: Path
) -> None:
    learn_block_fingerprints(molecules, tmp_path, FingerprintSettings(), n_workers=2)
    tables, catalogue = load_tables(tmp_path), read_catalogue(molecules)
    fingerprints, blocks, direct = ComposedEcfp(tables, catalogue), ComposedBlocks(tables, catalogue), DirectBlocks()
    n_molecules = 0
    for shard in list_shards(molecules):
        for batch in read_rows(shard.path, [SMILES, *ComposedEcfp.columns], batch_rows=4096):
            found = fingerprints.compose(batch)  # none is computed from its SMILES
            unchecked = np.zeros(batch.num_rows, np.bool_)
            composed = blocks.compute(batch, replace(found, checked=unchecked))
            expected = direct.compute(batch)
            assert found.composed.all()
            assert composed.is_known.all()
            assert expected.is_known.all()
            assert (composed.packed == expected.packed).all()
            n_molecules += batch.num_rows
    assert n_molecules == 59_963
