"""Errors written for the person who reads them.

Each error says what happened, what was received, what was expected and what to do. A job exits with the error's
``exit_code``, and with 1 after any other exception.
"""

import traceback


class TextclfError(Exception):
    """Base of all errors that textclf raises on purpose.

    Args:
        problem: One sentence that says what is wrong.
        received: What was found.
        expected: What would have been accepted.
        fix: What the reader can do about it.

    All four are attributes too, for code that formats the error in another way.

    Example:
        >>> print(TextclfError("No such model.", received="yelpp", expected="one of: yelp, imdb"))
        No such model.
          received: yelpp
          expected: one of: yelp, imdb
    """

    exit_code = 1
    status = "failed"
    """Status in the run record of a run that ends with this error."""

    def __init__(
        self,
        problem: str,
        *,
        received: object = None,
        expected: object = None,
        fix: str | None = None,
    ) -> None:
        self.problem, self.received, self.expected, self.fix = problem, received, expected, fix
        details = {"received": received, "expected": expected, "what to do": fix}
        lines = [problem, *(f"  {name}: {value}" for name, value in details.items() if value is not None)]
        super().__init__("\n".join(lines))


class UsageError(TextclfError):
    """A command line that cannot be run as given."""

    exit_code = 2


class ConfigError(UsageError):
    """A pipeline file with one or more mistakes; the message lists them all."""


class InputError(TextclfError):
    """Input that does not exist or cannot be used."""

    exit_code = 3


class DataError(InputError, ValueError):
    """Texts or labels passed from Python that cannot be used; also a ``ValueError``, as in scikit-learn."""


class ArtifactError(InputError):
    """A model folder that is incomplete, altered, of another format or of an unknown architecture."""


class GateError(TextclfError):
    """Scored rows that the gate keeps out of the published tables."""

    exit_code = 4
    status = "refused"


class LockError(TextclfError):
    """Another run is working on the same day of the same table."""

    exit_code = 5
    status = "locked"


def place_of(error: BaseException) -> str:
    """Return the file and line where a caught error was raised.

    Args:
        error: The error, with its traceback.
    """
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{place.filename.rpartition('/')[2]}:{place.lineno}"


def with_place(error: BaseException) -> str:
    """Return the type and message of a caught error, with the place where it was raised.

    Args:
        error: The error, with its traceback.
    """
    return f"{type(error).__name__}: {error} ({place_of(error)})"
