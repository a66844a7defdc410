"""The rules of bulletins: what a public text must not hold, and what takes back which bulletin."""

from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest
from stdnum.cn import ric

from citybus.clock import ZONE
from citybus.errors import Refusal
from supervision.domain.bulletin import (
    BulletinFacts,
    Exposed,
    draft,
    expire,
    findings_verified,
    is_newer,
    must_go,
    not_excused,
    nothing_pending,
    schedule,
    withdraw,
)
from supervision.domain.personal import refuse_personal
from tests.support.supervision import BUREAU, LEAD, MONDAY, a_bulletin, rulebook, step

RULES = rulebook().on(MONDAY.date())
NUMBER = "42020219800101000" + ric.calc_check_digit("420202198001010000")
FULL_WIDTH = str.maketrans({str(digit): chr(0xFF10 + digit) for digit in range(10)})


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (f"甲某({NUMBER})推进不力", "ID_NUMBER"),
        (NUMBER.translate(FULL_WIDTH), "ID_NUMBER"),
        (f"{NUMBER[:6]} {NUMBER[6:14]} {NUMBER[14:]}", "ID_NUMBER"),
        ("-".join(NUMBER), "ID_NUMBER"),
        ("·".join(NUMBER), "ID_NUMBER"),
        ("\u200b".join(NUMBER), "ID_NUMBER"),
        (NUMBER.translate(str.maketrans("0123456789", "〇一二三四五六七八九")), "ID_NUMBER"),
        (f"{NUMBER[:6]}\n{NUMBER[6:]}", "ID_NUMBER"),
        (f"{NUMBER[:-1]}{(int(NUMBER[-1], 11) + 1) % 10}", "ID_NUMBER"),
        ("11010519491231002x", "ID_NUMBER"),
        (f"编号 2024 {NUMBER}", "ID_NUMBER"),
        ("420202800101001", "ID_NUMBER"),
        ("身份证号:420202", "ID_NUMBER"),
        ("4111 1111 1111 1111", "BANK_CARD"),
        ("联系人 13812345678", "PHONE"),
        ("138-1234-5678", "PHONE"),
        ("+86 138 1234 5678", "PHONE"),
        ("0714-6512345", "PHONE"),
        ("手机号:1381234", "PHONE"),
        ("a.b@example.org", "CONTACT"),
        ("微信号见附件", "CONTACT"),
        ("驾驶鄂B12345", "VEHICLE"),
        ("甲某,家住黄石港区", "ADDRESS"),
        ("家 住 黄石港区", "ADDRESS"),
        ("住址:磁湖路", "ADDRESS"),
        ("磁湖小区3栋", "ADDRESS"),
        ("12号楼2单元", "ADDRESS"),
        ("其妻经商办企业", "FAMILY"),
        ("配偶已移居", "FAMILY"),
        ("甲某患有高血压病", "HEALTH"),
        ("住院期间", "HEALTH"),
        ("护照号 E12345678", "ID_NUMBER"),
        ("身份证尾号0014", "ID_NUMBER"),
        ("身份证后四位为0014", "ID_NUMBER"),
        ("QQ:123456", "CONTACT"),
        ("微信:zhang_san", "CONTACT"),
        ("其现住磁湖路12号", "ADDRESS"),
        ("磁湖路12号3单元502室", "ADDRESS"),
        ("户口所在地下陆区", "ADDRESS"),
        ("其爱人李某", "FAMILY"),
        ("为其亲属谋利", "FAMILY"),
        ("甲某的家人", "FAMILY"),
        ("女婿承揽工程", "FAMILY"),
        ("未婚妻乙某", "FAMILY"),
        ("侄子乙某", "FAMILY"),
        ("因病请假", "HEALTH"),
        ("有糖尿病、高血压", "HEALTH"),
        ("患癌后", "HEALTH"),
        ("因身体原因", "HEALTH"),
        ("甲某,1975年3月出生", "BIRTH"),
        ("出生于1975年", "BIRTH"),
        ("信仰宗教", "RELIGION"),
    ],
)
def test_a_public_text_must_not_hold(text: str, kind: str) -> None:
    with pytest.raises(Refusal) as caught:
        refuse_personal([None, "通报", text], RULES, MONDAY.date())
    assert (caught.value.code, caught.value.status) == ("PII_FORBIDDEN", 422)
    assert kind in caught.value.figures["kinds"]
    # The refusal is stored and logged: it repeats nothing of what it found.
    assert NUMBER not in repr(caught.value.figures) + caught.value.zh + caught.value.en


@pytest.mark.parametrize(
    "text",
    [
        "2024年5月6日,样例局副局长甲某对重点项目推进不力,给予诫勉。",
        "项目编号 2024-0506-0012,投资 12,345,678.90 元,工期 2024-05-06 至 2025-05-06。",
        "统一社会信用代码 91110000600037341L",
        "其子公司未批先建;办公公示缺失;出现住房保障问题;户籍制度改革滞后。",
        "疾病预防控制中心负责人履职不力。",
        "二〇二四年五月六日",
        "微信公众号更新不及时;居民身份证办理窗口2024年排队过长;QQ群、微信群管理混乱。",
        "专家住宿费超标;国家住房保障政策落实不力;企业家住宅项目审批拖延。",
        "对安全隐患和病险水库视而不见,隐患排查不深入、病害整治不到位。",
        "其子课题未结项,其女性职工权益受损,市妇女儿童医院建设滞后,辜负群众对父母官的期望。",
        "因病致贫返贫对象识别不准;随迁子女入学受阻;确诊病例瞒报;住院部大楼停工。",
        "关爱人才政策不落实;国家人社部门督办;办公公示缺失;高血压患者规范管理率造假。",
        "2023年出生人口统计不实;2024年3月生态环境督察反馈问题整改不力。",
        "市残疾人联合会残疾人证办理拖延;新冠肺炎疫情防控不力;患者反映收费混乱、流程病症突出。",
    ],
)
def test_names_posts_units_facts_and_measures_may_be_told(text: str) -> None:
    refuse_personal([text], RULES, MONDAY.date())


def exposed(**changes: Any) -> Exposed:
    made = {"id": "f1", "state": "VERIFIED", "unit": BUREAU, "persons": frozenset({LEAD}), "plea_over": True}
    return Exposed(**made | changes)


def bulletin(**changes: Any) -> SimpleNamespace:
    made = {
        "id": "b1",
        "state": "APPROVED",
        "findings": ["f1"],
        "named": True,
        "channels": ["TV"],
        "title": "关于甲某的通报",
        "text": "甲某推进不力",
        "unnamed_title": "关于某单位的通报",
        "unnamed_text": "某单位推进不力",
        "channel_states": {},
        "correction": None,
        "publish_at": None,
        "held_for": None,
    }
    return SimpleNamespace(**made | changes)


def code_of(guard: Any, *, named: bool = True, **changes: Any) -> str | None:
    try:
        guard(step(bulletin(named=named), facts=BulletinFacts({"f1": exposed(**changes)})))
    except Refusal as refusal:
        return refusal.code if refusal.status == 422 else None
    return None


@pytest.mark.parametrize(
    ("guard", "changes", "code"),
    [
        *(
            (findings_verified, {"state": state}, "FINDING_NOT_VERIFIED")
            for state in ("NOTIFIED", "REJECTED", "REVOKED")
        ),
        *((findings_verified, {"state": state}, None) for state in ("VERIFIED", "RECTIFYING", "REOPENED", "CLOSED")),
        (findings_verified, {"plea_over": False}, "PLEA_WINDOW_OPEN"),
        (nothing_pending, {}, None),
        (nothing_pending, {"pending_tolerance": ["t1"]}, "TOLERANCE_PENDING"),
        (nothing_pending, {"pending_appeals": ["a1"]}, "APPEAL_PENDING"),
        (not_excused, {}, None),
        (not_excused, {"eased": frozenset({"DENY"})}, None),
        (not_excused, {"eased": frozenset({"EXEMPT"}), "named": False}, "TOLERANCE_GRANTED"),
        (not_excused, {"eased": frozenset({"MITIGATE"})}, "TOLERANCE_GRANTED"),
        (not_excused, {"eased": frozenset({"MITIGATE"}), "named": False}, None),
    ],
)
def test_what_stands_in_the_way_of_exposure(guard: Any, changes: Any, code: str | None) -> None:
    assert code_of(guard, **changes) == code


@pytest.mark.parametrize(
    ("cause", "named", "goes"),
    [
        ("EXEMPT", True, True),
        ("EXEMPT", False, True),
        ("MITIGATE", True, True),
        ("MITIGATE", False, False),
        ("REVOKED", False, True),
        ("DENY", True, False),
    ],
)
def test_what_takes_back_a_bulletin(cause: str, named: bool, goes: bool) -> None:
    assert must_go(RULES["bulletin.withdrawn_by"], (cause,), named) is goes


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, None),
        ({"legal_basis": None}, "LEGAL_BASIS_MISSING"),
        ({"legal_basis": "  "}, "LEGAL_BASIS_MISSING"),
        ({"unnamed_text": None}, "UNNAMED_TEXT_MISSING"),
        ({"unnamed_text": None, "unnamed_title": None, "named": False}, None),
        ({"unnamed_text": "家住黄石港区"}, "PII_FORBIDDEN"),
        ({"legal_basis": f"依据对{NUMBER}的处理决定"}, "PII_FORBIDDEN"),
        ({"text": f"甲某({NUMBER})推进不力", "legal_basis": None, "unnamed_text": None}, "PII_FORBIDDEN"),
        ({"text": "甲某,家住黄石港区", "legal_basis": "  "}, "PII_FORBIDDEN"),
        ({"title": "机密通报"}, "SECRECY_LEVEL"),
        ({"title": "机密通报", "legal_basis": None}, "SECRECY_LEVEL"),
    ],
)
def test_a_draft_is_whole_or_refused(changes: Any, code: str | None) -> None:
    case = bulletin()
    attempt = step(case, form=a_bulletin("f1", **changes), facts=BulletinFacts({"f1": exposed()}))
    if code is None:
        draft(attempt)
        assert (case.units, case.persons, case.approvals) == ([BUREAU], [LEAD], [])
        return
    with pytest.raises(Refusal) as caught:
        draft(attempt)
    assert caught.value.code == code


def test_it_is_not_scheduled_for_the_past() -> None:
    with pytest.raises(Refusal) as caught:
        schedule(step(bulletin(), form={"publish_at": datetime(2024, 3, 4, 8, 59, tzinfo=ZONE)}))
    assert caught.value.code == "PUBLISH_AT_PAST"


def test_a_withdrawal_says_the_text_of_the_rules_unless_people_word_it() -> None:
    case = bulletin()
    withdraw(step(case, form={"reason_code": "FACTUAL_ERROR"}))
    # The title that names people may name who is cleared.
    assert case.correction_text == "《关于某单位的通报》内容有误,现予撤回,特此更正。"
    case.named = False
    withdraw(step(case, form={"reason_code": "FACTUAL_ERROR"}))
    assert case.correction_text == "《关于甲某的通报》内容有误,现予撤回,特此更正。"
    withdraw(step(case, form={"reason_code": "OTHER", "correction_text": "误发。"}))
    assert (case.reason_code, case.correction_text) == ("OTHER", "误发。")
    for form, code in (
        ({"reason_code": "NONE_SUCH"}, "UNKNOWN_REASON_CODE"),
        ({"reason_code": "OTHER", "correction_text": f"{NUMBER}"}, "PII_FORBIDDEN"),
    ):
        with pytest.raises(Refusal) as caught:
            withdraw(step(case, form=form))
        assert caught.value.code == code


def test_when_it_expires_the_names_are_gone() -> None:
    case = bulletin()
    expire(step(case, at=datetime(2025, 3, 5, tzinfo=ZONE)))
    assert (case.named, case.title, case.text) == (False, "关于某单位的通报", "某单位推进不力")


@pytest.mark.parametrize(
    ("publication", "sequence", "newer"), [("p1", 3, True), ("p1", 2, False), ("p1", 1, False), ("p2", 1, True)]
)
def test_a_late_report_of_a_channel_does_not_undo_a_newer_one(publication: str, sequence: int, newer: bool) -> None:
    case: Any = bulletin(channel_states={"TV": {"state": "CONFIRMED", "publication": "p1", "sequence": 2}})
    assert is_newer(case, "TV", publication, sequence) is newer
