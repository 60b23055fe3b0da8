"""Choose the shards that stand for a split.

TFDV's own sample rate draws batches after decoding them: it saves little time, differs from run to run, and may leave a
small split with no molecule at all. The merge shuffles molecules over the shards, so whole shards are as good a sample,
and unread ones cost nothing.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from belka.contract import split_folder
from belka.errors import InputError
from belka.examples import list_examples


def sample_shards(shards: Sequence[Path], rate: float) -> list[Path]:
    """Choose `rate` of a split's shards, rounded up, spread evenly and in the order of names; the same ones every time.

    Args:
        shards: Files of the split.
        rate: Share of them, above 0, at most 1.

    Raises:
        InputError: The rate is out of range.
    """
    if not 0 < rate <= 1:
        raise InputError(
            "The sample rate of the statistics is out of range.",
            received=str(rate),
            expected="a number above 0, at most 1",
            action="Set data_validation.sample_rate.",
        )
    ordered = sorted(shards)
    chosen = math.ceil(rate * len(ordered))
    return [ordered[i * len(ordered) // chosen] for i in range(chosen)]


@contextmanager
def sampled_examples(examples_dir: Path, rates: Mapping[str, float]) -> Iterator[Path]:
    """Make a folder that looks like the Examples but links to a sample of their shards only.

    Args:
        examples_dir: Folder with `Split-<name>`.
        rates: Name of the split -> share of its shards, see `sample_shards`.

    Yields:
        The folder; it is gone afterwards.

    Raises:
        InputError: A rate is out of range.
    """
    with TemporaryDirectory(prefix="belka-statistics-") as name:
        folder = Path(name)
        for split, rate in rates.items():
            target = folder / split_folder(split)
            target.mkdir()
            for shard in sample_shards(list_examples(examples_dir.absolute(), split), rate):
                (target / shard.name).symlink_to(shard)
        yield folder
