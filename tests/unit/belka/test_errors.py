"""An error prints what is wrong, what came, what was expected and what to do; empty parts are left out."""

import errno

import pytest

from belka.errors import BelkaError, InputError, RunAgainError, causes, explained, told_in


def test_all_parts_in_order() -> None:
    error = InputError("bad label", received="3", expected="0 or 1", action="mend the row")
    assert str(error) == "bad label\n  received: 3\n  expected: 0 or 1\n  to do: mend the row"


def test_empty_parts_are_left_out() -> None:
    assert str(BelkaError("failed", action="try again")) == "failed\n  to do: try again"


def test_exit_codes() -> None:
    assert (BelkaError("x").exit_code, InputError("x").exit_code) == (1, 2)


def test_the_reason_is_found_behind_the_errors_of_beam_and_tfx() -> None:
    reason, wrapped = InputError("no file", received="train.parquet"), RuntimeError("while running a step")
    wrapped.__cause__ = reason
    assert explained(wrapped) is reason
    assert explained(ValueError("unknown")) is None


def test_the_error_of_a_worker_is_read_from_what_its_engine_says() -> None:
    raised = InputError("The file cannot be read.", received="a.csv: line 1", expected="a table", action="Export it.")
    text = f"Job failed: Traceback (most recent call last):\n  File x\nbelka.errors.InputError: {raised}"
    # As Beam does, which closes a worker's error with where it was.
    told = explained(RuntimeError(f"{text} [while running 'Score']\n\nanother line"))
    assert isinstance(told, InputError)
    assert str(told) == str(raised)
    assert str(told_in("belka.errors.BelkaError: It ended. [while running 'Score']")) == "It ended."
    damaged = told_in("belka.errors.DamagedError: It was changed.\n  to do: Run it again.")
    assert isinstance(damaged, RunAgainError)
    assert damaged.action == "Run it again."
    assert told_in("ValueError: 3") is None
    own = RunAgainError("This process says so itself.")
    own.__cause__ = RuntimeError(text)
    assert explained(own) is own


def test_a_library_that_finds_no_room_is_no_defect_of_the_program() -> None:
    told = explained(ImportError("libtensorflow_cc.so.2: failed to map segment from shared object"))
    assert isinstance(told, RunAgainError)
    assert "libtensorflow_cc" in told.received


def test_the_chain_of_causes_ends_where_it_closes() -> None:
    first, second, third = ValueError("first"), KeyError("second"), OSError("third")
    first.__cause__, first.__context__, second.__context__ = second, RuntimeError("not why"), third
    assert list(causes(first)) == [first, second, third]
    third.__context__ = first
    assert list(causes(first)) == [first, second, third]
    assert list(causes(None)) == []


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.EACCES, 2),
        (errno.EROFS, 2),
        (errno.ENOTDIR, 2),
        (errno.EEXIST, 2),
        (errno.EISDIR, 2),
        (errno.ENOSPC, 75),
        (errno.EDQUOT, 75),
        (errno.ENOMEM, 75),
    ],
)
def test_what_the_system_refuses_is_no_defect_of_the_program(number: int, code: int) -> None:
    wrapped = RuntimeError("while running a step")
    wrapped.__cause__ = OSError(number, "no", "/a/place")
    error = explained(wrapped)
    assert error is not None
    assert error.exit_code == code
    assert "/a/place" in error.received


def test_no_memory_is_told_and_what_else_the_system_says_is_not_explained_away() -> None:
    memory = explained(MemoryError())
    assert memory is not None
    assert memory.exit_code == 75
    assert explained(FileNotFoundError(errno.ENOENT, "no", "a file of ours")) is None


@pytest.mark.parametrize(
    "words",
    [
        "tensorflow.python.framework.errors_impl.ResourceExhaustedError: /out/data.gz; No space left on device [Write]",
        "Can't write data (file write failed: errno = 28, error message = 'No space left on device')",
        "IO Error: Could not write all bytes to file: Disk quota exceeded",
        "Error when executing query: database or disk is full query: INSERT INTO `Execution`",
    ],
)
def test_a_full_disk_is_known_by_the_systems_words_alone(words: str) -> None:
    error = explained(RuntimeError(words))
    assert error is not None
    assert error.exit_code == 75
    assert words in error.received


def test_a_gpu_without_memory_is_no_full_disk() -> None:
    assert explained(RuntimeError("ResourceExhaustedError: OOM when allocating tensor with shape[1024]")) is None


@pytest.mark.parametrize(
    "error",
    [
        OSError("libgomp.so.1: cannot open shared object file: No such file or directory"),
        ImportError("libXrender.so.1: cannot open shared object file: No such file or directory"),
    ],
)
def test_a_library_that_the_system_lacks_is_named_with_its_packages(error: Exception) -> None:
    known = explained(error)
    assert known is not None
    assert known.exit_code == 2
    assert str(error).partition(":")[0] in str(known)
    assert "libgomp1" in known.action
    assert explained(ImportError("cannot import name 'train'")) is None


def test_bytes_that_are_no_text_are_the_input_s_fault() -> None:
    with pytest.raises(UnicodeEncodeError) as caught:
        "a\udcff.csv".encode()
    error = explained(caught.value)
    assert isinstance(error, InputError)
    assert "UTF-8" in error.problem
    error.received.encode()
