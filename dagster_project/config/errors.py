"""Errors that a user can act on, each with the exit code of the command's contract.

A message names the place (file, row, column, setting, call) and how to fix it. The command
prints one problem a line to stderr, without a traceback unless ``--debug``.
"""

from collections.abc import Iterable


class HandoffError(Exception):
    """A problem that the user can fix.

    ``exit_code`` is what ``handoff`` exits with; ``problems`` holds one line per problem.
    """

    exit_code = 4

    def __init__(self, problems: str | Iterable[str]) -> None:
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(self.problems))


class AuditBlocked(HandoffError):
    """A check blocks: nothing was published."""

    exit_code = 1


class NoLeads(AuditBlocked):
    """The build has not a single lead: nothing was published, whatever the checks say."""


class ConfigError(HandoffError):
    """The command line, ``handoff.yml``, the policy or the output directory is wrong."""

    exit_code = 2


class SourceError(HandoffError):
    """A source could not be read; the message names the source and the file or call."""

    exit_code = 3


class BuildError(HandoffError):
    """The build itself failed (disk full, model error); the message names the step."""

    exit_code = 4


class OutputLocked(HandoffError):
    """Another run holds this output directory."""

    exit_code = 5
