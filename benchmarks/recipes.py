"""Members of an ensemble and their blend on real labels, beside single models: `python -m benchmarks.recipes`.

Draws imitate the competition's test: 58% of the molecules that are scored hold a block that no molecule of training
holds, the rest none. Draws 1 to 10 are for choosing, 11 to 20 to report once. The transformer is left out: it takes
as long as everything else together, and `belka run` tells what it adds. Results are appended as they come, one JSON
object per line, and finished ones are not run again; `--table` prints means and paired differences. Seconds are those
of the processor: they do not depend on what else the machine does.
"""

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import tensorflow as tf
from lightgbm import LGBMClassifier
from numpy.typing import NDArray
from scipy.sparse import csr_matrix  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression

from belka.chemistry.smiles import parse
from belka.code_version import code_version
from belka.contract import LABEL_POSITIVE, LABEL_UNKNOWN, MOLECULE_ID, SMILES_NO_LINKER, SplitGroup
from belka.examples import list_examples
from belka.files import atomic_path
from belka.models.members import TRANSFORMER
from belka.molecules import list_shards, read_rows
from benchmarks.sample_data import append_result, finished, make_sample_data
from components.ensemble.blend import mean_precision
from components.ensemble.blend_graph import CHUNK, EnsembleGraph
from components.ensemble.export import member_graphs
from components.ensemble.library import make_library
from components.ensemble.linear import sparse_bits
from components.ensemble.members import Training
from components.ensemble.train import EnsembleRequest, fit_blend, train_members
from components.ensemble.training_data import LabelledMolecules, read_molecules
from pipeline.config.files import load_config
from pipeline.config.settings import Config

TEST_SHARE: Final = 0.3
NEW_SHARE: Final = 0.58  # of the molecules that are scored
BEST_SINGLE: Final = "LightGBM, radius-3 counts of 4096"  # by its mean on draws 1 to 10
CHOOSING: Final = range(1, 11)  # draws on which all single models are measured
_SEED: Final = 42


def make_draw(blocks: NDArray[np.uint8], seed: int) -> tuple[NDArray[np.bool_], NDArray[np.int8]]:
    """Hold molecules out as the competition's test does.

    Args:
        blocks: uint8 [n, 3 * n_bytes], the feature `blocks`.
        seed: Number of the draw.

    Returns:
        Which are held out, bool [n]; the split group of each, int8 [n].
    """
    library, codes = make_library(blocks)
    generator = np.random.default_rng(seed)
    order = [generator.permutation(len(table)) for table in library]

    def with_any(share: float) -> NDArray[np.bool_]:
        held = [np.isin(np.arange(len(each)), each[: round(share * len(each))]) for each in order]
        return held[0][codes[:, 0]] | held[1][codes[:, 1:]].any(axis=1)

    low, high = 0.0, 0.5
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (low, middle) if with_any(middle).mean() > NEW_SHARE * TEST_SHARE else (middle, high)
    held_out = with_any(low)
    rest = np.flatnonzero(~held_out)
    held_out[generator.choice(rest, round(held_out.sum() / NEW_SHARE * (1 - NEW_SHARE)), replace=False)] = True
    taught = codes[~held_out]
    known = [
        np.isin(np.arange(len(table)), seen) for table, seen in zip(library, (taught[:, 0], taught[:, 1:]), strict=True)
    ]
    is_new = ~(known[0][codes[:, 0]] & known[1][codes[:, 1:]].all(axis=1))
    return held_out, np.where(is_new, SplitGroup.NON_SHARED, SplitGroup.SHARED).astype(np.int8)


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
    graph = EnsembleGraph(None, member_graphs(training, fits), blend, molecules.ecfp.shape[1], config.data.targets)
    strings = tf.TensorSpec([None], tf.string)
    score = tf.function(graph.member_odds, input_signature=[strings, strings])
    odds = np.concatenate(
        [
            score(
                *(tf.constant([row.tobytes() for row in part[rows]]) for part in (molecules.ecfp, molecules.blocks))
            ).numpy()
            for rows in np.array_split(np.flatnonzero(held_out), max(1, int(held_out.sum()) // (16 * CHUNK)))
        ]
    )
    for place, name in enumerate(blend.lines):
        yield name, odds[:, :, place], seconds[name]
    yield "blend", blend.whole_odds(odds), time.process_time() - start


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


def measure_draw(
    config: Config, molecules: LabelledMolecules, counts: csr_matrix, draw: int, folder: Path, results: Path
) -> None:
    """Score one draw by everything, unless the results hold it."""
    done = finished(results)
    held_out, groups = make_draw(molecules.blocks, draw)
    settings = hashlib.sha256(f"{config.ensemble.model_dump_json()} {code_version()}".encode()).hexdigest()[:16]

    def wanted(name: str) -> bool:
        return (name, draw) not in done and (draw in CHOOSING or name == BEST_SINGLE)

    sources = [score_singles(molecules, counts, held_out, wanted)]
    if ("blend", draw) not in done:
        sources.append(score_ensemble(config, molecules, held_out, folder / f"{draw}-{settings}"))
    for source in sources:
        for name, scores, seconds in source:
            if (name, draw) not in done:
                cells = {
                    f"{target}/{group.label}": mean_precision(
                        scores[groups[held_out] == group][:, [place]],
                        molecules.binds[held_out][groups[held_out] == group][:, [place]],
                        groups[held_out][groups[held_out] == group],
                    )
                    for place, target in enumerate(config.data.targets)
                    for group in SplitGroup
                }
                append_result(
                    results,
                    name,
                    draw,
                    {"cells": cells, "mean": float(np.mean(list(cells.values()))), "seconds": seconds},
                )


def table_lines(results: Path, draws: Sequence[int]) -> Iterator[str]:
    """Mean over draws of each model, and its paired difference to the best single fingerprint model, as a table."""
    yield "| model | mean | sd | difference | sd of it | ahead | processor seconds |"
    yield "|---|---|---|---|---|---|---|"
    for name, pairs in _paired(results, draws).items():
        means = np.array([mine["mean"] for mine, _ in pairs])
        gains = means - [best["mean"] for _, best in pairs]
        seconds = np.mean([mine["seconds"] for mine, _ in pairs])
        yield (
            f"| {name} | {means.mean():.4f} | {_spread(means):.4f} | {gains.mean():+.4f} | {_spread(gains):.4f} "
            f"| {int((gains > 0).sum())} of {len(gains)} | {seconds:.0f} |"
        )


def blend_lines(results: Path, draws: Sequence[int]) -> Iterator[str]:
    """The blend's paired difference by draw, and by cell with its standard error over draws."""
    pairs = _paired(results, draws).get("blend", [])
    yield "by draw: " + ", ".join(f"{mine['seed']} {mine['mean'] - best['mean']:+.4f}" for mine, best in pairs)
    for cell in pairs[0][0]["cells"] if pairs else ():
        gains = np.array([mine["cells"][cell] - best["cells"][cell] for mine, best in pairs])
        yield f"{cell}: {gains.mean():+.4f} ± {_spread(gains) / np.sqrt(len(gains)):.4f}"


def _paired(results: Path, draws: Sequence[int]) -> dict[str, list[tuple[dict[str, Any], dict[str, Any]]]]:
    """Model -> its result and the best single model's on each draw that has both."""
    rows = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]
    found = {(row["model"], row["seed"]): row for row in rows}
    pairs: dict[str, list[tuple[dict[str, Any], dict[str, Any]]]] = {}
    for name in dict.fromkeys(row["model"] for row in rows):
        for draw in draws:
            if {(name, draw), (BEST_SINGLE, draw)} <= found.keys():
                pairs.setdefault(name, []).append((found[name, draw], found[BEST_SINGLE, draw]))
    return pairs


def _spread(values: NDArray[np.float64]) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else float("nan")


def main() -> None:
    """Measure the draws that the results lack."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, default=Path("configs/leash_sample.yaml"))
    parser.add_argument("--raw-dir", required=True)
    parser.add_argument("--work-dir", type=Path, required=True, help="folder for Examples and finished members")
    parser.add_argument("--results", type=Path, required=True, help="results, one JSON object per line")
    parser.add_argument("--draws", type=int, nargs="+", default=list(range(1, 11)))
    parser.add_argument("--set", dest="overrides", nargs="*", default=[], metavar="SECTION.KEY=VALUE")
    parser.add_argument("--table", action="store_true", help="only print what the results hold")
    arguments = parser.parse_args()
    if not arguments.table:
        everything = [
            "data.validation_block_share=0.0",
            "data.validation_shared_share=0.0",
        ]
        config = load_config(arguments.config, [f"data.raw_dir={arguments.raw_dir}", *everything, *arguments.overrides])
        data = make_sample_data(config, _SEED, arguments.work_dir)
        files = list_examples(data.examples_dir, "train")
        found = read_molecules(
            files,
            n_targets=len(config.data.targets),
            max_molecules=config.ensemble.max_molecules,
            seed=_SEED,
            with_blocks=True,
        )
        molecules = found.take(found.has_blocks)
        counts = radius_3_counts(arguments.work_dir / "molecules", molecules.ids, arguments.work_dir / "counts.npz")
        for draw in arguments.draws:
            measure_draw(config, molecules, counts, draw, arguments.work_dir / "members", arguments.results)
    lines = [*table_lines(arguments.results, arguments.draws), *blend_lines(arguments.results, arguments.draws)]
    sys.stdout.write("".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    main()
