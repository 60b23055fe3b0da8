"""The best of all products of a made library: time, share that is scored, and a comparison with scoring everything.

    python -m benchmarks.best_products --blocks 1000 --top 1000
    python -m benchmarks.best_products --blocks 216 --top 1000 --compare bits
    python -m benchmarks.best_products --blocks 100 --top 1000 --compare served

The library has as many blocks in each position, all different, so that it has their cube of products. The score is a
logistic regression fitted on a sample of them by a hidden rule on a few bits. With --compare every product is scored,
by the bits of its fingerprint or by the `features` signature of a SavedModel that is served as an ensemble is, and the
best of both are compared.
"""

import argparse
import json
import re
import resource
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from belka.chemistry.fingerprints import FingerprintSettings
from belka.enumeration.block_rows import BlockRows, learn_rows
from belka.enumeration.library import ProductLibrary, make_library
from belka.enumeration.linear import LinearScorer
from belka.enumeration.search import Best, best_products
from belka.files import atomic_path
from belka.pages.figures import PALETTE, pictures
from benchmarks.every_product import best_of_all
from benchmarks.made_blocks import made_amines, made_amino_acids
from components.ensemble.linear import LinearFit, fit_linear, sparse_bits

_SAMPLE: Final = 20_000
_HITS: Final = 0.05
_STRENGTH: Final = 0.03
_CHUNK: Final = 1 << 16
_CLOSE: Final = 1e-3  # products this near to the last in log-odds may be served with its probability


def make_score(rows: BlockRows, size: int, n_bits: int) -> LinearFit:
    """Fit a logistic regression on a sample of the products.

    Args:
        rows: Of the library, whose second position has the first half of the amines.
        size: Blocks of each position.
        n_bits: Of the fingerprint.
    """
    generator = np.random.default_rng(0)
    molecules = _products(generator.integers(size**3, size=_SAMPLE), size)
    packed = rows.packed(molecules)
    rule = generator.normal(size=n_bits) * (generator.random(n_bits) < 0.1)  # noqa: PLR2004 - a tenth of the bits
    truth = np.unpackbits(packed, axis=1) @ rule + generator.normal(size=_SAMPLE)
    binds = (truth > np.quantile(truth, 1 - _HITS)).astype(np.int8)[:, None]
    return fit_linear(sparse_bits(packed), binds, [_STRENGTH])


def compare(best: Best, rows: BlockRows, fit: LinearFit, size: int, count: int) -> dict[str, Any]:
    """Score every product by the served model, and compare the best with those that were found.

    Args:
        best: What was found, with all products near the last one.
        rows: Of the library.
        fit: The score.
        size: Blocks of each position.
        count: How many are compared.
    """
    from belka.contract import SIGNATURE_FEATURES
    from belka.models.loader import Signature
    from benchmarks.served_linear import export_linear

    with tempfile.TemporaryDirectory() as folder:
        model = export_linear(Path(folder) / "1", fit.weights, fit.bias, ("hit",))
        served = Signature(model, SIGNATURE_FEATURES, ("smiles", "ecfp", "blocks"))

        def score(molecules: NDArray[np.int64]) -> NDArray[np.float32]:
            empty = [b""] * len(molecules)
            return served(empty, [row.tobytes() for row in rows.packed(molecules)], empty)[:, 0]

        start = time.monotonic()
        kept_numbers, kept_scores, least = np.empty(0, np.int64), np.empty(0, np.float32), -np.inf
        for first in range(0, size**3, _CHUNK):
            numbers = np.arange(first, min(first + _CHUNK, size**3))
            scores = score(_products(numbers, size))
            wanted = scores >= least
            kept_numbers = np.concatenate([kept_numbers, numbers[wanted]])
            kept_scores = np.concatenate([kept_scores, scores[wanted]])
            if len(kept_scores) > count:
                least = np.partition(kept_scores, -count)[-count]
                kept_numbers, kept_scores = kept_numbers[kept_scores >= least], kept_scores[kept_scores >= least]
        seconds = time.monotonic() - start
        own = score(best.molecules)
    # The order that is fixed: by score, then by the places of the blocks.
    order = np.lexsort((kept_numbers, -kept_scores))[:count]
    own_order = np.lexsort((*best.molecules.T[::-1], -own))[:count]
    return {
        "scored_by_the_served_model": size**3,
        "seconds_of_scoring_everything": round(seconds, 1),
        "same_molecules_in_the_same_order": bool(
            np.array_equal(_products(kept_numbers[order], size), best.molecules[own_order])
        ),
        "same_probabilities": bool(np.array_equal(kept_scores[order], own[own_order])),
        "probability_of_the_last": float(kept_scores[order[-1]]),
        "with_the_probability_of_the_last": int((kept_scores == kept_scores[order[-1]]).sum()),
    }


def compare_bits(best: Best, rows: BlockRows, scorer: LinearScorer, fit: LinearFit, count: int) -> dict[str, Any]:
    """Score every product by the bits of its fingerprint, and compare the best with those that were found.

    Args:
        best: What was found.
        rows: Of the library.
        scorer: What found it; gives equal products equal scores.
        fit: The score.
        count: How many are compared.
    """
    size, start = len(rows.first), time.process_time()
    molecules, scores = best_of_all(rows, size, fit.weights[:, 0], float(fit.bias[0]), count)
    exact = scorer.exact(molecules)
    order = np.lexsort((*molecules.T[::-1], -exact))[:count]
    return {
        "scored_by_bits": size**3,
        "processor_seconds_of_scoring_everything": round(time.process_time() - start, 1),
        "same_molecules_in_the_same_order": bool(np.array_equal(molecules[order], best.molecules[:count])),
        "largest_difference": float(abs(scores[order] - best.scores[:count]).max()),
    }


def _products(numbers: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Places of the blocks of products, int64 [n, 3]: the amines of the third position follow those of the second."""
    return np.stack([numbers // size**2, numbers // size % size, size + numbers % size], axis=1)


def picture(told: Sequence[dict[str, Any]]) -> str:
    """Draw which share of the products is scored for how many of the best, an `<svg>` for a page of its own."""
    counts, shares = [each["top"] for each in told], [100 * each["share_opened"] for each in told]

    def paint(panels: Sequence[Axes]) -> None:
        (panel,) = panels
        panel.loglog(counts, shares, "o-", color=PALETTE[0])
        for count, share in zip(counts, shares, strict=True):
            panel.annotate(f"{share:.2g}%", (count, share), textcoords="offset points", xytext=(0, 7), ha="center")
        panel.axhline(100, color=PALETTE[-1], linestyle="--")
        panel.annotate("scoring everything", (counts[0], 100), textcoords="offset points", xytext=(0, -12))
        panel.set_ylim(min(shares) / 2, 200)
        panel.set_xlabel("best products that are asked for")
        panel.set_ylabel(f"products scored, % of {told[0]['products']:,}")

    (svg,) = pictures("share-opened", "Products that are scored", [""], paint, size=(9.3, 3.2))
    # A page of its own: each colour by its value, and one for text that shows on light and on dark.
    return re.sub(r"var\(--\w+, (#\w+)\)", r"\1", svg).replace("currentColor", "#64748b") + "\n"


def main() -> None:
    """Run it and print a line of JSON for each number of products."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--blocks", type=int, default=1000, help="of each position")
    parser.add_argument("--top", type=int, nargs="+", default=[1000])
    parser.add_argument("--compare", choices=["bits", "served"])
    parser.add_argument("--picture", type=Path, help="an SVG of the shares that are scored")
    arguments = parser.parse_args()
    size, settings = arguments.blocks, FingerprintSettings()
    start = time.monotonic()
    amines = made_amines(2 * size)
    made = make_library((made_amino_acids(size), amines[:size], amines[size:]))
    # The amines of the second position come first.
    library = ProductLibrary(made.first, tuple(amines), np.arange(size), np.arange(size, 2 * size))
    rows, library = learn_rows(library, settings)
    assert library.size == size**3, library.left_out
    learnt = time.monotonic()
    fit = make_score(rows, size, settings.size)
    results: list[dict[str, Any]] = []
    for count in arguments.top:
        begun = time.monotonic()
        scorer = LinearScorer(library, rows, fit.weights[:, 0], float(fit.bias[0]))
        best = best_products(scorer, count, tolerance=_CLOSE if arguments.compare else 0.0)
        told = {
            "products": best.counts.products,
            "top": count,
            "seconds": round(time.monotonic() - begun, 2),
            "seconds_for_rows_of_blocks": round(learnt - start, 1),
            "opened": best.counts.opened,
            "share_opened": best.counts.opened / best.counts.products,
            "partial_products_opened": f"{best.counts.amines_opened} of {best.counts.amines}",
            "scores": [round(float(best.scores[place]), 4) for place in (0, count - 1)],
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }
        if arguments.compare == "served":
            told |= compare(best, rows, fit, size, count)
        if arguments.compare == "bits":
            told |= compare_bits(best, rows, scorer, fit, count)
        print(json.dumps(told), flush=True)  # noqa: T201 - the result
        results.append(told)
    if arguments.picture:
        with atomic_path(arguments.picture) as temporary:
            temporary.write_text(picture(results), encoding="utf-8")


if __name__ == "__main__":
    main()
