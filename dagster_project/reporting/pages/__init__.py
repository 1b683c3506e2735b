"""Pages that people open in a browser: one file each, without a server and without a request.

``report.write_report`` writes the report of a build. A section is a function in ``sections`` that
reads marts and returns what to show; ``section`` has the parts it is made of, ``cube`` what the
filters need, ``charts`` the look of charts, ``words`` how values are written.
"""

from pathlib import Path

# Where the pages are in a build, and so under ``published``.
REPORT_PAGE = Path("report", "index.html")
DEFINITIONS_PAGE = REPORT_PAGE.with_name("definitions.html")
# In the output, beside what is published.
HELD_BACK_PAGE = Path("held_back", "index.html")
