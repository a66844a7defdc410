"""The folder of contracts as a whole: examples, bindings, frozen revisions, and the document made from them."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from click.testing import CliRunner

from citybus.contracts import ContractsInvalid
from dandang.commands.contracts import contracts as command
from tests.unit.contracts.conftest import TYPE, Folder, example, schema

Change = Callable[[dict[str, Any]], object]


def test_folder_in_order_has_no_problem(folder: Folder) -> None:
    assert folder.load().problems() == []
    assert folder.load().freeze() == []
    assert folder.load().build() is False


# ---- examples


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"type": "library.loan.closed.v1"}, f"type is {TYPE}"),
        ({"dataschema": "urn:city:schema:x"}, "dataschema is urn:city:schema:library.loan.opened.v1"),
        ({"dataclass": "L2"}, "dataclass is L3"),
        ({"subject": "book/1"}, "subject is of the form loan/<id>"),
        ({"source": "/city/420200/theatre"}, "source ends in library"),
        ({"id": "7"}, "$.id: '7' is not a 'uuid'"),
        ({"time": "2026-11-23T09:00:00"}, "NOT_CLOUDEVENT"),
        ({"data": {}}, "data: $: 'book' is a required property"),
        ({"data": example()["data"] | {"more": 1}}, "data: $: Additional properties are not allowed"),
    ],
)
def test_wrong_example_is_named(folder: Folder, change: dict[str, Any], problem: str) -> None:
    folder.put_example(example() | change)
    found = folder.load().problems()
    assert any(line.startswith(f"examples/{TYPE}/one.json: ") and problem in line for line in found), found


def test_every_type_has_an_example_and_every_example_a_type(folder: Folder) -> None:
    (folder.contracts / "examples" / TYPE / "one.json").unlink()
    folder.put_example(example(), "library.loan.closed.v1")
    found = folder.load().problems()
    assert f"{TYPE}: has no example" in found
    assert "examples/library.loan.closed.v1: there is no such contract" in found


# ---- bindings


def bind(folder: Folder, old: str, new: str) -> None:
    """Change the topology."""
    path = folder.root / "rabbitmq" / "topology.yaml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_consumer_without_binding_is_named(folder: Folder) -> None:
    bind(folder, "[library.loan.#]", "[library.loan.closed.v1]")
    found = folder.load().problems()
    assert f"{TYPE}: x-consumers is ['reader.library'], the topology binds []" in found
    assert f"{TYPE}: x-ordered is false, as its queues in the topology" in found
    assert "city.events --library.loan.closed.v1--> reader.library: no contract has such a type" in found


def test_ordered_queue_misses_no_step_of_a_subject(folder: Folder) -> None:
    closed = "library.loan.closed.v1"
    folder.put_schema(schema(closed) | {"x-consumers": [], "x-ordered": False}, closed)
    folder.put_example(example(closed), closed)
    bind(folder, "[library.loan.#]", "[library.loan.opened.v1]")
    assert f"reader.library: is ordered and misses steps of loan from library: {closed}" in folder.load().problems()
    bind(folder, "ordered: true, ", "")
    assert not any("misses steps" in line for line in folder.load().problems())


# ---- frozen revisions


def _describe(content: dict[str, Any]) -> None:
    content["description"] = "A reader has taken a book home."
    content["x-zh"]["description"] = "读者借走了一本书。"
    content["properties"]["book"]["title"] = "The book"
    content["required"].reverse()


def _add_optional(content: dict[str, Any], revision: int = 2) -> None:
    more = {"type": "string", "x-revision": revision}
    content["properties"]["shelf"] = {"title": "Shelf", "x-zh": {"title": "书架"}, "x-dataclass": "L1", **more}
    content["properties"]["readers"]["items"]["properties"]["card"] = dict(more)
    content["x-revision"] = revision
    content["x-changes"] = [{"revision": revision, "zh": "增加书架与借书证。", "en": "Shelf and card."}]


@pytest.mark.parametrize("change", [_describe, _add_optional])
def test_published_schema_may_be_described_better_and_get_optional_properties(folder: Folder, change: Change) -> None:
    folder.change(change)
    assert not any("is changed" in line for line in folder.load().problems())


def test_new_revision_is_frozen_beside_the_first(folder: Folder) -> None:
    folder.change(_add_optional)
    assert f"{TYPE}: revision 2 is not frozen: dandang contracts freeze" in folder.load().problems()
    assert folder.load().freeze() == [f"{TYPE} revision 2"]
    assert folder.load().build() is True
    assert folder.load().problems() == []
    frozen = orjson.loads((folder.contracts / "frozen.json").read_bytes())
    assert frozen[TYPE]["1"] != frozen[TYPE]["2"]
    folder.put_schema(schema())
    assert any("revision 2 was published and is changed" in line for line in folder.load().problems())


def _remove(content: dict[str, Any]) -> None:
    del content["properties"]["days"]
    content["required"].remove("days")


def _require(content: dict[str, Any]) -> None:
    content["properties"]["readers"]["items"]["required"].append("born")


def _retype(content: dict[str, Any]) -> None:
    content["properties"]["days"]["type"] = ["string", "null"]


def _reclass(content: dict[str, Any]) -> None:
    content["properties"]["days"]["x-dataclass"] = "L2"


def _add_without_revision(content: dict[str, Any]) -> None:
    content["properties"]["shelf"] = {"title": "S", "x-zh": {"title": "书架"}, "x-dataclass": "L1", "type": "string"}


def _narrow_map(content: dict[str, Any]) -> None:
    content["properties"]["prices"]["additionalProperties"]["properties"]["fee"]["pattern"] = "[0-9]+"


def _resubject(content: dict[str, Any]) -> None:
    content["x-subject"] = "lending/<id>"


@pytest.mark.parametrize(
    "change", [_remove, _require, _retype, _reclass, _add_without_revision, _narrow_map, _resubject]
)
def test_anything_else_is_a_new_major_version(folder: Folder, change: Change) -> None:
    folder.change(change)
    problem = f"{TYPE}: revision 1 was published and is changed"
    assert any(line.startswith(problem) for line in folder.load().problems())
    with pytest.raises(ContractsInvalid, match="is changed"):
        folder.load().freeze()


def test_published_type_does_not_disappear(folder: Folder) -> None:
    (folder.contracts / "schemas" / f"{TYPE}.json").rename(folder.contracts / "schemas" / "library.loan.opened.v2.json")
    folder.put_schema(schema("library.loan.opened.v2"), "library.loan.opened.v2")
    assert f"{TYPE}: was published and is gone" in folder.load().problems()


# ---- the document and the commands


def test_document_follows_the_contracts(folder: Folder) -> None:
    folder.change(_describe)
    assert folder.load().problems() == ["asyncapi.yaml is not current: dandang contracts build"]
    (folder.contracts / "asyncapi.yaml").unlink()
    assert folder.load().problems() == ["asyncapi.yaml is not current: dandang contracts build"]
    assert folder.load().build() is True
    assert folder.load().problems() == []


def test_commands_check_freeze_and_build(folder: Folder) -> None:
    runner = CliRunner()

    def run(name: str) -> tuple[int, str]:
        where = ["--folder", str(folder.contracts), "--topology", str(folder.root / "rabbitmq")]
        done = runner.invoke(command, [*where, name])
        return done.exit_code, done.output + str(done.exception or "")

    assert run("check") == (0, "1 个契约无误 contracts are in order\n")
    assert run("freeze") == (0, "没有新内容 nothing is new\n")
    assert run("build") == (0, "asyncapi.yaml 无变化 was current\n")
    folder.change(_add_optional)
    code, said = run("check")
    assert code == 1
    assert "revision 2 is not frozen" in said
    assert run("freeze") == (0, f"{TYPE} revision 2\n")
    assert run("build") == (0, "asyncapi.yaml 已更新 is written\n")
    assert run("check")[0] == 0
