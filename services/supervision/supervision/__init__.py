"""Supervision 督查: inspections, findings, and what the discipline commission must hear of."""
