"""Times and numbers as people read them in a line."""

_UNITS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def duration(seconds: float) -> str:
    """Write a time as people do.

    Example:
        >>> duration(4.26), duration(75), duration(3725)
        ('4.3 s', '1:15', '1:02:05')
    """
    return f"{seconds:.1f} s" if seconds < 59.95 else clock(round(seconds))


def clock(seconds: float) -> str:
    """Write a time that is still running, always in the same form.

    Example:
        >>> clock(4.26), clock(75), clock(3725)
        ('0:04', '1:15', '1:02:05')
    """
    minutes, left = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{left:02d}" if hours else f"{minutes}:{left:02d}"


def short(number: float) -> str:
    """Write a number in few characters.

    Example:
        >>> short(950), short(1200), short(2_000_000), short(0.25)
        ('950', '1.2k', '2M', '0.2')
    """
    for size, unit in _UNITS:
        if number >= size * 0.9995:
            return f"{number / size:.3g}{unit}"
    return f"{number:.0f}" if number >= 10 or number == int(number) else f"{number:.1f}"
