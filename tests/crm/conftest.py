"""What the tests of several CRMs share."""

import pytest

from tests.crm import crm_models
from tests.lifecycle.model_runner import Project


@pytest.fixture(scope="session")
def crm_project() -> Project:
    """The compiled models, with those of every CRM."""
    return crm_models.project()
