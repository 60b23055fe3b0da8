"""Mutation testing looks at what there is, changes what decides, and runs tests on the code as it is by then."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from tests.unit.conftest import load_program

REPOSITORY: Final = Path(__file__).parents[3]
mutants = load_program(REPOSITORY / ".ci" / "mutants.py")


def test_every_module_and_its_tests_are_there() -> None:
    for module, tests in mutants.TESTS.items():
        assert (REPOSITORY / module).is_file(), module
        for test in tests:
            file, _, name = test.partition("::")
            assert (REPOSITORY / file).exists(), test
            assert not name or f"def {name}(" in (REPOSITORY / file).read_text(encoding="utf-8"), test


def test_an_equivalent_mutant_has_its_reason_and_a_module() -> None:
    for each in map(json.loads, mutants.EQUIVALENT.read_text(encoding="utf-8").splitlines()):
        assert each["module"] in mutants.TESTS
        assert each["change"].split("  ->  ")[0] in (REPOSITORY / each["module"]).read_text(encoding="utf-8")
        assert each["why"]


def test_annotations_and_decorators_stay() -> None:
    source = "@cache(size=1)\ndef f(a: int | None, b: int = 1 | 2) -> int | str:\n    c: int | str = 3 | 4\n"
    kept = mutants.kept_as_they_are(source)
    lines = source.splitlines()
    changed = "".join(c for row, text in enumerate(lines, 1) for at, c in enumerate(text) if (row, at) not in kept)
    assert changed == "@def f(a: , b: int = 1 | 2) -> :    c:  = 3 | 4".replace("b: int", "b: ")


def test_the_table_counts_what_was_caught_and_names_survivors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = "components/affinity_evaluator/gate.py"
    equivalent = tmp_path / "equivalent.jsonl"
    equivalent.write_text(json.dumps({"module": gate, "change": "a  ->  b", "why": "because"}) + "\n")
    monkeypatch.setattr(mutants, "EQUIVALENT", equivalent)
    lines = [("a  ->  b", False), ("c  ->  d", False), ("e  ->  f", True), ("g  ->  h", True)]
    text = mutants.report([{"module": gate, "line": 7, "change": change, "caught": caught} for change, caught in lines])
    assert f"| gate | {gate} | 4 | 2 | 1 | 1 |" in text
    assert "Caught: 2 of 4, 50.0%; of those not equivalent 66.7%." in text
    assert [line for line in text.splitlines() if line.startswith("survived")] == [f"survived: {gate}:7  c  ->  d"]


def test_tests_run_on_the_code_as_it_is_by_then(tmp_path: Path) -> None:
    module = tmp_path / "components" / "sums.py"
    module.parent.mkdir()
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib\n")
    test = tmp_path / "tests" / "unit" / "test_sums.py"
    test.parent.mkdir(parents=True)
    test.write_text("from components.sums import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n")
    codes = ("a + b", "a - b", "[0 for _ in iter(int, 1)]", "a + b")
    module.write_text(f"def add(a, b):\n    return {codes[0]}\n")
    os.utime(module, (1e9, 1e9))
    exits = []
    server = subprocess.Popen(
        [sys.executable, str(REPOSITORY / ".ci" / "forked_tests.py"), str(test)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def answer() -> dict[str, Any]:
        assert server.stdout is not None
        found: dict[str, Any] = json.loads(server.stdout.readline())
        return found

    assert answer() == {"ready": True}
    for code in codes:
        module.write_text(f"def add(a, b):\n    return {code}\n")
        print(
            json.dumps({"arguments": [str(test)], "cpu_seconds": 3, "wall_seconds": 300}), file=server.stdin, flush=True
        )
        exits.append(answer()["exit"])
    server.communicate("")
    assert exits[:2] == [0, 1]
    assert exits[2] != 0, "an endless loop ends by its limit"
    assert exits[3] == 0
