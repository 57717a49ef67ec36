"""What is said is on the disk, what is taken back is as if never said, and nothing else happens."""

import contextlib
import itertools
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest
from conftest import cryoal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cryoal.annotate.session import AnnotationSession
from cryoal.core.errors import CryoalError
from cryoal.io import ledger
from cryoal.project.project import Project
from cryoal.project.selecting import Queue

WORDS = ("ribosome", "proteasome", "junk")


def book(folder: Path, who: str = "anna") -> dict[str, str]:
    """What a reader of the ledger finds that an annotator holds."""
    path = Project(folder).layout.ledger(who)
    if not path.exists():
        return {}
    return {i: words[who] for i, words in ledger.read(path).answers().items() if who in words}


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("answer"), st.sampled_from(WORDS)),
        st.tuples(st.sampled_from(["unsure", "skip", "undo", "next", "previous", "reopen"])),
        st.tuples(st.just("go_to"), st.integers(0, 30)),
        st.tuples(st.just("rename"), st.sampled_from(WORDS[:2]), st.sampled_from(WORDS)),
    ),
    max_size=40,
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(actions=ACTIONS)
def test_any_course_of_a_session_leaves_a_ledger_that_replays_to_it(
    asked: Path, actions: list[tuple[str, ...]]
) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(shutil.copytree(asked, Path(scratch) / "p", copy_function=os.link))
        session = AnnotationSession(folder, "anna")
        said: list[dict[str, str]] = [{}]  # what stood after each statement
        for name, *rest in actions:
            now = dict(said[-1])
            if name in ("answer", "unsure") and session.current is not None:
                now[session.current] = rest[0] if rest else "unsure"
                said.append(now)
                getattr(session, name)(*rest)
            elif name == "undo":
                assert bool(session.undo()) == (len(said) > 1)
                said = said[:-1] or said
            elif name == "rename":
                changed = session.rename(*rest)
                if changed:
                    said.append({i: rest[1] if w == rest[0] else w for i, w in now.items()})
            elif name == "reopen":
                session = AnnotationSession(folder, "anna")
            elif name not in ("answer", "unsure"):
                getattr(session, name)(*rest)
            assert book(folder) == said[-1]
            for particle in session.ids:
                assert session.word(particle) == said[-1].get(particle)
        lines = Project(folder).layout.ledger("anna")
        text = lines.read_bytes() if lines.exists() else b""
        again = AnnotationSession(folder, "anna")
        assert [again.answer_at(i) for i in range(30)] == [session.answer_at(i) for i in range(30)]
        assert again.progress == session.progress
        assert not text or lines.read_bytes() == text


def test_every_particle_of_the_queue_is_asked_in_its_order_and_one_of_twenty_again(
    queued: Path,
) -> None:
    queue = Project(queued).queue
    assert queue is not None
    session = AnnotationSession(queued, "anna")
    shown = []
    while session.current is not None:
        shown.append(session.current)
        assert session.answer_at(session.index or 0) is None
        session.answer("junk")
    assert list(dict.fromkeys(shown)) == queue.ids
    assert len(shown) == 31
    (twice,) = {name for name in shown if shown.count(name) == 2}
    first, second = (at for at, name in enumerate(shown) if name == twice)
    assert second - first >= 10
    assert session.progress == (31, 31)
    assert (session.remaining, session.agreement) == (0, (1, 1))


def test_self_agreement_is_of_the_moment_and_survives_renaming_and_correction(queued: Path) -> None:
    session = AnnotationSession(queued, "anna")
    while session.current is not None:
        item = session.items[session.index or 0]
        session.answer("b" if item.repeat else "a")
    assert session.agreement == (0, 1)
    session.rename("a", "b")
    assert session.agreement == (0, 1)
    repeat = next(at for at, item in enumerate(session.items) if item.repeat)
    session.go_to(repeat)
    session.answer("a")
    assert AnnotationSession(queued, "anna").agreement == (1, 1)


def test_undo_restores_what_stood_before_and_asks_again(queued: Path) -> None:
    session = AnnotationSession(queued, "anna")
    first = session.current
    assert first is not None
    session.answer("a")
    session.go_to(0)
    session.answer("b")
    assert session.word(first) == "b"
    (gone,) = session.undo()
    assert (gone.id, gone.label, session.current) == (first, "b", first)
    assert session.word(first) == book(queued)[first] == "a"
    session.undo()
    assert book(queued) == {}
    assert session.undo() == []


def test_undo_reaches_what_was_said_before_the_program_was_closed(queued: Path) -> None:
    AnnotationSession(queued, "anna").answer("a")
    session = AnnotationSession(queued, "anna")
    assert session.index == 1
    session.undo()
    assert session.index == 0
    assert book(queued) == {}


def test_a_skipped_particle_is_no_statement_and_can_be_gone_back_to(queued: Path) -> None:
    session = AnnotationSession(queued, "anna")
    first = session.current
    before = session.remaining
    session.skip()
    assert session.current != first
    assert (session.remaining, session.skipped, book(queued)) == (before - 1, 1, {})
    session.previous()
    assert session.current == first
    session.answer("a")
    assert session.skipped == 0


def test_what_was_skipped_is_not_asked_for_ever(queued: Path) -> None:
    session = AnnotationSession(queued, "anna")
    for _ in range(30):
        session.skip()
    assert session.current is None
    with pytest.raises(CryoalError, match="every particle of this queue"):
        session.answer("a")
    session.previous()
    assert session.current is not None


def test_two_annotators_do_not_disturb_each_other(queued: Path) -> None:
    anna, ben = AnnotationSession(queued, "anna"), AnnotationSession(queued, "ben")
    for _ in range(5):
        anna.answer("a")
        ben.answer("b")
    ben.undo()
    assert len(book(queued)) == 5
    assert len(book(queued, "ben")) == 4
    assert Project(queued).labels.current() == {anna.ids[4]: "a"}  # the rest are ties


def test_two_windows_of_one_annotator_see_each_other(queued: Path) -> None:
    one, other = AnnotationSession(queued, "anna"), AnnotationSession(queued, "anna")
    one.answer("a")
    other.skip()
    assert other.progress.answered == 1
    other.answer("b")
    one.undo()
    assert set(book(queued).values()) == {"a"}


def write_queue(folder: Path, ids: list[str], number: int) -> None:
    old = Project(folder).queue
    assert old is not None
    table = old.table.iloc[[0] * len(ids)].reset_index(drop=True).assign(cryoalId=ids)
    Queue(table, "margin", 0).write(Project(folder).layout.round(number).queries)


def test_a_newer_queue_comes_with_the_next_particle_and_not_under_ones_fingers(
    queued: Path,
) -> None:
    session = AnnotationSession(queued, "anna")
    old = session.current
    assert old is not None
    assert not session.newer
    ids = [str(name) for name in session.project.subtomograms.ids if name not in session.ids][:5]
    write_queue(queued, ids, 1)
    assert session.newer
    assert session.current == old
    said = session.answer("a")
    assert (said.id, said.round) == (old, 0)
    assert (session.round, session.ids, session.current) == (1, ids, ids[0])
    session.undo()
    assert session.current == old
    assert session.answer("b").round == 0
    assert session.current == ids[0]


def test_a_queue_that_grew_keeps_the_particle_that_is_asked(queued: Path) -> None:
    session = AnnotationSession(queued, "anna")
    session.go_to(7)
    here = session.current
    more = [str(name) for name in session.project.subtomograms.ids if name not in session.ids][:9]
    write_queue(queued, session.ids + more, 0)
    assert session.refresh()
    assert session.current == here
    assert len(session.ids) == 39


def test_a_spoiled_new_queue_costs_no_answer(queued: Path) -> None:
    session = AnnotationSession(queued, "anna")
    path = Project(queued).layout.round(1).queries
    path.parent.mkdir()
    path.write_text("data_queue\n")
    first = session.current
    session.answer("a")
    assert book(queued) == {first: "a"}
    assert "no block data_queries; delete it" in session.notice
    assert session.current is not None


def test_a_project_without_a_queue_says_what_to_do(project: Path) -> None:
    with pytest.raises(CryoalError, match="nothing is asked yet; run cryoal select"):
        AnnotationSession(project)


def test_particles_whose_boxes_are_gone_are_left_out_and_said_so(queued: Path) -> None:
    ids = list(AnnotationSession(queued, "anna").ids)
    write_queue(queued, ["gone/1", *ids, "gone/2"], 0)
    session = AnnotationSession(queued, "anna")
    assert session.ids == ids
    assert "2 of 32 particles" in session.notice
    write_queue(queued, ["gone/1", "gone/2"], 0)
    with pytest.raises(CryoalError, match="none of its 2 particles has a box"):
        AnnotationSession(queued, "anna")
    next((queued / "subtomograms").glob("*.mrc")).unlink()
    with pytest.raises(CryoalError, match="the stack is gone"):
        AnnotationSession(queued, "anna")


def test_a_torn_line_costs_that_line_alone(queued: Path) -> None:
    session = AnnotationSession(queued, "anna")
    first, second = session.answer("a").id, session.answer("b").id
    path = Project(queued).layout.ledger("anna")
    path.write_bytes(path.read_bytes()[:-9])
    again = AnnotationSession(queued, "anna")
    assert again.current == second
    again.answer("c")
    assert book(queued) == {first: "a", second: "c"}


@pytest.mark.parametrize("word", ["", " ", "a\tb", "a\nb", "a\x00b"])
def test_what_would_spoil_the_ledger_is_no_answer(word: str, queued: Path) -> None:
    session = AnnotationSession(queued, "anna")
    with pytest.raises(CryoalError, match="cannot name a class"):
        session.answer(word)
    assert session.index == 0
    assert book(queued) == {}


@pytest.fixture
def cramped(queued: Path) -> Path:
    """A project to which a file of at most 1,000 bytes can be written: a disk about to be full."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    yield queued
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    signal.signal(signal.SIGXFSZ, handler)


def test_on_a_full_disk_an_answer_is_either_there_or_refused(cramped: Path) -> None:
    session = AnnotationSession(cramped, "anna")
    given = {}
    problem = ""
    for number in itertools.count():
        current = session.current
        assert current is not None
        try:
            session.answer(f"class {number}")
        except CryoalError as refused:
            problem = str(refused)
            break
        given[current] = f"class {number}"
    assert "could not be written (File too large); it is not recorded" in problem
    assert len(given) > 3
    assert session.current == current
    assert book(cramped) == given == {i: session.word(i) for i in given}
    assert session.progress.answered == len(given)


@pytest.mark.skipif(os.geteuid() == 0, reason="the administrator may write everywhere")
def test_a_read_only_ledger_is_a_sentence(queued: Path) -> None:
    session = AnnotationSession(queued, "anna")
    session.answer("a")
    path = Project(queued).layout.ledger("anna")
    path.chmod(0o400)
    with pytest.raises(CryoalError, match="could not be written"):
        session.answer("b")
    assert session.progress.answered == 1


def test_where_no_ledger_can_be_the_answer_is_refused(queued: Path) -> None:
    session = AnnotationSession(queued, "anna")
    Project(queued).layout.labels.write_text("a file where the folder should be")
    with pytest.raises(CryoalError, match="could not be written"):
        session.answer("a")
    assert (session.index, session.progress.answered) == (0, 0)


def test_a_project_that_was_moved_away_gets_no_answers_where_it_was(
    queued: Path, tmp_path: Path
) -> None:
    session = AnnotationSession(queued, "anna")
    session.answer("a")
    queued.rename(tmp_path / "elsewhere")
    with pytest.raises(CryoalError, match="gone from here; the answer is not recorded"):
        session.answer("a")
    assert not queued.exists()
    assert session.progress.answered == 1
    (tmp_path / "elsewhere").rename(queued)
    session.answer("b")
    assert sorted(book(queued).values()) == ["a", "b"]


def test_every_answer_given_before_the_program_is_killed_is_there(queued: Path) -> None:
    program = textwrap.dedent(
        """
        import sys
        from cryoal.annotate.session import AnnotationSession
        session = AnnotationSession(sys.argv[1], "anna")
        while session.current is not None:
            particle = session.current
            session.answer("a")
            print(particle, flush=True)
            session.undo() if session.progress.answered == 3 else None
            session.go_to((session.index + 7) % 30)
        """
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(queued)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for _ in range(25):
        process.stdout.readline()
    process.kill()
    rest = process.stdout.read().split()
    process.wait()
    process.stdout.close()
    statements = ledger.read(Project(queued).layout.ledger("anna")).statements
    said = [label for label in statements if label.label]
    assert 0 <= len(said) - (25 + len(rest)) <= 1  # one may be written and not yet announced
    AnnotationSession(queued, "anna").answer("b")


def test_classes_keep_their_keys_and_colours(queued: Path) -> None:
    session = AnnotationSession(queued, "anna")
    session.answer("zebra")
    session.answer("apple")
    session.recolour("zebra", "#112233")
    again = AnnotationSession(queued, "ben")
    assert again.classes.names == ("zebra", "apple")
    assert again.classes.colour("zebra") == "#112233"
    assert [again.classes.at_key(k) for k in range(4)] == ["junk", "zebra", "apple", None]


def test_a_class_that_another_adds_meanwhile_is_kept(queued: Path) -> None:
    anna, ben = AnnotationSession(queued, "anna"), AnnotationSession(queued, "ben")
    anna.add_class("a")
    ben.add_class("b")
    anna.answer("c")
    assert anna.classes.names == ("a", "b", "c")
    assert AnnotationSession(queued, "cleo").classes.names == ("a", "b", "c")


def test_a_list_of_classes_that_cannot_be_read_costs_no_answer(queued: Path) -> None:
    session = AnnotationSession(queued, "anna")
    path = Project(queued).layout.classes
    path.parent.mkdir(exist_ok=True)
    path.write_text("class = 3")
    session.answer("a")
    assert list(book(queued).values()) == ["a"]
    assert session.classes.names == ("a",)
    with pytest.raises(CryoalError, match="not a list of classes"):
        session.add_class("b")


def test_a_renaming_that_cannot_be_written_changes_nothing(cramped: Path) -> None:
    session = AnnotationSession(cramped, "anna")
    with contextlib.suppress(CryoalError):
        while True:
            session.answer("a")
    before = book(cramped)
    with pytest.raises(CryoalError, match="could not be written"):
        session.rename("a", "b")
    assert (book(cramped), session.classes.names) == (before, ("a",))
    assert AnnotationSession(cramped, "anna").classes.names == ("a",)


def test_renaming_says_again_and_merging_joins(queued: Path) -> None:
    session = AnnotationSession(queued, "anna")
    ids = [session.answer(word).id for word in ("a", "b", "a", "c")]
    path = Project(queued).layout.ledger("anna")
    text = path.read_bytes()
    assert session.rename("a", "ribosome") == 2
    assert session.classes.names == ("ribosome", "b", "c")
    assert session.merge(["b", "c"], "ribosome") == 2
    assert path.read_bytes().startswith(text)
    assert book(queued) == dict.fromkeys(ids, "ribosome")
    assert session.classes.names == ("ribosome",)
    assert session.classes.now("b") == "ribosome"
    session.undo()
    assert book(queued)[ids[3]] == "c"
    assert "c" in session.classes.names


def test_a_rename_leaves_the_words_of_others_alone(queued: Path) -> None:
    anna, ben = AnnotationSession(queued, "anna"), AnnotationSession(queued, "ben")
    first = anna.answer("a").id
    ben.answer("a")
    anna.rename("a", "b")
    assert (book(queued), book(queued, "ben")) == ({first: "b"}, {first: "a"})


def test_junk_keeps_its_name_and_unsure_names_no_class(queued: Path) -> None:
    session = AnnotationSession(queued, "anna")
    with pytest.raises(CryoalError, match="junk"):
        session.rename("junk", "dirt")
    with pytest.raises(CryoalError, match="an answer of its own"):
        session.add_class("unsure")


def test_the_rate_leaves_breaks_out(queued: Path) -> None:
    times = iter([0.0, 2.0, 4.0, 3000.0, 3002.0])
    session = AnnotationSession(queued, "anna", clock=lambda: next(times))
    for _ in range(5):
        session.answer("junk")
    assert session.rate == pytest.approx(30)


def test_a_clock_that_is_put_back_changes_no_order(queued: Path) -> None:
    session = AnnotationSession(queued, "anna")
    said = session.answer("a")
    path = Project(queued).layout.ledger("anna")
    path.write_text(path.read_text().replace(said.when, "2999-01-01T00:00:00.000000+00:00"))
    session = AnnotationSession(queued, "anna")
    session.go_to(0)
    session.answer("b")
    assert book(queued)[said.id] == "b"
    session.undo()
    assert book(queued)[said.id] == "a"


def test_what_the_model_thinks_is_there_when_asked_for(project: Path) -> None:
    ids = [str(name) for name in Project(project).subtomograms.ids]
    Project(project).labels.add({name: "ab"[k % 2] for k, name in enumerate(ids[:20])}, "x")
    assert cryoal("select", project, "-n", 5).code == 0
    session = AnnotationSession(project, "anna")
    assert session.round == 1
    assert session.classes.names == ("a", "b")
    (best, p), (_, q) = session.guess()
    assert best in "ab"
    assert p >= q
    assert p + q == pytest.approx(1)
    session.rename(best, "c")
    assert session.guess()[0] == ("c", p)
