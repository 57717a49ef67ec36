import json

import pytest
import torch
from safetensors.torch import save_file

import cryoal
from cryoal.core.errors import CryoalError
from cryoal.models import checkpoint
from cryoal.models.base import build


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "teacher.safetensors"
    checkpoint.save(build("compact-thin", 2, 16), path, classes=["a", "b"], voxel_size=13.3)
    return path


def test_what_was_said_of_it_comes_back(saved):
    facts = checkpoint.load(saved).facts
    assert facts["voxel_size"] == 13.3
    assert facts["version"] == cryoal.__version__


def test_a_network_in_another_memory_order_is_saved_as_well(tmp_path):
    network = build("compact-thin", 2, 16).to(memory_format=torch.channels_last_3d)
    checkpoint.save(network, tmp_path / "n.safetensors", classes=["a", "b"])
    for old, new in zip(
        network.parameters(),
        checkpoint.load(tmp_path / "n.safetensors").network.parameters(),
        strict=True,
    ):
        assert torch.equal(old, new)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CryoalError, match=r"gone\.safetensors: no such checkpoint"):
        checkpoint.load(tmp_path / "gone.safetensors")


@pytest.mark.parametrize("keep", [0, 5, 200, -100])
def test_half_a_file_is_refused(saved, keep):
    saved.write_bytes(saved.read_bytes()[:keep])
    with pytest.raises(CryoalError, match="not a whole safetensors file"):
        checkpoint.load(saved)


def test_someone_elses_weights_are_refused(tmp_path):
    save_file({"w": torch.zeros(3)}, tmp_path / "w.safetensors")
    with pytest.raises(CryoalError, match="cryoal did not write it"):
        checkpoint.load(tmp_path / "w.safetensors")


def test_a_newer_format_asks_for_an_update(tmp_path):
    header = {"format": 99, "version": "9.0"}
    path = tmp_path / "w.safetensors"
    save_file({"w": torch.zeros(3)}, path, {"cryoal": json.dumps(header)})
    with pytest.raises(CryoalError, match=r"format 99, written by cryoal 9\.0.*Update cryoal"):
        checkpoint.load(path)


def test_weights_of_another_shape_are_refused(tmp_path):
    network = build("compact-thin", 2, 16)
    network.head = torch.nn.Linear(3, 2)
    checkpoint.save(network, tmp_path / "n.safetensors", classes=["a", "b"])
    with pytest.raises(CryoalError, match="do not fit"):
        checkpoint.load(tmp_path / "n.safetensors")


def test_a_network_that_an_earlier_version_built_otherwise_is_to_be_trained_again(tmp_path):
    header = {"format": checkpoint.FORMAT, "version": "0.0", "network": "shape", "n_classes": 2}
    header |= {"box": 16, "options": {"averages": True}, "facts": {}}
    path = tmp_path / "w.safetensors"
    save_file({"w": torch.zeros(3)}, path, {"cryoal": json.dumps(header)})
    with pytest.raises(CryoalError, match="as this version builds it; train again"):
        checkpoint.load(path)
