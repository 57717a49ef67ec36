"""Labelling in a real browser, with real key presses, up to the project's ledger."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import cryoal

from cryoal.annotate.schedule import schedule
from cryoal.annotate.session import AnnotationSession
from cryoal.annotate.sheet import write_sheet
from cryoal.core.labels import UNSURE
from cryoal.io.tsv import read_tsv
from cryoal.project.project import Project
from cryoal.project.selecting import Queue

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
HOSTILE_ID = "TS_001<img/src=x/onerror=window.hacked=1>/"
HOSTILE = '</script><img src=x onerror="window.hacked=1">\'"&amp;{{7*7}}'


@pytest.fixture(scope="module")
def browser() -> Iterator:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    program = program or shutil.which("google-chrome")
    with sync_api.sync_playwright() as playwright:
        try:
            opened = playwright.chromium.launch(
                executable_path=program, args=["--no-sandbox", "--disable-gpu"]
            )
        except sync_api.Error as problem:
            first = str(problem).strip().splitlines()[0]
            reason = f"no Chromium to label in ({first}); apt install chromium"
            if os.environ.get("CI") == "true":
                pytest.fail(reason)
            pytest.skip(reason)
        yield opened
        opened.close()


class Desk:
    """A project, its sheet, and a person's browser profile."""

    def __init__(self, project: Path, folder: Path, browser, sheet: Path | None = None) -> None:
        self.root, self.folder = project, folder
        self.sheet = folder / "sheet.html"
        self.profile = browser.new_context(accept_downloads=True)
        self.trouble: list[str] = []
        self.requests: list[str] = []
        if sheet is None:
            write_sheet(Project(project), self.sheet, with_context=False)
        else:
            shutil.copy(sheet, self.sheet)
        self.page = self.open()

    @property
    def project(self) -> Project:
        return Project(self.root)

    @property
    def ids(self) -> list[str]:
        queue = self.project.queue
        assert queue is not None
        return queue.ids

    def open(self):
        page = self.profile.new_page()
        page.on("pageerror", lambda problem: self.trouble.append(str(problem)))
        page.on("dialog", lambda dialog: self.trouble.append(dialog.message))
        page.on(
            "console",
            lambda line: self.trouble.append(line.text) if line.type == "error" else None,
        )
        page.on("request", lambda request: self.requests.append(request.url[:60]))
        page.goto(self.sheet.as_uri())
        return page

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def add(self, *names: str) -> None:
        for name in names:
            self.page.fill("#new", name)
            self.page.press("#new", "Enter")

    def text(self, selector: str) -> str:
        return self.page.text_content(selector) or ""

    @property
    def answered(self) -> int:
        return int(self.text("#progress").split()[0])

    @property
    def at(self) -> int:
        return int(self.text("#number").split()[0]) - 1

    def download(self) -> Path:
        try:
            return self._download()
        except sync_api.TimeoutError:
            # A busy Chromium once dropped a file that the page had given it; people click again.
            assert self.text("#toast").startswith("Saved ")
            return self._download()

    def _download(self) -> Path:
        with self.page.expect_download(timeout=10_000) as waiting:
            self.page.click("#download")
        path = self.folder / waiting.value.suggested_filename
        waiting.value.save_as(path)
        return path

    def label(self, path: Path, *more: str) -> str:
        outcome = cryoal("label", self.root, "--from", path, *more)
        assert outcome.code == 0, outcome.stderr
        return outcome.stderr


@pytest.fixture(scope="module")
def sheet(asked: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the project that ``queued`` is a copy of."""
    path = tmp_path_factory.mktemp("sheet") / "sheet.html"
    write_sheet(Project(asked), path, with_context=False)
    return path


@pytest.fixture
def desk(queued: Path, tmp_path: Path, browser, sheet: Path) -> Iterator[Desk]:
    made = Desk(queued, tmp_path, browser, sheet)
    yield made
    made.profile.close()
    assert made.trouble == []
    assert [url for url in made.requests if not url.startswith(("file:", "data:", "blob:"))] == []


def test_ten_answers_less_one_undone_come_home_after_a_reload(desk):
    desk.add("ribosome", "proteasome")
    desk.press("1", "2", "1", "j", "u", "0", "2", "1", "1", "2")
    assert desk.answered == 10
    desk.press("Backspace")
    assert desk.answered == 9
    assert desk.at == 9
    desk.page.reload()
    assert desk.answered == 9
    assert desk.at == 9
    sheet = desk.download()
    assert sheet.name == "project_round_0_labels.tsv"
    said = ["ribosome", "proteasome", "ribosome", "junk", UNSURE, "junk", "proteasome"]
    said += ["ribosome"] * 2
    table = read_tsv(sheet)
    assert dict(zip(table["id"], table["label"], strict=True)) == dict(
        zip(desk.ids, said, strict=False)
    )
    assert "9 statements" in desk.label(sheet, "--annotator", "kim")
    labels = desk.project.labels
    expected = {name: word for name, word in zip(desk.ids, said, strict=False) if word != UNSURE}
    assert labels.current() == expected
    assert labels.unsure() == {desk.ids[4]}
    assert {(s.annotator, s.round) for s in labels.book().statements} == {("kim", 0)}
    assert "0 statements" in desk.label(sheet, "--annotator", "kim")


def test_what_is_undone_after_the_first_import_is_undone_by_the_second(desk):
    desk.add("a", "b")
    desk.press("1", "2", "1")
    desk.label(desk.download())
    assert desk.text("#download") == "Download"
    desk.press("Control+z", "Control+z", "1", "1")
    assert desk.text("#download") == "Download (4 new)"
    desk.label(desk.download())
    assert desk.project.labels.current() == dict.fromkeys(desk.ids[:3], "a")


def test_an_answer_can_be_changed_and_the_change_undone(desk):
    desk.add("a", "b")
    desk.press("1", "ArrowLeft", "2")
    assert desk.text("#told") == ""
    desk.press("p")
    assert desk.text("#told") == "b"
    desk.press("Backspace")
    assert desk.text("#told") == "a"
    desk.label(desk.download())
    assert desk.project.labels.current() == {desk.ids[0]: "a"}


@pytest.mark.parametrize(
    ("keys", "at", "answered"),
    [
        ("s", 1, 0),
        ("n", 1, 0),
        ("ArrowRight", 1, 0),
        ("ArrowDown", 1, 0),
        ("n n p", 1, 0),
        ("n n ArrowLeft", 1, 0),
        ("ArrowLeft", 0, 0),
        ("j", 1, 1),
        ("J", 1, 1),
        ("0", 1, 1),
        ("u", 1, 1),
        ("u Backspace", 0, 0),
        ("u Control+z", 0, 0),
        ("n u p p 0", 2, 2),
        ("7", 0, 0),
        ("Enter", 0, 0),
        ("x Control+u Alt+j Control+Shift+z Space", 0, 0),
    ],
)
def test_every_key_does_what_the_help_says(keys, at, answered, desk):
    desk.press(*keys.split())
    assert (desk.at, desk.answered) == (at, answered)


@pytest.mark.parametrize("seed", range(2))
def test_whatever_is_pressed_the_ledger_says_what_the_page_shows(seed, desk):
    rng = np.random.default_rng(seed)
    keys = ["1", "2", "3", "j", "u", "s", "n", "p", "Backspace", "Control+z", "ArrowLeft"]
    desk.add("a", "b", "c")
    for part in range(3):
        desk.press(*rng.choice(keys, 40))
        if part == 1:
            desk.page.reload()
        path = desk.download()
        if rng.random() < 0.7 or part == 2:
            desk.label(path, "--annotator", "kim")
    titles = desk.page.eval_on_selector_all("#strip button", "all => all.map(b => b.title)")
    shown = [title.partition(": ")[2] for title in titles]
    standing = desk.project.labels.book().standing()
    answers = {(s.id, s.repeat): s.label for s in standing if s.annotator == "kim"}
    questions = schedule(desk.ids, 0, "")
    assert [answers.get((item.id, item.repeat), "") for item in questions] == shown
    assert desk.answered == sum(map(bool, shown)) > 0


def test_typing_a_name_answers_nothing(desk):
    desk.page.click("#new")
    desk.page.keyboard.type("junk u 0")
    desk.page.keyboard.press("Enter")
    desk.page.click("#annotator")
    desk.page.keyboard.type("jus")
    assert desk.answered == 0
    desk.press("Enter", "1")
    assert desk.answered == 1
    assert desk.text("#classes .label") == "junk u 0"


def test_a_key_held_down_answers_once(desk):
    desk.page.keyboard.down("j")
    for _ in range(5):
        desk.page.keyboard.down("j")
    desk.page.keyboard.up("j")
    assert desk.answered == 1
    for _ in range(3):
        desk.page.keyboard.down("n")
    assert desk.at == 4


def test_help_opens_and_no_key_reaches_the_particle_below(desk):
    desk.press("h")
    assert desk.page.is_visible("#helped")
    desk.press("j", "u", "n")
    assert (desk.at, desk.answered) == (0, 0)
    desk.press("h")
    assert not desk.page.is_visible("#helped")


def test_buttons_do_what_keys_do(desk):
    desk.add("a")
    desk.page.click("#classes button")
    desk.page.click("#junk")
    desk.page.click("#unsure")
    desk.page.click("#skip")
    assert (desk.at, desk.answered) == (4, 3)
    desk.press("Enter")  # the last button must not be pressed again
    assert (desk.at, desk.answered) == (4, 3)
    desk.page.click("#undo")
    desk.page.click("#previous")
    assert (desk.at, desk.answered) == (1, 2)
    desk.page.click("#strip button:nth-child(21)")
    assert desk.at == 20


def test_the_end_goes_back_to_what_was_left_open(desk):
    desk.press("s", *["j"] * 30)
    assert (desk.at, desk.answered) == (0, 30)
    desk.press("j")
    assert desk.answered == 31
    assert "download" in desk.text("#toast")


def test_one_particle_in_twenty_comes_again_unmarked_and_both_answers_come_home(desk):
    write_sheet(desk.project, desk.sheet, annotator="kim", with_context=False)
    desk.page.reload()
    desk.add("a", "b")
    questions = schedule(desk.ids, 0, "kim")
    shown = []
    for _ in questions:
        shown.append(desk.text("#name"))
        assert desk.text("#told") == ""
        assert "repeat" not in desk.page.inner_text("body")
        desk.press("2" if shown.count(shown[-1]) == 2 else "1")
    assert shown == [item.id for item in questions]
    assert desk.answered == 31
    assert desk.text("#classes .count") == "29"  # particles, not answers
    desk.label(desk.download())
    session = AnnotationSession(desk.root, "kim")
    assert (session.remaining, session.agreement) == (0, (0, 1))
    (at,) = (at for at, item in enumerate(questions) if item.repeat)
    assert desk.project.labels.current()[questions[at].id] == "b"
    desk.page.click(f"#strip button:nth-child({at + 1})")
    assert (desk.text("#name"), desk.text("#told")) == (questions[at].id, "b")
    desk.press("1")
    desk.label(desk.download())
    assert AnnotationSession(desk.root, "kim").agreement == (1, 1)
    write_sheet(desk.project, desk.sheet, annotator="kim", with_context=False)
    desk.page.evaluate("() => localStorage.clear()")
    desk.page.reload()
    assert (desk.answered, desk.text("#download")) == (31, "Download")


def test_a_repeat_waits_for_its_first_time(desk):
    questions = schedule(desk.ids, 0, "")
    (at,) = (at for at, item in enumerate(questions) if item.repeat)
    first = desk.ids.index(questions[at].id)
    desk.press(*["n"] * (first + 1), *["j"] * (30 - first - 1))
    assert desk.at == 0
    desk.press(*["j"] * first)
    assert (desk.at, desk.answered) == (first, 29)
    desk.press("j")
    assert (desk.at, desk.answered) == (at, 30)


def test_two_people_share_a_browser_and_mix_nothing(desk):
    def sign(name: str) -> None:
        desk.page.fill("#annotator", name)
        desk.page.press("#annotator", "Enter")

    desk.add("a", "b")
    desk.press("1", "1")
    sign("anna")  # who says so after the first answers keeps them
    assert desk.answered == 2
    desk.press("1")
    first = desk.download()
    sign("ben")
    assert (desk.at, desk.answered) == (0, 0)
    assert "those of anna are kept" in desk.text("#toast")
    desk.add("b")
    desk.press("1", "u")
    second = desk.download()
    sign("anna")
    assert desk.answered == 3
    desk.page.reload()
    assert desk.page.input_value("#annotator") == "anna"
    assert desk.answered == 3
    desk.label(first)
    desk.label(second)
    one, two, three = desk.ids[:3]
    assert desk.project.labels.book().answers() == {
        one: {"anna": "a", "ben": "b"},
        two: {"anna": "a", "ben": UNSURE},
        three: {"anna": "a"},
    }


def test_a_page_made_for_somebody_begins_with_their_name(desk):
    desk.page.fill("#annotator", "anna")
    desk.page.press("#annotator", "Enter")
    write_sheet(desk.project, desk.sheet, annotator="ben", with_context=False)
    desk.page.reload()
    assert desk.page.input_value("#annotator") == "ben"
    desk.press("j")
    desk.page.fill("#annotator", "cleo")
    desk.page.press("#annotator", "Enter")
    assert desk.answered == 0
    desk.page.reload()
    assert desk.page.input_value("#annotator") == "cleo"


def test_what_one_answered_elsewhere_is_there_and_can_be_taken_back(desk):
    labels, (one, two, three) = desk.project.labels, desk.ids[:3]
    labels.add({one: "a"}, annotator="ben", round_number=0)
    labels.add({two: "b"}, annotator="ben", round_number=0)
    labels.add({three: "b"}, annotator="anna", round_number=0)
    write_sheet(desk.project, desk.sheet, annotator="ben", with_context=False)
    desk.page.reload()
    assert (desk.at, desk.answered) == (2, 2)
    assert desk.text("#download") == "Download"
    desk.press("Backspace", "1")
    assert desk.text("#download") == "Download (2 new)"
    assert "2 statements" in desk.label(desk.download())
    answers = desk.project.labels.book().answers()
    assert answers == {one: {"ben": "a"}, two: {"ben": "a"}, three: {"anna": "b"}}
    desk.page.fill("#annotator", "cleo")
    desk.page.press("#annotator", "Enter")
    assert desk.answered == 0


def test_two_tabs_lose_no_answer(desk):
    desk.add("a")
    first, second = desk.page, desk.open()
    desk.press("1")
    second.keyboard.press("n")
    second.keyboard.press("j")
    first.keyboard.press("n")  # has not answered the second particle, the other tab has
    first.keyboard.press("u")
    desk.page = second
    desk.page.reload()
    assert desk.answered == 3
    desk.label(desk.download())
    one, two, three = desk.ids[:3]
    current = desk.project.labels.book().answers()
    assert {name: set(words.values()) for name, words in current.items()} == {
        one: {"a"},
        two: {"junk"},
        three: {UNSURE},
    }


def test_a_browser_that_keeps_nothing_says_so_and_still_downloads(desk):
    desk.page.add_init_script(
        "Object.defineProperty(window, 'localStorage', {get() { throw new Error('no') }})"
    )
    desk.page.reload()
    desk.press("j", "u")
    assert "Download before you close it" in desk.text("#notice")
    desk.label(desk.download())
    assert desk.project.labels.current() == {desk.ids[0]: "junk"}


def with_guess(root: Path, change: Callable[[pd.DataFrame], None]) -> None:
    path = Project(root).layout.round(0).queries
    queue = Queue.read(path)
    assert queue is not None
    change(queue.table)
    queue.write(path)


def test_the_guess_is_hidden_until_asked_and_enter_confirms_it(queued, tmp_path, browser):
    def guess(table: pd.DataFrame) -> None:
        table["cryoalPrediction"], table["cryoalConfidence"] = "ribosome", "0.8123"
        table.loc[[0, 4], "cryoalControl"] = "1"

    with_guess(queued, guess)
    desk = Desk(queued, tmp_path, browser)
    assert not desk.page.is_visible("#thinks")
    assert "ribosome" not in desk.page.inner_text("body")
    desk.press("m")
    assert "ribosome" in desk.text("#thinks")
    assert "81 %" in desk.text("#thinks")
    desk.press("n")
    assert not desk.page.is_visible("#thinks")
    desk.press("p", "Enter")
    table = read_tsv(desk.download())
    assert table[["id", "label", "control"]].to_numpy().tolist() == [[desk.ids[0], "ribosome", "1"]]
    desk.profile.close()
    assert desk.trouble == []


def test_names_that_are_markup_stay_text(queued, tmp_path, browser):
    root = Path(shutil.move(queued, tmp_path / HOSTILE.replace("/", "")))
    for name in ("particles.star", "subtomograms/index.star", "rounds/000/queries.star"):
        text = (root / name).read_text()
        assert "TS_001/" in text
        (root / name).write_text(text.replace("TS_001/", HOSTILE_ID))
    project = Project(root)
    assert project.queue is not None
    project.labels.add({project.queue.ids[-1]: HOSTILE}, annotator="kim")
    with_guess(root, lambda table: table.__setitem__("cryoalPrediction", HOSTILE + "2"))
    desk = Desk(root, tmp_path, browser)
    assert desk.text("h1") == root.name
    first = next(i for i, name in enumerate(desk.ids) if name.startswith(HOSTILE_ID))
    desk.press(*["n"] * first)
    assert desk.text("#name") == desk.ids[first]
    assert desk.text("#classes .label") == HOSTILE
    desk.add(HOSTILE + "3")
    desk.page.fill("#annotator", HOSTILE)
    desk.page.press("#annotator", "Enter")
    desk.press("1", "m", "2", "Enter", "h")
    desk.page.evaluate(
        "() => { const s = document.createElement('script'); s.textContent = 'window.hacked = 2';"
        " document.body.append(s) }"
    )
    assert desk.page.evaluate("() => window.hacked") is None
    desk.page.keyboard.press("Escape")
    sheet = desk.download()
    desk.label(sheet, "--annotator", "ben")
    assert project.labels.book().answers()[desk.ids[first]] == {"ben": HOSTILE}
    said = [words["ben"] for words in project.labels.book().answers().values() if "ben" in words]
    assert sorted(said) == sorted([HOSTILE, HOSTILE + "2", HOSTILE + "3"])
    desk.profile.close()
    assert all("Content Security Policy" in line for line in desk.trouble)


def test_another_slab_filter_and_contrast_change_the_picture_and_nothing_else(desk):
    def picture() -> str:
        desk.page.wait_for_function("() => document.getElementById('xy').width > 63")
        desk.page.wait_for_timeout(100)
        return desk.page.evaluate("() => document.getElementById('xy').toDataURL()")

    first = picture()
    desk.press("]")
    thick = picture()
    desk.press("[")
    assert picture() == first != thick
    desk.press("f")
    assert picture() != first
    desk.page.fill("#contrast", "2")
    style = "() => document.getElementById('xy').style.filter"
    assert "contrast(2)" in desk.page.evaluate(style)
    desk.page.click("#reset")
    assert picture() == first
    assert desk.answered == 0
