"""The audit trail: append-only entries in hash chains, checkpoints signed with Ed25519, and their verification.

Each entry's hash covers the hash before it and every field of its own, so that an altered, removed or inserted entry
breaks its chain. Checkpoints are signed heads of all chains, each covering the one before it; they show that the tail
of a chain was cut even where its head was rewritten with it, and, copied to another place, that they were removed.
"""

import itertools
import secrets
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime
from typing import Any, Final

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from sqlalchemy import Connection, Engine, Row, insert, select, text
from sqlalchemy.orm import Session

from citybus.errors import CityError
from citybus.ids import new_id
from citybus.tables import audit_chains, audit_checkpoints, audit_entries

CHAINS: Final = 16
GENESIS: Final = b""
# A hash is stored as a multihash: the code of its function and its length come first, so that a city may change the
# function and the entries of before can still be checked.
_FUNCTIONS: Final[Mapping[str, tuple[bytes, type[hashes.HashAlgorithm]]]] = {
    "sha256": (bytes.fromhex("1220"), hashes.SHA256),
    "sm3": (bytes.fromhex("cda60120"), hashes.SM3),
}
_EXACT_INTEGERS: Final = 2**53
_PAGE: Final = 1000

_CLAIM_HEAD = select(audit_chains.c.number, audit_chains.c.hash).with_for_update()
_MAKE_HEAD = text("INSERT INTO audit_chains (chain, number, hash) VALUES (:chain, 0, '') ON CONFLICT DO NOTHING")
# Entries and head go in by one statement: the head is locked for two round trips and a commit.
_APPEND = text("""
    WITH appended AS (
        INSERT INTO audit_entries (id, chain, number, at, actor, roles, purpose, action, target, correlation_id,
                                   read_fields, written, result, prev_hash, hash)
        SELECT id, chain, number, at, actor, roles, purpose, action, target, correlation_id,
               read_fields, written, result, decode(prev_hash, 'hex'), decode(hash, 'hex')
        FROM jsonb_to_recordset(CAST(:entries AS jsonb)) AS entry (
            id uuid, chain smallint, number bigint, at timestamptz, actor text, roles text[], purpose text,
            action text, target text, correlation_id text, read_fields text[], written jsonb, result text,
            prev_hash text, hash text)
    )
    UPDATE audit_chains SET number = :number, hash = :hash WHERE chain = :chain
""")

PROTECT: Final = (
    """
    CREATE FUNCTION city_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'table % is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
    END $$
    """,
    *(
        f"CREATE TRIGGER {table}_append_only BEFORE {change} EXECUTE FUNCTION city_refuse_change()"
        for table, change in (
            ("audit_entries", "UPDATE OR DELETE ON audit_entries FOR EACH ROW"),
            ("audit_entries_whole", "TRUNCATE ON audit_entries FOR EACH STATEMENT"),
            ("audit_checkpoints", "UPDATE OR DELETE ON audit_checkpoints FOR EACH ROW"),
            ("audit_checkpoints_whole", "TRUNCATE ON audit_checkpoints FOR EACH STATEMENT"),
        )
    ),
)
"""DDL that makes the database itself refuse to change an entry; for the first migration."""


class AuditKeyError(CityError):
    """A key that is no Ed25519 key in PEM."""


@dataclass(frozen=True, slots=True)
class AuditDraft:
    """What is to be recorded: who, in which roles, what for, did what to which target, and how it ended.

    `target` is `<kind>/<id>`; `read_fields` are names, `written` the values that were written; `result` is `OK` or the
    code of a refusal.
    """

    actor: str
    roles: tuple[str, ...]
    purpose: str
    action: str
    target: str
    correlation_id: str
    read_fields: tuple[str, ...] = ()
    written: Mapping[str, Any] = field(default_factory=dict)
    result: str = "OK"


_DRAFTED: Final = tuple(field_.name for field_ in fields(AuditDraft))


class _Lane(threading.local):
    """The chain of this thread: each keeps to one, so that commits do not queue behind a single head.

    The threads of a process are dealt out in turn, and each process begins somewhere else.
    """

    _turns = itertools.count(secrets.randbelow(CHAINS))

    def __init__(self) -> None:
        self.chain = next(self._turns) % CHAINS


_lane = _Lane()


def append(session: Session, drafts: Sequence[AuditDraft], at: datetime, *, algorithm: str = "sha256") -> None:
    """Append `drafts` to the chain of this thread, in the session's transaction.

    The chain's head stays locked until the transaction ends: call it last. `at` is the domain's time, `algorithm` is
    "sha256" or "sm3".
    """
    if not drafts:
        return
    chain = _lane.chain
    number, head = _lock_head(session, chain)
    entries, when = [], at.astimezone(UTC).isoformat()
    for draft in drafts:
        number += 1
        fields_ = _fields(new_id(), chain, number, when, draft)
        hash_ = _digest(algorithm, head, fields_)
        entries.append({**fields_, "prev_hash": head.hex(), "hash": hash_.hex()})
        head = hash_
    session.execute(
        _APPEND, {"entries": orjson.dumps(entries).decode(), "number": number, "hash": head, "chain": chain}
    )


def _lock_head(session: Session, chain: int) -> tuple[int, bytes]:
    statement = _CLAIM_HEAD.where(audit_chains.c.chain == chain)
    row = session.execute(statement).one_or_none()
    if row is None:
        session.execute(_MAKE_HEAD, {"chain": chain})
        row = session.execute(statement).one()
    return row.number, bytes(row.hash)


def _fields(id_: str, chain: int, number: int, at: str, draft: AuditDraft) -> dict[str, Any]:
    """Return the fields of an entry as plain data: what is stored and what is hashed are the same."""
    return {
        "id": id_,
        "chain": chain,
        "number": number,
        "at": at,
        **{name: _plain(getattr(draft, name)) for name in _DRAFTED},
    }


def _plain(value: Any) -> Any:
    """Return `value` as JSON that reads back from the database unchanged: no float, no other type, no odd character."""
    # Most values are such texts, and a year's end writes hundreds of thousands of them.
    if type(value) is str and value.isascii() and "\0" not in value:
        return value
    match value:
        case None | bool():
            return value
        case int() if -_EXACT_INTEGERS <= value <= _EXACT_INTEGERS:
            return int(value)
        case Mapping():
            return {_plain(str(key)): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case set() | frozenset():
            return sorted(_plain(str(item)) for item in value)
        case date():
            return value.isoformat()
        case _:
            return str(value).replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def _digest(algorithm: str, before: bytes, content: Mapping[str, Any]) -> bytes:
    prefix, function = _FUNCTIONS[algorithm]
    digest = hashes.Hash(function())
    digest.update(before)
    digest.update(orjson.dumps(content, option=orjson.OPT_SORT_KEYS))
    return prefix + digest.finalize()


def _matches(hash_: bytes, before: bytes, content: Mapping[str, Any]) -> bool:
    return any(
        hash_.startswith(prefix) and hash_ == _digest(algorithm, before, content)
        for algorithm, (prefix, _) in _FUNCTIONS.items()
    )


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The heads of all chains at one time, as `{chain: [number, hash in hex]}`, signed; it covers the one before it."""

    number: int
    at: datetime
    heads: Mapping[str, tuple[int, str]]
    before: bytes
    signature: bytes

    def content(self) -> bytes:
        """Return the bytes that are signed."""
        return orjson.dumps(
            {
                "number": self.number,
                "at": self.at.astimezone(UTC).isoformat(),
                "heads": {chain: list(head) for chain, head in self.heads.items()},
                "before": self.before.hex(),
            },
            option=orjson.OPT_SORT_KEYS,
        )

    def to_json(self) -> str:
        """Return the checkpoint as one line of text, to be kept in another place."""
        return orjson.dumps({"content": self.content().decode(), "signature": self.signature.hex()}).decode()

    @classmethod
    def from_json(cls, line: str) -> "Checkpoint":
        """Read a line that `to_json` wrote. Raises ValueError, KeyError or TypeError if it is none."""
        outer = orjson.loads(line)
        inner = orjson.loads(outer["content"])
        return cls(
            number=inner["number"],
            at=datetime.fromisoformat(inner["at"]),
            heads={chain: (number, hash_) for chain, (number, hash_) in inner["heads"].items()},
            before=bytes.fromhex(inner["before"]),
            signature=bytes.fromhex(outer["signature"]),
        )


def private_key(pem: str) -> Ed25519PrivateKey:
    """Read the signing key. Raises AuditKeyError if it is no Ed25519 key in PEM without a password."""
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError) as error:
        raise AuditKeyError(f"the audit key cannot be read ({type(error).__name__})") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise AuditKeyError("the audit key is not an Ed25519 key")
    return key


def public_key(pem: str) -> Ed25519PublicKey:
    """Read the key that checks signatures, from the PEM of the public key or of the private one."""
    if "PRIVATE" in pem:
        return private_key(pem).public_key()
    try:
        key = load_pem_public_key(pem.encode())
    except ValueError as error:
        raise AuditKeyError(f"the audit key cannot be read ({type(error).__name__})") from None
    if not isinstance(key, Ed25519PublicKey):
        raise AuditKeyError("the audit key is not an Ed25519 key")
    return key


def write_checkpoint(session: Session, key: Ed25519PrivateKey, at: datetime) -> Checkpoint | None:
    """Sign the present heads and add the checkpoint in the session's transaction, which the caller commits.

    Returns None where nothing was appended since the last one. Only one process of a service writes at a time.
    """
    # Not the table's own lock: that wants the right to change rows, which no process has here.
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('audit_checkpoints', 0))"))
    last = session.execute(select(audit_checkpoints).order_by(audit_checkpoints.c.number.desc()).limit(1)).one_or_none()
    rows = session.execute(select(audit_chains).where(audit_chains.c.number > 0).order_by(audit_chains.c.chain)).all()
    heads = {str(row.chain): (row.number, bytes(row.hash).hex()) for row in rows}
    if heads == ({} if last is None else {chain: tuple(head) for chain, head in last.heads.items()}):
        return None
    unsigned = Checkpoint(
        number=1 if last is None else last.number + 1,
        at=at,
        heads=heads,
        before=b"" if last is None else bytes(last.signature),
        signature=b"",
    )
    checkpoint = Checkpoint(unsigned.number, unsigned.at, unsigned.heads, unsigned.before, key.sign(unsigned.content()))
    session.execute(
        insert(audit_checkpoints).values(
            number=checkpoint.number,
            at=checkpoint.at,
            heads=heads,
            before=checkpoint.before,
            signature=checkpoint.signature,
        )
    )
    return checkpoint


@dataclass(frozen=True, slots=True)
class Report:
    """What a verification found. `problems` are sentences that name chain and number; empty means untouched."""

    entries: int
    checkpoints: int
    signatures_checked: bool
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.problems


def verify(
    engine: Engine,
    *,
    chain: int | None = None,
    key: Ed25519PublicKey | None = None,
    trusted: Checkpoint | None = None,
    incremental: bool = False,
) -> Report:
    """Check all chains, or one, as of one snapshot of the database.

    Found are altered, removed and inserted entries, chains whose tail was cut, and checkpoints that were altered or
    removed. `key` checks the checkpoints' signatures. `trusted` is a checkpoint from another place: the chains must
    hold its heads. With `incremental`, entries up to its heads are taken as checked and may have been archived.
    """
    problems: list[str] = []
    starts = {} if trusted is None or not incremental else dict(trusted.heads)
    with engine.connect().execution_options(
        isolation_level="REPEATABLE READ", postgresql_readonly=True, yield_per=_PAGE
    ) as connection:
        checkpoints = _checkpoints(connection)
        problems += _check_checkpoints(checkpoints, key)
        witnesses = [*checkpoints]
        if trusted is not None:
            problems += _check_trusted(trusted, checkpoints, key)
            witnesses.append(trusted)
        expected = _witnessed(witnesses, starts)
        counted = 0
        for number in range(CHAINS) if chain is None else (chain,):
            start = starts.get(str(number), (0, GENESIS.hex()))
            found, entries = _check_chain(connection, number, start, expected.get(number, {}))
            problems += found
            counted += entries
        if chain is None:
            stray = connection.execute(
                select(audit_entries.c.chain).where(~audit_entries.c.chain.between(0, CHAINS - 1)).distinct()
            ).scalars()
            problems += [f"chain {number}: there is no such chain" for number in stray]
    return Report(counted, len(checkpoints), key is not None, tuple(problems))


def _checkpoints(connection: Connection) -> list[Checkpoint]:
    rows = connection.execute(select(audit_checkpoints).order_by(audit_checkpoints.c.number))
    return [_checkpoint(row) for row in rows]


def _checkpoint(row: Row[Any]) -> Checkpoint:
    return Checkpoint(
        number=row.number,
        at=row.at,
        heads={chain: (number, hash_) for chain, (number, hash_) in row.heads.items()},
        before=bytes(row.before),
        signature=bytes(row.signature),
    )


def _check_checkpoints(checkpoints: Sequence[Checkpoint], key: Ed25519PublicKey | None) -> Iterator[str]:
    number, before = 0, b""
    for checkpoint in checkpoints:
        number += 1
        if checkpoint.number != number or checkpoint.before != before:
            yield f"checkpoint {number}: it is missing, or {checkpoint.number} was put in its place"
            number = checkpoint.number
        if key is not None and not _is_signed(checkpoint, key):
            yield f"checkpoint {checkpoint.number}: its signature does not match"
        before = checkpoint.signature


def _check_trusted(
    trusted: Checkpoint, checkpoints: Sequence[Checkpoint], key: Ed25519PublicKey | None
) -> Iterator[str]:
    if key is not None and not _is_signed(trusted, key):
        yield f"the trusted checkpoint {trusted.number}: its signature does not match"
    kept = next((checkpoint for checkpoint in checkpoints if checkpoint.number == trusted.number), None)
    if kept is None or (kept.content(), kept.signature) != (trusted.content(), trusted.signature):
        yield f"checkpoint {trusted.number}: it is missing or is not the trusted one"


def _is_signed(checkpoint: Checkpoint, key: Ed25519PublicKey) -> bool:
    try:
        key.verify(checkpoint.signature, checkpoint.content())
    except InvalidSignature:
        return False
    return True


def _witnessed(
    checkpoints: Sequence[Checkpoint], starts: Mapping[str, tuple[int, str]]
) -> dict[int, dict[int, tuple[int, str]]]:
    """Return, for each chain, the hashes that checkpoints saw: {chain: {number: (checkpoint, hash)}}."""
    seen: dict[int, dict[int, tuple[int, str]]] = {}
    for checkpoint in checkpoints:
        for chain, (number, hash_) in checkpoint.heads.items():
            if number > starts.get(chain, (0, ""))[0]:
                seen.setdefault(int(chain), {})[number] = (checkpoint.number, hash_)
    return seen


def _check_chain(
    connection: Connection, chain: int, start: tuple[int, str], expected: Mapping[int, tuple[int, str]]
) -> tuple[list[str], int]:
    """Return the problems of one chain after `start` (number and hash in hex), and how many entries were read."""
    problems: list[str] = []
    number, head = start[0], bytes.fromhex(start[1])
    missing = dict(expected)
    count = 0
    rows = connection.execute(
        select(audit_entries)
        .where(audit_entries.c.chain == chain, audit_entries.c.number > number)
        .order_by(audit_entries.c.number)
    )
    for row in rows:
        count += 1
        number += 1
        if row.number != number:
            problems.append(f"chain {chain}: entries {number} to {row.number - 1} are missing")
            number = row.number
        elif bytes(row.prev_hash) != head:
            problems.append(f"chain {chain}: entry {number} does not follow the one before it")
        if not _matches(bytes(row.hash), bytes(row.prev_hash), _stored_fields(row)):
            problems.append(f"chain {chain}: entry {number} was altered")
        checkpoint, hash_ = missing.pop(number, (0, ""))
        if checkpoint and bytes(row.hash).hex() != hash_:
            problems.append(f"chain {chain}: entry {number} is not the one that checkpoint {checkpoint} saw")
        head = bytes(row.hash)
    kept = connection.execute(select(audit_chains).where(audit_chains.c.chain == chain)).one_or_none()
    kept_number, kept_head = (0, GENESIS) if kept is None else (kept.number, bytes(kept.hash))
    if (kept_number, kept_head) != (number, head):
        problems.append(f"chain {chain}: it ends at entry {number}, its head says {kept_number}")
    problems += [
        f"chain {chain}: entry {gone} that checkpoint {checkpoint} saw is missing"
        for gone, (checkpoint, _) in sorted(missing.items())
    ]
    return problems, count


def _stored_fields(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "chain": row.chain,
        "number": row.number,
        "at": row.at.astimezone(UTC).isoformat(),
        "actor": row.actor,
        "roles": row.roles,
        "purpose": row.purpose,
        "action": row.action,
        "target": row.target,
        "correlation_id": row.correlation_id,
        "read_fields": row.read_fields,
        "written": row.written,
        "result": row.result,
    }
