"""Write the page docs/errors.md: every error that the code raises, read from its text. `make pages` runs it."""

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from belka.exit_codes import ExitCode

REPOSITORY: Final = Path(__file__).resolve().parents[1]
ROOMS: Final = ("belka", "components", "trainer_module", "pipeline", "benchmarks")
ROOT: Final = "BelkaError"
FILLED: Final = "…"
MOST_ALTERNATIVES: Final = 3
HEADER: Final = """# Each error

Written by `make pages` from the code; a test keeps it so. An error prints what is wrong, then `received`, `expected`
and `to do`; here `…` stands for what it fills in. What a library raised is told with the step that failed and its log.
[running.md](running.md#exit-codes) explains the exit codes.
"""
TITLES: Final = {
    2: "Exit code 2: wrong use or wrong input",
    75: "Exit code 75: the same command may go on",
    1: "Exit code 1: failed for good",
    130: "Exit code 130: stopped by Ctrl-C",
    143: "Exit code 143: stopped by the system",
}


@dataclass(frozen=True, order=True)
class Row:
    """One error as the code spells it."""

    code: int
    problem: str
    expected: str
    action: str
    file: str

    def line(self) -> str:
        """The error as an item of a list."""
        told = {"expected": self.expected, "to do": self.action}
        parts = [
            f"**{_plain(self.problem)}**",
            *(f"{name}: {_plain(text)}" for name, text in told.items() if text.strip(FILLED)),
        ]
        return f"- {' · '.join(parts)} · [{Path(self.file).name}](../{self.file})\n"


def page(repository: Path = REPOSITORY) -> str:
    """The whole page, its rows by exit code and in the order of their sentences."""
    trees = {
        str(path.relative_to(repository)): ast.parse(path.read_text(encoding="utf-8"))
        for room in ROOMS
        for path in sorted((repository / room).rglob("*.py"))
    }
    codes = exit_codes(trees.values())
    rows = sorted({row for file, tree in trees.items() for row in rows_of(file, tree, codes)})
    parts = [HEADER]
    for code, title in TITLES.items():
        parts += [f"\n## {title}\n\n", *(row.line() for row in rows if row.code == code)]
    return "".join(parts)


def exit_codes(trees: Iterable[ast.Module]) -> dict[str, int]:
    """Exit code of each class of errors, by its name."""
    classes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    codes = {ROOT: 1}
    while True:
        found = {
            each.name: _own_code(each) or codes[base.id]
            for each in classes
            for base in each.bases
            if isinstance(base, ast.Name) and base.id in codes and each.name not in codes
        }
        if not found:
            return codes
        codes |= found


def rows_of(file: str, tree: ast.Module, codes: Mapping[str, int]) -> Iterator[Row]:
    """The errors that a file makes.

    Args:
        file: Its path in the repository.
        tree: Its content.
        codes: Exit code of each class of errors.
    """
    for scope in ast.walk(tree):
        if not isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef | ast.Module):
            continue
        for call in _within(scope):
            if not (isinstance(call, ast.Call) and getattr(call.func, "id", "") in codes and call.args):
                continue
            words = Words(tree, scope)
            named = {keyword.arg: words.either(keyword.value) for keyword in call.keywords}
            for problem in words.of(call.args[0]):
                if problem.strip(FILLED):  # else it hands on another's words
                    code = codes[getattr(call.func, "id", "")]
                    yield Row(code, problem, named.get("expected", ""), named.get("action", ""), file)


@dataclass(frozen=True)
class Words:
    """What expressions in a function may say, as far as its file tells; what they fill in is `…`.

    Attributes:
        tree: The file.
        scope: The function, or the file itself.
    """

    tree: ast.Module
    scope: ast.AST

    def either(self, node: ast.expr) -> str:
        """All that an expression may say, as one text."""
        found = self.of(node)
        return " or: ".join(found) if len(found) <= MOST_ALTERNATIVES else FILLED

    def of(self, node: ast.expr) -> list[str]:
        """Each text that an expression may be."""
        match node:
            case ast.Constant(value=str(text)):
                return [text]
            case ast.JoinedStr(values=parts):
                return ["".join(str(part.value) if isinstance(part, ast.Constant) else FILLED for part in parts)]
            case ast.IfExp(body=first, orelse=second):
                return [*self.of(first), *self.of(second)]
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return [before + after for before in self.of(left) for after in self.of(right)]
            case ast.Subscript(value=ast.Name(id=name)):
                found = self._column(name, 0)
            case ast.Name(id=name):
                found = list(dict.fromkeys(self._assigned(name)))
            case _:
                found = []
        return found or [FILLED]

    def _assigned(self, name: str) -> Iterator[str]:
        """What a name is given in the function, or in the file: texts, or one column of a table of texts."""
        given = False
        for place in dict.fromkeys((self.scope, self.tree)):
            for node in _within(place):
                if given or not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
                    continue
                target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
                names = [getattr(each, "id", "") for each in getattr(target, "elts", [target])]
                if name in names:
                    yield from self._value(node.value, names.index(name), single=len(names) == 1)
            given = any(getattr(node, "arg", getattr(node, "id", "")) == name for node in _bound(place))

    def _value(self, value: ast.expr, column: int, *, single: bool) -> Iterator[str]:
        if single:
            yield from self.of(value)
        elif isinstance(value, ast.Tuple):
            yield from self.of(value.elts[column])
        elif isinstance(value, ast.Subscript) and isinstance(value.value, ast.Name):
            yield from self._column(value.value.id, column)

    def _column(self, name: str, column: int) -> list[str]:
        tables = [
            node.value
            for node in self.tree.body
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == name
        ]
        values = [value for table in tables if isinstance(table, ast.Dict) for value in table.values]
        chosen = [value.elts[column] if isinstance(value, ast.Tuple) else value for value in values]
        return list(dict.fromkeys(text for value in chosen for text in self.of(value)))


def _within(scope: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a function, without those of the functions in it."""
    waiting = list(ast.iter_child_nodes(scope))
    while waiting:
        node = waiting.pop(0)
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            waiting += ast.iter_child_nodes(node)


def _bound(scope: ast.AST) -> Iterator[ast.AST]:
    """What gives a name a value in a scope: arguments and assignments."""
    for node in _within(scope):
        if isinstance(node, ast.arg) or (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)):
            yield node


def _own_code(node: ast.ClassDef) -> int | None:
    for line in node.body:
        if isinstance(line, ast.Assign) and getattr(line.targets[0], "id", "") == "exit_code":
            # Written as int(ExitCode.NAME).
            (code,) = (each.attr for each in ast.walk(line.value) if isinstance(each, ast.Attribute))
            return int(ExitCode[code])
    return None


def _plain(text: str) -> str:
    """Text that Markdown shows as it stands, but for code between backticks."""
    parts = " ".join(text.split()).split("`")
    parts[::2] = [part.replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_") for part in parts[::2]]
    return "`".join(parts)


if __name__ == "__main__":
    sys.stdout.write(page())
