"""The one error for input that does not fit, and the one for a world that does not do its part."""

from __future__ import annotations


class BadInput(ValueError):
    """Input from a person or a file that cannot be used.

    The command line prints it as one line and exits with 2. `where` names the file or the
    option, `field` the place inside it.
    """

    exit_code = 2

    def __init__(
        self, where: str, field: str, *, found: object, expected: str, remedy: str = ""
    ) -> None:
        self.where, self.field = where, field
        self.found, self.expected, self.remedy = found, expected, remedy
        advice = f"; {remedy}" if remedy else ""
        message = f"{where}: {field}: found {found!r}, expected {expected}{advice}"
        super().__init__(in_one_line(message))


def in_one_line(message: str) -> str:
    """A file's name or a key may have line ends and control characters in it."""
    if message.isprintable():
        return message
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in message)


class OutputFailed(BadInput):
    """A place that could be written to when the work began, and cannot any more: exit code 1."""

    exit_code = 1


class WorkFailed(RuntimeError):
    """What was asked for made sense, and could not be done: a servo, a port, a process failed.

    Its text is for a person. The command line prints it as one line and exits with 1.
    """
