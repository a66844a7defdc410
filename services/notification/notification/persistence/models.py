"""The tables: deliveries, subscriptions with the record of what was sent, and what is known of units and cadres."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import Date, DateTime, ForeignKey, Index, MetaData, Text, UniqueConstraint
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
        UniqueConstraint("document", "ref", "recipient_kind", "recipient_id", name="uq_deliveries_document"),
        Index("ix_deliveries_recipient_id", "recipient_id"),
        Index("ix_deliveries_unit", "unit"),
        Index("ix_deliveries_queued", "id", postgresql_where="state = 'QUEUED'"),
    )

    document: Mapped[str] = mapped_column(Text)
    ref: Mapped[str] = mapped_column(Text)
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
