"""Write the TransformGraph: the preprocessing as a SavedModel, by tensorflow-transform."""

import functools
import importlib
import logging
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from tensorflow_transform.tf_metadata.dataset_metadata import DatasetMetadata
from tensorflow_transform.tf_metadata.schema_utils import schema_from_feature_spec

from belka.errors import InputError
from belka.files import atomic_path
from belka.tokens.vocabulary import write_vocabulary
from components.molecule_transform.local_pipeline import local_pipeline

logger = logging.getLogger(__name__)


def write_transform_graph(output_dir: Path, *, preprocessing_fn: str, vocabulary: Sequence[str]) -> None:
    """Trace the preprocessing and save it in the layout of tensorflow_transform.TFTransformOutput, with vocab.txt.

    The graph is a function of the code and the vocabulary alone, so no data is read and this always runs in process.

    Args:
        output_dir: Folder of the TransformGraph artifact; what it holds is replaced.
        preprocessing_fn: Import path of a function of (inputs, custom_config) from raw to transformed tensors, without
            tensorflow-transform analyzers; its input is the string feature `smiles`, its configuration `vocabulary`.
        vocabulary: The tokens; the index is the id.

    Raises:
        InputError: If there is no such function, or it uses analyzers.
    """
    function = functools.partial(_import(preprocessing_fn), custom_config={"vocabulary": tuple(vocabulary)})
    if tft.get_analyze_input_columns(function, {"smiles": tf.TensorSpec([None], tf.string)}):
        raise InputError(
            "The preprocessing function needs a pass over the data.",
            received=f"{preprocessing_fn} uses tensorflow-transform analyzers",
            expected="a function of the SMILES and the vocabulary alone",
            action="Compute such statistics in a component of their own and pass them in.",
        )
    metadata = DatasetMetadata(schema_from_feature_spec({"smiles": tf.io.FixedLenFeature([], tf.string)}))
    with tempfile.TemporaryDirectory(prefix="transform-graph-") as scratch, atomic_path(output_dir) as temporary:
        with local_pipeline() as pipeline, tft_beam.Context(temp_dir=scratch):
            no_rows = pipeline | "NoRows" >> beam.Create([], reshuffle=False)
            transform_fn = (no_rows, metadata) | tft_beam.AnalyzeDataset(function)
            _ = transform_fn | tft_beam.WriteTransformFn(str(temporary))
            raw_metadata = str(temporary / tft.TFTransformOutput.RAW_METADATA_DIR)
            _ = metadata | tft_beam.WriteMetadata(raw_metadata, pipeline=pipeline)
        # The trainer has no channel for the vocabulary; the graph it belongs to carries it.
        write_vocabulary(temporary, vocabulary)
    logger.info("Transform graph written to %s.", output_dir)


def _import(path: str) -> Callable[..., dict[str, Any]]:
    """Import a function by its dotted path."""
    module, _, name = path.rpartition(".")
    try:
        function: Callable[..., dict[str, Any]] = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(
            "The preprocessing function cannot be imported.",
            received=f"{path}: {error}",
            expected="an import path such as trainer_module.preprocessing.preprocessing_fn",
            action="Correct the path, or install the package that holds the function.",
        ) from error
    return function
