"""Writes the reference of the public rules, as Markdown, from their docstrings.

    rules.py machete/defs.bzl rules.md

What defs.bzl assigns to a public name is looked up in the files that it loads. Starlark is read as
Python, which has the same syntax here.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from dataclasses import dataclass
from pathlib import Path

MODULE = "machete"
COMMAND = "bazel run //docs:update_rules"


class DocError(Exception):
    """A symbol that cannot be documented."""


@dataclass(frozen=True)
class Entry:
    """A documented symbol.

    A parameter is (name, default, meaning) of a function's argument, (name, type, meaning) of a
    rule's attribute, (name, "", meaning) of a provider's field.
    """

    name: str
    kind: str
    text: str
    parameters: list[tuple[str, str | None, str]]
    returns: str = ""


class Package:
    """The Starlark files of a module, each parsed once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._trees: dict[Path, ast.Module] = {}

    def tree(self, path: Path) -> ast.Module:
        """A file's syntax."""
        if path not in self._trees:
            self._trees[path] = ast.parse(path.read_text(encoding="utf-8"), str(path))
        return self._trees[path]

    def file(self, label: str, loading: Path) -> Path:
        """The file that a load statement names."""
        if label.startswith("@"):
            raise DocError(f"{loading}: {label} belongs to another module")
        package, _, name = label.rpartition(":")
        return (self.root / package[2:] if package else loading.parent) / name

    def definition(self, path: Path, name: str) -> tuple[Path, ast.stmt]:
        """Where a symbol is defined: the file, and a function or an assignment."""
        loads = {}
        for statement in self.tree(path).body:
            if isinstance(statement, ast.FunctionDef) and statement.name == name:
                return path, statement
            if assigned(statement) == name:
                if isinstance(statement.value, ast.Name):
                    return self.definition(path, statement.value.id)
                return path, statement
            loads |= loaded(statement)
        if name not in loads:
            raise DocError(f"{path}: {name} is not defined")
        label, original = loads[name]
        return self.definition(self.file(label, path), original)

    def value(self, path: Path, node: ast.expr) -> ast.expr:
        """What a name stands for; any other expression is itself."""
        if not isinstance(node, ast.Name):
            return node
        where, found = self.definition(path, node.id)
        if not isinstance(found, ast.Assign):
            raise DocError(f"{where}: {node.id} has no value")
        return self.value(where, found.value)


def assigned(statement: ast.stmt) -> str | None:
    """The name that a statement assigns to."""
    if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
        return statement.targets[0].id
    return None


def called(node: ast.expr) -> str:
    """The name of the function that an expression calls, such as "attr.label"."""
    return ast.unparse(node.func) if isinstance(node, ast.Call) else ""


def loaded(statement: ast.stmt) -> dict[str, tuple[str, str]]:
    """The label and the name there of each symbol that a load statement brings."""
    if not isinstance(statement, ast.Expr) or called(statement.value) != "load":
        return {}
    label, *names = (argument.value for argument in statement.value.args)
    symbols = {name: (label, name) for name in names}
    return symbols | {word.arg: (label, word.value.value) for word in statement.value.keywords}


def keyword(call: ast.Call, name: str) -> ast.expr | None:
    """The value of a call's argument."""
    return next((word.value for word in call.keywords if word.arg == name), None)


def text_of(node: ast.expr | None) -> str:
    """A string constant, also one that is put together by "+"; empty where there is none."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return text_of(node.left) + text_of(node.right)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return inspect.cleandoc(node.value) if "\n" in node.value else node.value
    if node is None:
        return ""
    raise DocError(f"line {node.lineno}: {ast.unparse(node)} is not a string")


def docstring(node: ast.Module | ast.FunctionDef) -> str:
    """A file's or a function's docstring, without the indentation of what is around it."""
    if not ast.get_docstring(node):
        return ""
    first, *others = ast.get_docstring(node, clean=False).splitlines()
    margin = " " * node.body[0].col_offset
    return "\n".join([first, *(line.removeprefix(margin).rstrip() for line in others)]).strip()


def code(node: ast.expr) -> str:
    """An expression as Starlark writes it, with double quotes."""
    text = ast.unparse(node)
    return text if '"' in text else text.replace("'", '"')


def sections(text: str) -> dict[str, str]:
    """A docstring's text, under "", and its sections Args, Returns and the like."""
    parts = re.split(r"^(Args|Returns|Deprecated):\n", text + "\n", flags=re.MULTILINE)
    named = zip(parts[1::2], parts[2::2], strict=True)
    return {"": parts[0].strip()} | {name: inspect.cleandoc("\n" + part) for name, part in named}


def arguments(text: str) -> dict[str, str]:
    """The meaning of each argument in a section Args."""
    meanings: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        match = re.match(r"(\*{0,2}\w+)(?: \([^)]*\))?: *(.*)", line)
        if match:
            name = match[1].lstrip("*")
            meanings[name] = match[2]
        elif name:
            meanings[name] = f"{meanings[name]} {line.strip()}".strip()
    return meanings


def function_entry(name: str, function: ast.FunctionDef) -> Entry:
    """Documents a function or macro."""
    parts = sections(docstring(function))
    meanings = arguments(parts.get("Args", ""))
    signature = function.args
    positional = signature.posonlyargs + signature.args
    defaults = [None] * (len(positional) - len(signature.defaults)) + signature.defaults
    words = positional + signature.kwonlyargs
    parameters = [
        (word.arg, code(default) if default else None, meanings.pop(word.arg, ""))
        for word, default in zip(words, defaults + signature.kw_defaults, strict=True)
    ]
    for stars, rest in (("*", signature.vararg), ("**", signature.kwarg)):
        if rest:
            parameters.append((stars + rest.arg, None, meanings.pop(rest.arg, "")))
    lacking = [parameter for parameter, _, meaning in parameters if not meaning]
    if not parts[""] or lacking or meanings:
        raise DocError(
            f"{name}: the docstring lacks {lacking or 'a text'}, and has {list(meanings)} beside"
        )
    return Entry(name, "function", parts[""], parameters, parts.get("Returns", ""))


def attributes(package: Package, path: Path, node: ast.expr | None) -> list:
    """The public attributes of a rule: (name, type, meaning)."""
    node = package.value(path, node) if node else None
    if node is None:
        return []
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return attributes(package, path, node.left) + attributes(package, path, node.right)
    if not isinstance(node, ast.Dict):
        raise DocError(f"{path}: {ast.unparse(node)} is not a dictionary of attributes")
    found = []
    for key, value in zip(node.keys, node.values, strict=True):
        name, call = text_of(key), package.value(path, value)
        if name.startswith("_"):
            continue
        kind = called(call).removeprefix("attr.").replace("_", " ")
        default, mandatory = keyword(call, "default"), keyword(call, "mandatory")
        if mandatory is not None and ast.unparse(mandatory) == "True":
            kind += ", mandatory"
        elif default is not None:
            kind += f", default `{code(default)}`"
        if not text_of(keyword(call, "doc")):
            raise DocError(f"{path}: the attribute {name} has no doc")
        found.append((name, kind, text_of(keyword(call, "doc"))))
    return found


def comment_above(path: Path, statement: ast.stmt) -> str:
    """The comment before a statement."""
    lines: list[str] = []
    for line in reversed(path.read_text(encoding="utf-8").splitlines()[: statement.lineno - 1]):
        if not line.startswith("#"):
            break
        lines.insert(0, line.removeprefix("#").strip())
    return " ".join(lines)


def entry(package: Package, path: Path, name: str) -> Entry:
    """Documents a public symbol."""
    path, found = package.definition(path, name)
    if isinstance(found, ast.FunctionDef):
        return function_entry(name, found)
    kind = called(found.value)
    if kind in ("rule", "macro", "repository_rule"):
        common = [("name", "name, mandatory", "A unique name for this target.")]
        own = attributes(package, path, keyword(found.value, "attrs"))
        made = Entry(name, "rule", text_of(keyword(found.value, "doc")), common + own)
    elif kind == "provider":
        fields = package.value(path, keyword(found.value, "fields") or ast.Dict([], []))
        if not isinstance(fields, ast.Dict):
            raise DocError(f"{path}: {name} has fields without a meaning")
        pairs = zip(fields.keys, fields.values, strict=True)
        names = [(text_of(key), "", text_of(text)) for key, text in pairs]
        made = Entry(name, "provider", text_of(keyword(found.value, "doc")), names)
    else:
        made = Entry(name, "constant", comment_above(path, found), [])
    if not made.text:
        raise DocError(f"{path}: {name} has no documentation")
    return made


def cell(text: str) -> str:
    """A text as a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def call_of(made: Entry) -> list[str]:
    """How a symbol is called, as lines."""
    if made.kind == "constant":
        return [made.name]
    if made.kind == "provider":
        words = [name for name, _, _ in made.parameters]
    elif made.kind == "rule":
        words = [name for name, kind, _ in made.parameters if "mandatory" in kind] + ["..."]
    else:
        words = [
            name if default is None else f"{name} = {default}"
            for name, default, _ in made.parameters
        ]
    line = f"{made.name}({', '.join(words)})"
    if len(line) <= 100:
        return [line]
    return [f"{made.name}(", *(f"    {word}," for word in words), ")"]


def markdown(made: Entry, label: str) -> list[str]:
    """A symbol's section, as lines."""
    lines = [f"## {made.name}", "", "```python", f'load("{label}", "{made.name}")', ""]
    lines += [*call_of(made), "```", "", *made.text.splitlines(), ""]
    if made.parameters and made.kind == "rule":
        lines += ["| attribute | type | meaning |", "|---|---|---|"]
        for name, kind, text in made.parameters:
            lines.append(f"| `{name}` | {cell(kind)} | {cell(text)} |")
        lines.append("")
    elif made.parameters:
        what = "field" if made.kind == "provider" else "argument"
        lines += [f"| {what} | meaning |", "|---|---|"]
        lines += [f"| `{name}` | {cell(text)} |" for name, _, text in made.parameters]
        lines.append("")
    if made.returns:
        lines += ["Returns: " + made.returns, ""]
    return lines


def reference(defs: Path) -> str:
    """The whole page; the module's root is above the folder of `defs`."""
    package = Package(defs.parent.parent)
    tree = package.tree(defs)
    names = [
        statement.name if isinstance(statement, ast.FunctionDef) else assigned(statement)
        for statement in tree.body
    ]
    label = f"@{MODULE}//{defs.parent.name}:{defs.name}"
    lines = ["# Rules", "", f"<!-- Written from docstrings by `{COMMAND}`: do not edit. -->", ""]
    lines += [*docstring(tree).splitlines(), ""]
    for name in sorted(name for name in names if name and not name.startswith("_")):
        lines += markdown(entry(package, defs, name), label)
    return "\n".join(lines).rstrip() + "\n"


def main() -> int:
    """Runs the command line."""
    defs, output = map(Path, sys.argv[1:])
    try:
        output.write_text(reference(defs), encoding="utf-8")
    except DocError as error:
        print(f"rules.py: error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
