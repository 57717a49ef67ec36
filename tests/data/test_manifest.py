"""A manifest says what a data set is, where its files are, and who has checked that."""

import re
from pathlib import Path

import pytest

from cryoal.core.errors import CryoalError
from cryoal.data.manifest import (
    STATEMENTS,
    find_manifest,
    manifest_paths,
    read_manifest,
)

SOUND = """
format = 1
name = "mine"
title = "Mine"
kind = "tomograms"
description = "A set."
homepage = "https://example.org/mine"
licence = "CC0-1.0"
citation = "Nobody"
voxel_size = 10.0
tilt_range = [-60.0, 60.0]
classes = ["ribosome"]
to_project = "cryoal extract mine"

[verified]
licence = "not verified"
citation = "not verified"
voxel_size = "not verified"
tilt_range = "not verified"
classes = "not verified"
to_project = "not verified"

[[files]]
path = "tomograms/TS_01.mrc"
url = "https://example.org/TS_01.mrc"
what = "a tomogram"
verified = "not verified"
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", manifest_paths())
def test_every_manifest_is_sound_and_says_who_verified_what(name):
    manifest = find_manifest(name)
    assert manifest.name == name
    assert set(manifest.verified) == set(STATEMENTS)
    assert all(file.verified for file in manifest.files)
    for file in manifest.files:
        assert file.sha256 is not None or re.search("no digest", file.verified)


def test_the_sets_that_were_promised_are_there():
    assert {
        "empiar-10045", "empiar-10499", "empiar-10988", "shrec-2021", "czii-training",
        "emdb-templates",
    } <= set(manifest_paths())  # fmt: skip


def test_a_sound_manifest_is_read(tmp_path):
    manifest = read_manifest(written(tmp_path, SOUND))
    assert manifest.tilt_range == (-60.0, 60.0)
    assert manifest.unverified == list(STATEMENTS)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("format = 1", "format = 2", "format = 1 is expected, found 2"),
        ('name = "mine"', 'name = "Mine!"', "name: "),
        ("voxel_size = 10.0", "voxel_size = -1", "voxel_size: .*greater than 0"),
        ("[-60.0, 60.0]", "[60.0, -60.0]", "the lower angle comes first"),
        ('tilt_range = "not verified"\n', "", r"\[verified\] must say .* wrong: tilt_range"),
        ('licence = "not verified"', 'licence = " "', "wrong: licence"),
        ('kind = "tomograms"', 'kind = "things"', "kind: "),
        ('title = "Mine"', "", "title: Field required"),
        ('what = "a tomogram"', 'what = "x"\nsha256 = "12"', r"files\.0\.sha256: "),
        ('what = "a tomogram"', 'what = "x"\nsize = 12', r"files\.0\.size: "),
        ('"tomograms/TS_01.mrc"', '"../TS_01.mrc"', "a path below the data set's folder"),
        ('"tomograms/TS_01.mrc"', '"/etc/passwd"', "a path below the data set's folder"),
        ('"https://example.org/TS_01.mrc"', '"file:///etc/passwd"', r"files\.0\.url: "),
        ("[verified]", "[verified", "not valid TOML"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path, old, new, words):
    assert old in SOUND
    with pytest.raises(CryoalError, match=words) as caught:
        read_manifest(written(tmp_path, SOUND.replace(old, new)))
    assert "\n" not in str(caught.value)
    assert "mine.toml" in str(caught.value)


def test_a_typo_is_answered_with_the_list_and_a_guess():
    with pytest.raises(CryoalError, match=r"did you mean 'empiar-10045'\? There are: .*shrec-2021"):
        find_manifest("empiar-1045")
