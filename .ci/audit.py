"""Look up the known vulnerabilities of locked packages with pip-audit, and believe no answer about nothing.

    audit.py LOCK...

pip-audit ends with 0 where its service knows none of the packages, as behind a mirror. Here a package that was not
looked up is a failure, and so is a service that knows nothing of requests 2.20.0, which has known vulnerabilities.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

CONTROL: Final = "requests==2.20.0"
SERVICES: Final = ("pypi", "osv")
BY_HAND: Final = "docs/security.md has what was looked up by hand, and when."
Report = Mapping[str, Any]


def findings(report: Report) -> Iterator[str]:
    """A line for each vulnerability, and for each package that was not looked up."""
    for package in report["dependencies"]:
        if "skip_reason" in package:
            yield f"{package['name']} was not looked up: {package['skip_reason']}"
        for found in package.get("vulns", ()):
            mended = ", ".join(found["fix_versions"]) or "no version"
            yield f"{package['name']} {package['version']}: {found['id']}, mended in {mended}"


def knows(report: Report) -> bool:
    """Whether the service found what there is to find in the control."""
    return any(package.get("vulns") for package in report["dependencies"])


def pip_audit(lock: Path, service: str, *options: str) -> Report | None:
    """What pip-audit says of a lock; None where it got no answer."""
    done = subprocess.run(  # noqa: S603 - pip-audit, on files of the repository
        [
            *(sys.executable, "-m", "pip_audit", "--requirement", str(lock), "--disable-pip", *options),
            *("--vulnerability-service", service, "--format", "json", "--progress-spinner", "off", "--timeout", "30"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        report: Report = json.loads(done.stdout)
    except json.JSONDecodeError:
        print(f"{service}: no answer: {(done.stderr.strip().splitlines() or ['nothing was said'])[-1]}")  # noqa: T201
        return None
    return report


def audit(locks: Sequence[Path], ask: Callable[..., Report | None] = pip_audit) -> int:
    """Audit locks by the first service that passes the control; 0 only where all was looked up and nothing found."""
    with tempfile.TemporaryDirectory() as folder:
        control = Path(folder) / "control.txt"
        control.write_text(f"{CONTROL}\n", encoding="utf-8")
        trusted = next((each for each in SERVICES if (said := ask(control, each, "--no-deps")) and knows(said)), None)
    if trusted is None:
        print(f"Nothing was audited: no service knows the vulnerabilities of {CONTROL}. {BY_HAND}")  # noqa: T201
        return 1
    failed = False
    for lock in locks:
        report = ask(lock, trusted, "--require-hashes")
        lines = ["no answer"] if report is None else list(findings(report))
        looked_up = sum("version" in package for package in report["dependencies"]) if report else 0
        print(f"{lock}: {looked_up} packages looked up by {trusted}, {len(lines)} findings")  # noqa: T201
        for line in lines:
            print(f"  {line}")  # noqa: T201
        failed = failed or bool(lines) or not looked_up
    return int(failed)


if __name__ == "__main__":
    sys.exit(audit([Path(name) for name in sys.argv[1:]]))
