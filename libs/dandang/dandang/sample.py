"""The sample city: the units of Huangshi, about 2,000 fictitious cadres and 21 indicators, as workbooks.

The units are of the kinds that a prefecture-level city has. The people are made up: each name says so, and each identity
number has the sequence digits 000, which are given to nobody. The same seed makes the same city, byte for byte.
"""

import io
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from random import Random
from typing import Any, Final

from stdnum.cn import ric
from xlsxwriter import Workbook

SEED: Final = 420200
PEOPLE: Final = 2002
FICTITIOUS: Final = "（虚构）"
UNIT_HEADERS: Final = ("单位代码", "单位名称", "单位类别", "所属系统")
CADRE_HEADERS: Final = (
    "姓名",
    "公民身份号码",
    "单位代码",
    "现任职务",
    "任现职时间",
    "职务层次或职级",
    "中共党员",
    "管理级别",
    "干部类别",
)
INDICATOR_HEADERS: Final = (
    "指标代码",
    "指标名称",
    "层级",
    "计量单位",
    "目标值",
    "基准值",
    "牵头单位",
    "配合单位",
)

_COUNTIES: Final = (
    ("420202", "黄石港区", "区长"),
    ("420203", "西塞山区", "区长"),
    ("420204", "下陆区", "区长"),
    ("420205", "铁山区", "区长"),
    ("420222", "阳新县", "县长"),
    ("420281", "大冶市", "市长"),
    ("420200-KFQ", "黄石经济技术开发区", "管委会主任"),
)
_PARTY: Final = (
    ("市委办公室", "主任"),
    ("市委组织部", "部长"),
    ("市委宣传部", "部长"),
    ("市委统战部", "部长"),
    ("市委政法委员会", "书记"),
    ("市委政策研究室", "主任"),
    ("市委网络安全和信息化委员会办公室", "主任"),
    ("市委机构编制委员会办公室", "主任"),
    ("市委巡察工作领导小组办公室", "主任"),
    ("市委直属机关工作委员会", "书记"),
    ("市委老干部局", "局长"),
    ("市信访局", "局长"),
    ("市档案局", "局长"),
)
_JUSTICE: Final = (
    ("市纪委监委", "书记"),
    ("市中级人民法院", "院长"),
    ("市人民检察院", "检察长"),
)
_ASSEMBLIES: Final = (
    ("市人大常委会办公室", "主任", "人大"),
    ("市政协办公室", "主任", "政协"),
)
_GOVERNMENT: Final = (
    ("市政府办公室", "主任"),
    ("市发展和改革委员会", "主任"),
    ("市教育局", "局长"),
    ("市科学技术局", "局长"),
    ("市经济和信息化局", "局长"),
    ("市民族宗教事务局", "局长"),
    ("市公安局", "局长"),
    ("市民政局", "局长"),
    ("市司法局", "局长"),
    ("市财政局", "局长"),
    ("市人力资源和社会保障局", "局长"),
    ("市自然资源和规划局", "局长"),
    ("市生态环境局", "局长"),
    ("市住房和城乡建设局", "局长"),
    ("市城市管理执法委员会", "主任"),
    ("市交通运输局", "局长"),
    ("市水利和湖泊局", "局长"),
    ("市农业农村局", "局长"),
    ("市商务局", "局长"),
    ("市文化和旅游局", "局长"),
    ("市卫生健康委员会", "主任"),
    ("市退役军人事务局", "局长"),
    ("市应急管理局", "局长"),
    ("市审计局", "局长"),
    ("市政府国有资产监督管理委员会", "主任"),
    ("市市场监督管理局", "局长"),
    ("市统计局", "局长"),
    ("市医疗保障局", "局长"),
    ("市地方金融工作局", "局长"),
    ("市乡村振兴局", "局长"),
    ("市体育局", "局长"),
    ("市林业局", "局长"),
    ("市人民防空办公室", "主任"),
    ("市行政审批局", "局长"),
)
_PEOPLE: Final = (
    ("市总工会", "主席"),
    ("共青团市委", "书记"),
    ("市妇女联合会", "主席"),
    ("市科学技术协会", "主席"),
    ("市工商业联合会", "主席"),
    ("市文学艺术界联合会", "主席"),
    ("市社会科学界联合会", "主席"),
    ("市残疾人联合会", "理事长"),
    ("市归国华侨联合会", "主席"),
    ("市红十字会", "会长"),
)
_INSTITUTIONS: Final = (
    ("市委党校", "校长"),
    ("市融媒体中心", "主任"),
    ("市招商和投资促进中心", "主任"),
    ("市机关事务服务中心", "主任"),
    ("市住房公积金中心", "主任"),
    ("市供销合作社联合社", "主任"),
    ("市公共资源交易中心", "主任"),
    ("市疾病预防控制中心", "主任"),
    ("市中心医院", "院长"),
    ("市中医医院", "院长"),
    ("市妇幼保健院", "院长"),
    ("市图书馆", "馆长"),
    ("市博物馆", "馆长"),
    ("市农业科学研究院", "院长"),
    ("市公路事业发展中心", "主任"),
    ("市港航事业发展中心", "主任"),
    ("市园林事业发展中心", "主任"),
    ("市社会保险中心", "主任"),
    ("市不动产登记中心", "主任"),
    ("市公共检验检测中心", "主任"),
)
_SURNAMES: Final = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林罗高梁郑谢宋唐许韩冯邓曹彭曾肖田董潘袁蔡蒋余于杜叶程魏苏吕丁任沈"
)
_GIVEN: Final = (
    "文明国建华志强伟军平海波涛峰林斌勇刚毅俊杰晨晓雪梅兰芳丽娟敏静慧颖婷玉珍春秋云山石江汉清源正德仁义永安康宁远航思齐"
)
# Title, level, unit of measure, target, baseline, the unit that leads, those that help: made up like the people.
_INDICATORS: Final = (
    ("地区生产总值增长率", "PROV", "%", "7.0", "6.2", "市发展和改革委员会", ("市统计局", "市财政局")),
    ("固定资产投资增长率", "PROV", "%", "10.0", "8.4", "市发展和改革委员会", ("市统计局",)),
    ("规模以上工业增加值增长率", "PROV", "%", "8.5", "7.1", "市经济和信息化局", ("市统计局",)),
    ("技术改造投资增长率", "PROV", "%", "12.0", "9.5", "市经济和信息化局", ("市科学技术局",)),
    ("研发经费投入强度", "PROV", "%", "2.6", "2.4", "市科学技术局", ("市统计局", "市经济和信息化局")),
    ("高新技术企业数", "PROV", "家", "620", "540", "市科学技术局", ("市经济和信息化局",)),
    ("地方一般公共预算收入增长率", "PROV", "%", "6.0", "5.3", "市财政局", ("市发展和改革委员会",)),
    ("社会消费品零售总额增长率", "PROV", "%", "9.0", "8.1", "市商务局", ("市统计局",)),
    ("外贸进出口总额增长率", "PROV", "%", "10.0", "7.7", "市商务局", ()),
    ("城镇新增就业人数", "PROV", "万人", "5.2", "5.0", "市人力资源和社会保障局", ("市教育局",)),
    ("居民人均可支配收入增长率", "PROV", "%", "7.0", "6.4", "市人力资源和社会保障局", ("市统计局",)),
    ("单位地区生产总值能耗下降率", "PROV", "%", "3.0", "2.7", "市发展和改革委员会", ("市经济和信息化局",)),
    ("空气质量优良天数比例", "PROV", "%", "84.0", "81.9", "市生态环境局", ("市住房和城乡建设局",)),
    ("国控断面水质达标率", "PROV", "%", "100", "98.5", "市生态环境局", ("市水利和湖泊局",)),
    ("耕地保有量", "PROV", "万亩", "182", "182", "市自然资源和规划局", ("市农业农村局",)),
    ("粮食总产量", "PROV", "万吨", "56", "55.2", "市农业农村局", ("市水利和湖泊局",)),
    ("脱贫人口人均纯收入增长率", "PROV", "%", "13.0", "12.4", "市乡村振兴局", ("市农业农村局",)),
    ("亿元地区生产总值安全事故死亡率下降率", "PROV", "%", "5.0", "4.1", "市应急管理局", ("市住房和城乡建设局",)),
    ("义务教育优质均衡学校比例", "PROV", "%", "60", "52", "市教育局", ("市财政局",)),
    ("每千人口执业医师数", "PROV", "人", "3.2", "3.0", "市卫生健康委员会", ("市财政局",)),
    ("城镇老旧小区改造数", "PROV", "个", "120", "98", "市住房和城乡建设局", ("市财政局",)),
)
# The divisions' codes of today, and of the former 大冶县, in which older people were registered.
_AREAS: Final = ("420202", "420203", "420204", "420205", "420222", "420281", "420221")


@dataclass(frozen=True, slots=True)
class SampleUnit:
    """A unit. `kind` and `sector` are labels as a roster workbook has them; `head` is the title of who leads it."""

    code: str
    name: str
    kind: str
    sector: str
    head: str


@dataclass(frozen=True, slots=True)
class SampleCadre:
    """A fictitious cadre, as a row of the roster. The first of each unit leads it, the one with `hr` keeps its staff."""

    name: str
    id_no: str
    unit: str
    post: str
    post_since: date
    rank: str
    party_member: bool
    manage_level: str
    categories: tuple[str, ...]
    hr: bool = False


@dataclass(frozen=True, slots=True)
class SampleIndicator:
    """An indicator of a year, with the code of the unit that leads and those of the units that help."""

    code: str
    title: str
    level: str
    unit_of_measure: str
    target: str
    baseline: str
    lead_unit: str
    co_units: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SampleCity:
    """Seven county-level units, 82 municipal ones, their people, and 21 indicators of 16 responsible units."""

    units: tuple[SampleUnit, ...]
    cadres: tuple[SampleCadre, ...]
    indicators: tuple[SampleIndicator, ...]


def sample_city(people: int = PEOPLE, seed: int = SEED) -> SampleCity:
    """Return the sample city with `people` cadres, shared out evenly; each unit has at least its head and one for HR."""
    units = tuple(_units())
    random = Random(seed)  # noqa: S311  sample data, which must come out the same each time
    numbers = _identity_numbers(random)
    each, more = divmod(people, len(units))
    cadres = tuple(
        cadre
        for place, unit in enumerate(units)
        for cadre in _staff(unit, max(2, each + (place < more)), random, numbers)
    )
    return SampleCity(units, cadres, tuple(_indicators(units)))


def roster_workbook(city: SampleCity) -> bytes:
    """Return the roster of `city` as an .xlsx workbook, as the roster's template is filled in."""
    output = io.BytesIO()
    book = Workbook(output, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    # The same city gives the same bytes.
    book.set_properties({"title": "黄石市干部名册（虚构示例）", "created": datetime(2024, 1, 1)})  # noqa: DTZ001  no zone there
    day = book.add_format({"num_format": "yyyy-mm-dd"})
    units, cadres = book.add_worksheet("单位"), book.add_worksheet("干部")
    units.write_row(0, 0, UNIT_HEADERS)
    for number, unit in enumerate(city.units, start=1):
        for place, value in enumerate((unit.code, unit.name, unit.kind, unit.sector)):
            units.write_string(number, place, value)
    cadres.write_row(0, 0, CADRE_HEADERS)
    for number, cadre in enumerate(city.cadres, start=1):
        texts = (cadre.name, cadre.id_no, cadre.unit, cadre.post)
        for place, value in enumerate(texts):
            cadres.write_string(number, place, value)
        cadres.write_datetime(number, 4, datetime.combine(cadre.post_since, datetime.min.time()), day)
        texts = (cadre.rank, "是" if cadre.party_member else "否", cadre.manage_level, "、".join(cadre.categories))
        for place, value in enumerate(texts, start=5):
            cadres.write_string(number, place, value)
    book.close()
    return output.getvalue()


def indicator_workbook(city: SampleCity) -> bytes:
    """Return the indicators of `city` as an .xlsx workbook, to be read by people."""
    output = io.BytesIO()
    book = Workbook(output, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    book.set_properties({"title": "黄石市考核指标（虚构示例）", "created": datetime(2024, 1, 1)})  # noqa: DTZ001  no zone there
    sheet = book.add_worksheet("指标")
    sheet.write_row(0, 0, INDICATOR_HEADERS)
    names = {unit.code: unit.name for unit in city.units}
    for number, each in enumerate(city.indicators, start=1):
        helping = "、".join(names[code] for code in each.co_units)
        texts = (each.code, each.title, each.level, each.unit_of_measure, each.target, each.baseline)
        for place, value in enumerate((*texts, names[each.lead_unit], helping)):
            sheet.write_string(number, place, value)
    book.close()
    return output.getvalue()


def indicator_forms(city: SampleCity, year: int) -> list[dict[str, Any]]:
    """Return the indicators of `city` for `year` as requests to `POST /indicators` of assessment."""
    return [{**asdict(each), "year": year, "co_units": list(each.co_units)} for each in city.indicators]


def _indicators(units: Sequence[SampleUnit]) -> Iterator[SampleIndicator]:
    codes = {unit.name.removeprefix("黄石"): unit.code for unit in units}
    for number, (title, level, measure, target, baseline, lead, helping) in enumerate(_INDICATORS, start=1):
        co_units = tuple(codes[name] for name in helping)
        yield SampleIndicator(f"{level}-{number:02}", title, level, measure, target, baseline, codes[lead], co_units)


def _units() -> Iterator[SampleUnit]:
    for code, name, head in _COUNTIES:
        yield SampleUnit(code, name, "县(市、区)", "县(市、区)", head)
    groups: Sequence[tuple[str, str, Sequence[tuple[str, str]]]] = (
        ("市直部门", "党委系统", _PARTY),
        ("市直部门", "监察司法", _JUSTICE),
        *(("市直部门", sector, ((name, head),)) for name, head, sector in _ASSEMBLIES),
        ("市直部门", "政府系统", _GOVERNMENT),
        ("市直部门", "群团组织", _PEOPLE),
        ("市直属事业单位", "直属事业单位", _INSTITUTIONS),
    )
    number = 100
    for kind, sector, members in groups:
        for name, head in members:
            number += 1
            yield SampleUnit(f"4202-{number}", f"黄石{name}", kind, sector, head)


def _identity_numbers(random: Random) -> Iterator[str]:
    """Yield numbers of people born from 1966 to 1995, no two alike though all have the sequence digits 000."""
    first = date(1966, 1, 1)
    days = (date(1996, 1, 1) - first).days
    given: set[tuple[str, int]] = set()
    while True:
        area, day = random.choice(_AREAS), random.randrange(days)
        if (area, day) not in given:
            given.add((area, day))
            number = f"{area}{first + timedelta(days=day):%Y%m%d}000"
            yield number + ric.calc_check_digit(f"{number}0")


def _staff(unit: SampleUnit, size: int, random: Random, numbers: Iterator[str]) -> Iterator[SampleCadre]:
    institution = unit.sector == "直属事业单位"
    deputies = min(5, max(0, size - 2))
    for place in range(size):
        head, hr = place == 0, place == size - 1
        member = place <= deputies and not hr
        categories = ["事业单位管理人员" if institution else "公务员"]
        if head:
            post, rank = unit.head, "县处级正职"
            categories += ["班子主要负责人", "班子成员", "关键岗位"]
        elif member:
            post, rank = f"副{unit.head}", "县处级副职"
            categories.append("班子成员")
        elif hr:
            post, rank = "人事科科长", "乡科级正职"
        else:
            post, rank = random.choice(
                (("科长", "乡科级正职"), ("副科长", "乡科级副职"), ("四级主任科员", "四级主任科员"))
            )
        if not member and not head and random.random() < 0.05:
            categories.append("援派" if random.random() < 0.4 else "优秀年轻干部")
        name = random.choice(_SURNAMES) + "".join(random.sample(_GIVEN, random.choice((1, 2, 2, 2))))
        yield SampleCadre(
            name=f"{name}{FICTITIOUS}",
            id_no=next(numbers),
            unit=unit.code,
            post=post,
            post_since=date(2014, 1, 1) + timedelta(days=random.randrange(3650)),
            rank=rank,
            party_member=head or random.random() < 0.9,
            manage_level="市管" if head or member else "本单位管理",
            categories=tuple(categories),
            hr=hr,
        )
