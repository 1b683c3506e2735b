"""The models, compiled once per session, in a warehouse in memory."""

from __future__ import annotations

import pytest

from tests.lifecycle.model_runner import Project, Warehouse, compile_project


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return compile_project(tmp_path_factory.mktemp("compiled"))


@pytest.fixture(scope="session")
def warehouse(project: Project) -> Warehouse:
    return Warehouse(project)
