"""What a run writes to: its log, and a folder of logs that does not grow without end."""

import logging
import os
import subprocess
import sys
from pathlib import Path

from pipeline.cli.session import remove_old_logs

RUN = """
import logging, os, sys
from pathlib import Path
from pipeline.cli.session import open_session
with open_session(Path(sys.argv[1]), log_level="INFO", keep_logs=2, quiet=False) as session:
    logging.getLogger("belka.x").info("told to the log")
    logging.getLogger("absl").info("Using deployment config")
    os.write(1, b"from a library\\n")
    session.console.print("told to the user")
    session.events_file.touch()
"""


def test_libraries_go_to_the_log_and_the_console_stays_readable(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", RUN, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "told to the user"
    (log,) = (tmp_path / "logs").glob("*.log")
    text = log.read_text(encoding="utf-8")
    assert "told to the log" in text
    assert "from a library" in text
    assert "Using deployment config" not in text
    assert [path.name for path in (tmp_path / "logs").glob("*.jsonl")] == [f"{log.stem}.events.jsonl"]


def test_the_newest_runs_stay(tmp_path: Path) -> None:
    for day in range(1, 6):
        for suffix in (".log", ".events.jsonl"):
            (tmp_path / f"2026110{day}-120000-7{suffix}").touch()
    (tmp_path / "notes.txt").touch()
    remove_old_logs(tmp_path, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "20261104-120000-7.events.jsonl",
        "20261104-120000-7.log",
        "20261105-120000-7.events.jsonl",
        "20261105-120000-7.log",
        "notes.txt",
    ]


def test_levels_and_streams_are_as_before_afterwards(tmp_path: Path) -> None:
    code = f"""
import logging, sys
{RUN.replace("sys.argv[1]", repr(str(tmp_path)))}
print(logging.getLogger().level, len(logging.getLogger().handlers))
"""
    environment = {**os.environ, "COLUMNS": "80"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.splitlines()[-1] == f"{logging.WARNING} 0"
