"""What no module may do, whatever else it does: each ban closes a trap that docs/adr or docs/architecture.md tells of."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = sorted(
    path for folder in ("libs", "services") for path in (ROOT / folder).rglob("*.py") if "__pycache__" not in path.parts
)


def _imports(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield (module, name) of everything that a module imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.module, alias.name) for alias in node.names)


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _importers(*roots: str) -> set[str]:
    found = set()
    for path in PRODUCT:
        for module, _ in _imports(ast.parse(path.read_text(encoding="utf-8"))):
            if module.partition(".")[0] in roots:
                found.add(_name(path))
    return found


def test_there_is_something_to_look_at() -> None:
    assert len(PRODUCT) > 50


def test_nothing_publishes_by_namekos_dispatcher_or_consumes_by_its_handlers() -> None:
    """A dispatcher is a second write outside the transaction; a stock handler acknowledges what failed."""
    banned = {
        ("nameko.events", ""),
        ("nameko.messaging", ""),
        ("nameko.rpc", ""),
        ("nameko.standalone", ""),
        ("nameko.web", ""),
    }
    for path in PRODUCT:
        for module, name in _imports(ast.parse(path.read_text(encoding="utf-8"))):
            assert not any(module.startswith(prefix) for prefix, _ in banned), f"{_name(path)} imports {module}.{name}"
            assert name not in {"EventDispatcher", "event_handler", "event_dispatcher"}, _name(path)


def test_pika_is_imported_in_one_package_only() -> None:
    assert {path.rpartition("/")[0] for path in _importers("pika")} == {"libs/citybus/citybus/broker"}
    assert _importers("kombu", "amqp") == set()


def test_nameko_and_eventlet_are_known_to_the_extension_alone() -> None:
    assert _importers("nameko") == {"libs/citybus/citybus/nameko_ext.py"}
    # The health server wants the plain modules under eventlet's patch.
    assert _importers("eventlet") <= {
        "libs/citybus/citybus/nameko_ext.py",
        "libs/citybus/citybus/telemetry/health.py",
        "libs/citybus/citybus/telemetry/plain.py",
    }


def test_only_the_launcher_patches() -> None:
    found = {_name(path) for path in PRODUCT if "monkey_patch()" in path.read_text(encoding="utf-8")}
    assert found == {"libs/citybus/citybus/launcher.py"}


@pytest.mark.parametrize("layer", ["domain", "application"])
def test_time_is_injected(layer: str) -> None:
    for path in PRODUCT:
        if layer not in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in {"now", "today", "utcnow", "time"}:
                owner = node.value
                assert not (isinstance(owner, ast.Name) and owner.id in {"datetime", "date", "time"}), (
                    f"{_name(path)}:{node.lineno} asks the machine for the time"
                )


def test_no_module_is_called_utils() -> None:
    assert not [path for path in PRODUCT if path.stem in {"utils", "helpers", "common", "misc"}]


def test_every_module_says_in_its_first_line_what_it_holds() -> None:
    silent = [
        _name(path)
        for path in PRODUCT
        if path.read_text(encoding="utf-8").strip()
        and ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) is None
    ]
    assert silent == []


def test_citybus_holds_no_word_of_the_domain() -> None:
    """The mechanism serves any city office; a domain noun in it would tie it to this one."""
    words = (
        "cadre",
        "finding",
        "inspection",
        "sanction",
        "recall",
        "tolerance",
        "assessment.",
        "bulletin",
        "duty_list",
    )
    found = [
        f"{_name(path)}: {word}"
        for path in PRODUCT
        if path.is_relative_to(ROOT / "libs" / "citybus")
        for word in words
        if any(word in line.lower() for line in _code_lines(path))
    ]
    assert found == []


def _code_lines(path: Path) -> list[str]:
    """Return the module without docstrings and comments, which may give examples."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(
            node
        ):
            node.body = node.body[1:] or [ast.Pass()]
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            node.value.value = ""
    return ast.unparse(tree).splitlines()


def test_no_secret_address_of_a_registry_or_foreign_path_is_committed() -> None:
    marks = (
        "://" + "pypi",
        "files.python" + "hosted",
        "registry.npm" + "js",
        "deb." + "debian",
        "--index" + "-url",
        "/wo" + "rk/",
    )
    for folder in ("libs", "services", "tests", "requirements", "deploy", "docs", "contracts"):
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and path.suffix in {".py", ".txt", ".in", ".md", ".yaml", ".json", ".toml", ".sh"}:
                text = path.read_text(encoding="utf-8")
                assert not [mark for mark in marks if mark in text], _name(path)
