"""docs/modules.md lists every file of the packages, with the line it says of itself."""

from pathlib import Path
from typing import Final

from tests.unit.conftest import load_program

REPOSITORY: Final = Path(__file__).parents[2]
module_map = load_program(REPOSITORY / "docs" / "module_map.py")


def test_the_page_is_what_the_files_say() -> None:
    page = (REPOSITORY / "docs" / "modules.md").read_text(encoding="utf-8")
    assert module_map.page() == page, "a file was added, moved or says something else: make pages"


def test_every_file_says_what_it_is() -> None:
    rows = [line for line in module_map.page().splitlines() if line.startswith("| [")]
    assert len(rows) > 300
    assert [row for row in rows if row.endswith("|  |")] == []


def test_files_are_listed_by_folder_and_text_is_no_markup(tmp_path: Path) -> None:
    for name, text in {
        "belka/__init__.py": "The <domain>.",
        "belka/files.py": "Writes with `a_b` and c_d.\n\nMore.",
        "pipeline/cli/__init__.py": "Commands.",
        "pipeline/cli/run.py": "`belka run`.",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f'"""{text}"""\n', encoding="utf-8")
    lines = module_map.page(tmp_path).splitlines()
    assert [line for line in lines if line.startswith(("##", "|", "Comm"))] == [
        "## belka",
        "| file | is |",
        "|---|---|",
        "| [files.py](../belka/files.py) | Writes with `a_b` and c\\_d. |",
        "## trainer_module",
        "## components",
        "## pipeline",
        "### pipeline/cli",
        "Commands.",
        "| file | is |",
        "|---|---|",
        "| [run.py](../pipeline/cli/run.py) | `belka run`. |",
        "## benchmarks",
    ]
    assert "The \\<domain>." in lines
