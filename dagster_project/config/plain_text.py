"""Text from outside as a terminal, a log or a comment may show it."""

import re
import unicodedata

# Letters that many scripts and emoji need: they hide nothing and move nothing.
_JOINERS = "\u200c\u200d"
_ACTING = {"Cc", "Cf", "Cs", "Zl", "Zp"}
# No characters at all, which YAML refuses in a comment, too.
_NONE = "\ufffe\uffff"
# What looks like an e-mail address.
EMAIL = re.compile(r"[^\s@<>()\[\]'\"]+@[^\s@<>()\[\]'\"]+")


def printable(text: str) -> str:
    r"""The text with what would act instead of being shown written out, such as ``\x1b``.

    That is control characters, signs that turn the direction of the text and other invisible ones.
    Line breaks and tabs stay.
    """
    if text.isprintable():
        return text
    return "".join(sign if _is_shown(sign) else _written_out(sign) for sign in text)


def on_one_line(text: str) -> str:
    """The text as ``printable`` shows it, with its line breaks and tabs written out as well."""
    return "".join(_written_out(sign) if sign in "\n\t" else sign for sign in printable(text))


def without_addresses(text: str) -> str:
    """The text with ``(e-mail address)`` in place of what looks like one."""
    return EMAIL.sub("(e-mail address)", text)


def _is_shown(sign: str) -> bool:
    if sign in _NONE:
        return False
    return sign in f"\n\t{_JOINERS}" or unicodedata.category(sign) not in _ACTING


def _written_out(sign: str) -> str:
    return sign.encode("unicode_escape").decode()
