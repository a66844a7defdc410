"""The tables: deliveries, subscriptions with the record of what was sent, bulletins on their channels, units and cadres."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    Boolean,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Text,
    UniqueConstraint,
    false,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from citybus.cases import CaseColumns
from citybus.tables import NAMING

_ID = UUID(as_uuid=False)
_INSTANT = DateTime(timezone=True)


class Base(DeclarativeBase):
    """All tables of this service."""

    metadata = MetaData(naming_convention=NAMING)


class DeliveryRow(CaseColumns, Base):
    """A document for one recipient, with the record of its service; `content` is its text as sent (L3)."""

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint(
            "document", "ref", "occasion", "recipient_kind", "recipient_id", name="uq_deliveries_document_occasion"
        ),
        Index("ix_deliveries_recipient_id", "recipient_id"),
        Index("ix_deliveries_unit", "unit"),
        Index("ix_deliveries_queued", "id", postgresql_where="state = 'QUEUED'"),
    )

    document: Mapped[str] = mapped_column(Text)
    ref: Mapped[str] = mapped_column(Text)
    occasion: Mapped[str] = mapped_column(Text, server_default="")
    recipient_kind: Mapped[str] = mapped_column(Text)
    recipient_id: Mapped[str] = mapped_column(Text)
    unit: Mapped[str | None] = mapped_column(Text)
    particulars: Mapped[dict[str, Any]] = mapped_column(JSONB)
    content: Mapped[str | None] = mapped_column(Text, deferred=True)
    sha256: Mapped[str | None] = mapped_column(Text)
    sent_on: Mapped[date | None] = mapped_column(Date)
    opened_on: Mapped[date | None] = mapped_column(Date)
    paper_due_on: Mapped[date | None] = mapped_column(Date)
    served_on: Mapped[date | None] = mapped_column(Date)
    witness: Mapped[str | None] = mapped_column(Text)


class SubscriptionRow(CaseColumns, Base):
    """What another department may read, and on what ground."""

    __tablename__ = "subscriptions"
    __table_args__ = (
        Index(
            "ix_subscriptions_active",
            "event_types",
            postgresql_using="gin",
            postgresql_where="state = 'ACTIVE'",
        ),
    )

    department: Mapped[str] = mapped_column(Text)
    unit: Mapped[str] = mapped_column(Text)
    event_types: Mapped[list[str]] = mapped_column(ARRAY(Text))
    fields: Mapped[dict[str, list[str]]] = mapped_column(JSONB)
    max_class: Mapped[str] = mapped_column(Text)
    purpose: Mapped[str] = mapped_column(Text)
    legal_basis: Mapped[str | None] = mapped_column(Text)
    agreement_no: Mapped[str] = mapped_column(Text)
    valid_to: Mapped[date] = mapped_column(Date)
    activated_on: Mapped[date | None] = mapped_column(Date)


class SentRow(Base):
    """What was sent to a department under a subscription: which event, which of its fields, of which class."""

    __tablename__ = "subscription_deliveries"
    __table_args__ = (
        UniqueConstraint("subscription_id", "event_id", name="uq_subscription_deliveries_event"),
        Index("ix_subscription_deliveries_at", "at"),
    )

    id: Mapped[str] = mapped_column(_ID, primary_key=True)
    subscription_id: Mapped[str] = mapped_column(_ID, ForeignKey("subscriptions.id"))
    department: Mapped[str] = mapped_column(Text)
    event_id: Mapped[str] = mapped_column(_ID)
    type: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    fields: Mapped[list[str]] = mapped_column(ARRAY(Text))
    dataclass: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(_INSTANT)


class BulletinRow(Base):
    """A bulletin as supervision has it published; `title`, `text` and `correction_text` are emptied once it is over."""

    __tablename__ = "bulletins"

    id: Mapped[str] = mapped_column(_ID, primary_key=True)
    state: Mapped[str] = mapped_column(Text)
    channels: Mapped[list[str]] = mapped_column(ARRAY(Text))
    title: Mapped[str] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)
    legal_basis: Mapped[str] = mapped_column(Text)
    correction_text: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(Text)
    published_on: Mapped[date | None] = mapped_column(Date)
    corrected_on: Mapped[date | None] = mapped_column(Date)
    ended_on: Mapped[date | None] = mapped_column(Date)
    changed_at: Mapped[datetime] = mapped_column(_INSTANT)


class PublicationRow(CaseColumns, Base):
    """A bulletin on one channel. `claimed_until` is real time: nobody sends it before."""

    __tablename__ = "publications"
    __table_args__ = (
        UniqueConstraint("bulletin", "channel", name="uq_publications_channel"),
        Index("ix_publications_waiting", "id", postgresql_where="waiting"),
    )

    bulletin: Mapped[str] = mapped_column(_ID, ForeignKey("bulletins.id"))
    channel: Mapped[str] = mapped_column(Text)
    task: Mapped[str] = mapped_column(Text)
    round: Mapped[int] = mapped_column(Integer)
    title: Mapped[str] = mapped_column(Text)
    content: Mapped[str] = mapped_column(Text)
    waiting: Mapped[bool] = mapped_column(Boolean)
    attempts: Mapped[int] = mapped_column(Integer)
    tried: Mapped[bool] = mapped_column(Boolean)
    asked: Mapped[bool] = mapped_column(Boolean)
    unknown: Mapped[bool] = mapped_column(Boolean)
    claimed_until: Mapped[datetime | None] = mapped_column(_INSTANT)
    external_id: Mapped[str | None] = mapped_column(Text)
    url: Mapped[str | None] = mapped_column(Text)
    posted_on: Mapped[date | None] = mapped_column(Date)
    confirmed_on: Mapped[date | None] = mapped_column(Date)
    withdrawn_on: Mapped[date | None] = mapped_column(Date)
    proof_sha256: Mapped[str | None] = mapped_column(Text)
    failure: Mapped[str | None] = mapped_column(Text)


class ProofRow(Base):
    """A file that shows what a channel brought, known by the SHA-256 sum of its content."""

    __tablename__ = "proofs"

    sha256: Mapped[str] = mapped_column(Text, primary_key=True)
    media_type: Mapped[str] = mapped_column(Text)
    size: Mapped[int] = mapped_column(Integer)
    content: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    uploaded_by: Mapped[str] = mapped_column(Text)
    uploaded_at: Mapped[datetime] = mapped_column(_INSTANT)


class DeadlineRow(CaseColumns, Base):
    """A deadline of some service of which people are warned; its id is the deadline's there."""

    __tablename__ = "watched_deadlines"
    __table_args__ = (
        Index("ix_watched_deadlines_units", "units", postgresql_using="gin"),
        Index("ix_watched_deadlines_persons", "persons", postgresql_using="gin"),
    )

    service: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    ref: Mapped[str] = mapped_column(Text)
    title_zh: Mapped[str] = mapped_column(Text)
    title_en: Mapped[str] = mapped_column(Text)
    due_at: Mapped[datetime] = mapped_column(_INSTANT)
    warn_at: Mapped[datetime | None] = mapped_column(_INSTANT)
    acts: Mapped[bool] = mapped_column(Boolean)
    units: Mapped[list[str]] = mapped_column(ARRAY(Text))
    persons: Mapped[list[str]] = mapped_column(ARRAY(Text))
    disclosed: Mapped[bool] = mapped_column(Boolean)
    confidential: Mapped[bool] = mapped_column(Boolean, server_default=false())
    offices: Mapped[list[str]] = mapped_column(ARRAY(Text))
    level: Mapped[str] = mapped_column(Text)
    light: Mapped[str] = mapped_column(Text)


class UnitRow(Base):
    """A unit as assessment registered it."""

    __tablename__ = "units"

    code: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str] = mapped_column(Text)


class CadreRow(Base):
    """A cadre as assessment registered one: what an address needs."""

    __tablename__ = "cadres"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    unit: Mapped[str] = mapped_column(Text)
    has_left: Mapped[bool] = mapped_column(Boolean, server_default=false())
