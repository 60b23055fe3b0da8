"""Score validation molecules with an exported model, and keep the predictions beside the labels."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from belka.chemistry.blocks.feature import read_blocks
from belka.chemistry.direct import DirectFingerprints
from belka.chemistry.fingerprints import FingerprintSettings
from belka.contract import (
    BINDS,
    FEATURE_BINDS,
    FEATURE_MOLECULE_ID,
    FEATURE_SPLIT_GROUP,
    LINKER,
    LINKER_REPLACEMENT,
    MOLECULE_ID,
    SIGNATURE_EXAMPLES,
    SMILES,
    SMILES_NO_LINKER,
    SPLIT_GROUP,
    Subset,
)
from belka.errors import BelkaError
from belka.examples import known_total, len_of, read_examples
from belka.models.folder import open_model_folder
from belka.models.loader import Signature
from belka.molecules import list_shards, read_rows
from belka.predict.predictor import Predictor
from belka.progress import counted
from components.affinity_evaluator.predictions import PredictionsWriter


def score_examples(
    model_dir: Path, examples_files: Sequence[Path], predictions_file: Path, *, n_targets: int, batch_size: int
) -> None:
    """Write the predictions of a model for every Example in the order of the files, as BulkInferrer scores them.

    Args:
        model_dir: SavedModel with the signature `serving_default`: serialized Examples in, `probabilities` out.
        examples_files: TFRecord files, GZIP if their name ends with .gz.
        predictions_file: Parquet file to write, see `predictions_schema`; appears whole or not at all.
        n_targets: Number of targets of the Examples and of the model.
        batch_size: Examples scored at a time; memory grows with it, not with the number of Examples.

    Raises:
        BelkaError: The model cannot be loaded, has another signature or another number of targets, or Examples are
            damaged.
    """
    predict = Signature(model_dir, SIGNATURE_EXAMPLES)
    columns = (FEATURE_MOLECULE_ID, FEATURE_SPLIT_GROUP, FEATURE_BINDS)
    with PredictionsWriter(predictions_file, n_targets) as writer:
        batches = read_examples(examples_files, columns, n_targets=n_targets, batch_size=batch_size)
        for batch in counted(batches, "scoring", "molecules", known_total(examples_files), size=len_of):
            ids, groups, labels = (batch.columns[name] for name in columns)
            writer.write(ids, groups, labels.ravel(), predict(batch.serialized))


def score_molecules(
    model_dir: Path, molecules_dir: Path, reference: Path, predictions_file: Path, *, n_targets: int, batch_size: int
) -> None:
    """Write the predictions of a model that reads other Examples for the molecules of another predictions.parquet.

    Args:
        model_dir: A model as the trainer exports it. For one that reads fingerprints, its own are computed of every
            molecule.
        molecules_dir: Folder written by ParquetMerge.
        reference: The other model's predictions.parquet: its molecule ids are the ones to score.
        predictions_file: Parquet file to write, in the order of the molecules; appears whole or not at all.
        n_targets: Number of targets.
        batch_size: Molecules scored at a time.

    Raises:
        BelkaError: The model cannot be used, or the molecules are others than those of the Examples.
    """
    predictor = Predictor(open_model_folder(model_dir))
    columns = [SPLIT_GROUP, BINDS, SMILES]
    with PredictionsWriter(predictions_file, n_targets) as writer:
        for rows in scored_molecules(molecules_dir, reference, columns, batch_size=batch_size):
            smiles = rows.column(SMILES).to_pylist()
            probabilities = predictor.predict(
                smiles,
                _fingerprints(smiles, predictor.model.ecfp),
                read_blocks(smiles) if predictor.model.block_readers else [],
            ).probabilities
            writer.write(
                rows.column(MOLECULE_ID).to_numpy(),
                rows.column(SPLIT_GROUP).to_numpy(),
                rows.column(BINDS).flatten().to_numpy(),
                probabilities,
            )


def scored_molecules(
    molecules_dir: Path, reference: Path, columns: Sequence[str], *, batch_size: int = 1 << 16
) -> Iterator[pa.RecordBatch]:
    """Read the rows of the molecules that a predictions.parquet holds.

    Args:
        molecules_dir: Folder written by ParquetMerge.
        reference: The predictions.parquet.
        columns: Columns to read beside the id.
        batch_size: Rows read at a time.

    Yields:
        Rows of the validation molecules that are in `reference`, in the order of the table.

    Raises:
        BelkaError: At the end, if molecules of `reference` were not in the table.
    """
    wanted, n_found = np.sort(pq.read_table(reference, columns=[MOLECULE_ID])[0].to_numpy()), 0
    for shard in list_shards(molecules_dir):
        if shard.split != Subset.VALIDATION.split:
            continue
        for batch in read_rows(shard.path, [MOLECULE_ID, *columns], batch_rows=batch_size):
            rows = batch.filter(pa.array(np.isin(batch.column(MOLECULE_ID).to_numpy(), wanted)))
            n_found += rows.num_rows
            if rows.num_rows:
                yield rows
    if n_found != wanted.size:
        raise BelkaError(
            "The molecules are not those of the Examples.",
            received=f"{n_found} of {wanted.size} molecules of the Examples are in {molecules_dir}",
            expected="Examples made from these molecules",
            action="Run the step make_dataset again.",
        )


def _fingerprints(smiles: Sequence[str], ecfp: FingerprintSettings | None) -> list[bytes]:
    if ecfp is None:
        return []
    plain = [text.replace(LINKER, LINKER_REPLACEMENT) for text in smiles]
    # Examples hold no molecule that RDKit could not read; should this one fail on any, it gets no bits.
    return [
        row.tobytes() for row in DirectFingerprints(ecfp).compute(pa.record_batch({SMILES_NO_LINKER: plain})).packed
    ]
