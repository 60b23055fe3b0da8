"""`belka make-demo-data` and `belka validate` as a user sees them."""

import subprocess
import sys
from pathlib import Path

BELKA = Path(sys.executable).parent / "belka"


def _belka(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(BELKA), *map(str, arguments)], capture_output=True, text=True, check=False)


def test_validate_names_unusable_rows_with_their_whole_smiles(tmp_path: Path) -> None:
    assert _belka("make-demo-data", "--molecules", "300", "--out", tmp_path / "raw").returncode == 0
    result = _belka("validate", "--raw-dir", tmp_path / "raw")
    assert result.returncode == 0, result.stderr
    text = "".join(result.stdout.split())
    assert "labelisnot0or1" in text
    assert "N[Dy]" in text  # square brackets are no markup
    assert "buildingblocks" in text


def test_validate_of_nothing_says_how_to_get_data(tmp_path: Path) -> None:
    result = _belka("validate", "--raw-dir", tmp_path)
    assert result.returncode == 2
    assert "train.parquet" in result.stderr
    assert "make-demo-data" in result.stderr
