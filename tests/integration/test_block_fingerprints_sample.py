"""All molecules of the real sample: their composed fingerprints equal RDKit's bit by bit."""

from pathlib import Path

import pytest

from belka.chemistry.fingerprints import FingerprintSettings
from belka.settings import DataSettings, SystemSettings
from components.block_fingerprints.learn import learn_block_fingerprints
from components.parquet_merge.merge import merge_raw_files

SAMPLE = Path(__file__).parents[2] / "../shared/data/leash_sample"


@pytest.mark.skipif(not SAMPLE.exists(), reason="the real sample is not beside the checkout")
def test_all_molecules_of_the_sample_are_composed_and_equal_rdkit(tmp_path: Path) -> None:
    system = SystemSettings(memory_limit_gb=2.0, n_workers=2)
    merge_raw_files(SAMPLE, tmp_path / "molecules", data=DataSettings(spelling="as_given"), system=system)
    summary = learn_block_fingerprints(
        tmp_path / "molecules", tmp_path / "tables", FingerprintSettings(), n_workers=2, audit_at_random=1_000_000
    )
    assert summary["audit"]["n_molecules"] == summary["audit"]["n_composed"] == 59_963
    assert summary["audit"]["n_contradicted"] == 0
    assert summary["blocks"] == summary["audit"]["n_blocks"] == 1_145
    assert summary["refused_references"] == {}
