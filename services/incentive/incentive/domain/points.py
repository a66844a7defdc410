"""Points as the documents write them: exact decimals, with at least one digit behind the point."""

from decimal import Decimal


def points(value: Decimal) -> str:
    """Return `value` as text: `2.0`, `0.25`; never in exponents, no more digits than it has."""
    text = f"{value.normalize():f}"
    return text if "." in text else f"{text}.0"
