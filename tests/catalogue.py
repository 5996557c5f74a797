"""What the bridge says to people, gathered from the source: every template of a phrase."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PO = ROOT / "bridge/locale/zh_CN/LC_MESSAGES/msgbridge.po"
MO = PO.with_suffix(".mo")


def sources() -> list[Path]:
    return sorted([*ROOT.glob("bridge/**/*.py"), *ROOT.glob("drivers/**/*.py")])


def templates() -> dict[str, str]:
    """Template → the first file:line that says it."""
    found: dict[str, str] = {}
    for path in sources():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        constants = {
            target.id: node.value
            for node in tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for call in ast.walk(tree):
            if isinstance(call, ast.Call):
                for value in _said(call):
                    for text in _texts(value, constants):
                        found.setdefault(text, f"{path.relative_to(ROOT)}:{call.lineno}")
    return found


def codes() -> dict[str, str]:
    """Every code of a problem or a complaint → the first file that uses it."""
    found: dict[str, str] = {}
    for path in sources():
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(call, ast.Call):
                continue
            name = _name(call)
            given = [keyword.value for keyword in call.keywords if keyword.arg == "code"]
            if (
                name in ("report", "BadSyntax", "Unresolved", "unreadable")
                and "bridge" in path.relative_to(ROOT).parts
            ):
                given += call.args[:1]
            if name in ("Problem", "Complaint", "report", "BadSyntax", "Unresolved", "unreadable"):
                for value in given:
                    for text in _texts(value, {}):
                        found.setdefault(text, str(path.relative_to(ROOT)))
    return found


def _name(call: ast.Call) -> str:
    return getattr(call.func, "id", "") or getattr(call.func, "attr", "")


def _said(call: ast.Call) -> Iterator[ast.expr]:
    if _name(call) == "phrase":
        yield from call.args[:1]
    if _name(call) == "Complaint":
        yield from (k.value for k in call.keywords if k.arg in ("message", "hint"))
        yield from call.args[2:4]
    if _name(call) == "Finding":
        yield from (_sentence(k.value) for k in call.keywords if k.arg in ("what", "hint"))


def _sentence(value: ast.expr) -> ast.expr:
    """Of a finding that goes on with details, what stands before the first colon: that is translated."""
    match value:
        case ast.JoinedStr(values=[ast.Constant(value=str() as text), *_]) if ": " in text:
            return ast.Constant(text.partition(": ")[0])
        case ast.IfExp(body=body, orelse=orelse):
            return ast.IfExp(value.test, _sentence(body), _sentence(orelse))
    return value


def _texts(value: ast.expr, constants: dict[str, ast.expr]) -> Iterator[str]:
    match value:
        case ast.Constant(value=str() as text) if text:
            yield text
        case ast.IfExp(body=body, orelse=orelse):
            yield from _texts(body, constants)
            yield from _texts(orelse, constants)
        case ast.Name(id=name) if name in constants:
            yield from _texts(constants[name], {})
