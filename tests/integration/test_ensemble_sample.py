"""The members on the real sample: labels that say nothing, and what is served beside what was trained."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from belka.contract import (
    LABEL_POSITIVE,
    LABEL_UNKNOWN,
    MOLECULE_ID,
    SIGNATURE_EXAMPLES,
    SMILES,
    probability_name,
)
from belka.examples import list_examples, read_examples
from belka.models.calibration import probabilities_of
from belka.models.loader import Signature
from belka.molecules import list_shards, read_rows
from belka.predict.predict import LoadedModel
from belka.tokens.vocabulary import read_vocabulary
from components.ensemble import members as parts
from components.ensemble.blend import Line, mean_precision
from components.ensemble.blend_graph import transformer_odds
from components.ensemble.draws import make_draw, score_members
from components.ensemble.export import member_graphs
from components.ensemble.kernel import KernelSums
from components.ensemble.library import Floats
from components.ensemble.members import Training
from components.ensemble.net import score_nets
from components.ensemble.odds import odds_features
from components.ensemble.train import EnsembleRequest, fit_blend, train_ensemble, train_members
from components.ensemble.training_data import LabelledMolecules, read_molecules
from components.ensemble.trees import fit_trees, score_trees
from pipeline.config.files import load_config
from pipeline.config.settings import Config
from pipeline.tuning.draw_transformer import score_transformer, train_on_draw, write_examples
from pipeline.tuning.sample_data import SampleData, make_sample_data
from trainer_module.export.export import export_model
from trainer_module.export.saved_model import StoredModel
from trainer_module.model import Belka
from trainer_module.settings import ModelSettings

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "../shared/data/leash_sample"
SEED = 42
SERVED = 10_000
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SAMPLE.exists(), reason="the real sample is not beside the checkout"),
]


@pytest.fixture(scope="module")
def config() -> Config:
    nothing = ["data.validation_block_share=0.0", "data.validation_shared_share=0.0"]
    return load_config(ROOT / "configs/leash_sample.yaml", [f"data.raw_dir={SAMPLE}", *nothing])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sample")


@pytest.fixture(scope="module")
def data(config: Config, folder: Path) -> SampleData:
    return make_sample_data(config, SEED, folder)


@pytest.fixture(scope="module")
def molecules(config: Config, data: SampleData) -> LabelledMolecules:
    files, limit = list_examples(data.examples_dir, "train"), config.ensemble.max_molecules
    return read_molecules(files, n_targets=len(config.data.targets), max_molecules=limit, seed=SEED, with_blocks=True)


def area(scores: Floats, binds: NDArray[np.int8]) -> float:
    """Area under the ROC curve, meaned over targets."""
    known = binds != LABEL_UNKNOWN
    areas = [roc_auc_score(binds[rows, i] == LABEL_POSITIVE, scores[rows, i]) for i, rows in enumerate(known.T)]
    return float(np.mean(areas))


def test_proteins_and_labels_dealt_anew_are_not_ranked(
    config: Config, molecules: LabelledMolecules, tmp_path: Path
) -> None:
    """The sample is sorted by label, and which protein a molecule was measured with tells much: both are dealt anew."""
    whole = molecules.take(molecules.has_blocks)
    dealt = whole._replace(binds=np.random.default_rng(0).permutation(whole.binds))
    held_out, _ = make_draw(dealt.blocks, 1)
    settings = config.ensemble.model_copy(update={"linear_strengths": (0.03,), "net_seeds": 1})
    training = Training(dealt.take(~held_out), settings, SEED, tmp_path)
    kinds = (*config.model.members, "linear")
    fits = train_members(training, kinds)
    for kind in kinds[1:]:
        scores = fits[kind]["out_of_fold"]
        # Somewhat below one half: who is held out is missing among those it is compared with.
        assert 0.4 < area(scores, training.binds[training.rows[: len(scores)]]) < 0.54, kind
    blend = fit_blend(training, fits, EnsembleRequest(kinds, config.data.targets, settings, SEED))
    validation = dealt.take(held_out)
    targets = config.data.targets
    ones, zeros = np.ones(len(targets), np.float32), np.zeros(len(targets), np.float32)
    raw = replace(blend, lines=dict.fromkeys(blend.lines, Line(ones, zeros)))  # a line may be flat here
    scores, odds = (score_members(member_graphs(training, fits), one, validation, targets) for one in (raw, blend))
    areas = {kind: area(scores[:, :, place], validation.binds) for place, kind in enumerate(blend.lines)}
    areas["blend"] = area(blend.whole_odds(odds), validation.binds)
    assert areas == {kind: pytest.approx(0.5, abs=0.03) for kind in (*kinds[1:], "blend")}


def computed_in_training(training: Training, request: EnsembleRequest, transformer: Floats, rows: slice) -> Floats:
    """Probabilities as numpy, scipy and LightGBM compute them from the tables of training."""
    codes, fits = training.codes[rows], train_members(training, request.members)
    kernel, settings = fits["kernel"], training.settings
    sums = KernelSums(
        training.codes, training.block_binds, kernel["landmarks"], training.similarities, settings.kernel_offset
    )
    by_kernel = sums.score(parts.kernel_fit(kernel), codes)
    odds, binds = fits["odds"], training.binds[training.rows[training.rows_with_blocks]]
    learnt = np.concatenate([odds["out_of_fold"], kernel["out_of_fold"]], axis=1)
    trees = fit_trees(learnt, binds, settings, training.seed)
    features = odds_features(parts.odds_counts(odds), training.similarities, codes)
    blend = fit_blend(training, fits, request)
    scores = {
        "kernel": by_kernel,
        "trees": score_trees(trees, np.concatenate([features, by_kernel], axis=1)),
        "net": score_nets(parts.net_fit(fits["net"]), codes, training.similarities).mean(axis=0),
    }
    members = np.stack([scores[kind] * line.slope + line.offset for kind, line in blend.lines.items()], axis=2)
    return probabilities_of(blend.odds(members, transformer, np.ones(len(codes), np.bool_)))


def export_transformer(config: Config, data: SampleData, model_dir: Path) -> None:
    """A transformer that learnt nothing: what it says differs by molecule all the same."""
    vocabulary = tuple(read_vocabulary(data.transform_graph_dir))
    settings = ModelSettings(depth=8, num_heads=1, num_layers=1, max_length=config.model.max_length)
    model = Belka(mode="clf", settings=settings, vocab_size=len(vocabulary), n_targets=len(config.data.targets))
    stored = StoredModel(model, vocabulary, config.data.targets, config.fingerprint, config.data.spelling)
    export_model(stored, data.transform_graph_dir, model_dir)


def test_ten_thousand_molecules_are_served_from_the_model_folder_as_training_computed_them(
    config: Config, data: SampleData, molecules: LabelledMolecules, folder: Path, tmp_path: Path
) -> None:
    """By `belka predict` from SMILES, and from Examples, by the folder alone."""
    export_transformer(config, data, tmp_path / "transformer")
    settings = config.ensemble.model_copy(update={"landmarks": 500, "trees": 50, "net_epochs": 2, "net_seeds": 1})
    kinds = config.model.members
    request = EnsembleRequest(kinds, config.data.targets, settings, SEED)
    train_ensemble(data.examples_dir, tmp_path / "transformer", tmp_path / "made", request, work_dir=tmp_path)
    (tmp_path / "made").rename(tmp_path / "served")

    training = Training(molecules, settings, SEED, tmp_path / "again")
    served_rows = slice(0, SERVED)
    ids = training.molecules.ids[training.with_blocks][served_rows]
    file = write_examples(data, {"served": ids}, tmp_path)["served"]
    (batch,) = read_examples([file], [MOLECULE_ID], n_targets=len(config.data.targets), batch_size=SERVED)
    alone = transformer_odds(Signature(tmp_path / "transformer", SIGNATURE_EXAMPLES)(batch.serialized)).numpy()
    expected = computed_in_training(training, request, alone, served_rows)
    assert len(np.unique(expected[:, 0])) > 0.99 * SERVED

    from_examples = Signature(tmp_path / "served", SIGNATURE_EXAMPLES)(batch.serialized)
    texts = {
        number: text
        for shard in list_shards(folder / "molecules")
        for rows in read_rows(shard.path, [MOLECULE_ID, SMILES])
        for number, text in zip(*(column.to_pylist() for column in rows.columns), strict=True)
    }
    table = LoadedModel(tmp_path / "served").predict([texts[int(number)] for number in ids])
    from_smiles = np.column_stack([table[probability_name(target)].to_numpy() for target in config.data.targets])
    np.testing.assert_allclose(from_smiles, from_examples, atol=1e-5)
    # A feature that falls on a threshold up to rounding sends a molecule down another branch of one tree.
    off = np.abs(from_smiles - expected).max(axis=1)
    assert np.quantile(off, 0.999) < 1e-4
    assert off.max() < 0.02


def test_the_transformer_of_a_draw_learns_without_what_the_draw_holds_out(
    config: Config, data: SampleData, molecules: LabelledMolecules, tmp_path: Path
) -> None:
    whole = molecules.take(molecules.has_blocks)
    held_out, groups = make_draw(whole.blocks, 1)
    taught, scored = whole.take(~held_out), whole.take(held_out)
    short = config.model_copy(update={"training": config.training.model_copy(update={"epochs": 1})})
    model_dir = train_on_draw(short, data, taught, SEED, tmp_path)
    learnt = {
        int(number)
        for name in ("train", "validation")
        for batch in read_examples([tmp_path / f"{name}.gz"], [MOLECULE_ID], n_targets=0)
        for number in batch.columns[MOLECULE_ID]
    }
    assert learnt == set(taught.ids.tolist())
    odds = score_transformer(model_dir, data, scored.ids, len(config.data.targets), tmp_path)
    assert mean_precision(odds, scored.binds, groups[held_out]) > 0.7
    assert train_on_draw(short, data, taught, SEED, tmp_path) == model_dir  # it is not trained again
