"""What the tests of several CRMs share."""

import pytest

from tests.crm.crm_models import compile_all
from tests.lifecycle.model_runner import Project


@pytest.fixture(scope="session")
def crm_project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The compiled models, with those of every CRM."""
    return compile_all(tmp_path_factory.mktemp("crm"))
