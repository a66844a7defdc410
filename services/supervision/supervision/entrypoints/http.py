"""The routes: those of the case types, and what is read and stored beside them."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from flask import Response, url_for
from flask_smorest.fields import Upload
from marshmallow import Schema, fields

from citybus.cases import Cases
from citybus.cases.routes import blueprint
from citybus.evidence import MAX_UPLOAD
from citybus.http.access import caller, requires
from citybus.http.commands import command, reply, show, transaction
from citybus.http.paging import PageQuery, page, page_schema
from citybus.http.parsing import Blueprint, accepts
from citybus.vault import Vault
from supervision.application import queries
from supervision.application.adjustments import texts
from supervision.application.case_types import CaseTypes
from supervision.application.eligibility import check_many
from supervision.application.informant_accesses import identity
from supervision.application.post_signal import post_signal, receipt, receipts
from supervision.application.recalls import texts as recall_texts
from supervision.application.rulebook import Rulebook
from supervision.application.store_evidence import store_evidence
from supervision.application.suggest_recalls import suggestions
from supervision.domain.informant_access import SIGNAL_READERS
from supervision.persistence.models import BulletinRow, FindingRow, SignalRow
from supervision.schemas.requests import EligibilityQuestion, EligibilityQuestions, SignalPostingWithInformant
from supervision.schemas.responses import (
    AdjustmentTexts,
    Catalogue,
    Eligibilities,
    EligibilityView,
    EvidenceView,
    IdentityView,
    Pleas,
    RecallSuggestions,
    RecallTexts,
    ReceiptView,
    ReportView,
    SignalTexts,
)

OFFICERS = ("SUPO.*", "ORG.supervise", "DISC")


class InspectionQuery(PageQuery):
    """Filters of the list of inspections."""

    kind = fields.String()
    theme = fields.String()


class FindingQuery(PageQuery):
    """Filters of the list of findings."""

    inspection_id = fields.UUID()
    unit = fields.String()
    type = fields.String()
    severity = fields.Integer()
    year = fields.Integer(metadata={"description": "认定年度 the year in which it counts"})
    cadre = fields.String(metadata={"description": "责任人 who is held responsible"})


class BulletinQuery(PageQuery):
    """Filters of the list of bulletins."""

    finding = fields.UUID(metadata={"description": "所涉问题 a finding that it is about"})


class SanctionQuery(PageQuery):
    """Filters of the list of sanctions."""

    cadre = fields.String()
    regime = fields.String()
    kind = fields.String()


class AdjustmentQuery(PageQuery):
    """Filters of the list of adjustments."""

    cadre = fields.String()
    way = fields.String()


class CaseHoldQuery(PageQuery):
    """Filters of the list of investigation holds."""

    cadre = fields.String()


class RecallQuery(PageQuery):
    """Filters of the list of recalls."""

    cadre = fields.String()
    unit = fields.String()
    class_id = fields.UUID()


class MeasureQuery(PageQuery):
    """Filters of the list of measures."""

    kind = fields.String()
    cadre = fields.String()


class RectificationQuery(PageQuery):
    """Filters of the list of rectifications."""

    finding_id = fields.UUID()
    unit = fields.String()


class SignalQuery(PageQuery):
    """Filters of the list of signals."""

    unit = fields.String()
    cadre = fields.String()
    source = fields.String()
    type = fields.String()
    merged_into = fields.UUID()


class InformantAccessQuery(PageQuery):
    """Filters of the list of accesses to informants' identities."""

    signal_id = fields.UUID()


class EvidenceUpload(Schema):
    """One file of evidence, as the part `file` of a form."""

    file = Upload(required=True)


def blueprints(bound: CaseTypes, rulebook: Rulebook, vault: Vault) -> tuple[Blueprint, ...]:
    """Return all routes of the service."""
    return (
        blueprint(bound.inspections, query=InspectionQuery),
        blueprint(
            bound.findings,
            query=FindingQuery,
            matches={"cadre": lambda cadre: FindingRow.responsible.contains([{"cadre": cadre}])},
        ),
        blueprint(
            bound.bulletins,
            query=BulletinQuery,
            matches={"finding": lambda finding: BulletinRow.findings.contains([str(finding)])},
        ),
        blueprint(bound.recalls, query=RecallQuery),
        blueprint(bound.training_classes),
        blueprint(bound.measures, query=MeasureQuery),
        blueprint(bound.rectifications, query=RectificationQuery),
        _texts(bound.inspections, bound.findings),
        _recall_texts(bound.recalls),
        _recall_suggestions(rulebook),
        _evidence(rulebook),
        blueprint(bound.signals, query=SignalQuery, opening=False),
        _signals(bound.signals, vault),
        blueprint(bound.informant_accesses, query=InformantAccessQuery),
        _identities(bound.informant_accesses, vault),
        _catalogue(rulebook),
        _eligibility(),
        blueprint(bound.sanctions, query=SanctionQuery),
        blueprint(bound.adjustments, query=AdjustmentQuery),
        _adjustment_texts(bound.adjustments),
        blueprint(bound.case_holds, query=CaseHoldQuery),
    )


def _texts(inspections: Cases, findings: Cases) -> Blueprint:
    routes = Blueprint("texts", __name__, description="报告与申辩 reports and answers")

    @routes.get("/inspections/<uuid:case_id>/report")
    @requires(*OFFICERS)
    @routes.response(200, ReportView)
    def report(case_id: Any) -> Response:
        """Read the report of an inspection."""
        with transaction() as uow:
            content = ReportView().dump(queries.report(inspections, uow, str(case_id), caller()))
            uow.commit()
        return show(content)

    @routes.get("/findings/<uuid:case_id>/pleas")
    @requires(*findings.readers)
    @routes.response(200, Pleas)
    def pleas(case_id: Any) -> Response:
        """Read the answers to a finding: officers all, a cadre those of their own."""
        with transaction() as uow:
            content = Pleas().dump({"items": queries.pleas(findings, uow, str(case_id), caller())})
            uow.commit()
        return show(content)

    return routes


def _recall_texts(recalls: Cases) -> Blueprint:
    routes = Blueprint("recall_texts", __name__, description="召回材料 texts of recalls")

    @routes.get("/recalls/<uuid:case_id>/texts")
    @requires(*recalls.readers)
    @routes.response(200, RecallTexts)
    def texts(case_id: Any) -> Response:
        """Read the texts of a recall: officers those of the case, trainers self-criticisms, others their own."""
        with transaction() as uow:
            content = RecallTexts().dump({"items": recall_texts(recalls, uow, str(case_id), caller())})
            uow.commit()
        return show(content, headers={"Cache-Control": "no-store"})

    return routes


def _recall_suggestions(rulebook: Rulebook) -> Blueprint:
    routes = Blueprint("recall_suggestions", __name__, url_prefix="/recall-suggestions", description="召回建议")

    @routes.get("")
    @requires("ORG.supervise")
    @routes.response(200, RecallSuggestions)
    def listing() -> Response:
        """List whom a recall might concern, by the findings that call for one. It opens and decides nothing."""
        with transaction() as uow:
            content = RecallSuggestions().dump({"items": suggestions(rulebook, uow, caller())})
            uow.commit()
        return show(content, headers={"Cache-Control": "no-store"})

    return routes


def _evidence(rulebook: Rulebook) -> Blueprint:
    routes = Blueprint("evidence", __name__, url_prefix="/evidence", description="证据 evidence")

    @routes.post("")
    @requires(*OFFICERS, "CADRE", "UNITHEAD", "UNITHR")
    @accepts("multipart/form-data", max_bytes=MAX_UPLOAD)
    @routes.arguments(EvidenceUpload, location="files")
    @routes.response(201, EvidenceView)
    @routes.alt_response(200, schema=EvidenceView, description="it was here already")
    def upload(parts: Mapping[str, Any]) -> Response:
        """Store a file of evidence and learn its hash; the same content is kept once."""
        file = parts["file"]
        name, media_type, content = file.filename or "", file.mimetype, file.stream.read()

        def work(uow: Any) -> Any:
            row, new = store_evidence(rulebook, uow, name=name, media_type=media_type, content=content)
            location = url_for("evidence.download", digest=row.sha256)
            return reply(EvidenceView().dump(row), status=201 if new else 200, location=location)

        return command(work)

    @routes.get("/<string(length=64):digest>")
    @requires(*OFFICERS, "CADRE", "UNITHEAD", "UNITHR")
    @routes.response(200, description="the file")
    def download(digest: str) -> Response:
        """Read a file of evidence: officers those in reach, everybody what they uploaded."""
        with transaction() as uow:
            row = queries.evidence(uow, digest, caller())
            response = Response(row.content, content_type=row.media_type)
            response.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(row.name)}"
            uow.commit()
        return response

    return routes


def _signals(signals: Cases, vault: Vault) -> Blueprint:
    routes = Blueprint("signals", __name__, description="线索报送与回执 posting of signals, receipts")
    posters = tuple(signals.case_type.create.allow)

    @routes.post("/signals")
    @requires(*posters)
    @routes.arguments(SignalPostingWithInformant)
    @routes.response(201, ReceiptView)
    def post(form: Mapping[str, Any]) -> Response:
        """Post a clue, and get a receipt. Who told of it is kept apart, sealed."""

        def work(uow: Any) -> Any:
            case = post_signal(signals, vault, uow, caller(), form)
            return reply(
                ReceiptView().dump(case), status=201, location=url_for("signals.one_receipt", signal_id=case.id)
            )

        return command(work)

    @routes.get("/signal-receipts")
    @requires(*posters)
    @routes.arguments(PageQuery, location="query")
    @routes.response(200, page_schema(ReceiptView))
    def listing(sought: Mapping[str, Any]) -> Response:
        """List the receipts of what the caller posted."""
        with transaction() as uow:
            found = page(uow.session, receipts(caller()), (SignalRow.__table__.c.id,), **sought)
            uow.audit("signal.receipts.list", "signal-receipts", read=sorted(ReceiptView().fields))
            content = {"items": ReceiptView(many=True).dump(found.items), "next": found.next}
            uow.commit()
        return show(content, headers=found.headers())

    @routes.get("/signal-receipts/<uuid:signal_id>")
    @requires(*posters)
    @routes.response(200, ReceiptView)
    def one_receipt(signal_id: Any) -> Response:
        """Read the receipt of a clue that the caller posted."""
        with transaction() as uow:
            content = ReceiptView().dump(receipt(uow, str(signal_id), caller()))
            uow.audit("signal.receipt.read", f"signal/{signal_id}", read=sorted(ReceiptView().fields))
            uow.commit()
        return show(content, headers={"Cache-Control": "no-store"})

    @routes.get("/signals/<uuid:case_id>/texts")
    @requires(*signals.readers)
    @routes.response(200, SignalTexts)
    def texts(case_id: Any) -> Response:
        """Read the text of a signal, and those of the duplicates that went into it."""
        with transaction() as uow:
            found = queries.signal_texts(signals, uow, str(case_id), caller())
            content = SignalTexts().dump({"items": found})
            uow.commit()
        return show(content, headers={"Cache-Control": "no-store"})

    return routes


def _identities(accesses: Cases, vault: Vault) -> Blueprint:
    routes = Blueprint("identities", __name__, url_prefix="/informant-accesses", description="举报人身份 informants")

    @routes.get("/<uuid:case_id>/identity")
    @requires(*SIGNAL_READERS)
    @routes.response(200, IdentityView)
    def read(case_id: Any) -> Response:
        """Read who told of a clue, as long as the access is granted, and only who asked for it."""
        with transaction() as uow:
            content = IdentityView().dump(identity(accesses, vault, uow, str(case_id), caller()))
            uow.commit()
        return show(content, headers={"Cache-Control": "no-store"})

    return routes


def _catalogue(rulebook: Rulebook) -> Blueprint:
    routes = Blueprint("catalogue", __name__, url_prefix="/catalogue", description="目录 catalogues")

    @routes.get("")
    @requires(*OFFICERS, "CADRE", "UNITHEAD", "UNITHR")
    @routes.response(200, Catalogue)
    def catalogue() -> Response:
        """Read what the forms may name today, with labels and points."""
        with transaction() as uow:
            return show(Catalogue().dump(queries.catalogue(rulebook.on(uow.clock.today()))))

    return routes


def _eligibility() -> Blueprint:
    routes = Blueprint("eligibility", __name__, url_prefix="/eligibility", description="资格核查 eligibility")

    def answer(uow: Any, cadres: list[str], asked: Mapping[str, Any]) -> list[dict[str, Any]]:
        as_of = asked.get("as_of") or uow.clock.today()
        return [
            {
                "cadre": found.cadre,
                "purpose": asked["purpose"],
                "as_of": as_of,
                "verdict": found.verdict,
                "reasons": found.reasons,
            }
            for found in check_many(uow, caller(), cadres, asked["purpose"], as_of)
        ]

    @routes.get("/<string:cadre>")
    @requires("ORG.*", "DISC")
    @routes.arguments(EligibilityQuestion, location="query")
    @routes.response(200, EligibilityView)
    def one(asked: Mapping[str, Any], cadre: str) -> Response:
        """Check whether a cadre is eligible for a purpose as of a day. What is not known for sure is PENDING."""
        with transaction() as uow:
            content = EligibilityView().dump(answer(uow, [cadre], asked)[0])
            uow.commit()
        return show(content, headers={"Cache-Control": "no-store"})

    @routes.post("/checks")
    @requires("ORG.*", "DISC")
    @routes.arguments(EligibilityQuestions)
    @routes.response(200, Eligibilities)
    def many(asked: Mapping[str, Any]) -> Response:
        """Check many cadres at once: it changes nothing, and is a POST for the length of the question."""
        with transaction() as uow:
            content = Eligibilities().dump({"items": answer(uow, asked["cadres"], asked)})
            uow.commit()
        return show(content, headers={"Cache-Control": "no-store"})

    return routes


def _adjustment_texts(adjustments: Cases) -> Blueprint:
    routes = Blueprint("adjustment_texts", __name__, url_prefix="/adjustments", description="调整材料 texts")

    @routes.get("/<uuid:case_id>/texts")
    @requires("ORG.*", "COMM", "DISC")
    @routes.response(200, AdjustmentTexts)
    def read(case_id: Any) -> Response:
        """Read the opinion and the summary of the talk."""
        with transaction() as uow:
            content = AdjustmentTexts().dump(texts(adjustments, uow, str(case_id), caller()))
            uow.commit()
        return show(content, headers={"Cache-Control": "no-store"})

    return routes
