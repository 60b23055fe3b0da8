"""Requests and answers of a served model: nothing is lost on the way; what is wrong is said of its row or request."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from belka.chemistry.fingerprints import FingerprintSettings
from belka.contract import FEATURE_BLOCKS, FEATURE_ECFP, SIGNATURE_FEATURES, SIGNATURE_SMILES
from belka.errors import BelkaError, InputError
from belka.models.folder import ModelFolder
from belka.predict.check import CheckedSmiles
from belka.predict.predictor import Scores, result_columns, scored_columns
from belka.serving import wire

ALL_BYTES = bytes(range(256))


def folder(*members: str, ecfp: bool = True) -> ModelFolder:
    settings = FingerprintSettings() if ecfp else None
    return ModelFolder(Path("17"), ("BRD4", "sEH"), frozenset(), 128, settings, members=members)


ENSEMBLE = folder("transformer", "linear", "net")
CHECKED = [
    CheckedSmiles("CCO", ecfp=ALL_BYTES, blocks=ALL_BYTES * 3, block_similarity=0.5, new_blocks=(frozenset({1}),)),
    CheckedSmiles("", "unparsable SMILES"),
    CheckedSmiles("CCN", warning="no linker [Dy]", unknown_tokens=2, ecfp=b"\x80"),
]
USABLE = [CHECKED[0], CHECKED[2]]


def sent(value: Any) -> Any:
    """What arrives of something that is sent as JSON."""
    return json.loads(json.dumps(value))


def test_instances_are_texts_or_objects_and_each_bad_one_fails_by_itself() -> None:
    content = {"instances": ["CCO", {"smiles": "CCN"}, None, {"smile": "CCC"}, 5, ["CCO"]]}
    assert wire.read_instances(content, 6) == ["CCO", "CCN", None, None, "5", "['CCO']"]


@pytest.mark.parametrize("content", [{"inputs": ["CCO"]}, {"instances": "CCO"}, ["CCO"], None])
def test_a_request_without_instances_is_refused(content: Any) -> None:
    with pytest.raises(InputError, match="no list of instances"):
        wire.read_instances(content, 6)


def test_a_request_of_too_many_molecules_is_refused_by_either_protocol() -> None:
    assert wire.read_tensor(["CCO", "é".encode(), b"\xff", None], 4) == ["CCO", "é", "\ufffd", None]
    with pytest.raises(InputError, match="too many molecules"):
        wire.read_instances({"instances": ["C"] * 3}, 2)
    with pytest.raises(InputError, match="too many molecules"):
        wire.read_tensor(["C"] * 3, 2)


def test_the_predictor_is_asked_by_the_signature_that_uses_every_member() -> None:
    request = sent(wire.predictor_request(ENSEMBLE, USABLE))
    name, inputs = wire.read_predictor_request(request)
    assert name == SIGNATURE_FEATURES
    assert inputs == {
        "smiles": [b"CCO", b"CCN"],
        FEATURE_ECFP: [ALL_BYTES, b"\x80"],
        FEATURE_BLOCKS: [ALL_BYTES * 3, b""],
    }


@pytest.mark.parametrize(("ecfp", "names"), [(True, {"smiles", FEATURE_ECFP}), (False, {"smiles"})])
def test_a_transformer_alone_is_asked_for_what_it_reads(ecfp: bool, names: set[str]) -> None:
    request = wire.predictor_request(folder("transformer", ecfp=ecfp), USABLE)
    assert request["signature_name"] == SIGNATURE_SMILES
    assert [row.keys() for row in request["instances"]] == [names, names]


@pytest.mark.parametrize(
    "content", [{"instances": []}, {"signature_name": "smiles", "instances": [{"ecfp": {"b64": "?"}}]}, ["CCO"], None]
)
def test_what_is_no_request_for_a_predictor_is_refused(content: Any) -> None:
    with pytest.raises(InputError, match="none for a predictor"):
        wire.read_predictor_request(content)


def test_scores_come_back_bit_by_bit() -> None:
    scores = Scores(*(np.random.default_rng(i).random((2, 2), np.float32) for i in range(2)))
    assert scores.spread is not None
    answer = wire.predictor_answer({"probabilities": scores.probabilities, "spread": scores.spread})
    read = wire.read_predictor_answer(ENSEMBLE, sent(answer), 2)
    assert read.spread is not None
    assert np.array_equal(read.probabilities, scores.probabilities)
    assert np.array_equal(read.spread, scores.spread)


@pytest.mark.parametrize(
    "answer",
    [
        {"error": "no such version"},
        {"predictions": [{"probabilities": [0.1, 0.2], "spread": [0.1, 0.2]}]},
        {"predictions": [{"probabilities": [0.1], "spread": [0.1]}] * 2},
        {"predictions": [{"probabilities": [0.1, 0.2]}] * 2},
    ],
)
def test_another_answer_of_the_predictor_is_told(answer: Any) -> None:
    with pytest.raises(BelkaError, match="answer cannot be read"):
        wire.read_predictor_answer(ENSEMBLE, answer, 2)


def columns() -> tuple[list[str], list[pa.Array]]:
    probabilities, spread = (np.array([[0.25, 0.5], [0.75, np.nan]], np.float32) * scale for scale in (1, 0.5))
    names = [field.name for field in result_columns(ENSEMBLE)]
    return names, scored_columns(CHECKED, Scores(probabilities, spread))


def test_answers_name_targets_and_keep_every_row_in_its_place() -> None:
    first, second, third = wire.answer_rows(*columns())["predictions"]
    assert first == {
        "probability_BRD4": 0.25,
        "probability_sEH": 0.5,
        "spread_BRD4": 0.125,
        "spread_sEH": 0.25,
        "problem": "",
        "warning": "",
        "unknown_tokens": 0,
        "block_similarity": 0.5,
        "new_blocks": 1,
    }
    assert second["problem"] == "unparsable SMILES"
    assert second["probability_BRD4"] is second["unknown_tokens"] is second["new_blocks"] is None
    assert (third["problem"], third["probability_BRD4"]) == ("the model gives no number", None)
    assert (third["warning"], third["unknown_tokens"]) == ("no linker [Dy]", 2)


def test_tensors_say_what_is_empty() -> None:
    tensors = {each.name: each for each in wire.answer_tensors(*columns())}
    assert {name: each.kind for name, each in tensors.items()} == {
        **dict.fromkeys(["probability_BRD4", "probability_sEH", "spread_BRD4", "spread_sEH"], "FP32"),
        **dict.fromkeys(["problem", "warning"], "BYTES"),
        **dict.fromkeys(["unknown_tokens", "new_blocks"], "INT32"),
        "block_similarity": "FP32",
    }
    np.testing.assert_array_equal(tensors["probability_BRD4"].values, np.array([0.25, np.nan, np.nan], np.float32))
    assert tensors["probability_BRD4"].values.dtype == np.float32
    assert tensors["new_blocks"].values.tolist() == [1, -1, -1]
    assert tensors["new_blocks"].values.dtype == np.int32
    assert tensors["problem"].values.tolist() == ["", "unparsable SMILES", "the model gives no number"]
