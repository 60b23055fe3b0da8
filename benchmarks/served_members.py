"""What all members of a model cost beside one of them alone: bytes and molecules per second of their SavedModels.

    python -m benchmarks.served_members --examples FILE --models CLF_MODEL MODEL

`CLF_MODEL` is what the trainer of the stage clf exported, the transformer alone, and `MODEL` a pushed model. Each
scores the same Examples by its signature `serving_default`, one at a time and 1,024 at once, in turn.
"""

import argparse
from pathlib import Path
from typing import Any, Final

from belka.contract import MOLECULE_ID, SIGNATURE_EXAMPLES
from belka.examples import read_examples
from belka.models.loader import Signature
from benchmarks.measurement import Comparison, Work, measure_in_turn, print_comparisons
from pipeline.cli.consoles import open_console

BATCHES: Final = (1, 1_024)
_SINGLE_MOLECULES: Final = 128  # that are scored one at a time
_ROUNDS: Final = 5


def bytes_of(model_dir: Path) -> int:
    """Bytes of all files of a model."""
    return sum(path.stat().st_size for path in model_dir.rglob("*") if path.is_file())


def compare_models(models: list[Path], examples: Path) -> list[Comparison]:
    """Measure molecules per second, compiling left out; the fastest of five rounds.

    Args:
        models: SavedModels; the first is the reference.
        examples: TFRecord file with at least 1,024 Examples.

    Returns:
        One comparison for each size of a batch.
    """
    serialized = next(read_examples([examples], [MOLECULE_ID], n_targets=0, batch_size=max(BATCHES))).serialized
    signatures = {model: Signature(model, SIGNATURE_EXAMPLES) for model in models}
    found = []
    for size in BATCHES:
        count = _SINGLE_MOLECULES if size == 1 else size
        parts = [serialized[start : start + size] for start in range(0, count, size)]
        works = [_work(model, signature, parts, count) for model, signature in signatures.items()]
        for work in works:
            work.run()  # compiles
        reference, *others = measure_in_turn(works, "molecules", _ROUNDS)
        notes = tuple(f"{model}: {bytes_of(model):,} bytes" for model in models)
        found.append(Comparison(f"serving_default, batch {size:,}", reference, tuple(others), notes))
    return found


def _work(model: Path, signature: Signature, parts: list[Any], count: int) -> Work:
    return Work(str(model), count, lambda: [signature(part) for part in parts])


def main() -> None:
    """Print the comparisons."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=Path, required=True)
    parser.add_argument("--models", type=Path, nargs="+", required=True)
    arguments = parser.parse_args()
    print_comparisons(compare_models(arguments.models, arguments.examples), open_console())


if __name__ == "__main__":
    main()
