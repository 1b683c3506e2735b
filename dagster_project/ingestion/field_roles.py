"""What the configuration of a CRM source says of the CRM's fields."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class FieldRole:
    """What a field of an object means: a stage, a reason, a contract column ...

    ``setting``: what asks for it; empty where it is a default, which may be missing in a CRM.
    ``value``: the raw value or the contract column; ``stage``: what it stands for.
    """

    role: str
    object_name: str
    field: str
    setting: str
    value: str | None = None
    stage: str | None = None


def configured_fields(roles: Iterable[FieldRole], object_name: str) -> dict[str, str]:
    """The fields of an object that the configuration asks for, and the setting that does."""
    wanted: dict[str, str] = {}
    for role in roles:
        if role.object_name == object_name and role.setting:
            wanted.setdefault(role.field, role.setting)
    return wanted
