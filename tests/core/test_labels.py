import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from cryoal.core.labels import UNSURE, Label, LabelBook

counter = itertools.count()


def say(annotator: str, particle: str, word: str, revokes: str = "") -> Label:
    number = next(counter)
    when = f"2026-01-01T00:00:00.{number:06d}+00:00"
    return Label(when, f"s{number}", annotator, particle, word, revokes=revokes)


statements = st.lists(
    st.builds(
        say,
        st.sampled_from(["anna", "kim", "li"]),
        st.sampled_from(["p1", "p2"]),
        st.sampled_from(["ribosome", "junk", UNSURE]),
    ),
    max_size=8,
)


@settings(max_examples=60)
@given(statements, st.randoms())
def test_the_order_in_which_files_are_read_does_not_matter(made, random):
    shuffled = made[:]
    random.shuffle(shuffled)
    assert LabelBook().add(*shuffled).current() == LabelBook().add(*made).current()


@given(statements, statements)
def test_uniting_books_is_commutative_and_repeating_it_adds_nothing(one, other):
    a, b = LabelBook(frozenset(one)), LabelBook(frozenset(other))
    assert a.union([b]) == b.union([a])
    assert a.union([b]).union([b]) == a.union([b])


@given(statements)
def test_undoing_the_last_statement_restores_what_stood_before(made):
    book = LabelBook(frozenset(made))
    last = say("anna", "p1", "ribosome")
    undo = say("anna", "p1", "", revokes=last.statement)
    assert book.add(last, undo).current() == book.current()
    redo = say("anna", "p1", "", revokes=undo.statement)
    assert book.add(last, undo, redo).current() == book.add(last).current()


def test_an_annotators_last_word_counts_once():
    book = LabelBook().add(
        say("anna", "p1", "junk"), say("anna", "p1", "ribosome"), say("kim", "p1", "ribosome")
    )
    assert book.current() == {"p1": "ribosome"}


def test_a_tie_is_no_label_and_a_third_voice_settles_it():
    tied = LabelBook().add(say("anna", "p1", "junk"), say("kim", "p1", "ribosome"))
    assert tied.current() == {}
    assert tied.add(say("li", "p1", "junk")).current() == {"p1": "junk"}


def test_unsure_is_an_answer_but_no_vote():
    book = LabelBook().add(say("anna", "p1", UNSURE))
    assert book.current() == {}
    assert book.unsure() == {"p1"}
    settled = book.add(say("kim", "p1", "ribosome"))
    assert settled.current() == {"p1": "ribosome"}
    assert settled.unsure() == set()
