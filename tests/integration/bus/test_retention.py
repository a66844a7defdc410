"""What has done its work is deleted when it is old enough, and nothing else."""

from sqlalchemy import text

from citybus import retention
from tests.support.mechanism import Mechanism

OLD, YOUNG = "now() - interval '5 years'", "now() - interval '10 days'"


def fill(mechanism: Mechanism) -> None:
    with mechanism.sessions() as session:
        for age in (OLD, YOUNG):
            for n in range(3):
                session.execute(
                    text(
                        "INSERT INTO outbox_messages (id, type, subject, sequence, exchange, routing_key, mandatory, body, "
                        f"correlation_id, published_at) VALUES (gen_random_uuid(), 't', 's', 1, 'e', 'k', true, '', 'c', {age})"
                    )
                )
                session.execute(
                    text(
                        "INSERT INTO inbox_messages (consumer, event_id, type, subject, sequence, outcome, received_at) "
                        f"VALUES ('q', gen_random_uuid(), 't', 's', 1, 'APPLIED', {age})"
                    )
                )
                session.execute(
                    text(
                        "INSERT INTO idempotency_keys (caller, key, fingerprint, status, headers, body, created_at) "
                        f"VALUES ('c', :key, '', 200, '{{}}', '', {age})"
                    ),
                    {"key": f"{age}{n}"},
                )
        session.execute(
            text(
                "INSERT INTO outbox_messages (id, type, subject, sequence, exchange, routing_key, mandatory, body, "
                f"correlation_id, created_at) VALUES (gen_random_uuid(), 't', 's', 1, 'e', 'k', true, '', 'c', {OLD})"
            )
        )
        session.execute(
            text(
                "INSERT INTO inbox_messages (consumer, event_id, type, subject, sequence, outcome, received_at) "
                f"VALUES ('q', gen_random_uuid(), 't', 's', 9, 'WAITING', {OLD})"
            )
        )
        session.commit()


def test_old_rows_go_in_bites_and_what_is_unfinished_stays(mechanism: Mechanism) -> None:
    fill(mechanism)
    gone = retention.sweep(mechanism.sessions, bite=2)
    assert gone == {"idempotency_keys": 3, "outbox_messages": 3, "inbox_messages": 3, "jobs": 0}
    with mechanism.sessions() as session:
        left = {
            table: session.scalar(text(f"SELECT count(*) FROM {table}"))
            for table in ("idempotency_keys", "outbox_messages", "inbox_messages")
        }
    # Three young ones each; an event that was never published and one that waits are kept at any age.
    assert left == {"idempotency_keys": 3, "outbox_messages": 4, "inbox_messages": 4}
    assert not any(retention.sweep(mechanism.sessions).values())
