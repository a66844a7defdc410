"""The readable account of the slice: made of what the services know of it, the same each time it is asked for."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from rich.console import Console

from citybus.clock import ZONE
from dandang.slice import cast
from dandang.slice.api import patiently
from dandang.slice.story import YEAR, Story

Label = tuple[str, str, str | None]

STEPS: Final[Mapping[tuple[str, str], Label]] = {
    ("inspection", "create"): ("制定检查计划", "plans the inspection", None),
    ("inspection", "approve"): ("批准检查", "approves it", "supervision.inspection.approved.v1"),
    ("inspection", "start"): ("开始检查", "begins it", "supervision.inspection.started.v1"),
    ("inspection", "report"): ("提交检查报告", "reports", "supervision.inspection.reported.v1"),
    ("inspection", "close"): ("检查办结", "closes it", "supervision.inspection.closed.v1"),
    ("finding", "create"): ("登记问题(附证据)", "records the finding, with evidence", None),
    ("finding", "notify"): ("告知责任人", "notifies those responsible", "supervision.finding.notified.v1"),
    ("finding", "serve"): ("记录送达", "notes the service", "supervision.finding.served.v1"),
    ("finding", "plea"): ("陈述申辩", "answers", "supervision.finding.plea-received.v1"),
    ("finding", "verify"): ("认定", "verifies", "supervision.finding.verified.v1"),
    ("finding", "apply_tolerance"): ("权重减半", "halves the weight", "supervision.finding.weight-changed.v1"),
    ("tolerance", "create"): ("起草容错申请", "drafts the application", None),
    ("tolerance", "file"): ("提出容错申请", "files it", "incentive.tolerance.filed.v1"),
    ("tolerance", "accept"): ("受理", "accepts it", "incentive.tolerance.accepted.v1"),
    ("tolerance", "assign"): ("指定核实人员", "assigns two verifiers", "incentive.tolerance.verifying.v1"),
    ("tolerance", "verify"): ("核实", "verifies the case", "incentive.tolerance.deliberating.v1"),
    ("tolerance", "decide"): ("决定减责", "records the decision: MITIGATE", "incentive.tolerance.decided.v1"),
    ("tolerance", "serve"): ("记录送达", "notes the service", "incentive.tolerance.served.v1"),
    ("tolerance", "take_effect"): ("决定生效", "puts it into effect", "incentive.tolerance.effective.v1"),
    ("delivery", "dispatch"): ("文书送出", "sends the document", "notification.delivery.sent.v1"),
    ("delivery", "open"): ("阅读文书", "opens the document", "notification.delivery.opened.v1"),
    ("delivery", "sign"): ("签收文书", "signs for the document", "notification.delivery.signed.v1"),
    ("subscription", "create"): ("申请订阅", "asks for a subscription", "notification.subscription.requested.v1"),
    ("subscription", "approve"): ("审批订阅", "approves it", "notification.subscription.approved.v1"),
    ("subscription", "activate"): ("启用订阅", "puts it to work", "notification.subscription.activated.v1"),
}
"""What a step of a case is called, and the event type that it publishes."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: when in domain time, who, what, by which event, under which rule packs, about what."""

    at: str
    who: str
    zh: str
    en: str
    event: str | None
    rule_packs: tuple[str, ...]
    subject: str


def tell(story: Story) -> dict[str, Any]:
    """Return the whole account: timeline, records, what the tolerance led to, delivery record, and where to look."""
    entries = sorted(_entries(story), key=lambda entry: entry.at)
    return {
        "year": YEAR,
        "ids": dict(story.stored.ids),
        "timeline": [asdict(entry) for entry in entries],
        "records": {name: story.record(name) for name in ("lead", "direct")},
        "effects": story.effects(),
        "delivered": story.delivered(),
        "where": where(story),
    }


def where(story: Story) -> dict[str, str]:
    """Return where each thing can be looked at, by what it is."""
    ids, bases = story.stored.ids, story.api.bases
    return {
        "检查 inspection": f"{bases['supervision']}/inspections/{ids['inspection']}",
        "问题 finding": f"{bases['supervision']}/findings/{ids['finding']}",
        "年度记录 annual record": f"{bases['assessment']}/annual-records/{ids['lead']}/{YEAR}",
        "容错案件 tolerance case": f"{bases['incentive']}/tolerance-cases/{ids['tolerance']}",
        "容错效果 its effects": f"{bases['incentive']}/tolerance-cases/{ids['tolerance']}/effects",
        "送达文书 the decision, as served": f"{bases['notification']}/deliveries/{ids['decision']}/document",
        "部门订阅 subscription": f"{bases['notification']}/subscriptions/{ids['subscription']}",
    }


def show(told: Mapping[str, Any], received: list[dict[str, Any]], console: Console) -> None:
    """Print the account for people."""
    console.rule("时间线 timeline")
    people, day = cast.people(), ""
    for entry in told["timeline"]:
        when = datetime.fromisoformat(entry["at"])
        if f"{when:%Y-%m-%d}" != day:
            day = f"{when:%Y-%m-%d}"
            console.print(f"[bold]{day}[/bold]")
        zh, en = people.get(entry["who"], _system(entry["who"]))
        console.print(f"  {zh}  [bold]{entry['zh']}[/bold]  [dim]{en}: {entry['en']}[/dim]", soft_wrap=True)
        by = [part for part in (entry["event"], "、".join(entry["rule_packs"])) if part]
        if by:
            console.print(f"      [cyan]{'  ·  '.join(by)}[/cyan]", soft_wrap=True, highlight=False)
    console.rule("结果 outcome")
    for name, record in told["records"].items():
        who, explanation = ("负责人 lead" if name == "lead" else "直接责任人 direct"), record["explanation"]
        console.print(f"{who}: {told['year']} 年扣分 deduction [bold]{record['deduction']}[/bold]")
        console.print(f"  {explanation['zh']}\n  [dim]{explanation['en']}[/dim]", soft_wrap=True, highlight=False)
    done = sum(1 for step in told["effects"]["items"] if step["done_at"])
    console.print(f"容错效果 effects: {done}/{len(told['effects']['items'])} 完成 done")
    console.print(f"关联号 one correlation id: {told['records']['lead']['correlation_id']}", highlight=False)
    console.rule("财政局收到 what the Finance Bureau received, and no more")
    for event in received:
        fields = json.dumps(event["data"], ensure_ascii=False)
        console.print(f"  {event['type']}  [dim]{fields}[/dim]", soft_wrap=True, highlight=False)
    console.rule("去哪里看 where to look")
    for what, url in told["where"].items():
        console.print(f"  {what}: {url}", soft_wrap=True, highlight=False)
    console.print("  令牌 a token, for example:  dandang token --sub supo-1 --role SUPO --units '*'", soft_wrap=True)


def _entries(story: Story) -> Iterator[Entry]:
    ids = story.stored.ids
    lead, direct = story.lead.known_as(ids["lead"]), story.direct.known_as(ids["direct"])
    yield from _import(story)
    readers = {
        "subscription": cast.APPROVER,
        "inspection": cast.INSPECTOR,
        "finding": cast.INSPECTOR,
        "tolerance": cast.ACCEPTOR,
        "notice-lead": lead,
        "notice-direct": direct,
        "decision": lead,
    }
    for name, reader in readers.items():
        kind = name if name in ("subscription", "inspection", "finding", "tolerance") else "delivery"
        for step in story.history(name, reader):
            if kind == "delivery" and step["action"] == "create":
                continue  # it is sent at once
            zh, en, event = STEPS.get((kind, step["action"]), (step["action"], step["action"], None))
            confirmed = step["from_state"] == step["to_state"] and step["action"] in ("verify", "decide")
            if confirmed:
                zh, en, event = f"{zh}(第一人)", f"{en} (first of two)", None
            packs = tuple(step["rule_packs"])
            yield Entry(_instant(step["at"]), step["actor"], zh, en, event, packs, f"{kind}/{ids[name]}")
    for name in ("lead", "direct"):
        yield from _deductions(story, name)


def _import(story: Story) -> Iterator[Entry]:
    path = f"/roster-imports/{story.stored.ids['import']}"
    found = patiently(lambda: story.api.get(cast.ROSTER, "assessment", path)).content
    units, cadres = (found[kind]["new"] + found[kind]["same"] for kind in ("units", "cadres"))
    yield Entry(
        _instant(found["ended_at"]),
        found["uploaded_by"],
        f"导入名册:{units} 个单位,{cadres} 名干部",
        f"imports the roster: {units} units, {cadres} cadres",
        "assessment.unit.registered.v1, assessment.cadre.registered.v1",
        (found["rule_pack"],),
        f"roster-import/{found['id']}",
    )


def _deductions(story: Story, name: str) -> Iterator[Entry]:
    """Yield each version of an annual record, the newest first."""
    record = story.record(name)
    while record["version"] > 0:
        at = datetime.fromisoformat(record["recorded_at"])
        yield Entry(
            _instant(record["recorded_at"]),
            "system:assessment",
            f"年度记录扣分 {record['deduction']}({'负责人' if name == 'lead' else '直接责任人'})",
            f"deducts {record['deduction']} in the annual record ({name})",
            "assessment.deduction.changed.v1",
            tuple(record["rule_packs"]),
            f"annual-record/{record['cadre']}-{record['year']}",
        )
        record = story.record(name, as_of=at - timedelta(microseconds=1))


def _instant(text: str) -> str:
    return datetime.fromisoformat(text).astimezone(ZONE).isoformat()


def _system(subject: str) -> tuple[str, str]:
    service = subject.partition(":")[2] or subject
    return f"系统 {service}", f"the system ({service})"
