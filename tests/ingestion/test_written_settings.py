"""What `handoff init` and `doctor` write is read back as the same text, whatever it is."""

from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import example, given

from dagster_project.config.settings import load_settings
from dagster_project.ingestion.discovery.text import entry
from dagster_project.ingestion.files.settings import FilesSource

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("settings") / "handoff.yml"


@given(raw=TEXTS, remark=TEXTS)
@example(raw="a: b # c\n- d", remark="x\n  - kind: files")
@example(raw="${HOME} $${HOME} {{ 7 }}", remark="\x1b[31m\u2028evil: true\ufffe")
@example(raw="\u202egpj\x85.exe" + "é" * 150, remark="&a *a !!python/object")
def test_any_text_reads_back(file: Path, raw: str, remark: str) -> None:
    lines = entry(raw, "mql", 6, remark)
    written = [
        "sources:",
        "  - kind: files",
        *entry("path", "/exports", 4),
        "    stage_names:",
        *(f"      # {line}" for line in entry(f"{raw}{raw}", "<stage>", 0, remark)),
        *lines,
        "    tables:",
        "      leads:",
        *entry("columns", {"company": raw}, 8, remark),
    ]
    file.write_text("\n".join(written), "utf-8")
    source = load_settings(file).sources[0]
    assert isinstance(source, FilesSource)
    assert source.stage_names == {raw: "mql"}
    assert source.tables["leads"].columns == {"company": raw}
