"""One finished project, which every test damages a copy of."""

from pathlib import Path

import pytest
from faults.finished import finished_project


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small project with everything in it, and what it was made of beside it; read only."""
    return finished_project(tmp_path_factory.mktemp("finished"))
