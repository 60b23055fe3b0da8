"""Members trained on a small made-up library, and the molecules alone."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from made_up_library import KINDS, made_up_molecules, small_settings  # type: ignore[import-not-found]

from components.ensemble.kept import Arrays
from components.ensemble.members import Training
from components.ensemble.train import train_members


@pytest.fixture
def training(tmp_path: Path) -> Training:
    """300 molecules, not trained on yet."""
    return Training(made_up_molecules(300), small_settings(), seed=7, folder=tmp_path / "kept")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Training, dict[str, Arrays]]:
    """The same, with all members."""
    training = Training(made_up_molecules(300), small_settings(), seed=7, folder=tmp_path_factory.mktemp("kept"))
    return training, train_members(training, KINDS)
