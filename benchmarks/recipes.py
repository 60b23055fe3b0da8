"""Members of an ensemble and their blend on real labels, beside single models: `belka benchmark recipes`.

Draws imitate the competition's test: 58% of the molecules that are scored hold a block that no molecule of training
holds, the rest none. Draws 1 to 10 are for choosing, 11 to 20 to report once. What learns from N molecules of a draw
alone is named `... @ N`. Results are appended as they come, one JSON object per line, and finished ones are not run
again. Seconds are those of the processor: they do not depend on what else the machine does.
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from lightgbm import LGBMClassifier
from numpy.typing import NDArray
from scipy.sparse import csr_matrix  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression

from belka.chemistry.smiles import parse
from belka.code_version import code_version
from belka.contract import LABEL_POSITIVE, LABEL_UNKNOWN, MOLECULE_ID, SMILES_NO_LINKER
from belka.files import atomic_path
from belka.models.members import TRANSFORMER
from belka.molecules import list_shards, read_rows
from benchmarks.recipe_table import BEST_SINGLE, BLEND, WHOLE_BLEND, named
from benchmarks.sample_data import append_result, finished
from components.ensemble.draws import make_draw, score_members
from components.ensemble.export import member_graphs
from components.ensemble.linear import sparse_bits
from components.ensemble.members import Training
from components.ensemble.train import EnsembleRequest, fit_blend, train_members
from components.ensemble.training_data import LabelledMolecules
from pipeline.config.settings import Config
from pipeline.tuning.draw_transformer import score_transformer, train_on_draw
from pipeline.tuning.draws import cell_precisions
from pipeline.tuning.sample_data import SampleData, make_sample_data, molecules_of_draws, without_validation

_SEED: Final = 42


def score_ensemble(
    config: Config, molecules: LabelledMolecules, held_out: NDArray[np.bool_], folder: Path
) -> Iterator[tuple[str, Any, float]]:
    """Train the members without the held-out molecules and score those.

    Yields:
        Name, log-odds of the held-out molecules, and processor seconds: of a member's training (the trees read the
        kernel, whose seconds are its own), and of all together with the blend and the scoring.
    """
    start = time.process_time()
    training = Training(molecules.take(~held_out), config.ensemble, _SEED, folder)
    kinds = tuple(kind for kind in config.model.members if kind != TRANSFORMER)
    request = EnsembleRequest(kinds, config.data.targets, config.ensemble, _SEED)
    seconds: dict[str, float] = {}
    for kind in kinds:
        before = time.process_time()
        train_members(training, [kind])
        seconds[kind] = time.process_time() - before
    fits = train_members(training, kinds)
    blend = fit_blend(training, fits, request)
    odds = score_members(member_graphs(training, fits), blend, molecules.take(held_out), config.data.targets)
    for place, name in enumerate(blend.lines):
        yield name, odds[:, :, place], seconds[name]
    yield BLEND, blend.whole_odds(odds), time.process_time() - start


def score_with_transformer(
    config: Config, data: SampleData, molecules: LabelledMolecules, held_out: NDArray[np.bool_], folder: Path
) -> Iterator[tuple[str, Any, float]]:
    """Likewise of the transformer alone, of the whole blend, and of what `score_ensemble` yields.

    The transformer has the share of the log-odds that the configuration gives it where no validation tells it.
    """
    start, targets, share = time.process_time(), config.data.targets, config.ensemble.transformer_weight
    model_dir = train_on_draw(config, data, molecules.take(~held_out), _SEED, folder)
    odds = score_transformer(model_dir, data, molecules.ids[held_out], len(targets), folder)
    seconds = time.process_time() - start
    yield TRANSFORMER, odds, seconds
    for name, scores, own in score_ensemble(config, molecules, held_out, folder):
        yield name, scores, own
        if name == BLEND:
            yield WHOLE_BLEND, (1 - share) * scores + share * odds, own + seconds


def score_singles(
    molecules: LabelledMolecules, counts: csr_matrix, held_out: NDArray[np.bool_], wanted: Callable[[str], bool]
) -> Iterator[tuple[str, Any, float]]:
    """Likewise of the single models that are wanted by name, on bits of radius 2 and on log1p of counts of radius 3."""
    inputs = {"bits": sparse_bits(molecules.ecfp), "radius-3 counts of 4096": counts}
    models: dict[str, Callable[[], Any]] = {
        "logistic regression": lambda: LogisticRegression(C=0.03, max_iter=300),
        "LightGBM": lambda: LGBMClassifier(
            n_estimators=300, colsample_bytree=0.5, n_jobs=1, random_state=0, verbose=-1
        ),
    }
    for model, make in models.items():
        for name, values in inputs.items():
            if not wanted(f"{model}, {name}"):
                continue
            start = time.process_time()
            scores = np.zeros((int(held_out.sum()), molecules.binds.shape[1]), np.float32)
            for target, labels in enumerate(molecules.binds.T):
                rows = ~held_out & (labels != LABEL_UNKNOWN)
                fitted = make().fit(values[rows], labels[rows] == LABEL_POSITIVE)
                scores[:, target] = fitted.predict_proba(values[held_out])[:, 1]
            yield f"{model}, {name}", scores, time.process_time() - start


def radius_3_counts(molecules_dir: Path, ids: NDArray[np.int64], kept: Path) -> csr_matrix:
    """log1p of Morgan counts of radius 3 folded to 4,096, in the order of `ids`; kept in a file."""
    from rdkit.Chem import rdFingerprintGenerator
    from scipy.sparse import load_npz, save_npz

    if not kept.is_file():
        generator = rdFingerprintGenerator.GetMorganGenerator(radius=3, fpSize=4096, includeChirality=True)
        texts = {
            number: smiles
            for shard in list_shards(molecules_dir)
            for batch in read_rows(shard.path, [MOLECULE_ID, SMILES_NO_LINKER])
            for number, smiles in zip(*(column.to_pylist() for column in batch.columns), strict=True)
        }
        rows = [generator.GetCountFingerprint(parse(texts[int(number)])).GetNonzeroElements() for number in ids]
        starts = np.cumsum([0, *map(len, rows)])
        indices = np.concatenate([np.fromiter(row, np.int64) for row in rows])
        values = np.concatenate([np.fromiter(row.values(), np.float32) for row in rows])
        with atomic_path(kept) as temporary:
            save_npz(temporary, csr_matrix((np.log1p(values), indices, starts), shape=(len(rows), 4096)))
    return csr_matrix(load_npz(kept))


@dataclass(frozen=True)
class Measuring:
    """What draws are measured with.

    Attributes:
        config: The configuration.
        data: Examples.
        molecules: The labelled molecules.
        counts: What the best single model reads of them.
        folder: Keeps finished members.
        results: Receives the scores.
        transformer: Whether the transformer is measured.
        singles: Whether all single models are, or the best alone.
        most: Training molecules that a draw has at most; None = all.
    """

    config: Config
    data: SampleData
    molecules: LabelledMolecules
    counts: csr_matrix
    folder: Path
    results: Path
    transformer: bool
    singles: bool
    most: int | None

    def measure(self, draw: int) -> None:
        """Score one draw by everything, unless the results hold it."""
        done = finished(self.results)
        held_out, groups = make_draw(self.molecules.blocks, draw)
        kept = held_out | self._taught(held_out, draw)
        molecules, held_out, groups = self.molecules.take(kept), held_out[kept], groups[held_out]
        settings = f"{self.config.ensemble.model_dump_json()} {self.most} {code_version()}"
        folder = self.folder / f"{draw}-{hashlib.sha256(settings.encode()).hexdigest()[:16]}"

        def lacks(name: str) -> bool:
            return (named(name, self.most), draw) not in done

        def wanted(name: str) -> bool:
            return lacks(name) and (self.singles or name == BEST_SINGLE)

        sources = [score_singles(molecules, self.counts[kept], held_out, wanted)]
        if self.transformer and lacks(WHOLE_BLEND):
            sources.append(score_with_transformer(self.config, self.data, molecules, held_out, folder))
        elif lacks(BLEND):
            sources.append(score_ensemble(self.config, molecules, held_out, folder))
        labels = molecules.binds[held_out]
        for source in sources:
            for name, scores, seconds in source:
                if lacks(name):
                    cells = cell_precisions(scores, labels, groups, self.config.data.targets)
                    mean = float(np.mean(list(cells.values())))
                    append_result(
                        self.results, named(name, self.most), draw, {"cells": cells, "mean": mean, "seconds": seconds}
                    )

    def _taught(self, held_out: NDArray[np.bool_], draw: int) -> NDArray[np.bool_]:
        """The training molecules of a draw, bool [n]."""
        rows = np.random.default_rng(draw).permutation(np.flatnonzero(~held_out))[: self.most]
        return np.isin(np.arange(len(held_out)), rows)


def measure_draws(
    config: Config,
    draws: Iterable[int],
    *,
    work_dir: Path,
    results: Path,
    transformer: bool = False,
    singles: bool = False,
    most: int | None = None,
) -> None:
    """Measure the draws that the results lack.

    Args:
        config: Members and their settings; no validation molecules are taken from its rows, whatever it says.
        draws: Their numbers.
        work_dir: Folder for Examples and finished members.
        results: Results, one JSON object per line.
        transformer: Whether the stage clf is trained on each draw, too: longer than everything else together.
        singles: Whether all single models are measured, or the best alone.
        most: Training molecules of a draw; None = all.
    """
    config = without_validation(config)
    data = make_sample_data(config, _SEED, work_dir)
    molecules = molecules_of_draws(data.examples_dir, len(config.data.targets), config.ensemble.max_molecules, _SEED)
    counts = radius_3_counts(work_dir / "molecules", molecules.ids, work_dir / "counts.npz")
    measuring = Measuring(config, data, molecules, counts, work_dir / "members", results, transformer, singles, most)
    for draw in draws:
        measuring.measure(draw)
