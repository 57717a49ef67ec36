"""Downloads go on where they ended, and nothing wrong or half is ever called finished."""

import hashlib
import http.server
import json
import socket
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from conftest import cryoal

import cryoal.data.fetch as fetching
from cryoal.cli.common import machine_failure
from cryoal.core.errors import CryoalError, MachineError
from cryoal.data.fetch import fetch, verify
from cryoal.data.manifest import DataFile, Manifest

CONTENT = bytes(range(256)) * 20_000  # 5 MB
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Server:
    """A server whose misbehaviour is set from outside; it keeps what it was asked for."""

    content: bytes = CONTENT
    tag: str = '"one"'
    ranges: bool = True
    breaks_after: list[int] = field(default_factory=list)  # bytes, one for each answer
    status: int = 200
    address: str = ""
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(fetching, "_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(fetching, "_CHUNK", 1 << 16)
    state = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked = self.headers.get("Range", "")
            state.asked.append(asked)
            if state.status != 200:
                self.send_error(state.status)
                return
            same = self.headers.get("If-Range", state.tag) == state.tag
            start = int(asked[6:-1]) if asked and state.ranges and same else 0
            if start >= len(state.content) and start:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(state.content)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            body = state.content[start:]
            self.send_response(206 if start else 200)
            if start:
                last = len(state.content) - 1
                self.send_header("Content-Range", f"bytes {start}-{last}/{len(state.content)}")
            self.send_header("Content-Length", str(len(body)))
            if state.tag:
                self.send_header("ETag", state.tag)
            self.end_headers()
            if state.breaks_after:
                self.wfile.write(body[: state.breaks_after.pop(0)])
                self.close_connection = True
                return
            self.wfile.write(body)

        def log_message(self, *arguments):
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.handle_error = lambda *_: None  # who hangs up has the right to
        thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        state.address = f"http://127.0.0.1:{running.server_port}/TS_01.mrc"
        yield state
        running.shutdown()
        thread.join()


def data_set(url: str, sha256: str | None = DIGEST, **more: object) -> tuple[Manifest, DataFile]:
    file = DataFile(path="tomograms/TS_01.mrc", url=url, what="x", verified="x", sha256=sha256,
                    **more)  # fmt: skip
    facts = dict.fromkeys(
        ("licence", "citation", "voxel_size", "tilt_range", "classes", "to_project"), "not verified"
    )
    manifest = Manifest(
        format=1, name="mine", title="Mine", kind="tomograms", description="A set.",
        homepage="https://example.org/mine", licence="CC0-1.0", citation="Nobody", classes=[],
        to_project="cryoal extract", verified=facts, files=[file],
    )  # fmt: skip
    return manifest, file


def fetched(folder: Path) -> Path:
    return folder / "tomograms" / "TS_01.mrc"


def left(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_a_file_is_fetched_once_and_progress_is_told(server, tmp_path):
    manifest, file = data_set(server.address)
    told = []
    assert fetch(manifest, file, tmp_path, lambda done, total: told.append((done, total)))
    assert fetched(tmp_path).read_bytes() == CONTENT
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert not fetch(manifest, file, tmp_path)
    assert len(server.asked) == 1
    assert left(tmp_path) == ["fetched.json", "tomograms/TS_01.mrc"]


def test_a_connection_that_breaks_half_way_is_taken_up_again(server, tmp_path):
    server.breaks_after = [1_000_000, 700_000]
    manifest, file = data_set(server.address)
    assert fetch(manifest, file, tmp_path)
    assert fetched(tmp_path).read_bytes() == CONTENT
    assert server.asked[0] == ""
    starts = [int(asked[6:-1]) for asked in server.asked[1:]]
    assert starts == sorted(starts)
    assert 0 < starts[0] <= 1_000_000


def test_a_server_that_is_gone_leaves_what_came_and_the_next_call_goes_on(server, tmp_path):
    server.breaks_after = [500_000] * 3
    manifest, file = data_set(server.address)
    with pytest.raises(MachineError, match=r"are kept, and the same command goes on") as caught:
        fetch(manifest, file, tmp_path)
    assert "\n" not in str(caught.value)
    assert not fetched(tmp_path).exists()
    assert verify(manifest, file, tmp_path) == "incomplete"
    part = fetched(tmp_path).with_name("TS_01.mrc.part").stat().st_size
    assert 0 < part <= 1_500_000
    assert fetch(manifest, file, tmp_path)
    assert server.asked[-1] == f"bytes={part}-"
    assert fetched(tmp_path).read_bytes() == CONTENT


def test_a_file_that_changed_meanwhile_is_begun_anew(server, tmp_path):
    server.breaks_after = [500_000] * 3
    manifest, file = data_set(server.address, sha256=None)
    with pytest.raises(MachineError):
        fetch(manifest, file, tmp_path)
    server.tag, server.content = '"two"', CONTENT[::-1]
    assert fetch(manifest, file, tmp_path)
    assert fetched(tmp_path).read_bytes() == CONTENT[::-1]


def test_a_server_without_ranges_is_asked_for_all_of_it(server, tmp_path):
    server.breaks_after, server.ranges = [500_000], False
    manifest, file = data_set(server.address)
    assert fetch(manifest, file, tmp_path)
    assert fetched(tmp_path).read_bytes() == CONTENT


def test_without_version_and_digest_nothing_is_glued_together(server, tmp_path):
    server.breaks_after, server.tag = [500_000], ""
    manifest, file = data_set(server.address, sha256=None)
    assert fetch(manifest, file, tmp_path)
    assert server.asked == ["", ""]
    assert fetched(tmp_path).read_bytes() == CONTENT


def test_a_part_that_is_whole_already_needs_no_byte_more(server, tmp_path):
    manifest, file = data_set(server.address)
    part = fetched(tmp_path).with_name("TS_01.mrc.part")
    part.parent.mkdir(parents=True)
    part.write_bytes(CONTENT)
    assert fetch(manifest, file, tmp_path)
    assert fetched(tmp_path).read_bytes() == CONTENT


def test_a_wrong_digest_is_refused_and_nothing_kept(server, tmp_path):
    manifest, file = data_set(server.address, sha256="0" * 64)
    with pytest.raises(CryoalError, match=r"has not the sha256 that mine states") as caught:
        fetch(manifest, file, tmp_path)
    assert not isinstance(caught.value, MachineError)
    assert "\n" not in str(caught.value)
    assert left(tmp_path) == []


def test_a_spoiled_file_is_told_and_fetched_again(server, tmp_path):
    manifest, file = data_set(server.address)
    fetch(manifest, file, tmp_path)
    assert verify(manifest, file, tmp_path) == "right"
    fetched(tmp_path).write_bytes(CONTENT[:-1])
    assert verify(manifest, file, tmp_path) == "wrong"
    assert fetch(manifest, file, tmp_path)
    assert verify(manifest, file, tmp_path) == "right"


def test_a_file_of_the_user_in_its_place_is_kept(server, tmp_path):
    manifest, file = data_set(server.address)
    fetched(tmp_path).parent.mkdir(parents=True, exist_ok=True)
    fetched(tmp_path).write_text("mine")
    with pytest.raises(CryoalError, match="cryoal did not fetch it"):
        fetch(manifest, file, tmp_path)
    assert fetched(tmp_path).read_text() == "mine"


def test_without_a_published_digest_changes_since_the_fetch_are_told(server, tmp_path):
    manifest, file = data_set(server.address, sha256=None)
    assert verify(manifest, file, tmp_path) == "missing"
    fetch(manifest, file, tmp_path)
    assert verify(manifest, file, tmp_path) == "unchanged"
    assert json.loads((tmp_path / "fetched.json").read_text())[file.path]["sha256"] == DIGEST
    fetched(tmp_path).write_bytes(b"other")
    assert verify(manifest, file, tmp_path) == "wrong"
    (tmp_path / "fetched.json").unlink()
    assert verify(manifest, file, tmp_path) == "unknown"


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (404, CryoalError, "404 .*have the data moved"),
        (503, MachineError, "the server answers 503"),
    ],
)
def test_what_the_server_answers_is_said(server, tmp_path, status, kind, words):
    server.status = status
    manifest, file = data_set(server.address)
    with pytest.raises(kind, match=words) as caught:
        fetch(manifest, file, tmp_path)
    assert isinstance(caught.value, MachineError) == (kind is MachineError)
    assert left(tmp_path) == []


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_without_a_network_there_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "_PAUSE_SECONDS", 0.0)
    manifest, file = data_set(f"http://127.0.0.1:{unused_port()}/TS_01.mrc")
    with pytest.raises(MachineError, match=r"no connection to 127\.0\.0\.1 \(refused\)") as caught:
        fetch(manifest, file, tmp_path)
    assert "\n" not in str(caught.value)


def test_a_file_larger_than_the_disk_is_refused_before_it_is_begun(server, tmp_path):
    manifest, file = data_set(server.address, bytes=10**18)
    with pytest.raises(MachineError, match=r"are needed and .* are free"):
        fetch(manifest, file, tmp_path)
    assert server.asked == []


def test_a_disk_that_is_full_half_way_names_the_file(server, tmp_path):
    part = fetched(tmp_path).with_name("TS_01.mrc.part")
    part.parent.mkdir(parents=True)
    part.symlink_to("/dev/full")
    manifest, file = data_set(server.address)
    with pytest.raises(OSError, match="No space left") as caught:
        fetch(manifest, file, tmp_path)
    assert str(part) in str(machine_failure(caught.value))
    assert not fetched(tmp_path).exists()


# ---- the command


@pytest.fixture
def own(server, tmp_path):
    """A manifest file of one's own."""
    path = tmp_path / "mine.toml"
    statements = "\n".join(
        f'{name} = "not verified"'
        for name in ("licence", "citation", "voxel_size", "tilt_range", "classes", "to_project")
    )
    path.write_text(f"""
format = 1
name = "mine"
title = "Mine"
kind = "tomograms"
description = "A set."
homepage = "https://example.org"
licence = "CC0-1.0"
citation = "Nobody"
classes = []
to_project = "cryoal extract mine"
[verified]
{statements}
[[files]]
path = "tomograms/TS_01.mrc"
url = "{server.address}"
what = "a tomogram"
verified = "not verified"
sha256 = "{DIGEST}"
""")
    return path


def test_the_list_is_text_or_one_object():
    outcome = cryoal("data", "list")
    assert outcome.code == 0
    assert "shrec-2021" in outcome.stdout
    sets = json.loads(cryoal("data", "list", "--json").stdout)
    assert len(sets) >= 6
    one = json.loads(cryoal("data", "list", "empiar-10988", "--json").stdout)
    assert one["voxel_size"] == 13.48
    assert "not verified" in cryoal("data", "list", "empiar-10988").stdout


def test_fetch_and_verify_by_command(own, server, tmp_path):
    folder = tmp_path / "there"
    server.breaks_after = [500_000]
    outcome = cryoal("data", "fetch", own, "--to", folder)
    assert outcome.code == 0, outcome.stderr
    assert "1 checked against a published digest" in outcome.stderr
    assert outcome.stdout == ""
    assert "all were there" in cryoal("data", "fetch", own, "--to", folder).stderr
    outcome = cryoal("data", "verify", own, "--to", folder)
    assert (outcome.code, outcome.stdout.split()[0]) == (0, "right")
    fetched(folder).write_bytes(b"spoiled")
    outcome = cryoal("data", "verify", own, "--to", folder)
    assert (outcome.code, outcome.stdout.split()[0]) == (2, "wrong")
    assert len(outcome.stderr.strip().splitlines()) == 1


def test_failures_of_network_and_input_have_their_exit_codes(own, server, tmp_path):
    server.breaks_after = [200_000] * 3
    outcome = cryoal("data", "fetch", own, "--to", tmp_path / "there")
    assert outcome.code == 1
    assert outcome.stderr.strip().splitlines()[-1].endswith("the same command goes on from there")
    for command in (
        ["fetch"], ["fetch", "none"], ["fetch", own, "--only", "x"], ["fetch", "shrec-2021"],
        ["verify"], ["verify", "x"], ["verify", "--to", tmp_path], ["list", tmp_path / "none.toml"],
    ):  # fmt: skip
        outcome = cryoal("data", *command)
        assert outcome.code == 2
        assert len(outcome.stderr.strip().splitlines()) == 1
