"""Loads Great Expectations, with what it never needs here left out.

Its import is most of what an audit of a small build costs. Two of its packages serve only
expectations on distributions, which no suite uses: they are put off until somebody touches them.
Usage statistics are off.
"""

import importlib
import logging
import os
import sys
from types import ModuleType
from typing import Any

_PUT_OFF = ("altair", "scipy.stats")


class _PutOff(ModuleType):
    """Stands for a module until one of its attributes is asked for."""

    def __getattr__(self, name: str) -> Any:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)


def load_great_expectations() -> ModuleType:
    """The package ``great_expectations``; the first call takes seconds."""
    if "great_expectations" in sys.modules:
        return sys.modules["great_expectations"]
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    placeholders = [_PutOff(name) for name in _PUT_OFF if name not in sys.modules]
    for placeholder in placeholders:
        sys.modules[placeholder.__name__] = placeholder
    try:
        package = importlib.import_module("great_expectations")
    finally:
        # Whoever imports them from now on gets the modules themselves.
        for placeholder in placeholders:
            if sys.modules.get(placeholder.__name__) is placeholder:
                del sys.modules[placeholder.__name__]
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    return package
