"""The audit trail: what was done to it afterwards is found."""

import threading
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from sqlalchemy import text

from citybus import audit
from citybus.audit import AuditDraft, Checkpoint
from citybus.clock import ZONE
from citybus.unit_of_work import Units
from tests.support.mechanism import CONTEXT, START, Mechanism

KEY = Ed25519PrivateKey.generate()
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
PUBLIC_PEM = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.fixture(autouse=True)
def one_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep this thread to chain 3."""
    monkeypatch.setattr(audit._lane, "chain", 3)


def draft(number: int = 0, **written: Any) -> AuditDraft:
    return AuditDraft(
        actor="u-1", roles=("ORG", "COMM"), purpose="annual", action="assessment.approve", target=f"assessment/{number}",
        correlation_id="c-1", read_fields=("grade",), written=written,
    )  # fmt: skip


def write(mechanism: Mechanism, count: int, algorithm: str = "sha256") -> None:
    for number in range(count):
        with mechanism.session() as session:
            audit.append(session, [draft(number)], START, algorithm=algorithm)


def sign(mechanism: Mechanism) -> Checkpoint | None:
    with mechanism.session() as session:
        return audit.write_checkpoint(session, KEY, START)


def tamper(mechanism: Mechanism, statement: str, **values: Any) -> None:
    with mechanism.owner.begin() as connection:
        assert connection.execute(text(statement), values).rowcount > 0


def problems(mechanism: Mechanism, **how: Any) -> str:
    report = audit.verify(mechanism.engine, key=KEY.public_key(), **how)
    assert report.ok == (not report.problems)
    return "\n".join(report.problems)


def test_untouched_trail_verifies(mechanism: Mechanism) -> None:
    assert audit.verify(mechanism.engine) == audit.Report(0, 0, signatures_checked=False, problems=())
    write(mechanism, 3)
    sign(mechanism)
    report = audit.verify(mechanism.engine, key=KEY.public_key())
    assert report == audit.Report(3, 1, signatures_checked=True, problems=())


def test_unit_of_work_appends_in_its_own_commit(mechanism: Mechanism) -> None:
    with mechanism.units(CONTEXT) as uow:
        uow.audit("thing.read", "thing/1", read=["name"])
    assert audit.verify(mechanism.engine).entries == 0
    with mechanism.units(CONTEXT) as uow:
        uow.audit("thing.read", "thing/1", read=["name"])
        uow.audit("thing.write", "thing/1", written={"name": "x"})
        uow.commit()
    report = audit.verify(mechanism.engine)
    assert (report.entries, report.problems) == (2, ())


def test_nothing_to_append_locks_nothing(mechanism: Mechanism) -> None:
    with mechanism.session() as session:
        audit.append(session, [], START)
        assert session.execute(text("SELECT count(*) FROM audit_chains")).scalar_one() == 0


def test_everything_written_reads_back_as_it_was_hashed(mechanism: Mechanism) -> None:
    odd = {
        "float": 1e16, "decimal": Decimal("2.50"), "big": 2**80, "whole": 7, "none": None, "true": True, "day": date(2024, 1, 2),
        "instant": START, "set": {"b", "a"}, "nested": {"x": [1, ("y",)], 5: "five"}, "text": "中\0文 \ud800",
    }  # fmt: skip
    with mechanism.session() as session:
        audit.append(session, [draft(**odd)], datetime(2024, 3, 4, 9, 0, 0, 123456, tzinfo=ZONE))
    assert problems(mechanism) == ""
    with mechanism.sessions() as session:
        written = session.execute(text("SELECT written FROM audit_entries")).scalar_one()
    assert written == {
        "float": "1e+16", "decimal": "2.50", "big": str(2**80), "whole": 7, "none": None, "true": True, "day": "2024-01-02",
        "instant": START.isoformat(), "set": ["a", "b"], "nested": {"x": [1, ["y"]], "5": "five"}, "text": "中\ufffd文 ?",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("actor", "u-2"), ("purpose", "x"), ("action", "x"), ("target", "x"), ("correlation_id", "x"), ("result", "DENIED"),
    ],
)  # fmt: skip
def test_altered_entry_is_found(mechanism: Mechanism, column: str, value: str) -> None:
    write(mechanism, 3)
    tamper(mechanism, f"UPDATE audit_entries SET {column} = :value WHERE number = 2", value=value)
    assert problems(mechanism) == "chain 3: entry 2 was altered"


@pytest.mark.parametrize(
    "change",
    [
        "roles = '{COMM}'",
        "read_fields = '{}'",
        "written = '{\"a\": 1}'",
        "at = at + interval '1 s'",
        "id = gen_random_uuid()",
    ],
)
def test_entry_altered_in_any_other_field_is_found(mechanism: Mechanism, change: str) -> None:
    write(mechanism, 2)
    tamper(mechanism, f"UPDATE audit_entries SET {change} WHERE number = 1")
    assert problems(mechanism) == "chain 3: entry 1 was altered"


def test_removed_entry_is_found(mechanism: Mechanism) -> None:
    write(mechanism, 4)
    tamper(mechanism, "DELETE FROM audit_entries WHERE number = 2")
    assert problems(mechanism) == "chain 3: entries 2 to 2 are missing"


def test_removed_entry_is_found_though_the_others_were_renumbered(mechanism: Mechanism) -> None:
    write(mechanism, 3)
    tamper(mechanism, "DELETE FROM audit_entries WHERE number = 2")
    tamper(mechanism, "UPDATE audit_entries SET number = 2 WHERE number = 3")
    tamper(mechanism, "UPDATE audit_chains SET number = 2")
    found = problems(mechanism)
    assert "entry 2 does not follow the one before it" in found
    assert "entry 2 was altered" in found


def test_inserted_entry_is_found(mechanism: Mechanism) -> None:
    write(mechanism, 2)
    tamper(
        mechanism,
        "INSERT INTO audit_entries SELECT gen_random_uuid(), chain, 3, at, actor, roles, purpose, action, target, "
        "correlation_id, read_fields, written, result, hash, hash FROM audit_entries WHERE number = 2",
    )
    found = problems(mechanism)
    assert "entry 3 was altered" in found
    assert "it ends at entry 3, its head says 2" in found


def test_entry_of_no_chain_is_found(mechanism: Mechanism) -> None:
    write(mechanism, 1)
    tamper(mechanism, "UPDATE audit_entries SET chain = 99")
    assert "chain 99: there is no such chain" in problems(mechanism)
    assert "there is no such chain" not in problems(mechanism, chain=3)


def test_cut_tail_is_found_by_the_head(mechanism: Mechanism) -> None:
    write(mechanism, 3)
    tamper(mechanism, "DELETE FROM audit_entries WHERE number = 3")
    assert problems(mechanism) == "chain 3: it ends at entry 2, its head says 3"


def cut_with_head(mechanism: Mechanism) -> None:
    tamper(mechanism, "DELETE FROM audit_entries WHERE number = 3")
    tamper(mechanism, "UPDATE audit_chains SET number = 2, hash = (SELECT hash FROM audit_entries WHERE number = 2)")


def test_cut_tail_is_found_by_a_checkpoint_though_the_head_was_rewritten(mechanism: Mechanism) -> None:
    write(mechanism, 3)
    sign(mechanism)
    cut_with_head(mechanism)
    assert problems(mechanism) == "chain 3: entry 3 that checkpoint 1 saw is missing"


def test_cut_tail_is_found_by_a_checkpoint_kept_elsewhere_though_all_was_rewritten(mechanism: Mechanism) -> None:
    write(mechanism, 3)
    kept = sign(mechanism)
    assert kept is not None
    cut_with_head(mechanism)
    tamper(mechanism, "DELETE FROM audit_checkpoints")
    assert problems(mechanism) == ""
    trusted = Checkpoint.from_json(kept.to_json())
    assert trusted == kept
    assert problems(mechanism, trusted=trusted) == (
        "checkpoint 1: it is missing or is not the trusted one\nchain 3: entry 3 that checkpoint 1 saw is missing"
    )


def test_chain_that_was_rewritten_whole_is_found_by_a_checkpoint(mechanism: Mechanism) -> None:
    write(mechanism, 2)
    sign(mechanism)
    tamper(mechanism, "DELETE FROM audit_entries")
    tamper(mechanism, "DELETE FROM audit_chains")
    write(mechanism, 2)
    assert problems(mechanism) == "chain 3: entry 2 is not the one that checkpoint 1 saw"


def test_checkpoints_that_were_changed_are_found(mechanism: Mechanism) -> None:
    for _ in range(3):
        write(mechanism, 1)
        sign(mechanism)
    assert sign(mechanism) is None  # nothing was appended since
    assert problems(mechanism) == ""
    tamper(mechanism, "UPDATE audit_checkpoints SET at = at + interval '1 s' WHERE number = 1")
    assert problems(mechanism) == "checkpoint 1: its signature does not match"
    tamper(mechanism, "DELETE FROM audit_checkpoints WHERE number = 2")
    assert "checkpoint 2: it is missing, or 3 was put in its place" in problems(mechanism)
    assert "signature" not in "".join(audit.verify(mechanism.engine).problems)


def test_trusted_checkpoint_must_be_signed_itself(mechanism: Mechanism) -> None:
    write(mechanism, 1)
    kept = sign(mechanism)
    assert kept is not None
    forged = Checkpoint(kept.number, kept.at, kept.heads, kept.before, b"no signature")
    assert "the trusted checkpoint 1: its signature does not match" in problems(mechanism, trusted=forged)
    assert "signature" not in "".join(audit.verify(mechanism.engine, trusted=forged).problems)


def test_verification_goes_on_from_a_checkpoint(mechanism: Mechanism) -> None:
    write(mechanism, 3)
    sign(mechanism)
    write(mechanism, 2)
    second = sign(mechanism)
    assert second is not None
    write(mechanism, 2)
    sign(mechanism)
    # What lies before may have gone to an archive.
    tamper(mechanism, "DELETE FROM audit_entries WHERE number <= 5")
    report = audit.verify(mechanism.engine, key=KEY.public_key(), trusted=second, incremental=True)
    assert report == audit.Report(2, 3, signatures_checked=True, problems=())
    tamper(mechanism, "UPDATE audit_entries SET actor = 'x' WHERE number = 6")
    assert problems(mechanism, trusted=second, incremental=True) == "chain 3: entry 6 was altered"


def test_hash_function_may_be_changed_on_the_way(mechanism: Mechanism) -> None:
    write(mechanism, 2)
    write(mechanism, 2, algorithm="sm3")
    write(mechanism, 1)
    assert problems(mechanism) == ""
    tamper(mechanism, "UPDATE audit_entries SET actor = 'x' WHERE number = 4")
    assert problems(mechanism) == "chain 3: entry 4 was altered"
    units = Units(mechanism.sessions, mechanism.units.source, mechanism.clock, audit_hash="sm3")
    with units(CONTEXT) as uow:
        uow.audit("thing.read", "thing/1")
        uow.commit()
    with mechanism.sessions() as session:
        last = session.execute(text("SELECT hash FROM audit_entries ORDER BY number DESC LIMIT 1")).scalar_one()
    assert bytes(last).startswith(bytes.fromhex("cda60120"))


def test_many_at_once_append_without_gaps_and_without_deadlock(mechanism: Mechanism) -> None:
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for number in range(20):
                with mechanism.session() as session:
                    audit.append(session, [draft(number), draft(number)], START)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    report = audit.verify(mechanism.engine)
    assert (report.entries, report.problems) == (320, ())


def test_keys_are_read_from_pem() -> None:
    assert audit.private_key(PEM).sign(b"x") == KEY.sign(b"x")
    audit.public_key(PEM).verify(KEY.sign(b"x"), b"x")
    audit.public_key(PUBLIC_PEM).verify(KEY.sign(b"x"), b"x")


def test_other_keys_are_refused() -> None:
    other = generate_private_key(SECP256R1())
    other_pem = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    other_public = other.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    locked = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"pw")).decode()
    for read, pem in (
        (audit.private_key, "nonsense"), (audit.private_key, other_pem), (audit.private_key, locked),
        (audit.public_key, "nonsense"), (audit.public_key, other_public),
    ):  # fmt: skip
        with pytest.raises(audit.AuditKeyError):
            read(pem)
