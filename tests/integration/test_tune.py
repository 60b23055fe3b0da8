"""`belka tune` on demonstration data: killed in each way, it goes on; its file loads, its score is told."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

import psutil
import pytest
from optuna.trial import TrialState

from belka.demo.generate import make_demo_data
from pipeline.config.files import load_config
from pipeline.tuning.draw_task import DrawTask
from pipeline.tuning.draws import score_of
from pipeline.tuning.score_draw import score_draw
from pipeline.tuning.space import Dimension, override_of
from pipeline.tuning.study import ask, finished_trials, open_study
from pipeline.tuning.trials import Limits
from pipeline.tuning.tune import TuneRequest, configured, tune

BELKA: Final = Path(sys.executable).parent / "belka"
SPACE: Final = {
    "ensemble.linear_strengths": Dimension(choices=([0.01], [0.1], [1.0])),
    "ensemble.rounds": Dimension(low=2, high=4),
}
SMALL: Final = "model: {members: [transformer, linear]}\nensemble: {rounds: 3, linear_strengths: [0.1]}\n"
SECONDS: Final = 400


class Tuning:
    """The command on a folder, with its lines as they come."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.output = folder / "out"
        fixed = ["--raw-dir", folder / "raw", "--output-dir", self.output, "--config", folder / "small.yaml"]
        command = [BELKA, "tune", *fixed, "--space", folder / "space.yaml", "--minutes", "30", *options]
        self.process = subprocess.Popen(
            list(map(str, command)),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            bufsize=1,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        self.lines: list[str] = []

    def wait_for(self, text: str) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if text in line:
                return
        pytest.fail(f"{text!r} never came: {''.join(self.lines)}")

    def kill_worker(self) -> None:
        """Kill the process that scores, as the kernel does where memory runs out."""
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            for child in psutil.Process(self.process.pid).children():
                if "spawn_main" in " ".join(child.cmdline()):
                    child.kill()
                    return
            time.sleep(0.1)
        pytest.fail("no process scores")

    def end(self, number: int | None = None) -> int:
        if number is not None:
            self.process.send_signal(number)
        rest, _ = self.process.communicate(timeout=SECONDS)
        self.lines.append(rest)
        return self.process.returncode

    @property
    def told(self) -> str:
        return "".join(self.lines)


def _lay(folder: Path, space: str, config: str) -> None:
    make_demo_data(folder / "raw", molecules=600)
    (folder / "small.yaml").write_text(config)
    (folder / "space.yaml").write_text(space)


def _uninterrupted(folder: Path, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a study of the same seed tries that nobody interrupts, given the same scores."""
    untuned = {"ensemble.linear_strengths": [0.1], "ensemble.rounds": 3}
    study = open_study(folder, SPACE, seed=42, untuned=untuned, identity={})
    found = []
    for row in rows:
        trial, values = ask(study, SPACE)
        study.tell(trial, row["score"], state=None if row["score"] is not None else TrialState.FAIL)
        found.append(values)
    assert len(finished_trials(study)) == len(rows)
    return found


def test_a_study_that_is_stopped_and_killed_goes_on_and_reports_on_other_draws(tmp_path: Path) -> None:
    lines = [f"{key}: {dimension.model_dump_json(exclude_none=True)}\n" for key, dimension in SPACE.items()]
    _lay(tmp_path, "".join(lines), SMALL)
    options = ("--draws-choose", "1", "--draws-report", "11,12", "--trials", "4")

    first = Tuning(tmp_path, *options)
    first.kill_worker()
    first.wait_for("trial 0: failed: The trial was lost. its process was ended by signal 9")
    first.wait_for("trial 1: 0.")
    assert first.end(signal.SIGTERM) == 143, first.told
    assert "Run the same command again" in first.told

    second = Tuning(tmp_path, *options)
    second.wait_for("(mean-AP); ensemble")
    second.end(signal.SIGKILL)

    third = Tuning(tmp_path, *options)
    assert third.end() == 0, third.told
    figures = json.loads((tmp_path / "out" / "tune.json").read_text(encoding="utf-8"))
    rows = figures["rows"]
    assert [row["state"] for row in rows] == ["fail", "complete", "complete", "complete"]
    assert [row["values"] for row in rows] == _uninterrupted(tmp_path / "whole", rows)
    assert figures["chosen"]["score"] == max(row["score"] for row in rows[1:])
    assert figures["reported"]["draws"] == [11, 12]
    gains = [a - b for a, b in zip(figures["reported"]["tuned"], figures["reported"]["untuned"], strict=True)]
    assert figures["gain"]["mean"] == pytest.approx(sum(gains) / 2)

    tuned = load_config(tmp_path / "out" / "tuned.yaml")
    values = figures["chosen"]["values"]
    assert list(tuned.ensemble.linear_strengths) == values["ensemble.linear_strengths"]
    assert tuned.ensemble.rounds == values["ensemble.rounds"]
    assert tuned.model.members == ("transformer", "linear")
    assert "output_dir" not in (tmp_path / "out" / "tuned.yaml").read_text(encoding="utf-8")
    assert "ahead on" in third.told
    assert (tmp_path / "out" / "tune.html").is_file()
    _ask_again(tmp_path, figures)


def _ask_again(folder: Path, figures: dict[str, Any]) -> None:
    """A finished study computes nothing more; a draw scored in this process has the score that the study's own told."""
    output = folder / "out"
    request = TuneRequest(
        config_file=folder / "small.yaml",
        overrides=(),
        raw_dir=folder / "raw",
        output_dir=output,
        space_file=folder / "space.yaml",
        metric="mean-AP",
        choose=(1,),
        report=(11, 12),
        limits=Limits(seconds=1800.0, trials=4),
    )
    files = {path: path.read_bytes() for path in (output / "tune.json", output / "tuned.yaml", output / "tune.html")}
    said = list[str]()
    outcome = tune(request, said.append)
    assert outcome is not None
    assert [line.split(":")[0] for line in said] == [
        f"draw {draw}, {which}" for draw in (11, 12) for which in ("tuned", "untuned")
    ]
    assert {path: path.read_bytes() for path in files} == files

    chosen = [override_of(key, value) for key, value in figures["chosen"]["values"].items()]
    task = DrawTask(configured(request)(chosen), 11, transformer=False, output_dir=output, work_dir=folder / "work")
    cells = score_draw(task, lambda score: pytest.fail(f"no transformer is trained, and one has {score}"))
    assert score_of(cells, "mean-AP") == figures["reported"]["tuned"][0]


@pytest.mark.slow
def test_the_transformer_is_trained_and_validated_where_its_keys_are_tuned(tmp_path: Path) -> None:
    model = "model: {members: [transformer, linear], depth: 8, num_heads: 2, num_layers: 1}\n"
    training = "training: {epochs: 2, batch_size: 64, bucket_boundaries: [128], xla: 'off'}\nensemble: {rounds: 2}\n"
    _lay(tmp_path, "training.learning_rate: {choices: [1e-3, 1e-2]}\n", model + training)
    tuning = Tuning(tmp_path, "--draws-choose", "1", "--draws-report", "11", "--trials", "2")
    assert tuning.end() == 0, tuning.told
    figures = json.loads((tmp_path / "out" / "tune.json").read_text(encoding="utf-8"))
    assert figures["transformer"]
    assert [row["state"] for row in figures["rows"]] == ["complete", "complete"]
    assert figures["rows"][0]["values"] == {"training.learning_rate": 1e-3}
    journal = (tmp_path / "out" / "study.journal").read_text(encoding="utf-8")
    # Values that are tried again have their score already.
    tried = {str(row["values"]) for row in figures["rows"]}
    assert journal.count('"intermediate_value"') == 2 * len(tried)
