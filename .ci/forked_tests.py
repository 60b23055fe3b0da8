"""Run tests again and again, each time on the code as it is by then, without loading the libraries anew.

    forked_tests.py TEST...

Collects the tests once, so that NumPy, Arrow, DuckDB and RDKit are loaded, and forgets the modules that lie in the
working directory. Then each line of standard input is a JSON object, the arguments of `run`; the answer is a line with
`exit` (pytest's exit code; negative: the signal that ended it), `cpu` (seconds of the processor) and `said`.
"""

import contextlib
import json
import os
import resource
import signal
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any, Final

import pytest

OPTIONS: Final = ("-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:cov", "--no-header", "--tb=line")
MEMORY: Final = 12 << 30  # bytes of address space that a mutant may ask for


def forget(folder: Path) -> None:
    """Drop the modules that lie in a folder: the next import reads them anew."""

    def lies_there(module: Any) -> bool:
        places = [getattr(module, "__file__", None), *getattr(module, "__path__", ())]
        return any(place and Path(place).is_relative_to(folder) for place in places)

    # All are looked at first: the path of a namespace package is told by its parent.
    for name in [name for name, module in list(sys.modules.items()) if lies_there(module)]:
        del sys.modules[name]


def run(arguments: list[str], cpu_seconds: int, wall_seconds: float) -> dict[str, Any]:
    """Run pytest in a fork of this process.

    Args:
        arguments: Its arguments.
        cpu_seconds: Seconds of the processor after which the kernel ends it.
        wall_seconds: Seconds after which this process ends it.
    """
    with tempfile.TemporaryFile("w+") as said:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        child = os.fork()
        if child == 0:
            os.setsid()
            os.dup2(said.fileno(), 1)
            os.dup2(said.fileno(), 2)
            resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 5))
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            # What a mutant compiles must not be taken for the next one's: size and second of writing may be equal.
            sys.dont_write_bytecode = True
            os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
            code = 3
            try:
                code = int(pytest.main([*OPTIONS, *arguments]))
            finally:
                sys.stdout.flush()
                os._exit(code)
        timer = threading.Timer(wall_seconds, os.killpg, (child, signal.SIGKILL))
        timer.start()
        status = os.waitpid(child, 0)[1]
        timer.cancel()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)  # what the tests started and a failure left behind
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        said.seek(0)
        text = said.read()[-2000:]
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"exit": os.waitstatus_to_exitcode(status), "cpu": round(cpu, 2), "said": text}


def main() -> None:
    """Answer until standard input ends."""
    with contextlib.redirect_stdout(sys.stderr):
        pytest.main([*OPTIONS, "--collect-only", *sys.argv[1:]])
    forget(Path.cwd())
    print(json.dumps({"ready": True}), flush=True)  # noqa: T201 - the answer to who started this
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps(run(**asked)), flush=True)  # noqa: T201 - as above


if __name__ == "__main__":
    main()
