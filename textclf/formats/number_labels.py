"""Numeric labels: in every format, a whole number becomes the integer's text; other numbers are not labels."""

import re
from decimal import Decimal

_LARGEST_EXPONENT = 308  # that of doubles; it bounds a label's digits, so that a large exponent cannot fill the memory
_ZERO = re.compile(r"[+-]?0*\.?0*(?:[eE][+-]?[0-9]+)?")


def number_label(digits: str) -> str | None:
    """Return the label of a number: the integer's digits if the number is whole, otherwise None.

    Args:
        digits: Number as text, such as ``1.0`` or ``1e20``.

    Example:
        >>> number_label("1.0"), number_label("1e20"), number_label("1.5")
        ('1', '100000000000000000000', None)
    """
    try:
        number = Decimal(digits)
    except ArithmeticError:  # an exponent beyond what Decimal can hold
        return "0" if _ZERO.fullmatch(digits) else None
    if not number:  # zero with any exponent
        return "0"
    if not number.is_finite() or number.adjusted() > _LARGEST_EXPONENT or number != number.to_integral_value():
        return None
    return str(int(number))


def written_label(written: str) -> str | None:
    """Return ``number_label`` of a number as Spark writes it; a whole double becomes the exact integer."""
    return number_label(str(Decimal(float(written))) if "E" in written else written)
