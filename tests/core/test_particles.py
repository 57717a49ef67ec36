import numpy as np
import pandas as pd
import pytest
from scipy.spatial.transform import Rotation

from cryoal.core.errors import CryoalError
from cryoal.core.particles import ParticleSet, concatenate
from cryoal.core.predictions import Predictions
from cryoal.core.registry import Registry, named_by_person
from cryoal.io.predictions import read_predictions, write_predictions


def some(ids: list[str], **columns: list[str]) -> ParticleSet:
    n = len(ids)
    return ParticleSet(
        id=np.array(ids, dtype=str),
        tomogram=np.full(n, "TS_01"),
        position=np.arange(3.0 * n).reshape(n, 3) * 100,
        rotation=Rotation.identity(n),
        table=pd.DataFrame(columns, dtype=str),
    )


def test_selecting_by_mask_and_by_rows_is_the_same():
    particles = some(["a", "b", "c"], note=["x", "y", "z"])
    by_mask = particles[np.array([True, False, True])]
    by_rows = particles[[0, 2]]
    assert list(by_mask.id) == list(by_rows.id) == ["a", "c"]
    assert list(by_mask.table["note"]) == ["x", "z"]


def test_two_particles_of_one_id_are_refused_by_name():
    with pytest.raises(CryoalError, match="'a' stands 2 times"):
        some(["a", "b", "a"])


def test_an_unknown_id_is_named_beside_an_example():
    with pytest.raises(CryoalError, match="the first is 'x'; ids look like 'a'"):
        some(["a", "b"]).rows(["b", "x"])


def test_joining_keeps_every_column_and_every_rotation():
    joined = concatenate([some(["a"], one=["1"]), some(["b"], two=["2"])])
    assert joined.table.to_dict("list") == {"one": ["1", ""], "two": ["", "2"]}
    assert joined.rotation is not None


def test_joining_with_an_empty_list_changes_nothing():
    particles = some(["a", "b"], note=["x", "y"])
    joined = concatenate([particles, particles[np.zeros(2, dtype=bool)]])
    assert list(joined.id) == ["a", "b"]
    assert joined.rotation is not None


def test_predictions_survive_the_disk(tmp_path, rng):
    p = rng.dirichlet([1, 1], size=3).astype(np.float32)
    written = Predictions(
        np.array(["TS_01/1", "α 2", "c"]),
        ("a class", "junk"),
        {"teacher": p, "dropout": np.stack([p, p])},
        rng.normal(size=(3, 4)).astype(np.float32),
        {"loss": np.arange(3.0)},
    )
    write_predictions(tmp_path / "p.safetensors", written, "digest")
    read, digest = read_predictions(tmp_path / "p.safetensors")
    assert digest == "digest"
    assert read.classes == written.classes
    assert list(read.ids) == list(written.ids)
    np.testing.assert_array_equal(read.probabilities["dropout"], written.probabilities["dropout"])
    np.testing.assert_array_equal(read.embedding, written.embedding)
    np.testing.assert_array_equal(read.extra["loss"], written.extra["loss"])


def test_predictions_of_the_wrong_length_are_a_bug():
    with pytest.raises(ValueError, match="teacher"):
        Predictions(np.array(["a"]), ("x", "y"), {"teacher": np.zeros((2, 2), np.float32)})


def test_a_misspelt_part_is_answered_with_the_list_and_a_guess():
    parts: Registry[int] = Registry("thing", "cryoal.core")
    parts.register("margin")(1)
    parts.register("entropy")(2)
    with pytest.raises(CryoalError, match="did you mean 'margin'"):
        parts.get("margn")
    assert parts.names() == ["entropy", "margin"]


def test_a_private_part_needs_no_registration():
    parts: Registry[object] = Registry("thing", "cryoal.core")
    with named_by_person("math:sqrt", "mylab.scores:vote"):
        assert parts.get("math:sqrt") is __import__("math").sqrt
        with pytest.raises(CryoalError, match="cannot be imported"):
            parts.get("mylab.scores:vote")
    with pytest.raises(CryoalError, match="CRYOAL_TRUST=1"):
        parts.get("math:sqrt")
