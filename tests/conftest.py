"""What every test may use."""

import os
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def testdata() -> Path:
    """Third-party files, outside the project: see MANIFEST.tsv there."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("CRYOAL_TESTDATA", beside))
    if not (folder / "MANIFEST.tsv").exists():
        pytest.skip(f"no third-party files at {folder}; set CRYOAL_TESTDATA to their folder")
    return folder
