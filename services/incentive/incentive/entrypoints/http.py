"""The routes: those of tolerance cases, and what is read and stored beside them."""

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
from citybus.http.paging import PageQuery
from citybus.http.parsing import Blueprint, accepts
from incentive.application import queries
from incentive.application.batches import evaluations, structure
from incentive.application.candidates import READERS
from incentive.application.case_types import CaseTypes
from incentive.application.rulebook import Rulebook
from incentive.application.standings import question
from incentive.application.store_evidence import store_evidence
from incentive.application.tolerances import OFFICERS
from incentive.domain.gate import explain
from incentive.schemas.requests import GateQuery
from incentive.schemas.responses import (
    AgeStructure,
    Catalogue,
    EffectsView,
    EvidenceView,
    GateEvaluations,
    GateView,
    MeasuresView,
    StatementView,
    VerificationView,
)


class ToleranceQuery(PageQuery):
    """Filters of the list of tolerance cases."""

    finding_id = fields.UUID()
    unit = fields.String()
    applicant_kind = fields.String()
    decision = fields.String()


class BatchQuery(PageQuery):
    """Filters of the list of batches."""

    kind = fields.String()
    year = fields.Integer()


class CandidateQuery(PageQuery):
    """Filters of the list of candidates."""

    batch_id = fields.UUID()
    position = fields.String()
    cadre = fields.String()
    verdict = fields.String()
    to_confirm = fields.Boolean()


class CorrectionQuery(PageQuery):
    """Filters of the list of correction plans."""

    tolerance_id = fields.UUID()
    unit = fields.String()


class EvidenceUpload(Schema):
    """One file of evidence, as the part `file` of a form."""

    file = Upload(required=True)


def blueprints(bound: CaseTypes, rulebook: Rulebook) -> tuple[Blueprint, ...]:
    """Return all routes of the service."""
    return (
        blueprint(bound.tolerances, query=ToleranceQuery),
        _beside(bound.tolerances),
        _evidence(bound, rulebook),
        _catalogue(bound.tolerances, rulebook),
        blueprint(bound.corrections, query=CorrectionQuery),
        _corrections(bound.corrections),
        blueprint(bound.batches, query=BatchQuery),
        blueprint(bound.candidates, query=CandidateQuery),
        _selection(bound, rulebook),
    )


def _beside(tolerances: Cases) -> Blueprint:
    routes = Blueprint(
        "beside", __name__, url_prefix="/tolerance-cases/<uuid:case_id>", description="案件材料 what belongs to a case"
    )

    @routes.get("/effects")
    @requires(*tolerances.readers)
    @routes.response(200, EffectsView)
    def effects(case_id: Any) -> Response:
        """Read what the case leads to in other services: done, or outstanding since when."""
        with transaction() as uow:
            content = EffectsView().dump(queries.effects(tolerances, uow, str(case_id), caller()))
            uow.commit()
        return show(content)

    @routes.get("/statement")
    @requires(*tolerances.readers)
    @routes.response(200, StatementView)
    def statement(case_id: Any) -> Response:
        """Read what the applicant wrote: for the applicant, and for officers once it is filed."""
        with transaction() as uow:
            content = StatementView().dump(queries.statement(tolerances, uow, str(case_id), caller()))
            uow.commit()
        return show(content)

    @routes.get("/verification")
    @requires(*OFFICERS)
    @routes.response(200, VerificationView)
    def verification(case_id: Any) -> Response:
        """Read scores, exclusions, the advice with its explanation, and the panel."""
        with transaction() as uow:
            content = VerificationView().dump(queries.verification(tolerances, uow, str(case_id), caller()))
            uow.commit()
        return show(content)

    return routes


def _evidence(bound: CaseTypes, rulebook: Rulebook) -> Blueprint:
    # Also who proves for the unit what was corrected.
    readers = {*bound.tolerances.readers, *bound.corrections.readers}
    routes = Blueprint("evidence", __name__, url_prefix="/evidence", description="证据 evidence")

    @routes.post("")
    @requires(*readers)
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
    @requires(*readers)
    @routes.response(200, description="the file")
    def download(digest: str) -> Response:
        """Read a file of evidence."""
        with transaction() as uow:
            row, name = queries.evidence(uow, digest, caller())
            response = Response(row.content, content_type=row.media_type)
            response.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(name)}"
            uow.commit()
        return response

    return routes


def _catalogue(tolerances: Cases, rulebook: Rulebook) -> Blueprint:
    routes = Blueprint("catalogue", __name__, url_prefix="/catalogue", description="目录 catalogues")

    @routes.get("")
    @requires(*tolerances.readers)
    @routes.response(200, Catalogue)
    def catalogue() -> Response:
        """Read what the forms may name today, with labels."""
        with transaction() as uow:
            return show(Catalogue().dump(queries.catalogue(rulebook.on(uow.clock.today()))))

    return routes


def _corrections(corrections: Cases) -> Blueprint:
    routes = Blueprint("measures", __name__, description="纠错措施 what is corrected")

    @routes.get("/corrections/<uuid:case_id>/measures")
    @requires(*corrections.readers)
    @routes.response(200, MeasuresView)
    def measures(case_id: Any) -> Response:
        """Read what the unit will do, and says that it did."""
        with transaction() as uow:
            content = MeasuresView().dump(queries.measures(corrections, uow, str(case_id), caller()))
            uow.commit()
        return show(content)

    return routes


def _selection(bound: CaseTypes, rulebook: Rulebook) -> Blueprint:
    routes = Blueprint("selection", __name__, description="选拔资格 the selection gate")

    @routes.get("/gate/<string:cadre>")
    @requires("ORG.*", "COMM")
    @routes.arguments(GateQuery, location="query")
    @routes.response(200, GateView)
    def gate(asked: Mapping[str, Any], cadre: str) -> Response:
        """Ask whether a cadre may be chosen for a purpose as of a day, with every reason and until when it holds."""
        with transaction() as uow:
            today = uow.clock.today()
            rules = rulebook.on(today)
            found = question(uow, rules, caller(), cadre, asked["purpose"], asked.get("as_of") or today)
            zh, en = explain(found)
            content = GateView().dump(
                {
                    "cadre": cadre,
                    "purpose": found.purpose,
                    "as_of": found.as_of,
                    "verdict": found.verdict,
                    "reasons": found.reasons,
                    "explanation": {"zh": zh, "en": en},
                    "checks": rules["gate.checks"],
                    "rule_packs": [rules.cite("gate.checks")],
                }
            )
            uow.commit()
        return show(content, headers={"Cache-Control": "no-store"})

    @routes.get("/candidates/<uuid:case_id>/evaluations")
    @requires(*READERS)
    @routes.response(200, GateEvaluations)
    def answers(case_id: Any) -> Response:
        """Read what the gate answered about a candidate, and on which occasions."""
        with transaction() as uow:
            found = evaluations(bound.candidates, uow, str(case_id), caller())
            content = GateEvaluations().dump({"items": found})
            uow.commit()
        return show(content)

    @routes.get("/batches/<uuid:case_id>/age-structure")
    @requires(*READERS)
    @routes.response(200, AgeStructure)
    def ages(case_id: Any) -> Response:
        """Read the age structure of each group, before and after with those selected."""
        with transaction() as uow:
            found = structure(bound.batches, uow, str(case_id), caller(), uow.clock.today())
            content = AgeStructure().dump({"items": found})
            uow.commit()
        return show(content)

    return routes
