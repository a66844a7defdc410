"""Send what waits on the channels: claimed from rows, each exactly once, retried, and given up with an alert (N5-N7)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from sqlalchemy import func, select, text

from citybus.cases import Cases
from citybus.cases.perform import system_actor
from citybus.telemetry import logs, metrics
from citybus.unit_of_work import Context, UnitOfWork, Units
from notification.application.ports import (
    CannotTell,
    ChannelPort,
    Message,
    NotSent,
    NotYet,
    OutcomeUnknown,
    Receipt,
    Rejected,
)
from notification.application.publish_bulletin import SERVICE
from notification.application.rulebook import Rulebook
from notification.domain.publication import Task, client_id, notice_id
from notification.persistence.models import PublicationRow

LEASE_SECONDS: Final = 180
"""Longer than all calls of one attempt may take together: nobody else is at it meanwhile."""

logger = logs.get(__name__)
_sent = metrics.counter("city_publications_sent_total", "Attempts at a channel", ("channel", "outcome"))
_given_up = metrics.gauge("city_publications_given_up_rows", "Publications that wait for a replay")
_waiting = metrics.gauge("city_publications_waiting_rows", "Publications that wait for their channel")

# That it was tried is committed before the channel is called: who dies at it leaves the next one asking first.
_CLAIM: Final = text("""
    WITH due AS MATERIALIZED (
        SELECT id FROM publications
        WHERE waiting AND (claimed_until IS NULL OR claimed_until <= clock_timestamp())
        ORDER BY id LIMIT 1
        FOR UPDATE SKIP LOCKED
    )
    UPDATE publications
    SET attempts = attempts + 1, tried = publications.tried OR publications.state = 'PENDING',
        claimed_until = clock_timestamp() + make_interval(secs => :lease)
    FROM due WHERE publications.id = due.id
    RETURNING publications.*, (SELECT tried FROM publications AS before WHERE before.id = due.id) AS tried_before
""")
_LATER: Final = text("""
    UPDATE publications
    SET claimed_until = clock_timestamp() + make_interval(secs => :seconds), unknown = :unknown, failure = :failure
    WHERE id = :id
""")


@dataclass(frozen=True, slots=True)
class Errand:
    """A publication as it was claimed: one attempt at its channel."""

    id: str
    version: int
    state: str
    channel: str
    task: str
    round: int
    title: str
    content: str
    attempts: int
    tried_before: bool
    asked: bool
    unknown: bool
    failure: str | None
    external_id: str | None
    posted_on: date | None
    correlation_id: str


@dataclass(frozen=True, slots=True)
class Done:
    """What is to be recorded of an attempt that went well: steps, each with its form."""

    steps: tuple[tuple[str, Mapping[str, Any]], ...]


def send_publications(
    publications: Cases, channels: Mapping[str, ChannelPort], rulebook: Rulebook, units: Units
) -> int:
    """Make an attempt at each publication that is due, and return how many there were.

    Call it regularly in any number of replicas. One that fails holds up no other.
    """
    count = 0
    while (errand := _claim(units)) is not None:
        count += 1
        with logs.bound(correlation_id=errand.correlation_id, kind=errand.channel, ref=f"publication/{errand.id}"):
            try:
                _attempt(publications, channels, rulebook, units, errand)
            except Exception:
                # One that fails holds up no other; its claim runs out, and it is tried again.
                logger.exception("a publication was not sent")
    _measure(units)
    return count


def _claim(units: Units) -> Errand | None:
    with units.sessions() as session:
        row = session.execute(_CLAIM, {"lease": LEASE_SECONDS}).mappings().one_or_none()
        session.commit()
    if row is None:
        return None
    taken = {name: row[name] for name in Errand.__dataclass_fields__}
    return Errand(**taken | {"id": str(row["id"])})


def _attempt(
    publications: Cases, channels: Mapping[str, ChannelPort], rulebook: Rulebook, units: Units, errand: Errand
) -> None:
    """Call the channel outside any transaction, then record what came of it."""
    today = units.clock.today()
    pauses = rulebook.on(today)["publication.pauses"]
    try:
        done = _do(channels, errand, today, len(pauses) + 1)
    except NotYet as error:
        _record_later(publications, units, errand, pauses, str(error), unknown=False, give_up=False)
    except CannotTell as error:
        _record_failure(publications, units, errand, f"OUTCOME_UNKNOWN: {error}")
    except OutcomeUnknown as error:
        # Whatever the number of attempts: it is not given up before the channel was asked.
        _record_later(publications, units, errand, pauses, str(error), unknown=True, give_up=False)
    except NotSent as error:
        # What was posted is asked for as long as it takes, unless the channel says that it will not have it.
        tried_enough = errand.attempts > len(pauses) and errand.state != "POSTED"
        over = tried_enough or (errand.state == "POSTED" and isinstance(error, Rejected))
        _record_later(publications, units, errand, pauses, str(error), unknown=False, give_up=over)
    except Exception as error:
        # An adapter's own fault tells nothing of the outcome.
        logger.exception("the channel's adapter failed")
        _record_later(publications, units, errand, pauses, logs.describe(error), unknown=True, give_up=False)
    else:
        _record_done(publications, units, errand, done)


def _do(channels: Mapping[str, ChannelPort], errand: Errand, today: date, most: int) -> Done:
    channel = channels.get(errand.channel)
    if channel is None:
        raise NotSent("the channel is not set up")
    if errand.state == "POSTED":
        return _ask(channel, errand)
    if errand.task == Task.WITHDRAWAL:
        return _withdraw(channel, errand, today)
    return _post(channel, errand, today, most)


def _post(channel: ChannelPort, errand: Errand, today: date, most: int) -> Done:
    """Post once: what may be there already is looked for by our own id first."""
    own = client_id(errand.id, errand.round)
    found = None
    if (errand.tried_before or errand.attempts > 1) and not errand.asked:
        found = _found(channel, errand, own)
        if found is None and errand.attempts > most:
            raise NotSent(f"not posted after {most} attempts: {errand.failure}")
    receipt = found or channel.post(Message(own, _headline(errand), errand.content, today))
    return _posted(channel, receipt)


def _found(channel: ChannelPort, errand: Errand, own: str) -> Receipt | None:
    """Ask the channel. A channel that cannot be asked leaves open what was open."""
    try:
        return channel.find(own)
    except NotSent as error:
        if errand.unknown:
            raise OutcomeUnknown(f"not looked up: {error}") from error
        raise


def _posted(channel: ChannelPort, receipt: Receipt) -> Done:
    steps: list[tuple[str, Mapping[str, Any]]] = [("post", {"external_id": receipt.external_id, "url": receipt.url})]
    if receipt.proof is not None and not channel.asks_people:
        steps.append(("confirm", _form(receipt)))
    return Done(tuple(steps))


def _ask(channel: ChannelPort, errand: Errand) -> Done:
    receipt = channel.state(errand.external_id or "")
    if receipt.proof is None:
        raise NotYet("the channel is still at it")
    return Done((("confirm", _form(receipt)),))


def _withdraw(channel: ChannelPort, errand: Errand, today: date) -> Done:
    """Tell the correction first, then take away what stands there: whoever dies between finds it still there.

    Where nothing ever stood on the channel, nothing is told.
    """
    own = [client_id(errand.id, number + 1) for number in range(errand.round)]
    if channel.asks_people:
        standing = []
        was_posted = errand.posted_on is not None or any(channel.find(each) for each in own)
    else:
        standing = [found for each in own if (found := channel.find(each)) is not None]
        was_posted = errand.posted_on is not None or bool(standing)
        if errand.posted_on is not None and not standing:
            standing = _unlisted(channel, errand)
    notice = None
    if was_posted and errand.content:
        # At the first attempt as well: after a replay it is not the first.
        notice = None if errand.asked else channel.find(notice_id(errand.id))
        if notice is None:
            message = Message(notice_id(errand.id), _headline(errand), errand.content, today)
            notice = channel.post(message)
    for receipt in standing:
        channel.remove(receipt)
    if channel.asks_people and notice is not None:
        return Done((("issue", {"external_id": notice.external_id}),))
    if notice is not None and notice.proof is None:
        notice = channel.state(notice.external_id)
        if notice.proof is None:
            raise NotYet("the correction is not shown yet")
    return Done((("retract", {"proof_sha256": notice.proof, "url": notice.url} if notice else {}),))


def _unlisted(channel: ChannelPort, errand: Errand) -> list[Receipt]:
    """Return what was posted and is not to be found yet. Raises NotYet while the channel still works at it."""
    try:
        receipt = channel.state(errand.external_id or "")
    except Rejected:
        return []
    if receipt.proof is None:
        raise NotYet("the channel has not finished posting what is to be withdrawn")
    return [receipt]


def _headline(errand: Errand) -> str:
    match errand.task:
        case Task.CORRECTION:
            return f"更正：{errand.title}"
        case Task.WITHDRAWAL:
            # The title may name who is cleared now.
            return "更正：撤回此前发布的通报"
    return errand.title


def _form(receipt: Receipt) -> dict[str, Any]:
    return {"external_id": receipt.external_id, "url": receipt.url, "proof_sha256": receipt.proof}


def _record_done(publications: Cases, units: Units, errand: Errand, done: Done) -> None:
    with _recording(units, errand) as uow:
        row = _mine(uow, errand)
        if row is None:
            return
        row.claimed_until, row.unknown = None, False
        for action, form in done.steps:
            publications.take(uow, errand.id, action, system_actor(SERVICE), form)
        uow.commit()
    _sent.labels(errand.channel, "done").inc()
    logger.info("publication sent", state=errand.task, attempts=errand.attempts)


def _record_later(
    publications: Cases,
    units: Units,
    errand: Errand,
    pauses: Any,
    failure: str,
    *,
    unknown: bool,
    give_up: bool,
) -> None:
    if give_up:
        _record_failure(publications, units, errand, failure)
        return
    seconds = pauses[min(errand.attempts, len(pauses)) - 1]
    with _recording(units, errand) as uow:
        if _mine(uow, errand) is None:
            return
        uow.session.execute(_LATER, {"id": errand.id, "seconds": seconds, "unknown": unknown, "failure": failure[:500]})
        uow.commit()
    _sent.labels(errand.channel, "unknown" if unknown else "failed").inc()
    # After the last pause it goes on for ever where it must not be given up: that is an operator's matter.
    tell = logger.error if errand.attempts > len(pauses) else logger.warning
    tell("a channel did not take a publication", attempts=errand.attempts, error=failure[:500])


def _record_failure(publications: Cases, units: Units, errand: Errand, failure: str) -> None:
    with _recording(units, errand) as uow:
        row = _mine(uow, errand)
        if row is None:
            return
        row.claimed_until = None
        publications.take(uow, errand.id, "fail", system_actor(SERVICE), {"failure": failure[:500]})
        uow.commit()
    _sent.labels(errand.channel, "given up").inc()
    logger.error("a publication was given up; replay it once the channel is mended", error=failure[:500])


def _recording(units: Units, errand: Errand) -> UnitOfWork:
    return units(Context(system_actor(SERVICE).subject, (), "send publications", errand.correlation_id))


def _mine(uow: UnitOfWork, errand: Errand) -> PublicationRow | None:
    """Return the locked row, or None where the case moved on meanwhile: what was posted is found by its id then."""
    row = uow.session.get(PublicationRow, errand.id, with_for_update=True)
    if row is None or (row.version, row.attempts) != (errand.version, errand.attempts):
        logger.warning("a publication moved on while it was being sent")
        if row is not None:
            # Nobody has to wait out the lease of an attempt that is over.
            row.claimed_until = None
            uow.commit()
        return None
    return row


def _measure(units: Units) -> None:
    row = PublicationRow
    with units.sessions() as session:
        given_up = select(func.count()).where(row.state.in_(("FAILED", "WITHDRAWAL_FAILED")))
        _given_up.set(session.execute(given_up).scalar_one())
        _waiting.set(session.execute(select(func.count()).where(row.waiting)).scalar_one())
