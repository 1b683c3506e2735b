"""Footers of reports: lines behind the last row that say who made the report, and totals.

Salesforce ends the export of a report with its name, a copyright, a notice of confidentiality, who
generated it and the company. Such lines are recognised at the very end of a file only: each is one
text, a line of totals has a count behind it, and at least one of them is known.
"""

import itertools
import re
from collections.abc import Iterable, Sequence

# Longer than any footer; what stands above is not looked at.
_MOST_ROWS = 50
# In the languages that CRMs export in; a label of totals is followed by a count or nothing.
_TOTALS = re.compile(
    r"""
    (
        grand\ (total|summar)(s|ies|y)? | (sub)?totals? | total\ (records|general|geral)
        | (record|row)\ count | total\ g[ée]n[ée]ral | suma\ total | totale\ complessivo
        | gesamt(summe|anzahl|zahl)? | summe | eindtotaal | totalt | 総計 | 合計
    )\s*(:|\(|$)
    """,
    re.IGNORECASE | re.VERBOSE,
)
_KNOWN = re.compile(
    r"""
    copyright\s*(\(c\)|©) | ©
    | confidential\ information\b | vertraulich(e\ informationen)?(\W|$)
    | informations?\ confidentielles?\b
    | informaci[óo]n\ confidencial\b | informa[çc][õo]es\ confidenciais\b
    | informazioni\ riservate\b | vertrouwelijke?\b | konfidentiell(\W|$) | 機密情報
    | (report\ )?(generated|run|exported)\ (by|on|at)\b | as\ of\ \d
    | (generiert|erstellt|exportiert)\ (von|am)\b | g[ée]n[ée]r[ée]\ (par|le)\b
    | generado\ (por|el)\b | gerado\ (por|em)\b | generato\ (da|il)\b
    | gegenereerd\ (door|op)\b | skapad\ av\b | 作成者
    | (applied\ filters|filtered\ by)(\W|$) | \(?\d+\ rows?\ (affected|returned|selected)
    """,
    re.IGNORECASE | re.VERBOSE,
)


def footer_length(upwards: Iterable[Sequence[str]], width: int) -> int:
    """How many rows at the end of a table, blank ones included, are the footer of a report.

    ``upwards``: the cells of each row, from the last to the first below the header. ``width``: the
    number of headers.
    """
    filled = (
        [cell for cell in row if cell.strip()] for row in itertools.islice(upwards, _MOST_ROWS)
    )
    rows = list(itertools.takewhile(lambda row: _may_belong(row, width), filled))
    known = [at for at, row in enumerate(rows) if _is_known(row, width)]
    if not known:
        return 0
    length = known[-1] + 1
    # Above the first known line stands the name of the report: apart from the data by a blank
    # line, or of several words. A word alone could be a row that was cut off.
    above = rows[length:]
    blank = [at for at, row in enumerate(above, start=1) if not row]
    if blank:
        return length + blank[-1]
    return length + bool(above and " " in above[0][0].strip())


def footer_remark(lines: int) -> str:
    """What is noted about a footer that was left out."""
    return f"footer lines of a report, which are no rows: {lines}"


def _may_belong(filled: Sequence[str], width: int) -> bool:
    return len(filled) < min(width, 2) or _is_known(filled, width)


def _is_known(filled: Sequence[str], width: int) -> bool:
    if not 0 < len(filled) < min(width, 3):
        return False
    label, *second = filled
    # Without quotes, a comma in a sentence separates cells.
    is_one_text = all(cell.startswith(" ") for cell in second)
    known = _KNOWN.match(label.strip()) if is_one_text else None
    return (known or _TOTALS.match(label.strip())) is not None
