"""The source of a service: its own modules, and those of citybus that ask its rules for it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import citybus

SHARED = {f"citybus.{name}": Path(citybus.__file__).with_name(f"{name}.py") for name in ("secrecy", "evidence")}


def nodes(package: Path) -> Iterator[ast.AST]:
    """Yield every node of the source of the service in `package`."""
    modules = sorted(package.rglob("*.py"))
    texts = {path: path.read_text(encoding="utf-8") for path in modules}
    used = [path for name, path in SHARED.items() if any(f"from {name} import" in text for text in texts.values())]
    for text in (*texts.values(), *(path.read_text(encoding="utf-8") for path in used)):
        yield from ast.walk(ast.parse(text))
