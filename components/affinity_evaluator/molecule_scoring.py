"""Score the molecules behind predictions.parquet from their SMILES, for a model that reads other Examples."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from belka import contract as dc
from belka.chemistry.direct import DirectFingerprints
from belka.chemistry.fingerprints import FingerprintSettings
from belka.errors import BelkaError
from belka.models.folder import open_model_folder
from belka.molecules import list_shards, read_rows
from belka.predict.predictor import Predictor
from components.affinity_evaluator.scoring import PredictionsWriter


def score_molecules(
    model_dir: Path,
    molecules_dir: Path,
    reference: Path,
    predictions_file: Path,
    *,
    n_targets: int,
    batch_size: int,
) -> None:
    """Write the predictions of a model for exactly the molecules of another model's predictions.parquet.

    Args:
        model_dir: A model as the trainer exports it. For one that reads fingerprints, its own are computed of every molecule.
        molecules_dir: Folder written by ParquetMerge.
        reference: The other model's predictions.parquet: its molecule ids are the ones to score.
        predictions_file: Parquet file to write, in the order of the molecules; appears whole or not at all.
        n_targets: Number of targets.
        batch_size: Molecules scored at a time.

    Raises:
        BelkaError: The model cannot be used, or the molecules are others than those of the Examples.
    """
    wanted = np.sort(pq.read_table(reference, columns=[dc.MOLECULE_ID])[0].to_numpy())
    predictor = Predictor(open_model_folder(model_dir))
    columns = [dc.MOLECULE_ID, dc.SPLIT_GROUP, dc.BINDS, dc.SMILES]
    with PredictionsWriter(predictions_file, n_targets) as writer:
        for shard in list_shards(molecules_dir):
            if shard.split != dc.Subset.VALIDATION.split:
                continue
            for batch in read_rows(shard.path, columns, batch_rows=batch_size):
                rows = batch.filter(pa.array(np.isin(batch.column(dc.MOLECULE_ID).to_numpy(), wanted)))
                if rows.num_rows:
                    smiles = rows.column(dc.SMILES).to_pylist()
                    probabilities = predictor.predict(smiles, _fingerprints(smiles, predictor.model.ecfp))
                    writer.write(
                        rows.column(dc.MOLECULE_ID).to_numpy(),
                        rows.column(dc.SPLIT_GROUP).to_numpy(),
                        rows.column(dc.BINDS).flatten().to_numpy(),
                        probabilities,
                    )
        if writer.n_rows != wanted.size:
            raise BelkaError(
                "The molecules are not those of the Examples.",
                received=f"{writer.n_rows} of {wanted.size} molecules of the Examples are in {molecules_dir}",
                expected="Examples made from these molecules",
                action="Run the step make_dataset again.",
            )


def _fingerprints(smiles: Sequence[str], ecfp: FingerprintSettings | None) -> list[bytes]:
    if ecfp is None:
        return []
    plain = [text.replace(dc.LINKER, dc.LINKER_REPLACEMENT) for text in smiles]
    # Examples hold no molecule that RDKit could not read; should this one fail on any, it gets no bits.
    return [
        row.tobytes() for row in DirectFingerprints(ecfp).compute(pa.record_batch({dc.SMILES_NO_LINKER: plain})).packed
    ]
