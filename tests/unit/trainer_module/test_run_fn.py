"""All stages through `run_fn`, each from the one before, and what they export."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from belka.chemistry.fingerprints import FingerprintSettings
from belka.contract import (
    DESCRIPTORS_FILE,
    LABEL_UNKNOWN,
    OUTPUT_DESCRIPTORS,
    OUTPUT_PROBABILITIES,
    SIGNATURE_EXAMPLES,
    SIGNATURE_SMILES,
)
from belka.errors import InputError
from belka.models.calibration import LEAST_SLOPE, fit_calibration, log_odds, probabilities_of
from trainer_module.export.saved_model import load_model
from trainer_module.loop.train import TrainingData
from trainer_module.run_fn import run_fn

MODEL = {"depth": 16, "num_heads": 2, "num_layers": 1, "max_length": 32}
TRAINING = {"batch_size": 64, "epochs": 2, "bucket_boundaries": [32]}


def run_stage(
    folder: Path, data: TrainingData, transform_graph: Path, base_model: Path | None = None, **config: Any
) -> Path:
    serving = folder / "Format-Serving"
    run_fn(
        SimpleNamespace(
            train_files=[str(Path(data.train_files[0]).parent / "*")],
            eval_files=[str(Path(data.eval_files[0]).parent / "*")],
            transform_output=str(transform_graph),
            base_model=None if base_model is None else str(base_model),
            serving_model_dir=str(serving),
            model_run_dir=str(folder / "run"),
            custom_config={"model": MODEL, "training": TRAINING, **config},
        )
    )
    return serving


@pytest.fixture(scope="module")
def stages(
    tmp_path_factory: pytest.TempPathFactory, training_data: TrainingData, transform_graph: Path
) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("stages")
    mlm = run_stage(root / "mlm", training_data, transform_graph, mode="mlm")
    mtr = run_stage(root / "mtr", training_data, transform_graph, mlm, mode="mtr")
    fps = run_stage(root / "fps", training_data, transform_graph, mtr, mode="fps")
    clf = run_stage(root / "clf", training_data, transform_graph, fps, mode="clf")
    return {"mlm": mlm, "mtr": mtr, "fps": fps, "clf": clf}


def test_each_stage_exports_the_signatures_of_its_mode(stages: dict[str, Path]) -> None:
    shapes = {"mlm": [5, 3, 18], "mtr": [5, 189], "fps": [5, 2048], "clf": [5, 3]}
    for mode, folder in stages.items():
        loaded = tf.saved_model.load(str(folder))
        smiles = tf.constant(["CCO", "CC", "C", "CBr", "OC"])
        (first, *_) = sorted(loaded.signatures[SIGNATURE_SMILES].structured_outputs)
        assert first == (OUTPUT_DESCRIPTORS if mode == "mtr" else OUTPUT_PROBABILITIES)
        probabilities = loaded.signatures[SIGNATURE_SMILES](smiles=smiles)[first]
        assert probabilities.shape.as_list() == shapes[mode]
        assert probabilities.dtype == tf.float32


def test_both_signatures_give_the_predictions_of_the_stored_model(stages: dict[str, Path], molecules: Any) -> None:
    stored = load_model(stages["clf"])
    signatures = tf.saved_model.load(str(stages["clf"])).signatures
    sample = molecules.part(0, 7)
    padded = np.zeros((7, 32), np.int32)
    for row, tokens in enumerate(sample.tokens):
        padded[row, : len(tokens)] = tokens
    assert stored.calibration is not None
    expected = probabilities_of(stored.calibration.applied(log_odds(stored.model({"tokens": padded}).numpy())))
    from_examples = signatures[SIGNATURE_EXAMPLES](examples=tf.constant(sample.serialized()))
    from_smiles = signatures[SIGNATURE_SMILES](smiles=tf.constant(sample.smiles))
    np.testing.assert_allclose(from_examples[OUTPUT_PROBABILITIES], expected, atol=1e-6)
    np.testing.assert_allclose(from_smiles[OUTPUT_PROBABILITIES], expected, atol=1e-6)
    assert stored.targets == ("BRD4", "HSA", "sEH")


def test_probabilities_are_calibrated_on_validation(stages: dict[str, Path], molecules: Any) -> None:
    """Calibrated once more on the same molecules they stay as they are; those of the other stages are left alone."""
    validation = molecules.part(256, 400)
    serve = tf.saved_model.load(str(stages["clf"])).signatures[SIGNATURE_EXAMPLES]
    served = serve(examples=tf.constant(validation.serialized()))[OUTPUT_PROBABILITIES].numpy()
    again = fit_calibration(log_odds(served), validation.binds)
    stored = load_model(stages["clf"]).calibration
    assert stored is not None
    for target, slope in enumerate(stored.slopes):
        if slope > LEAST_SLOPE:
            assert (again.slopes[target], again.offsets[target]) == pytest.approx((1.0, 0.0), abs=0.02)
        known = validation.binds[:, target] != LABEL_UNKNOWN
        assert served[known, target].mean() == pytest.approx((validation.binds[known, target] == 1).mean(), abs=0.02)
    assert [load_model(stages[mode]).calibration for mode in ("mlm", "mtr", "fps")] == [None] * 3


def test_the_exported_model_names_the_fingerprint_of_its_examples(
    stages: dict[str, Path], training_data: TrainingData, transform_graph: Path, tmp_path: Path
) -> None:
    assert load_model(stages["clf"]).ecfp == FingerprintSettings()
    fingerprint = {"kind": "fcfp", "radius": 3, "chirality": False}
    folder = run_stage(
        tmp_path,
        training_data,
        transform_graph,
        mode="clf",
        training={**TRAINING, "epochs": 1},
        fingerprint=fingerprint,
    )
    assert load_model(folder).ecfp == FingerprintSettings(kind="fcfp", radius=3, chirality=False)


def test_the_linker_changes_nothing(stages: dict[str, Path]) -> None:
    serve = tf.saved_model.load(str(stages["clf"])).signatures[SIGNATURE_SMILES]
    # At the same place of equal batches: within a small batch the last bit may depend on the row.
    with_linker, without = (serve(smiles=tf.constant([text]))[OUTPUT_PROBABILITIES] for text in ("CCN[Dy]", "CCN[H]"))
    np.testing.assert_array_equal(with_linker, without)


@pytest.mark.parametrize(("before", "after"), [("mlm", "mtr"), ("mtr", "fps"), ("fps", "clf")])
def test_a_stage_starts_from_the_encoder_of_the_one_before(
    stages: dict[str, Path], training_data: TrainingData, transform_graph: Path, tmp_path: Path, before: str, after: str
) -> None:
    training = {**TRAINING, "epochs": 1, "learning_rate": 1e-9}
    folder = run_stage(tmp_path, training_data, transform_graph, stages[before], mode=after, training=training)
    known, found = load_model(stages[before]).model, load_model(folder).model
    for old, new in zip(known.encoder.get_weights(), found.encoder.get_weights(), strict=True):
        np.testing.assert_allclose(new, old, atol=1e-7)


def test_a_model_of_descriptors_says_what_its_outputs_mean(
    molecules: Any, transform_graph: Path, tmp_path: Path
) -> None:
    """The scale lies beside its Examples, and then beside the model; the other stages have none."""
    train, validation = (tmp_path / "examples" / f"Split-{split}" / "data-0.gz" for split in ("train", "validation"))
    molecules.part(0, 64).write(train)
    molecules.part(64, 100).write(validation)
    (tmp_path / "examples" / DESCRIPTORS_FILE).write_text('{"names": []}')
    data = TrainingData((str(train),), (str(validation),), ())
    folder = run_stage(tmp_path, data, transform_graph, mode="mtr", training={**TRAINING, "epochs": 1})
    assert (folder / DESCRIPTORS_FILE).read_text() == '{"names": []}'


def test_another_architecture_is_refused_by_the_name_of_the_key(
    stages: dict[str, Path], training_data: TrainingData, transform_graph: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"another num_layers(.|\n)*num_layers = 1(.|\n)*num_layers = 2"):
        run_stage(tmp_path, training_data, transform_graph, stages["mlm"], mode="clf", model={**MODEL, "num_layers": 2})


def test_missing_examples_are_named(training_data: TrainingData, transform_graph: Path, tmp_path: Path) -> None:
    data = TrainingData((str(tmp_path / "nowhere" / "x"),), training_data.eval_files, training_data.vocabulary)
    with pytest.raises(InputError, match=r"no file matches .*nowhere"):
        run_stage(tmp_path, data, transform_graph, mode="clf")
