"""Places that are not writable or not there: an answer with its exit code, never a defect of the program."""

import subprocess
import sys
from pathlib import Path

import pytest

BELKA = Path(sys.executable).parent / "belka"


def belka(*arguments: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        [BELKA, *map(str, arguments)], capture_output=True, text=True, check=False, **options
    )


@pytest.mark.parametrize("place", ["a file", "below a file", "a system that takes no folders", "a name too long"])
def test_an_output_that_cannot_be_written(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    out = {
        "a file": tmp_path / "file",
        "below a file": tmp_path / "file" / "below",
        "a system that takes no folders": Path("/proc/out"),
        "a name too long": tmp_path / ("x" * 300),
    }[place]
    done = belka("make-demo-data", "--molecules", "100", "--out", out)
    if place == "a system that takes no folders" and done.returncode == 1:
        pytest.skip("this system says that the folder is not there")
    assert done.returncode == 2, done.stderr
    assert "defect" not in done.stderr
    assert str(out)[:200] in done.stderr.replace("\n", "")


@pytest.mark.parametrize(
    "command",
    [
        ["predict", "--model", "model", "CCO", "--output"],
        ["predict", "--model", "model", "CCO", "--explain"],
        ["report", "one", "two", "--out"],
        ["lineage", "model", "--openlineage"],
        ["lineage", "model", "--croissant"],
        ["enrichment", "--out"],
        ["enumerate", "--top", "1", "--out"],
        ["compile", "--out"],
        ["run", "--metrics-file"],
    ],
    ids=" ".join,
)
def test_a_folder_where_a_file_is_to_be_written_keeps_its_content(tmp_path: Path, command: list[str]) -> None:
    place = tmp_path / "place.csv"
    place.mkdir()
    (place / "precious").touch()
    done = belka(*command, place, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "A folder lies where a file is needed." in done.stderr
    assert str(place) in done.stderr
    assert [path.name for path in place.iterdir()] == ["precious"]


def test_a_reader_that_leaves() -> None:
    command = f"'{BELKA}' config show --explain | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_full_disk_behind_standard_output() -> None:
    done = subprocess.run(
        ["bash", "-c", f"'{BELKA}' config show > /dev/full"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 75
    assert "The disk is full." in done.stderr


def test_without_any_standard_stream(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    command = f"'{BELKA}' make-demo-data --molecules 100 --out '{raw}' <&- >&- 2>&-"
    assert subprocess.run(["bash", "-c", command], check=False).returncode == 0
    assert (raw / "train.parquet").is_file()
    command = f"'{BELKA}' validate --raw-dir '{raw}' <&- >&- 2>&-"
    assert subprocess.run(["bash", "-c", command], check=False).returncode == 0
    assert subprocess.run(["bash", "-c", command.replace(f"{raw}", f"{raw}/none")], check=False).returncode == 2


def test_a_question_without_standard_input(tmp_path: Path) -> None:
    (tmp_path / "metrics.json.damaged-1").touch()
    done = subprocess.run(
        ["bash", "-c", f"'{BELKA}' clean --output-dir '{tmp_path}' <&-"], capture_output=True, text=True, check=False
    )
    assert "Remove them?" in done.stdout
    assert done.returncode == 2
    assert done.stderr.startswith("error: A question was not answered, and nothing was done.")
    assert (tmp_path / "metrics.json.damaged-1").exists()


def test_an_error_that_cannot_be_told_keeps_its_exit_code(tmp_path: Path) -> None:
    command = f"'{BELKA}' validate --raw-dir '{tmp_path}' 2> /dev/full"
    assert subprocess.run(["bash", "-c", command], check=False).returncode == 2


def test_without_standard_output() -> None:
    done = subprocess.run(["bash", "-c", f"'{BELKA}' config show >&-"], capture_output=True, text=True, check=False)
    assert "defect" not in done.stderr
    assert "Traceback" not in done.stderr
