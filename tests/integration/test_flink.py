"""The configuration alone moves MoleculeTransform to Flink: a real job server and cluster, and the same Examples."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import tensorflow as tf

from belka.errors import InputError
from pipeline.runners.flink.session import check_jars, flink_session

pytestmark = [pytest.mark.flink, pytest.mark.slow]
ROOT = Path(__file__).parents[2]
JARS = ROOT / ".flink" / "jars"
CHECKSUMS = ROOT / "docker" / "flink" / "jars.sha256"
N_MOLECULES = 3000


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[tuple[str, ...], Path]]:
    if shutil.which("java") is None:
        pytest.skip("there is no Java")
    if not JARS.is_dir():
        pytest.skip("the jars of the job server are absent; `make flink-jars` fetches them")
    log_dir = tmp_path_factory.mktemp("flink")
    with flink_session(JARS, log_dir=log_dir, n_workers=2, checksums=CHECKSUMS) as options:
        yield options, log_dir


def belka(*arguments: str) -> None:
    command = [str(Path(sys.executable).with_name("belka")), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def examples_of(output_dir: Path) -> dict[str, set[bytes]]:
    """The records by split."""
    records: dict[str, set[bytes]] = {}
    for path in output_dir.glob("**/Split-*/data_tfrecord-*"):
        compression = "GZIP" if path.suffix == ".gz" else ""
        dataset = tf.data.TFRecordDataset(str(path), compression_type=compression)
        records.setdefault(path.parent.name, set()).update(dataset.as_numpy_iterator())
    return records


@pytest.mark.timeout(1200)
def test_flink_writes_the_examples_that_the_local_runner_writes(
    session: tuple[tuple[str, ...], Path], tmp_path: Path
) -> None:
    options, log_dir = session
    raw_dir = tmp_path / "raw"
    belka("make-demo-data", "--molecules", str(N_MOLECULES), "--out", str(raw_dir))
    common = [
        "run",
        "--raw-dir",
        str(raw_dir),
        "--to",
        "make_dataset",
        "--set",
        "data.rows_per_shard=1000",
        "--set",
        "data_validation.on_anomaly=off",
    ]
    belka(*common, "--output-dir", str(tmp_path / "local"))
    engine = ("--set", "beam.runner=PortableRunner", "--set", f"beam.options={json.dumps(options)}")
    belka(*common, "--output-dir", str(tmp_path / "flink"), *engine)
    local, flink = examples_of(tmp_path / "local"), examples_of(tmp_path / "flink")
    assert {split: len(records) > 0 for split, records in local.items()} == dict.fromkeys(
        ("Split-train", "Split-validation", "Split-test"), True
    )
    assert flink == local
    log = (log_dir / "job-server.log").read_text(encoding="utf-8")
    assert "switched from state RUNNING to FINISHED" in log
    assert "Starting worker " in (log_dir / "worker-pool.log").read_text(encoding="utf-8")


@pytest.mark.timeout(600)
def test_workers_of_flink_predict_what_one_process_predicts(
    session: tuple[tuple[str, ...], Path], tmp_path: Path
) -> None:
    from tests.unit.belka.conftest import write_length_model

    options, log_dir = session
    source, model = tmp_path / "in.csv", write_length_model(tmp_path / "model" / "17")
    source.write_text("smiles\n" + "".join(f"{'C' * (1 + n % 50)}\n" for n in range(30_000)))
    common = ["predict", "--model", str(model), "--input", str(source)]
    belka(*common, "--output", str(tmp_path / "alone.csv"))
    jobs = (log_dir / "job-server.log").read_text(encoding="utf-8").count("switched from state RUNNING to FINISHED")
    engine = ("--set", "beam.runner=PortableRunner", "--set", f"beam.options={json.dumps(options)}")
    belka(*common, "--output", str(tmp_path / "shared.csv"), *engine)
    assert (tmp_path / "shared.csv").read_bytes() == (tmp_path / "alone.csv").read_bytes()
    log = (log_dir / "job-server.log").read_text(encoding="utf-8")
    assert log.count("switched from state RUNNING to FINISHED") > jobs


@pytest.mark.timeout(300)
def test_a_session_that_is_told_to_end_leaves_no_process(session: tuple[tuple[str, ...], Path]) -> None:
    del session  # it skips where there are no jars
    command = [sys.executable, "-m", "pipeline.runners.flink.session", "--jars", str(JARS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as started:
        assert started.stdout is not None
        assert started.stdout.readline().startswith("Flink is ready")
        children = Path(f"/proc/{started.pid}/task/{started.pid}/children").read_text(encoding="ascii").split()
        assert len(children) == 2
        started.send_signal(signal.SIGTERM)
        assert "Flink has ended." in started.stdout.read()
    assert not any(Path("/proc", child).exists() for child in children)


def test_a_changed_jar_is_named(tmp_path: Path) -> None:
    (tmp_path / "beam.jar").write_bytes(b"abc")
    # SHA-256 of "abc", from FIPS 180-2.
    checksums = tmp_path / "jars.sha256"
    checksums.write_text("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  beam.jar\n")
    check_jars(tmp_path, checksums)
    (tmp_path / "beam.jar").write_bytes(b"abd")
    with pytest.raises(InputError, match=r"1 missing or different .* for example beam\.jar"):
        check_jars(tmp_path, checksums)


def test_missing_jars_say_how_to_get_them(tmp_path: Path) -> None:
    if shutil.which("java") is None:
        pytest.skip("there is no Java")
    with pytest.raises(InputError, match="make flink-jars"), flink_session(tmp_path, log_dir=tmp_path, n_workers=1):
        pass
