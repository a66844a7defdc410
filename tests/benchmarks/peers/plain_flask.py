"""Plain Flask and SQLAlchemy doing the same inserts as a case's opening, with none of its checks.

`python -m tests.benchmarks.peers.plain_flask` with PRODUCER_URL and PORT set; gunicorn with the same settings as ours.
"""

import os
import uuid
from datetime import UTC, datetime

from flask import Flask, Response, jsonify, request
from sqlalchemy import create_engine, insert
from sqlalchemy.orm import sessionmaker

from citybus import tables
from citybus.cases.tables import case_steps
from citybus.http.server import serve
from tests.support.permits import Permit


def build() -> Flask:
    """Return the application: one route that writes the case, its step, an audit entry, an event and the request's key."""
    app = Flask("plain")
    sessions = sessionmaker(create_engine(os.environ["PRODUCER_URL"], pool_size=8, max_overflow=10))

    @app.post("/permits")
    def create() -> tuple[Response, int]:
        form = request.get_json()
        now = datetime.now(UTC)
        key = str(uuid.uuid4())
        with sessions() as session:
            session.add(
                Permit(
                    id=key,
                    state="DRAFT",
                    version=1,
                    created_at=now,
                    changed_at=now,
                    correlation_id=key,
                    remarks=[],
                    **form,
                )
            )
            session.flush()
            session.execute(
                insert(case_steps).values(
                    kind="permit",
                    case_id=key,
                    version=1,
                    action="create",
                    to_state="DRAFT",
                    actor="a",
                    roles=["CLERK"],
                    at=now,
                    rule_packs=[],
                )
            )
            session.execute(
                insert(tables.audit_entries).values(
                    id=key,
                    chain=99,
                    number=uuid.uuid4().int % 2**62,
                    at=now,
                    actor="a",
                    roles=["CLERK"],
                    purpose="p",
                    action="permit.create",
                    target=f"permit/{key}",
                    correlation_id=key,
                    read_fields=[],
                    written={},
                    result="OK",
                    prev_hash=b"",
                    hash=b"",
                )
            )
            session.execute(insert(tables.subject_sequences).values(subject=f"permit/{key}", last=1))
            session.execute(
                insert(tables.outbox_messages).values(
                    id=key,
                    type="toy.permit.drafted.v1",
                    subject=f"permit/{key}",
                    sequence=1,
                    exchange="city.events",
                    routing_key="toy.permit.drafted.v1",
                    mandatory=True,
                    body=b"{}" * 150,
                    correlation_id=key,
                )
            )
            session.execute(
                insert(tables.idempotency_keys).values(
                    caller="a",
                    key=request.headers["Idempotency-Key"],
                    fingerprint=b"",
                    status=201,
                    headers={},
                    body=b"{}",
                )
            )
            session.commit()
        return jsonify(id=key, **form), 201

    return app


if __name__ == "__main__":
    serve(build, host="127.0.0.1", port=int(os.environ["PORT"]))
