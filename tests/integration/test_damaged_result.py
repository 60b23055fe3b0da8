"""A result that rots between two steps: the later step says so, and again until the earlier one has made it anew."""

from pathlib import Path

import pytest

from belka.contract import Node
from belka.demo.generate import make_demo_data
from belka.errors import DamagedError, InputError
from pipeline.config.files import load_config, with_found_targets, with_raw_digest
from pipeline.runners.local import run_local
from pipeline.runners.outcomes import read_outcomes


def test_a_step_whose_input_was_forgotten_is_not_done(tmp_path: Path) -> None:
    make_demo_data(tmp_path / "raw", molecules=100)
    folders = (f"data.raw_dir={tmp_path / 'raw'}", f"data.output_dir={tmp_path / 'out'}")
    config = with_raw_digest(with_found_targets(load_config(None, (*folders, "system.n_workers=1"))))
    run_local(config, [Node.PARQUET_MERGE])
    (shard, *_) = sorted(tmp_path.glob("out/pipeline_root/parquet-merge/molecules/*/Split-train/*.parquet"))
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    with pytest.raises(DamagedError, match=shard.name):
        run_local(config, [Node.SMILES_VOCAB])
    for _ in range(2):
        with pytest.raises(InputError, match=r"smiles-vocab cannot run(.|\n)*Run the earlier steps first"):
            run_local(config, [Node.SMILES_VOCAB])
    run_local(config, [Node.PARQUET_MERGE])
    run_local(config, [Node.SMILES_VOCAB])
    assert Node.SMILES_VOCAB in read_outcomes(tmp_path / "out" / "metadata.db", config.pipeline_name)
