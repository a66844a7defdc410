"""The routes: rosters and their imports, records, what binds a grade, duty lists and reviews, assessments and their facts."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from flask import Response, url_for

from assessment.application import annual_rounds, duty_lists, indicators, queries, results
from assessment.application import cadres as cadres_
from assessment.application import run_sheet as sheets
from assessment.application.appeals import grounds
from assessment.application.case_types import CaseTypes, case_types
from assessment.application.close_year import closing, start_closing
from assessment.application.constraints import READERS as CONSTRAINT_READERS
from assessment.application.constraints import grade_bounds
from assessment.application.queries import CADRE_READERS, IMPORTERS, RECORD_READERS
from assessment.application.record_facts import record_ballot, record_routine, record_talk
from assessment.application.rulebook import Rulebook
from assessment.application.start_import import start_import
from assessment.application.start_sheet import start_sheet
from assessment.domain.annual_sheet import sheet_kind, sheet_rules
from assessment.domain.cadre import CADRE
from assessment.domain.recorded import shown_classes
from assessment.persistence.models import BallotSessionRow, RoundItemRow, RoundRow, RoutineGradeRow, TalkRow, UnitRow
from assessment.schemas.requests import (
    AbsenceQuery,
    AnnualQuery,
    AppealQuery,
    AsOfLook,
    BallotForm,
    BoundsLook,
    CadreLook,
    CadreQuery,
    ClosingForm,
    ConstraintQuery,
    DutyListQuery,
    FactQuery,
    IndicatorQuery,
    JointReviewQuery,
    QuotaQuery,
    RecordLook,
    RecordQuery,
    RefusalQuery,
    ResultLook,
    RosterUpload,
    RoundForm,
    RoutineForm,
    SchemeQuery,
    SheetUpload,
    TalkForm,
    UnitQuery,
)
from assessment.schemas.responses import (
    BallotView,
    BoundsView,
    CadreChanges,
    CadreFullView,
    CadreView,
    CatalogueView,
    ClosingView,
    DutyListVersions,
    ExplanationView,
    GroundsView,
    ImportView,
    LinkedItems,
    Opinions,
    RecordView,
    ReportView,
    ResultsView,
    ResultView,
    RoundRefusal,
    RoundView,
    RoutineView,
    SheetView,
    SummaryView,
    TalkView,
    UnitView,
    bounds_content,
    record_content,
)
from assessment.workbooks import write
from assessment.workbooks.scan import MOST_BYTES
from citybus.cases import Cases
from citybus.cases.routes import blueprint
from citybus.http import (
    Blueprint,
    accepts,
    caller,
    command,
    expected_version,
    page,
    page_schema,
    reply,
    requires,
    show,
    transaction,
    versioned,
)
from citybus.vault import Vault

OFFICIALS = ("ORG.*", "SUPO.*", "DISC", "MEDIA", "REVIEWER", "TRAINER", "VISITOR", *CADRE_READERS[1:])


RECORDERS = ("ORG.assess",)
ROUND_ROLES = ("ORG.assess", "COMM")


_AROUND_FILE = 64 << 10


_OF_UPLOAD = (
    "id",
    "file_name",
    "sha256",
    "size",
    "fault_count",
    "rule_pack",
    "uploaded_by",
    "uploaded_at",
    "ended_at",
)


_OF_SHEET = ("id", "file_name", "sha256", "size", "fault_count", "uploaded_by", "uploaded_at", "ended_at")
_OF_ROUND = ("id", "year", "subject_kind", "action", "planned", "started_by", "started_at")


def blueprints(rulebook: Rulebook, vault: Vault) -> tuple[Blueprint, ...]:
    """Return all routes of the service."""
    cases = case_types(rulebook)
    return (
        _imports(rulebook, vault),
        _roster(rulebook, vault),
        _changes(cases),
        blueprint(cases.roster_exports),
        _exports(cases, rulebook, vault),
        _records(rulebook),
        blueprint(cases.constraints, query=ConstraintQuery),
        _bounds(rulebook),
        blueprint(cases.duty_lists, query=DutyListQuery),
        blueprint(cases.indicators, query=IndicatorQuery),
        blueprint(cases.joint_reviews, query=JointReviewQuery),
        _beside_duty_lists(cases),
        blueprint(cases.absences, query=AbsenceQuery),
        blueprint(cases.appeals, query=AppealQuery),
        _grounds(cases.appeals),
        blueprint(cases.schemes, query=SchemeQuery),
        blueprint(cases.quotas, query=QuotaQuery),
        blueprint(cases.annuals, query=AnnualQuery),
        _results(cases.annuals),
        _facts(rulebook),
        _closings(),
        _rounds(cases),
        _sheets(rulebook, vault),
    )


def _imports(rulebook: Rulebook, vault: Vault) -> Blueprint:
    routes = Blueprint("roster_imports", __name__, description="名册导入 imports of rosters")

    @routes.post("/roster-imports")
    @requires(*IMPORTERS)
    @accepts("multipart/form-data", max_bytes=MOST_BYTES + _AROUND_FILE)
    @routes.arguments(RosterUpload, location="files")
    @routes.response(202, ImportView)
    def upload(parts: Mapping[str, Any]) -> Response:
        """Upload a filled-in roster; a job imports it, all or nothing."""
        file = parts["file"]
        queries.require_whole_city(caller())

        def work(uow: Any) -> Any:
            file.stream.seek(0)
            row = start_import(rulebook, vault, uow, file_name=(file.filename or "")[:200], content=file.stream.read())
            uow.session.flush()
            location = url_for("roster_imports.one", import_id=row.id)
            content = _import_content(queries.import_progress(uow, row.id, caller()))
            return reply(content, status=202, location=location)

        return command(work)

    @routes.get("/roster-imports/<uuid:import_id>")
    @requires(*IMPORTERS)
    @routes.response(200, ImportView)
    def one(import_id: Any) -> Response:
        """Read how far an import is, and how it ended."""
        with transaction() as uow:
            return show(_import_content(queries.import_progress(uow, str(import_id), caller())))

    @routes.get("/roster-imports/<uuid:import_id>/errors.xlsx")
    @requires(*IMPORTERS)
    @routes.response(200, description="an .xlsx workbook")
    def errors(import_id: Any) -> Response:
        """Fetch what is wrong with a rejected roster: sheet, row, column, code, and what to do."""
        with transaction() as uow:
            faults = queries.import_faults(uow, str(import_id), caller())
            uow.commit()
        return _workbook(write.fault_list(faults), f"名册错误清单-{import_id}.xlsx")

    @routes.get("/roster-template.xlsx")
    @requires(*IMPORTERS)
    @routes.response(200, description="an .xlsx workbook")
    def template() -> Response:
        """Fetch the workbook to be filled in, with today's choices."""
        with transaction() as uow:
            rules = rulebook.on(uow.clock.today())
        return _workbook(write.template(rules), "干部名册模板.xlsx")

    return routes


def _roster(rulebook: Rulebook, vault: Vault) -> Blueprint:
    routes = Blueprint("roster", __name__, description="单位与干部 units and cadres")

    @routes.get("/units")
    @requires(*OFFICIALS)
    @routes.arguments(UnitQuery, location="query")
    @routes.response(200, page_schema(UnitView))
    def units(sought: Mapping[str, Any]) -> Response:
        """List units."""
        with transaction() as uow:
            found = page(
                uow.session,
                queries.units(sought),
                (UnitRow.__table__.c.code,),
                limit=sought["limit"],
                cursor=sought["cursor"],
            )
            content = {"items": UnitView(many=True).dump(found.items), "next": found.next}
        return show(content, headers=found.headers())

    @routes.get("/cadres")
    @requires(*CADRE_READERS)
    @routes.arguments(CadreQuery, location="query")
    @routes.response(200, page_schema(CadreView))
    def cadres(sought: Mapping[str, Any]) -> Response:
        """List the cadres within the caller's data scope."""
        with transaction() as uow:
            statement, keys = queries.cadres(caller(), sought)
            found = page(uow.session, statement, keys, limit=sought["limit"], cursor=sought["cursor"])
            uow.audit("cadre.list", "cadres", read=sorted(CadreView().fields))
            content = {"items": CadreView(many=True).dump(found.items), "next": found.next}
            uow.commit()
        return show(content, headers=found.headers())

    @routes.get("/cadres/<uuid:cadre_id>")
    @requires(*CADRE_READERS)
    @routes.arguments(CadreLook, location="query")
    @routes.response(200, CadreFullView)
    def cadre(look: Mapping[str, Any], cadre_id: Any) -> Response:
        """Read a cadre; for a stated purpose also the identity number."""
        with transaction() as uow:
            row = queries.cadre(uow, str(cadre_id), caller(), CadreView().fields, look["as_of"])
            content = CadreView().dump(row)
            if look["purpose"] is not None:
                content["id_no"] = queries.identity_number(uow, vault, row, caller(), look["purpose"])
            version = row.version
            uow.commit()
        return show(content, headers={"ETag": f'"{version}"', "Cache-Control": "no-store"})

    @routes.get("/cadres/<uuid:cadre_id>/posts")
    @requires(*CADRE_READERS)
    @routes.arguments(AsOfLook, location="query")
    @routes.response(200, CadreChanges)
    def posts(look: Mapping[str, Any], cadre_id: Any) -> Response:
        """Read the posts and states of a cadre, as they are or were known."""
        with transaction() as uow:
            found = cadres_.posts(uow, str(cadre_id), caller(), look["as_of"])
            content = CadreChanges().dump({"items": found})
            uow.commit()
        return show(content)

    @routes.get("/catalogue")
    @requires(*OFFICIALS)
    @routes.response(200, CatalogueView)
    def catalogue() -> Response:
        """Read the values that a roster may have today, with labels."""
        with transaction() as uow:
            return show(CatalogueView().dump(queries.catalogue(rulebook.on(uow.clock.today()))))

    return routes


def _changes(cases: CaseTypes) -> Blueprint:
    routes = Blueprint("cadre_changes", __name__, url_prefix="/cadres", description="干部变动 changes in the roster")
    for action in CADRE.actions:
        _add_change(routes, cases, action)
    return routes


def _add_change(routes: Blueprint, cases: CaseTypes, action: str) -> None:
    declared = CADRE.actions[action]

    def take(form: Mapping[str, Any], cadre_id: Any) -> Response:
        version = expected_version()

        def work(uow: Any) -> Any:
            case = cases.cadres.take(uow, str(cadre_id), action, caller(), form, version)
            return reply(CadreView().dump(case), version=case.version)

        return command(work)

    take.__name__, take.__doc__ = action, f"{declared.zh} {declared.en}"
    handler = routes.response(200, CadreView)(routes.arguments(cases.cadres.forms[action])(take))
    path = f"/<uuid:cadre_id>/{action.replace('_', '-')}"
    routes.route(path, methods=["POST"], endpoint=action)(requires(*declared.allow)(versioned(handler)))


def _exports(cases: CaseTypes, rulebook: Rulebook, vault: Vault) -> Blueprint:
    routes = Blueprint("exports", __name__, description="名册导出文件 workbooks of exports")

    @routes.get("/roster-exports/<uuid:case_id>/roster.xlsx")
    @requires(*IMPORTERS)
    @routes.response(200, description="an .xlsx workbook")
    def fetch(case_id: Any) -> Response:
        """Fetch the workbook of an export that one asked for; of more than a hundred persons once it is approved."""
        with transaction() as uow:
            content = cadres_.export_workbook(cases.roster_exports, rulebook, vault, uow, str(case_id), caller())
            uow.commit()
        return _workbook(content, "干部名册.xlsx")

    return routes


def _records(rulebook: Rulebook) -> Blueprint:
    routes = Blueprint("annual_records", __name__, url_prefix="/annual-records", description="年度记录 annual records")

    @routes.get("")
    @requires(*RECORD_READERS)
    @routes.arguments(RecordQuery, location="query")
    @routes.response(200, page_schema(RecordView))
    def listing(sought: Mapping[str, Any]) -> Response:
        """List the annual records within the caller's data scope, as they stand or stood."""
        with transaction() as uow:
            statement, keys = queries.annual_records(caller(), sought)
            found = page(uow.session, statement, keys, limit=sought["limit"], cursor=sought["cursor"])
            uow.audit("annual-record.list", "annual-records", read=["deduction", "items"])
            content = {"items": [record_content(row) for row in found.items], "next": found.next}
            uow.commit()
        return show(content, headers=found.headers())

    @routes.get("/<uuid:cadre_id>/<int(min=2000, max=9999):year>")
    @requires(*RECORD_READERS)
    @routes.arguments(RecordLook, location="query")
    @routes.response(200, RecordView)
    def one(look: Mapping[str, Any], cadre_id: Any, year: int) -> Response:
        """Read the annual record of a cadre, with each finding that deducts and how the sum came about."""
        with transaction() as uow:
            row = queries.annual_record(rulebook, uow, str(cadre_id), year, caller(), look["as_of"])
            content, version = record_content(row), row.version
            uow.commit()
        return show(content, version=version)

    return routes


def _beside_duty_lists(cases: CaseTypes) -> Blueprint:
    routes = Blueprint("duty_texts", __name__, description="清单版本、会审意见、指标对应项目 beside duty lists")

    @routes.get("/duty-lists/<uuid:case_id>/versions")
    @requires(*cases.duty_lists.readers)
    @routes.response(200, DutyListVersions)
    def versions(case_id: Any) -> Response:
        """Read the versions of a locked duty list: as locked, and as amended since."""
        with transaction() as uow:
            found = duty_lists.versions(cases.duty_lists, uow, str(case_id), caller())
            content = DutyListVersions().dump({"items": found})
            uow.commit()
        return show(content)

    @routes.get("/indicators/<uuid:case_id>/duty-items")
    @requires(*cases.duty_lists.readers)
    @routes.response(200, LinkedItems)
    def linked(case_id: Any) -> Response:
        """Read the duty items that serve an indicator, of the lists within the caller's data scope."""
        with transaction() as uow:
            found = indicators.linked_items(cases.indicators, cases.duty_lists, uow, str(case_id), caller())
            content = LinkedItems().dump({"items": found})
            uow.commit()
        return show(content)

    @routes.get("/joint-reviews/<uuid:case_id>/opinions")
    @requires(*cases.joint_reviews.readers)
    @routes.response(200, Opinions)
    def opinions(case_id: Any) -> Response:
        """Read the opinions of a joint review with their comments; the owner's side once it is concluded."""
        with transaction() as uow:
            found = duty_lists.opinions(cases.joint_reviews, uow, str(case_id), caller())
            content = Opinions().dump({"items": found})
            uow.commit()
        return show(content)

    return routes


def _bounds(rulebook: Rulebook) -> Blueprint:
    routes = Blueprint("grade_bounds", __name__, description="等次约束 what binds a grade")

    @routes.get("/cadres/<uuid:cadre_id>/constraints")
    @requires(*CONSTRAINT_READERS)
    @routes.arguments(BoundsLook, location="query")
    @routes.response(200, BoundsView)
    def bounds(look: Mapping[str, Any], cadre_id: Any) -> Response:
        """Read what binds the grade of a cadre's year, now or as it stood, and why."""
        with transaction() as uow:
            found = grade_bounds(uow, str(cadre_id), look["year"], caller(), look["as_of"])
            rules = rulebook.on(uow.clock.today())
            content = bounds_content(str(cadre_id), look["year"], found, rules)
            uow.commit()
        return show(content)

    return routes


def _grounds(appeals: Cases) -> Blueprint:
    routes = Blueprint("appeal_grounds", __name__, description="申诉理由 what an appeal says")

    @routes.get("/appeals/<uuid:case_id>/grounds")
    @requires(*appeals.readers)
    @routes.response(200, GroundsView)
    def read(case_id: Any) -> Response:
        """Read what an appeal says."""
        with transaction() as uow:
            content = GroundsView().dump(grounds(appeals, uow, str(case_id), caller()))
            uow.commit()
        return show(content)

    return routes


def _results(annuals: Cases) -> Blueprint:
    routes = Blueprint("annual_results", __name__, url_prefix="/annuals", description="考核结果 results")

    @routes.get("/<uuid:case_id>/explanation")
    @requires(*annuals.readers)
    @routes.response(200, ExplanationView)
    def explanation(case_id: Any) -> Response:
        """Read how the present grade, or proposal, came about: parts, deductions, constraints, quota, packs."""
        with transaction() as uow:
            content = ExplanationView().dump(results.explained(annuals, uow, str(case_id), caller()))
            uow.commit()
        return show(content)

    @routes.get("/<uuid:case_id>/result")
    @requires(*annuals.readers)
    @routes.arguments(ResultLook, location="query")
    @routes.response(200, ResultView)
    def result(look: Mapping[str, Any], case_id: Any) -> Response:
        """Read the result that is, or was, in force, with its explanation."""
        with transaction() as uow:
            found = results.result(annuals, uow, str(case_id), caller(), look["as_of"])
            content = ResultView().dump(found)
            uow.commit()
        return show(content)

    @routes.get("/<uuid:case_id>/results")
    @requires(*annuals.readers)
    @routes.arguments(ResultLook, location="query")
    @routes.response(200, ResultsView)
    def revisions(look: Mapping[str, Any], case_id: Any) -> Response:
        """Read every revision of the result, oldest first."""
        with transaction() as uow:
            found = results.results(annuals, uow, str(case_id), caller(), look["as_of"])
            content = ResultsView().dump({"items": found})
            uow.commit()
        return show(content)

    @routes.get("/<uuid:case_id>/report")
    @requires(*annuals.readers)
    @routes.response(200, ReportView)
    def report(case_id: Any) -> Response:
        """Read the report of the year."""
        with transaction() as uow:
            content = ReportView().dump({"text": results.report(annuals, uow, str(case_id), caller())})
            uow.commit()
        return show(content)

    return routes


def _facts(rulebook: Rulebook) -> Blueprint:
    routes = Blueprint("recorded", __name__, description="测评、平时考核与谈话 ballots, routine grades, talks")

    @routes.post("/ballots")
    @requires(*RECORDERS)
    @routes.arguments(BallotForm)
    @routes.response(201, BallotView)
    def ballot(form: Mapping[str, Any]) -> Response:
        """Record the count of a session of democratic evaluation."""

        def work(uow: Any) -> Any:
            row = record_ballot(rulebook, uow, caller(), form)
            return reply(_ballot_content(rulebook, uow, row), status=201)

        return command(work)

    @routes.get("/ballots")
    @requires("ORG.*", "CADRE")
    @routes.arguments(FactQuery, location="query")
    @routes.response(200, page_schema(BallotView))
    def ballots(sought: Mapping[str, Any]) -> Response:
        """List counted sessions; a class with few ballots shows no detail, and the cadre sees none of any class."""
        with transaction() as uow:
            found = _page(uow, BallotSessionRow, (BallotSessionRow.__table__.c.id,), sought)
            items = [_ballot_content(rulebook, uow, row) for row in found.items]
            uow.audit("ballot.list", "ballots", read=sorted(BallotView().fields))
            uow.commit()
        return show({"items": items, "next": found.next}, headers=found.headers())

    @routes.post("/routine-grades")
    @requires(*RECORDERS)
    @routes.arguments(RoutineForm)
    @routes.response(201, RoutineView)
    def routine(form: Mapping[str, Any]) -> Response:
        """Record the routine grade of a cadre's quarter."""
        return command(lambda uow: reply(RoutineView().dump(record_routine(rulebook, uow, caller(), form)), status=201))

    @routes.get("/routine-grades")
    @requires("ORG.*", "CADRE")
    @routes.arguments(FactQuery, location="query")
    @routes.response(200, page_schema(RoutineView))
    def routines(sought: Mapping[str, Any]) -> Response:
        """List routine grades."""
        table = RoutineGradeRow.__table__.c
        with transaction() as uow:
            found = _page(uow, RoutineGradeRow, (table.cadre, table.year, table.quarter), sought)
            content = {"items": RoutineView(many=True).dump(found.items), "next": found.next}
            uow.audit("routine.list", "routine-grades", read=sorted(RoutineView().fields))
            uow.commit()
        return show(content, headers=found.headers())

    @routes.post("/talks")
    @requires(*RECORDERS)
    @routes.arguments(TalkForm)
    @routes.response(201, TalkView)
    def talk(form: Mapping[str, Any]) -> Response:
        """Record a talk that two people held."""
        return command(lambda uow: reply(TalkView().dump(record_talk(rulebook, uow, caller(), form)), status=201))

    @routes.get("/talks")
    @requires("ORG.*")
    @routes.arguments(FactQuery, location="query")
    @routes.response(200, page_schema(TalkView))
    def talks(sought: Mapping[str, Any]) -> Response:
        """List talks, without what was said."""
        with transaction() as uow:
            found = _page(uow, TalkRow, (TalkRow.__table__.c.id,), sought)
            content = {"items": TalkView(many=True).dump(found.items), "next": found.next}
            uow.audit("talk.list", "talks", read=sorted(TalkView().fields))
            uow.commit()
        return show(content, headers=found.headers())

    @routes.get("/talks/<uuid:talk_id>/summary")
    @requires(*RECORDERS)
    @routes.response(200, SummaryView)
    def summary(talk_id: Any) -> Response:
        """Read what was said in a talk."""
        with transaction() as uow:
            content = {"summary": results.summary(uow, str(talk_id), caller())}
            uow.commit()
        return show(content)

    return routes


def _closings() -> Blueprint:
    routes = Blueprint(
        "annual_closings", __name__, url_prefix="/annual-closings", description="批量拟定 closing a year"
    )

    @routes.post("")
    @requires(*RECORDERS)
    @routes.arguments(ClosingForm)
    @routes.response(202, ClosingView)
    def start(form: Mapping[str, Any]) -> Response:
        """Propose the grades of all that are verified, by a job."""

        def work(uow: Any) -> Any:
            job = start_closing(uow, caller(), form["year"], form["subject_kind"])
            location = url_for("annual_closings.one", job_id=job)
            return reply(ClosingView().dump(closing(uow, job)), status=202, location=location)

        return command(work)

    @routes.get("/<uuid:job_id>")
    @requires(*RECORDERS)
    @routes.response(200, ClosingView)
    def one(job_id: Any) -> Response:
        """Read how far the job is, and how it ended."""
        with transaction() as uow:
            return show(ClosingView().dump(closing(uow, str(job_id))))

    return routes


def _rounds(cases: CaseTypes) -> Blueprint:
    routes = Blueprint("annual_rounds", __name__, url_prefix="/annual-rounds", description="批量办理 rounds of a year")

    @routes.post("")
    @requires(*ROUND_ROLES)
    @routes.arguments(RoundForm)
    @routes.response(202, RoundView)
    def start(form: Mapping[str, Any]) -> Response:
        """Take one step on every assessment that it waits for, by a job, each as a step of its own."""

        def work(uow: Any) -> Any:
            row = annual_rounds.start_round(cases, uow, caller(), form["year"], form["subject_kind"], form["action"])
            location = url_for("annual_rounds.one", round_id=row.id)
            return reply(_round_content(uow, row), status=202, location=location)

        return command(work)

    @routes.get("/<uuid:round_id>")
    @requires(*ROUND_ROLES)
    @routes.response(200, RoundView)
    def one(round_id: Any) -> Response:
        """Read how far a round is: how many were taken, how many refused, with which codes."""
        with transaction() as uow:
            row, _ = annual_rounds.annual_round(uow, str(round_id), caller())
            return show(_round_content(uow, row))

    @routes.get("/<uuid:round_id>/refusals")
    @requires(*ROUND_ROLES)
    @routes.arguments(RefusalQuery, location="query")
    @routes.response(200, page_schema(RoundRefusal))
    def refused(sought: Mapping[str, Any], round_id: Any) -> Response:
        """List whom a round refused, with code and figures, in the round's order."""
        with transaction() as uow:
            statement = annual_rounds.refusals(uow, str(round_id), caller(), sought["code"])
            keys = (RoundItemRow.__table__.c.place,)
            found = page(uow.session, statement, keys, limit=sought["limit"], cursor=sought["cursor"])
            content = {"items": RoundRefusal(many=True).dump(found.items), "next": found.next}
            uow.commit()
        return show(content, headers=found.headers())

    return routes


def _sheets(rulebook: Rulebook, vault: Vault) -> Blueprint:
    routes = Blueprint("annual_sheets", __name__, description="年度考核汇总表 sheets of a year")

    @routes.post("/annual-sheets")
    @requires(*RECORDERS)
    @accepts("multipart/form-data", max_bytes=MOST_BYTES + _AROUND_FILE)
    @routes.arguments(SheetUpload, location="files")
    @routes.response(202, SheetView)
    def upload(parts: Mapping[str, Any]) -> Response:
        """Upload the filled-in sheet of a year; a job checks every row, then records and evaluates."""
        file = parts["file"]

        def work(uow: Any) -> Any:
            file.stream.seek(0)
            name, content = (file.filename or "")[:200], file.stream.read()
            row = start_sheet(rulebook, vault, uow, caller(), file_name=name, content=content)
            uow.session.flush()
            location = url_for("annual_sheets.one", sheet_id=row.id)
            return reply(_sheet_content(uow, row.id), status=202, location=location)

        return command(work)

    @routes.get("/annual-sheets/<uuid:sheet_id>")
    @requires(*RECORDERS)
    @routes.response(200, SheetView)
    def one(sheet_id: Any) -> Response:
        """Read how far a sheet is, and how it ended."""
        with transaction() as uow:
            return show(_sheet_content(uow, str(sheet_id)))

    @routes.get("/annual-sheets/<uuid:sheet_id>/errors.xlsx")
    @requires(*RECORDERS)
    @routes.response(200, description="an .xlsx workbook")
    def errors(sheet_id: Any) -> Response:
        """Fetch what is wrong with a sheet: row, column, code, and what to do."""
        with transaction() as uow:
            faults = sheets.sheet_faults(uow, str(sheet_id), caller())
            uow.commit()
        return _workbook(write.fault_list(faults), f"汇总表错误清单-{sheet_id}.xlsx")

    @routes.get("/annual-sheet-template.xlsx")
    @requires(*RECORDERS)
    @routes.response(200, description="an .xlsx workbook")
    def template() -> Response:
        """Fetch the sheet to be filled in, with today's classes, dimensions and choices."""
        with transaction() as uow:
            known = sheet_rules(rulebook.on(uow.clock.today()))
        labels = {key: catalogue.zh for key, catalogue in known.catalogues.items()}
        return _workbook(write.empty((sheet_kind(known),), labels), "年度考核汇总表模板.xlsx")

    return routes


def _sheet_content(uow: Any, sheet_id: str) -> Mapping[str, Any]:
    """Return an upload of a sheet as it is shown."""
    row, job = sheets.uploaded_sheet(uow, sheet_id, caller())
    shown: Mapping[str, Any] = SheetView().dump(
        {
            **{name: getattr(row, name) for name in _OF_SHEET},
            "state": row.state if row.ended_at else job.state,
            "progress": job.progress,
            "total": job.total,
            "rows": {"new": row.rows_new, "same": row.rows_same, "refused": row.rows_refused},
            "errors": url_for("annual_sheets.errors", sheet_id=row.id) if row.ended_at and row.fault_count else None,
        }
    )
    return shown


def _round_content(uow: Any, row: RoundRow) -> Mapping[str, Any]:
    """Return a round as it is shown."""
    _, job = annual_rounds.annual_round(uow, row.id, caller())
    counts = annual_rounds.outcomes(uow, row)
    shown: Mapping[str, Any] = RoundView().dump(
        {
            **{name: getattr(row, name) for name in _OF_ROUND},
            "state": job.state,
            "taken": counts.get(annual_rounds.TAKEN, 0),
            "refused": counts.get(annual_rounds.REFUSED, 0),
            "refused_by_code": annual_rounds.refusals_by_code(uow, row),
            "refusals": url_for("annual_rounds.refused", round_id=row.id),
        }
    )
    return shown


def _page(uow: Any, model: Any, keys: tuple[Any, ...], sought: Mapping[str, Any]) -> Any:
    statement = results.recorded(model, caller(), **{name: sought.get(name) for name in ("cadre", "unit", "year")})
    return page(uow.session, statement, keys, limit=sought["limit"], cursor=sought["cursor"])


def _ballot_content(rulebook: Rulebook, uow: Any, row: BallotSessionRow) -> Mapping[str, Any]:
    """Return a session as it is shown: who it is about sees what it comes to, not how each class voted (A11)."""
    content: Mapping[str, Any] = BallotView().dump(row)
    if row.cadre is not None and row.cadre == caller().person:
        return {**content, "classes": [{**each, "counts": None} for each in content["classes"]]}
    hidden = rulebook.on(uow.clock.today())["ballot.hide_below"]
    return {**content, "classes": shown_classes(row.classes, hidden)}


def _workbook(content: bytes, name: str) -> Response:
    response = Response(content, content_type=write.MEDIA_TYPE)
    response.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(name)}"
    return response


def _import_content(found: queries.ImportProgress) -> Mapping[str, Any]:
    """Return an import as it is shown."""
    upload = found.upload
    shown: Mapping[str, Any] = ImportView().dump(
        {
            **{name: getattr(upload, name) for name in _OF_UPLOAD},
            "state": found.state,
            "progress": found.progress,
            "total": found.total,
            "units": {"new": upload.units_new, "same": upload.units_same},
            "cadres": {"new": upload.cadres_new, "same": upload.cadres_same},
            "errors": url_for("roster_imports.errors", import_id=upload.id) if upload.fault_count else None,
        }
    )
    return shown
