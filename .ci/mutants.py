"""Mutation testing with cosmic-ray: change one place of the code that decides results, and look whether a test fails.

    mutants.py --python PYTHON [--count N] [--seed N] [--seconds N] [--results FILE] [--module WORD] [--again]

Works on a copy of the tracked files in build/mutants. Which places are chosen follows from the seed and the code alone;
FILE keeps a line of JSON for each mutant, and a later run goes on with what it does not know. Ends with a table and the
survivors, without those that equivalent_mutants.jsonl names with the reason.
"""

import argparse
import ast
import hashlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parents[1]
COPY: Final = ROOT / "build" / "mutants"
MERGE: Final = "components/parquet_merge"
OF_MERGE: Final = "tests/unit/components/parquet_merge"
# What decides ... -> module -> the tests that look at it, quickest first.
DECIDES: Final[Mapping[str, Mapping[str, Sequence[str]]]] = {
    "labels": {
        f"{MERGE}/record_format.py": [f"{OF_MERGE}/test_{name}.py" for name in ("record_format", "group")],
        f"{MERGE}/conflicts.py": [f"{OF_MERGE}/test_conflicts.py"],
        f"{MERGE}/labels.py": [f"{OF_MERGE}/test_labels.py"],
    },
    "labels, splits and ids": {
        f"{MERGE}/group.py": [
            f"{OF_MERGE}/test_{name}.py" for name in ("merge_partition", "group", "conflicts", "merge_rules")
        ],
    },
    "splits": {f"{MERGE}/blocks.py": [f"{OF_MERGE}/test_{name}.py" for name in ("blocks", "merge_rules")]},
    "ids": {f"{MERGE}/shards.py": [f"{OF_MERGE}/test_{name}.py" for name in ("shards", "merge_rules")]},
    "cache keys": {
        # The test that changes sources in turn takes longest: it comes last.
        "belka/code_version.py": [
            f"tests/unit/belka/test_code_version.py::test_{name}"
            for name in (
                "a_runner_repeats_nothing_and_a_loss_repeats_training_alone",
                "libraries_are_those_that_are_imported",
                "what_python_brings_and_what_is_ours_is_no_library",
                "another_version_of_a_library_is_another_version",
                "the_whole_programs_version_names_all_sources",
                "versions_are_made_of_exactly_the_sources_that_nodes_import",
                "each_of_them_changes_the_version_of_these_nodes_alone",
            )
        ],
        # Compiling the pipeline once for each key takes longest: it comes last.
        "belka/settings.py": [
            "tests/unit/belka/test_settings.py",
            *(
                f"tests/unit/pipeline/config/test_{name}.py"
                for name in ("config", "reference", "yaml_text", "every_key_is_read", "keys")
            ),
        ],
    },
    "gate": {"components/affinity_evaluator/gate.py": ["tests/unit/components/affinity_evaluator/test_gate.py"]},
    "digests": {
        "belka/digests.py": ["tests/unit/belka/test_provenance.py", "tests/unit/belka/test_check_whole.py"],
        "belka/provenance.py": ["tests/unit/belka/test_provenance.py", "tests/unit/belka/test_check_whole.py"],
        "belka/hashing.py": ["tests/unit/belka/test_hashing.py"],
    },
}
TESTS: Final = {module: tests for modules in DECIDES.values() for module, tests in modules.items()}
# Decorators decide nothing here; the replaced exception is one of cosmic-ray's, which the product does not import; and
# every / joins paths, where any other operator fails at once and proves nothing.
LEFT_OUT: Final = ("core/RemoveDecorator", "core/ExceptionReplacer", "core/ReplaceBinaryOperator_Div_")
# Mutants that no test can tell from the original: module, changed line as the results have it, why.
EQUIVALENT: Final = ROOT / ".ci" / "equivalent_mutants.jsonl"


class Mutant(NamedTuple):
    """One changed place.

    Attributes:
        module: The file.
        line: Where, from 1.
        change: The line before and after.
        name: Names the mutant in the results: a digest of the changed file.
        source: The changed file.
    """

    module: str
    line: int
    change: str
    name: str
    source: str


def is_python(code: str) -> bool:
    """Whether a changed file can be read: cosmic-ray takes the * of a list of parameters for an operator."""
    try:
        ast.parse(code)
    except SyntaxError:
        return False
    return True


def scattered(seed: int, *parts: object) -> str:
    """A text whose order is random, and the same for the same parts."""
    return hashlib.sha256(":".join(map(str, (seed, *parts))).encode()).hexdigest()


def kept_as_they_are(source: str) -> set[tuple[int, int]]:
    """Places of annotations and decorators: changing those changes no result, or fails at import and proves nothing."""
    found: list[ast.AST] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            arguments = node.args
            every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
            found += [each.annotation for each in every if each and each.annotation]
            found += [node.returns] if node.returns else []
        if isinstance(node, ast.AnnAssign):
            found.append(node.annotation)
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found += node.decorator_list
    return {(each.lineno, column) for each in found for column in range(each.col_offset, each.end_col_offset)}


def places(source: str) -> dict[tuple[tuple[int, int], str], list[tuple[str, int]]]:
    """Where a file can be changed: position and kind of change -> operators of cosmic-ray with their occurrence."""
    from cosmic_ray import plugins
    from cosmic_ray.ast import ast_nodes, get_ast

    kept_out, nodes = kept_as_they_are(source), list(ast_nodes(get_ast(source)))
    found: dict[tuple[tuple[int, int], str], list[tuple[str, int]]] = {}
    for name in plugins.operator_names():
        operator = plugins.get_operator(name)
        if name.startswith(LEFT_OUT) or operator.arguments():
            continue
        positions = (start for node in nodes for start, _ in operator().mutation_positions(node))
        for occurrence, start in enumerate(positions):
            if tuple(start) not in kept_out:
                found.setdefault((tuple(start), name.partition("_")[0]), []).append((name, occurrence))
    return found


def choose(seed: int) -> Iterator[Mutant]:
    """All places of all modules in a random order, each with one of its changes."""
    from cosmic_ray import plugins
    from cosmic_ray.mutating import mutate_code

    sources = {module: (ROOT / module).read_text(encoding="utf-8") for module in TESTS}
    order = [
        (scattered(seed, module, place), module, place, changes)
        for module, source in sources.items()
        for place, changes in places(source).items()
    ]
    for key, module, place, changes in sorted(order, key=lambda each: each[0]):
        name, occurrence = min(changes, key=lambda change: scattered(seed, key, change))
        code = mutate_code(sources[module], plugins.get_operator(name)(), occurrence)
        if code and code != sources[module] and is_python(code):
            lines = zip(sources[module].splitlines(), code.splitlines(), strict=False)
            before, after = next((old.strip(), new.strip()) for old, new in lines if old != new)
            digest = hashlib.sha256(f"{module}\0{code}".encode()).hexdigest()[:16]
            yield Mutant(module, place[0][0], f"{before}  ->  {after}", digest, code)


class Tests:
    """Runs tests on the copy, in forks of one process that has the libraries loaded.

    Args:
        python: The interpreter of the development environment.
        tests: All tests that may be asked for.
    """

    def __init__(self, python: Path, tests: Sequence[str]) -> None:
        server = [str(python), str(ROOT / ".ci" / "forked_tests.py"), *tests]
        environment = {"PYTHONPATH": str(COPY), "PATH": "/usr/bin:/bin", "HOME": str(COPY)}
        pipe = subprocess.PIPE
        self._server = subprocess.Popen(server, cwd=COPY, env=environment, stdin=pipe, stdout=pipe, text=True)  # noqa: S603 - our own
        assert self._answer() == {"ready": True}
        self._limits: dict[str, tuple[int, float]] = {}  # seconds of the processor and in all that are waited for

    def _answer(self) -> dict[str, Any]:
        assert self._server.stdout is not None
        answer: dict[str, Any] = json.loads(self._server.stdout.readline())
        return answer

    def run(self, module: str) -> dict[str, Any]:
        """Run the tests of a module."""
        cpu, wall = self._limits.get(module, (300, 900.0))
        assert self._server.stdin is not None
        asked = {"arguments": list(TESTS[module]), "cpu_seconds": cpu, "wall_seconds": wall}
        print(json.dumps(asked), file=self._server.stdin, flush=True)
        return self._answer()

    def measure(self, module: str) -> None:
        """Once for each module: see that its tests pass without a change, and what they take."""
        if module in self._limits:
            return
        started = time.monotonic()
        answer = self.run(module)
        if answer["exit"]:
            sys.exit(f"The tests of {module} fail without a change:\n{answer['said']}")
        seconds = time.monotonic() - started
        print(f"{module}: {answer['cpu']} s of the processor, {seconds:.1f} s", flush=True)  # noqa: T201 - progress
        self._limits[module] = (int(3 * answer["cpu"]) + 5, 10 * seconds + 60)


def copy_tree() -> None:
    """Copy the tracked files with their times: a changed one is newer than what Python compiled of it."""
    shutil.rmtree(COPY, ignore_errors=True)
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout  # noqa: S607
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (COPY / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, COPY / name)


def read_results(file: Path) -> dict[str, dict[str, Any]]:
    """Name of a mutant -> its last line."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    return {line["name"]: line for line in map(json.loads, lines)}


def report(results: Sequence[Mapping[str, Any]]) -> str:
    """A table by what the modules decide, and the survivors."""
    lines = ["| what they decide | module | mutants | caught | survived | equivalent |", "|---|---|---|---|---|---|"]
    known = {(each["module"], each["change"]) for each in map(json.loads, EQUIVALENT.read_text("utf-8").splitlines())}
    left, total = [], [0, 0, 0]
    for what, modules in DECIDES.items():
        for module in modules:
            here = [each for each in results if each["module"] == module]
            survived = [each for each in here if not each["caught"]]
            equal = [each for each in survived if (module, each["change"]) in known]
            left += [each for each in survived if each not in equal]
            caught = len(here) - len(survived)
            lines.append(
                f"| {what} | {module} | {len(here)} | {caught} | {len(survived) - len(equal)} | {len(equal)} |"
            )
            total = [a + b for a, b in zip(total, (len(here), caught, len(equal)), strict=True)]
    n, caught, equal = total
    lines.append(f"| all | | {n} | {caught} | {n - caught - equal} | {equal} |")
    shares = f"{caught / max(n, 1):.1%}; of those not equivalent {caught / max(n - equal, 1):.1%}"
    lines.append(f"\nCaught: {caught} of {n}, {shares}.")
    return "\n".join([*lines, *(f"survived: {each['module']}:{each['line']}  {each['change']}" for each in left)])


def main() -> None:
    """Run mutants until enough are known or the time is over."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", type=Path, required=True, help="Python of the development environment.")
    parser.add_argument("--count", type=int, default=300, help="Mutants to look at, those of earlier runs included.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="Begin no further mutant after so long.")
    parser.add_argument("--results", type=Path, default=ROOT / "mutants.jsonl")
    parser.add_argument("--module", default="", help="Run those only whose module has this in its path.")
    parser.add_argument("--again", action="store_true", help="Run the survivors of earlier runs again.")
    options = parser.parse_args()
    ends = time.monotonic() + options.seconds
    known = read_results(options.results)
    chosen = [mutant for mutant, _ in zip(choose(options.seed), range(options.count), strict=False)]
    mine = [each for each in chosen if options.module in each.module]
    asked = [each for each in mine if each.name not in known or (options.again and not known[each.name]["caught"])]
    if asked:
        copy_tree()
        tests = Tests(options.python.absolute(), sorted({test for each in asked for test in TESTS[each.module]}))
    for mutant in asked:
        if time.monotonic() > ends:
            break
        tests.measure(mutant.module)
        (COPY / mutant.module).write_text(mutant.source, encoding="utf-8")
        answer = tests.run(mutant.module)
        shutil.copy2(ROOT / mutant.module, COPY / mutant.module)
        place = {"module": mutant.module, "line": mutant.line, "change": mutant.change, "name": mutant.name}
        caught = {"caught": answer["exit"] != 0, "exit": answer["exit"], "cpu": answer["cpu"]}
        known[mutant.name] = {**place, **caught}
        with options.results.open("a", encoding="utf-8") as file:
            file.write(json.dumps(known[mutant.name]) + "\n")
    print(report([known[each.name] for each in chosen if each.name in known]))  # noqa: T201 - the result


if __name__ == "__main__":
    main()
