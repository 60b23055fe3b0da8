"""The audit believes no answer about nothing."""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from tests.unit.conftest import load_program

REPOSITORY: Final = Path(__file__).parents[3]
audit = load_program(REPOSITORY / ".ci" / "audit.py")

VULNERABLE: Final = {"name": "requests", "version": "2.20.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.31.0"]}]}
CLEAN: Final = {"name": "numpy", "version": "2.0", "vulns": []}
# As pip-audit 2.10.1 says it behind a mirror, with exit code 0.
SKIPPED: Final = {"name": "requests", "skip_reason": "Dependency not found on PyPI and could not be audited: requests"}


class Service:
    """Answers in the words of pip-audit."""

    def __init__(self, control: dict[str, Any] | None, *locked: dict[str, Any]) -> None:
        self.control, self.locked = control, locked

    def __call__(self, lock: Path, *_: str) -> dict[str, Any] | None:
        if lock.name != "control.txt":
            return {"dependencies": list(self.locked)}
        return None if self.control is None else {"dependencies": [self.control]}


@pytest.mark.parametrize(
    ("service", "code", "said"),
    [
        (Service(VULNERABLE, CLEAN), 0, "1 packages looked up by pypi, 0 findings"),
        (Service(VULNERABLE, CLEAN, SKIPPED), 1, "requests was not looked up: Dependency not found"),
        (Service(VULNERABLE, CLEAN, VULNERABLE), 1, "requests 2.20.0: PYSEC-1, mended in 2.31.0"),
        (Service(VULNERABLE), 1, "0 packages looked up"),
        (Service(SKIPPED, CLEAN), 1, "Nothing was audited"),
        (Service({**VULNERABLE, "vulns": []}, CLEAN), 1, "Nothing was audited"),
        (Service(None, CLEAN), 1, "Nothing was audited"),
    ],
)
def test_only_a_whole_answer_of_a_service_that_knows_something_passes(
    service: Service, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit.audit([Path("requirements.lock")], service) == code
    assert said in capsys.readouterr().out


def test_the_report_of_pip_audit_is_read_as_it_is_written() -> None:
    report = json.loads(json.dumps({"dependencies": [VULNERABLE, SKIPPED], "fixes": []}))
    assert len(list(audit.findings(report))) == 2
    assert audit.knows(report)
