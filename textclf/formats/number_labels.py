"""Labels that are numbers: a whole number is the integer's text in every format, any other number is rejected."""

import re
from decimal import Decimal

_LARGEST_EXPONENT = 308  # that of doubles: a label has no more digits, and no exponent fills the memory
_ZERO = re.compile(r"[+-]?0*\.?0*(?:[eE][+-]?[0-9]+)?")


def number_label(digits: str) -> str | None:
    """The label for a number: the integer's digits if it is whole, else None.

    Args:
        digits: The number as text, such as ``1.0`` or ``1e20``.

    Example:
        >>> number_label("1.0"), number_label("1e20"), number_label("1.5")
        ('1', '100000000000000000000', None)
    """
    try:
        number = Decimal(digits)
    except ArithmeticError:  # an exponent beyond Decimal's limits
        return "0" if _ZERO.fullmatch(digits) else None
    if not number:  # whatever its exponent says
        return "0"
    if not number.is_finite() or number.adjusted() > _LARGEST_EXPONENT or number != number.to_integral_value():
        return None
    return str(int(number))


def written_label(written: str) -> str | None:
    """``number_label`` of a number as Spark writes it; for a double all digits of its integer."""
    return number_label(str(Decimal(float(written))) if "E" in written else written)
