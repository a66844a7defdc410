"""A small API that has one of everything: commands, versions, lists, uploads, a refusal with a duty."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from flask import Flask, Response
from flask_smorest.fields import Upload
from marshmallow import Schema, fields
from sqlalchemy import Column, Integer, MetaData, Table, Text, insert, select, update
from sqlalchemy.orm import sessionmaker

from citybus.clock import SystemClock
from citybus.errors import Refusal
from citybus.http import (
    AsOf,
    Blueprint,
    Kind,
    PageQuery,
    Rejection,
    Tokens,
    accepts,
    caller,
    check_version,
    command,
    context,
    create_app,
    expected_version,
    page,
    page_schema,
    reply,
    requires,
    show,
    transaction,
    versioned,
)
from citybus.idempotency import Reply
from citybus.outbox import Draft
from citybus.telemetry.health import Health
from citybus.testing.keys import AUDIENCE, ISSUER, FakeIssuer
from citybus.unit_of_work import UnitOfWork, Units

metadata = MetaData()
notes = Table(
    "notes",
    metadata,
    Column("id", Text, primary_key=True),
    Column("unit", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("version", Integer, nullable=False, server_default="1"),
)


class NoteForm(Schema):
    id = fields.UUID(required=True)
    unit = fields.String(required=True)
    text = fields.String(required=True)


class TextForm(Schema):
    text = fields.String(required=True)


class FileForm(Schema):
    file = Upload(required=True)


class NoteView(Schema):
    id = fields.String()
    unit = fields.String()
    text = fields.String()
    version = fields.Integer()


class NoteQuery(PageQuery):
    descending = fields.Boolean(load_default=False)
    as_of = AsOf(load_default=None)


@dataclass
class Hooks:
    """What a test lets happen within a command, after its change and before its commit."""

    during: Callable[[UnitOfWork], None] = lambda uow: None
    runs: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


VIEW = NoteView()


def blueprint_of(hooks: Hooks) -> Blueprint:
    blueprint = Blueprint("notes", "notes", description="Notes on units")

    @blueprint.route("/notes", methods=["POST"])
    @requires("ORG.assess")
    @blueprint.arguments(NoteForm)
    @blueprint.response(201, NoteView)
    def create(form: dict[str, Any]) -> Response:
        """Write a note."""

        def work(uow: UnitOfWork) -> Reply:
            hooks.runs.append(form["text"])
            caller().require_unit(form["unit"])
            row = uow.session.execute(
                insert(notes).values(id=str(form["id"]), unit=form["unit"], text=form["text"]).returning(notes)
            ).one()
            uow.publish(Draft("sample.note.written.v1", f"note/{row.id}", {"text": row.text}, "L2"))
            uow.audit("write", f"note/{row.id}", written={"text": row.text})
            hooks.during(uow)
            return reply(VIEW.dump(row), status=201, version=row.version, location=f"/notes/{row.id}")

        return command(work)

    @blueprint.route("/notes")
    @requires("ORG.*")
    @blueprint.arguments(NoteQuery, location="query")
    @blueprint.response(200, page_schema(NoteView))
    def listed(query: dict[str, Any]) -> Response:
        """List notes."""
        with transaction() as uow:
            found = page(
                uow.session,
                select(notes),
                [notes.c.unit, notes.c.id],
                limit=query["limit"],
                cursor=query["cursor"],
                descending=query["descending"],
            )
        content = {"items": VIEW.dump(found.items, many=True), "next": found.next}
        return show(content, headers=found.headers())

    @blueprint.route("/notes/<uuid:note_id>")
    @requires("ORG.*", "CADRE")
    @blueprint.response(200, NoteView)
    def read(note_id: UUID) -> Response:
        """Read a note."""
        with transaction() as uow:
            row = uow.session.execute(select(notes).where(notes.c.id == str(note_id))).one_or_none()
        if row is None:
            raise Rejection("NOT_FOUND")
        return show(VIEW.dump(row), version=row.version)

    @blueprint.route("/notes/<uuid:note_id>/rewrite", methods=["POST"])
    @versioned
    @requires("ORG.assess")
    @blueprint.arguments(TextForm)
    @blueprint.response(200, NoteView)
    def rewrite(form: dict[str, Any], note_id: UUID) -> Response:
        """Rewrite a note."""
        expected = expected_version()

        def work(uow: UnitOfWork) -> Reply:
            row = uow.session.execute(select(notes).where(notes.c.id == str(note_id)).with_for_update()).one_or_none()
            if row is None:
                raise Rejection("NOT_FOUND")
            check_version(expected, row.version)
            changed = uow.session.execute(
                update(notes)
                .where(notes.c.id == row.id)
                .values(text=form["text"], version=row.version + 1)
                .returning(notes)
            ).one()
            hooks.during(uow)
            return reply(VIEW.dump(changed), version=changed.version)

        return command(work)

    @blueprint.route("/notes/<uuid:note_id>/accuse", methods=["POST"])
    @requires("ORG.assess")
    @blueprint.response(204)
    def accuse(note_id: UUID) -> Response:
        """Be refused, with a duty."""

        def work(uow: UnitOfWork) -> Reply:
            uow.audit("accuse", f"note/{note_id}", result="DISCIPLINE_THRESHOLD")
            uow.publish(Draft("sample.signal.sent.v1", f"note/{note_id}", {}, "L4"))
            raise Refusal(
                "DISCIPLINE_THRESHOLD", zh="应移送。", en="To be handed over.", committed=True, note=str(note_id)
            )

        return command(work)

    @blueprint.route("/notes/<uuid:note_id>", methods=["DELETE"])
    @requires("ORG")
    @blueprint.response(204)
    def remove(note_id: UUID) -> Response:
        """Remove a note."""
        return command(lambda uow: reply(None, status=204))

    @blueprint.route("/files", methods=["POST"])
    @requires("ORG.assess")
    @accepts("multipart/form-data", max_bytes=4 << 20)
    @blueprint.arguments(FileForm, location="files")
    @blueprint.response(200)
    def upload(form: dict[str, Any]) -> Response:
        """Send a file."""
        return command(lambda uow: reply({"bytes": len(form["file"].read())}))

    @blueprint.route("/context")
    @requires("ORG.*")
    @blueprint.response(200)
    def told() -> dict[str, Any]:
        """Tell on whose account a transaction would act."""
        acting = context()
        return {
            "actor": acting.actor,
            "roles": list(acting.roles),
            "purpose": acting.purpose,
            "correlation": acting.correlation_id,
            "traceparent": acting.traceparent,
        }

    return blueprint


def app_on(
    sessions: sessionmaker[Any], issuer: FakeIssuer, hooks: Hooks | None = None, health: Health | None = None
) -> Flask:
    """Return the sample's application on the database behind `sessions`."""
    return create_app(
        service="sample",
        version="1",
        units=Units(sessions, "/city/420200/sample", SystemClock()),
        tokens=Tokens(issuer, issuer=ISSUER, audience=AUDIENCE),
        blueprints=[blueprint_of(hooks or Hooks())],
        health=health,
        own_problems=[Kind("DISCIPLINE_THRESHOLD", 422, "达到纪律处分界限。", "The threshold of discipline is met.")],
    )
