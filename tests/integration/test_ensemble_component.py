"""The component as the orchestrator runs it, on a transformer as the trainer exports it; then plain TensorFlow."""

import json
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray
from tfx.types.standard_artifacts import Examples, Model

sys.path.insert(0, str(Path(__file__).parents[1] / "unit/components/ensemble"))

from made_up_library import made_up_molecules, small_settings  # type: ignore[import-not-found]

from belka import contract as dc
from belka.contract import Node
from belka.errors import InputError
from belka.examples import open_examples
from belka.models.calibration import LEAST_SLOPE, fit_calibration, log_odds
from belka.models.description import read_description
from belka.models.draw_scores import read_draw_scores
from belka.models.loader import Signature
from belka.settings import SystemSettings
from components.ensemble.component import Ensemble
from components.ensemble.measured_draws import score_draws
from components.ensemble.train import EnsembleRequest, train_ensemble
from components.ensemble.training_data import LabelledMolecules
from components.molecule_transform.transform_graph import write_transform_graph
from pipeline.config.settings import Config
from trainer_module.export.export import export_model
from trainer_module.export.saved_model import StoredModel
from trainer_module.model import Belka
from trainer_module.settings import ModelSettings

VOCABULARY = (dc.PAD_TOKEN, dc.MASK_TOKEN, "C", "N", "O")
TARGETS = ("BRD4", "HSA")
MEMBERS = ("transformer", "linear", "kernel", "trees", "net")
TRAIN, VALIDATION = made_up_molecules(300), made_up_molecules(360)


def export_transformer(folder: Path, *, ecfp_branch: bool = False) -> None:
    graph = folder / "graph"
    write_transform_graph(
        graph, preprocessing_fn="trainer_module.preprocessing.preprocessing_fn", vocabulary=VOCABULARY
    )
    settings = ModelSettings(depth=8, num_heads=1, num_layers=1, max_length=16, ecfp_branch=ecfp_branch)
    model = Belka(mode="clf", settings=settings, vocab_size=len(VOCABULARY), n_targets=len(TARGETS))
    export_model(StoredModel(model, VOCABULARY, TARGETS), graph, folder / "transformer" / dc.SERVING_FOLDER)


def texts(molecules: LabelledMolecules) -> list[str]:
    return ["".join("CNO"[int(digit)] for digit in np.base_repr(i + 3, 3)) for i in range(len(molecules.ids))]


def serialized(molecules: LabelledMolecules, first: int = 0) -> list[bytes]:
    found = []
    for i, text in enumerate(texts(molecules)):
        if i < first:
            continue
        numbers = {
            dc.FEATURE_MOLECULE_ID: [int(molecules.ids[i])],
            dc.FEATURE_TOKENS: [VOCABULARY.index(token) for token in text],
            dc.FEATURE_BINDS: molecules.binds[i].tolist(),
            dc.FEATURE_SPLIT_GROUP: [i % 2],
        }
        features = {
            name: tf.train.Feature(int64_list=tf.train.Int64List(value=values)) for name, values in numbers.items()
        }
        for name, packed in ((dc.FEATURE_ECFP, molecules.ecfp[i]), (dc.FEATURE_BLOCKS, molecules.blocks[i])):
            values = [packed.tobytes() if packed.any() else b""]
            features[name] = tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
        if not molecules.ecfp[i].any():
            features[dc.FEATURE_ECFP].bytes_list.value[0] = bytes(molecules.ecfp.shape[1])
        found.append(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())
    return found


def write_examples(folder: Path) -> None:
    for split, molecules, first in (("train", TRAIN, 0), ("validation", VALIDATION, 300)):
        with open_examples(folder / f"Split-{split}" / "part-00000.gz") as write:
            for example in serialized(molecules, first):
                write(example)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with examples, transformer, and the ensemble below `model`."""
    folder = tmp_path_factory.mktemp("ensemble")
    export_transformer(folder)
    write_examples(folder / "examples")
    examples, transformer, model = Examples(), Model(), Model()
    examples.uri, transformer.uri, model.uri = (str(folder / name) for name in ("examples", "transformer", "model"))
    config = Config.parse(
        {
            "model": {"members": list(MEMBERS)},
            "data": {"targets": list(TARGETS), "output_dir": str(folder)},
            "ensemble": small_settings().model_dump(mode="json"),
            "evaluation": {"draws": 1},
        },
        source="the test",
        action="",
    )
    Ensemble.test_call(
        examples=examples, transformer=transformer, model=model, settings=config.deciding()[Node.ENSEMBLE]
    )
    return folder


def inputs() -> tuple[list[str], list[bytes], list[bytes]]:
    blocks = [row.tobytes() if row.any() else b"" for row in VALIDATION.blocks]
    return texts(VALIDATION), [row.tobytes() for row in VALIDATION.ecfp], blocks


def scores(folder: Path) -> tuple[NDArray[np.float32], ...]:
    signature = Signature(
        folder / "model" / dc.SERVING_FOLDER,
        dc.SIGNATURE_EXAMPLES,
        outputs=(dc.OUTPUT_PROBABILITIES, dc.OUTPUT_SPREAD),
    )
    return signature.outputs(serialized(VALIDATION))


def test_the_description_names_members_and_blend(trained: Path) -> None:
    description = read_description(trained / "model" / dc.SERVING_FOLDER)
    assert description is not None
    assert description.members == MEMBERS
    assert description.targets == TARGETS
    assert description.blend["molecules"] == description.blend["molecules_found"] == 300 - unlabelled(TRAIN)
    assert description.blend["validation_molecules"] == 60
    assert min(min(weights.values()) for weights in description.blend["weights"].values()) >= 0.0
    assert (trained / "model" / dc.SERVING_FOLDER / dc.WEIGHTS_FILE).is_file()


def unlabelled(molecules: LabelledMolecules) -> int:
    return int((molecules.binds == dc.LABEL_UNKNOWN).all(axis=1).sum())


def test_a_draw_holds_out_molecules_with_blocks_and_scores_them(trained: Path) -> None:
    (draw,) = read_draw_scores(trained / "model")
    labelled = set(TRAIN.ids[(TRAIN.binds != dc.LABEL_UNKNOWN).any(axis=1) & TRAIN.has_blocks].tolist())
    assert set(draw.ids.tolist()) < labelled
    assert 0.1 * len(labelled) < len(draw.ids) < 0.4 * len(labelled)
    assert ((draw.probabilities > 0) & (draw.probabilities < 1)).all()
    assert len(np.unique(draw.probabilities[:, 1])) > 10


def test_the_label_of_a_molecule_that_a_draw_holds_out_does_not_reach_its_score(trained: Path, tmp_path: Path) -> None:
    (before,) = read_draw_scores(trained / "model")
    held_out = np.isin(TRAIN.ids, before.ids)
    flipped = TRAIN.binds.copy()
    known = held_out[:, None] & (flipped != dc.LABEL_UNKNOWN)
    flipped[known] = 1 - flipped[known]
    with open_examples(tmp_path / "examples" / "Split-train" / "part-00000.gz") as write:
        for example in serialized(TRAIN._replace(binds=flipped)):
            write(example)
    request = EnsembleRequest(MEMBERS, TARGETS, small_settings(), SystemSettings().seed)
    (after,) = score_draws(tmp_path / "examples", request, 1, work_dir=tmp_path / "work")
    np.testing.assert_array_equal(after.ids, before.ids)
    np.testing.assert_array_equal(after.probabilities, before.probabilities)


def test_what_it_kept_while_it_ran_is_gone(trained: Path) -> None:
    assert not [path for path in (trained / "checkpoints").rglob("*") if path.is_file()]


def test_raw_inputs_score_as_examples_do(trained: Path) -> None:
    expected, spread = scores(trained)
    model_dir = trained / "model" / dc.SERVING_FOLDER
    names = ("smiles", dc.FEATURE_ECFP, dc.FEATURE_BLOCKS)
    found = Signature(model_dir, dc.SIGNATURE_FEATURES, names)(*inputs())
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert len(np.unique(expected[:, 0])) > 100
    assert (spread[:-3] > 0).all()


def test_a_molecule_scores_the_same_bits_in_every_batch(trained: Path) -> None:
    signature = Signature(trained / "model" / dc.SERVING_FOLDER, dc.SIGNATURE_EXAMPLES)
    examples = serialized(VALIDATION)
    together = signature(examples)
    np.testing.assert_array_equal(np.concatenate([signature(examples[:7]), signature(examples[7:])]), together)


def test_the_text_alone_scores_as_the_transformer_does(trained: Path) -> None:
    smiles = texts(VALIDATION)
    found, expected = (
        Signature(trained / name / dc.SERVING_FOLDER, dc.SIGNATURE_SMILES)(smiles) for name in ("model", "transformer")
    )
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_molecule_without_blocks_does_not_depend_on_those_members(trained: Path) -> None:
    """The last molecules have none: the linear member and the transformer score them."""
    signature = Signature(
        trained / "model" / dc.SERVING_FOLDER, dc.SIGNATURE_FEATURES, ("smiles", dc.FEATURE_ECFP, dc.FEATURE_BLOCKS)
    )
    smiles, ecfp, blocks = inputs()
    without = signature(smiles, ecfp, [b""] * len(smiles))
    np.testing.assert_allclose(without[-3:], signature(smiles, ecfp, blocks)[-3:], atol=1e-6)
    assert (without[:-3] != signature(smiles, ecfp, blocks)[:-3]).mean() > 0.9


def test_plain_tensorflow_serves_it_without_this_project(trained: Path, tmp_path: Path) -> None:
    script = """
import importlib.util, json, sys
sys.path.append(sys.argv[1])
assert importlib.util.find_spec("trainer_module") is None and importlib.util.find_spec("components") is None
import numpy as np, tensorflow as tf
served = tf.saved_model.load(sys.argv[2]).signatures["serving_default"]
(name,) = served.structured_input_signature[1]
found = served(**{name: tf.constant([bytes.fromhex(text) for text in json.load(open(sys.argv[3]))])})
first = served.outputs[0].shape.rank
print(json.dumps({"first": first, **{name: values.numpy().tolist() for name, values in found.items()}}))
"""
    (tmp_path / "examples.json").write_text(json.dumps([each.hex() for each in serialized(VALIDATION)]))
    folder = trained / "model" / dc.SERVING_FOLDER
    # -S leaves the project's editable install out of the path; -I the environment and the working directory.
    command = [sys.executable, "-I", "-S", "-c", script, sysconfig.get_path("purelib"), str(folder), "examples.json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    expected, spread = scores(trained)
    assert found.pop("first") == 2
    assert sorted(found) == ["probabilities", *(f"probability_{target}" for target in TARGETS), "spread"]
    np.testing.assert_allclose(found["probabilities"], expected, atol=1e-6)
    np.testing.assert_allclose(found["spread"], spread, atol=1e-6)
    np.testing.assert_array_equal(np.array(found["probabilities"])[:, 1], found["probability_HSA"])


def test_a_transformer_that_reads_fingerprints_is_blended_too(trained: Path, tmp_path: Path) -> None:
    export_transformer(tmp_path, ecfp_branch=True)
    request = EnsembleRequest(("transformer", "linear"), TARGETS, small_settings(), 1)
    train_ensemble(
        trained / "examples", tmp_path / "transformer", tmp_path / "model", request, work_dir=tmp_path / "work"
    )
    smiles, ecfp, blocks = inputs()
    names = ("smiles", dc.FEATURE_ECFP, dc.FEATURE_BLOCKS)
    found = Signature(tmp_path / "model", dc.SIGNATURE_FEATURES, names)(smiles, ecfp, [b""] * len(blocks))
    np.testing.assert_allclose(
        found, Signature(tmp_path / "model", dc.SIGNATURE_EXAMPLES)(serialized(VALIDATION)), atol=1e-5
    )
    text = Signature(tmp_path / "model", dc.SIGNATURE_SMILES, names[:2])(smiles, ecfp)
    assert text.shape == found.shape


def test_without_blocks_the_transformer_is_alone_where_all_others_read_them(trained: Path, tmp_path: Path) -> None:
    request = EnsembleRequest(("transformer", "kernel"), TARGETS, small_settings(), 1)
    description = train_ensemble(
        trained / "examples", trained / "transformer", tmp_path / "model", request, work_dir=tmp_path / "work"
    )
    assert description.blend is not None
    assert description.blend["transformer_share_without_blocks"] == 1.0


def test_other_targets_than_the_transformers_are_refused(trained: Path, tmp_path: Path) -> None:
    request = EnsembleRequest(MEMBERS, ("BRD4", "sEH"), small_settings(), 1)
    with pytest.raises(InputError, match="other targets"):
        train_ensemble(
            trained / "examples", trained / "transformer", tmp_path / "model", request, work_dir=tmp_path / "work"
        )


def test_too_few_molecules_with_blocks_are_refused(trained: Path, tmp_path: Path) -> None:
    with open_examples(tmp_path / "examples" / "Split-train" / "part-00000.gz") as write:
        for example in serialized(TRAIN, 260):
            write(example)
    request = EnsembleRequest(MEMBERS, TARGETS, small_settings(), 1)
    with pytest.raises(InputError, match="too little"):
        train_ensemble(
            tmp_path / "examples", trained / "transformer", tmp_path / "model", request, work_dir=tmp_path / "work"
        )


def test_probabilities_are_calibrated_on_validation(trained: Path) -> None:
    """Calibrated once more on the same molecules they stay as they are."""
    description = read_description(trained / "model" / dc.SERVING_FOLDER)
    assert description is not None
    assert description.calibration is not None
    labels = VALIDATION.binds[300:]
    served = scores(trained)[0][300:]
    again = fit_calibration(log_odds(served), labels)
    assert description.calibration.molecules == again.molecules == tuple((labels != dc.LABEL_UNKNOWN).sum(axis=0))
    for target, slope in enumerate(description.calibration.slopes):
        if slope > LEAST_SLOPE:
            assert (again.slopes[target], again.offsets[target]) == pytest.approx((1.0, 0.0), abs=0.1)
    own = fit_calibration(description.calibration.undone(log_odds(served)), labels)
    np.testing.assert_allclose(own.slopes, description.calibration.slopes, rtol=0.05)
