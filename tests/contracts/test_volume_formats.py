"""What every format of volumes promises, whoever wrote it."""

import pickle
from functools import partial

import pytest

from cryoal.core.errors import CryoalError
from cryoal.io.volumes import Candidate, open_volume, volume_formats

NO_VOLUMES = {
    "empty.dat": b"",
    "notes.txt": b"particles of last Tuesday\n" * 80,
    "picks.star": b"data_particles\n\nloop_\n_rlnTomoName #1\nTS_01\n" * 40,
    "picture.png": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8,
    "zeros.dat": bytes(4096),
    "ones.dat": b"\xff" * 4096,
}


@pytest.fixture(params=NO_VOLUMES)
def no_volume(request, tmp_path):
    path = tmp_path / request.param
    path.write_bytes(NO_VOLUMES[request.param])
    return path


@pytest.mark.parametrize("name", volume_formats.names())
def test_what_is_no_volume_is_not_claimed(name, no_volume):
    assert volume_formats.get(name).recognise(Candidate(no_volume)) == 0


@pytest.mark.parametrize("name", volume_formats.names())
def test_a_format_refuses_what_is_not_its_own_in_one_line(name, no_volume):
    with pytest.raises(CryoalError) as caught:
        volume_formats.get(name).read_header(no_volume, None)
    assert "\n" not in str(caught.value)
    assert str(no_volume) in str(caught.value)


def test_none_of_them_is_opened(no_volume):
    load = pickle.loads(pickle.dumps(partial(open_volume, no_volume)))
    with pytest.raises(CryoalError, match="no volume of a known format"):
        load()


@pytest.mark.parametrize("name", volume_formats.names())
def test_a_format_is_called_what_it_is_registered_as(name):
    assert volume_formats.get(name).name == name
