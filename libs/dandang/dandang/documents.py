"""Documents that are made from the code: state diagrams of all case types, and the table of all rules."""

from collections.abc import Iterator
from importlib import import_module
from inspect import getdoc
from pathlib import Path
from pkgutil import walk_packages

from citybus.cases import CaseType, Reach
from citybus.cases.declare import Action
from citybus.cases.diagram import mermaid
from citybus.rulepack import RulePacks

SERVICES = ("assessment", "supervision", "incentive", "notification")
_REACH = {
    Reach.SELF: "本人 self",
    Reach.UNIT: "本单位 own unit",
    Reach.OFFICE: "机关 office",
    Reach.ANYWHERE: "不限 anywhere",
}
_MADE = "<!-- 由 `dandang docs build` 生成,请勿手改。Made by `dandang docs build`; do not edit. -->"


def case_types() -> list[CaseType]:
    """Return every case type that the domain of a service declares, by service and kind."""
    found: dict[tuple[str, str], CaseType] = {}
    for service in SERVICES:
        domain = import_module(f"{service}.domain")
        for module in walk_packages(domain.__path__, f"{domain.__name__}."):
            for value in vars(import_module(module.name)).values():
                if isinstance(value, CaseType):
                    found[service, value.kind] = value
    return [found[key] for key in sorted(found)]


def states(case_type: CaseType) -> str:
    """Return the page of one case type: its diagram and all its transitions."""
    rows = [_row("–", case_type.initial, "create", case_type.create)]
    rows += [_row(source, target, name, case_type.actions[name]) for source, name, target in case_type.transitions]
    return "\n".join(
        [
            f"# {case_type.zh} {case_type.en}",
            "",
            _MADE,
            "",
            f"服务 service: `{case_type.service}` · 路径 path: `/{case_type.collection}` · 级别 class: {case_type.dataclass}",
            "",
            "```mermaid",
            mermaid(case_type).rstrip(),
            "```",
            "",
            "| 从 from | 到 to | 操作 action | 谁 who | 条件 guards | 期限 deadlines | 事件 event |",
            "|---|---|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def rules() -> str:
    """Return the table of all rules of all services, with their packs and sources."""
    lines = ["# 规则 Rules", "", _MADE, ""]
    for service in SERVICES:
        folder = Path(str(import_module(service).__file__)).parent / "rulepacks"
        packs = RulePacks.load([folder])
        lines += [
            f"## {service}",
            "",
            "| 键 key | 值 value | 规则包 pack | 生效 valid | 来源 source | |",
            "|---|---|---|---|---|---|",
        ]
        for rule in sorted(packs.rules, key=lambda rule: (rule.key, rule.pack.valid_from)):
            until = rule.pack.valid_to or ""
            value = str(rule.value).replace("|", "\\|")
            shown = value if len(value) <= 120 else f"{value[:117]}…"
            lines.append(
                f"| `{rule.key}` | {shown} | {rule.pack.cite} | {rule.pack.valid_from} – {until} | {rule.source} | {rule.tag} |"
            )
        lines.append("")
    return "\n".join(lines)


def pages() -> Iterator[tuple[str, str]]:
    """Yield (path below docs/domain, text) of every document."""
    found = case_types()
    for case_type in found:
        yield f"states/{case_type.kind}.md", states(case_type)
    index = [f"- [{each.zh} {each.en}](states/{each.kind}.md) · `{each.service}`" for each in found]
    yield "states.md", "\n".join(["# 状态图 State diagrams", "", _MADE, "", *index, ""])
    yield "rules.md", rules()


def outdated(folder: Path) -> list[str]:
    """Return the documents in `folder` that are missing or not as the code has them."""
    return [
        path
        for path, text in pages()
        if not (folder / path).is_file() or (folder / path).read_text(encoding="utf-8") != text
    ]


def build(folder: Path) -> list[str]:
    """Write the documents that are not current, and return which."""
    written = outdated(folder)
    for path, text in pages():
        if path in written:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
    return written


def _row(source: str, target: str, name: str, action: Action) -> str:
    who = "<br>".join(f"{role} ({_REACH[reach]})" for role, reach in action.allow.items()) or "系统 system"
    if action.eyes > 1:
        who += f"<br>{action.eyes} 人 people"
    checks = [*action.guards, *([action.effect] if action.effect else [])]
    guards = "<br>".join((getdoc(check) or check.__name__).partition("\n")[0] for check in checks)
    arms = "<br>".join(f"`{arm.rule}`{f' → {arm.then}' if arm.then else ''}" for arm in action.arms)
    event = f"`{action.event}`" if action.event else ""
    return f"| {source} | {target} | `{name}` {action.zh} {action.en} | {who} | {guards} | {arms} | {event} |"
