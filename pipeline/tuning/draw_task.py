"""A configuration to be scored on a draw, as the process receives it that scores."""

from dataclasses import dataclass
from pathlib import Path

from pipeline.config.settings import Config


@dataclass(frozen=True)
class DrawTask:
    """What is to be scored.

    Attributes:
        config: The configuration, with the targets and the digest of the raw files.
        draw: Number of the draw.
        transformer: Whether the transformer is trained, too.
        output_dir: Keeps Examples, which configurations share that make the same.
        work_dir: Keeps what is finished of this task, so that a killed one goes on.
    """

    config: Config
    draw: int
    transformer: bool
    output_dir: Path
    work_dir: Path
