"""A prediction that several processes share out: each scores some chunks, and keeps them beside the output.

The processes may run on several machines, so what they keep is all that they have in common: whoever writes the output
finds every chunk scored. A share that is scored again, after a failure, finds what it had kept.
"""

import itertools
import uuid
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from belka.errors import InputError
from belka.files import atomic_path
from belka.models.folder import open_model_folder
from belka.models.operations import trusted_models
from belka.predict.check import CheckSettings
from belka.predict.check_pool import CheckPool
from belka.predict.chunks import chunks_of, kept_scores, scored_chunks
from belka.predict.input_table import STANDARD_INPUT, open_input
from belka.predict.predictor import Predictor

_SIGN: Final = "sign"  # a file among the kept scores, by which a process sees that it reaches the same folder


@dataclass(frozen=True)
class SharedPrediction:
    """What is predicted, in words that other machines understand.

    Attributes:
        model: Folder of one model.
        input: See `predict_file`.
        output: Likewise.
        column: Likewise.
        standardise: Likewise.
        trust_model: Whether the model may hold any operation.
        n_shares: Number of shares, >= 1.
        sign: What stands in the folder of kept scores while the shares are scored.
    """

    model: Path
    input: Path
    output: Path
    column: str | None
    standardise: bool
    trust_model: bool
    n_shares: int
    sign: str


def shared_prediction(
    model_dir: Path,
    input_file: Path,
    output_file: Path,
    *,
    column: str | None,
    standardise: bool,
    trust_model: bool,
    n_shares: int,
) -> SharedPrediction:
    """Look at model and input, and make the folder in which shares are kept.

    Args:
        model_dir: See `predict_file`.
        input_file: Likewise; not standard input.
        output_file: Likewise.
        column: Likewise.
        standardise: Likewise.
        trust_model: Whether the model may hold any operation.
        n_shares: Number of shares, >= 1.

    Raises:
        InputError: The input cannot be used.
        BelkaError: The model cannot be used.
    """
    if input_file == STANDARD_INPUT:
        raise InputError(
            "Standard input cannot be shared out.",
            received="--input -",
            expected="a file or a folder that every worker reaches under this path",
            action="Write the input to such a file first.",
        )
    model = open_model_folder(model_dir)
    with open_input(input_file, column):
        sign = kept_scores(model, output_file, standardise=standardise).folder / _SIGN
    whole = SharedPrediction(
        model.path.absolute(),
        input_file.absolute(),
        output_file.absolute(),
        column,
        standardise,
        trust_model,
        n_shares,
        uuid.uuid4().hex,
    )
    with atomic_path(sign) as temporary:
        temporary.write_text(whole.sign, encoding="ascii")
    return whole


def score_share(share: int, whole: SharedPrediction) -> int:
    """Score every `n_shares`-th chunk and keep it.

    Args:
        share: Which, 0 <= share < `n_shares`.
        whole: The prediction.

    Returns:
        Rows of these chunks.

    Raises:
        InputError: This process does not reach the files.
    """
    with trusted_models() if whole.trust_model else nullcontext():
        model = open_model_folder(whole.model)
        kept = kept_scores(model, whole.output, standardise=whole.standardise)
        _check_reach(kept.folder / _SIGN, whole)
        kept.keep_all()
        settings = CheckSettings.of(model, standardise=whole.standardise)
        with open_input(whole.input, whole.column) as table, CheckPool(settings, 1) as checks:
            own = itertools.islice(chunks_of(table, kept), share, None, whole.n_shares)
            predictor = Predictor(model)
            return sum(batch.num_rows for batch, _ in scored_chunks(own, checks, predictor, kept))


def _check_reach(sign: Path, whole: SharedPrediction) -> None:
    try:
        found = sign.read_text(encoding="ascii")
    except OSError as error:
        found = str(error)
    if found != whole.sign:
        raise InputError(
            "A worker does not reach the folder of the output.",
            received=f"{sign}: {found}",
            expected="storage that this machine and every worker reach under the same path",
            action="Put model, input and output on a shared volume.",
        )
