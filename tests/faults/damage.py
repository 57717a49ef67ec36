"""Damage files as disks, editors and programs do, and see that no more than a line comes of it.

Run by hand: ``python tests/faults/damage.py --trials 5000 --seed 0``.
"""

import argparse
import json
import shutil
import signal
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from conftest import Outcome, cryoal
from faults.finished import finished_project

#: What may stand where a value stood.
VALUES = (
    *("nan", "inf", "-inf", "-1", "0", "1e300", "1e-320", "99999999999999999999", "", "None"),
    *("<NA>", "²", "x" * 5000, "a\tb", '"', "'", "#", "../../../etc/passwd", "/dev/zero", "\x00"),
    *("0x10", "1_000", "true", "\u202eabc", "\ud55c\uae00", "\ufeff", "0@nothing", "1e9", "-7@x"),
)
#: What may stand where JSON had something.
OBJECTS: tuple[Any, ...] = (
    *(None, True, -1, 0, 10**30, 1e300, float("nan"), float("inf"), "", "x", "²", [], {}, [[]]),
    *([None], {"a": None}, ["a", "a"], "junk"),
)


def damaged(raw: bytes, name: str, others: list[bytes], rng: np.random.Generator) -> bytes:
    """One to three damages to the content of a file of this name, drawn at random."""
    for _ in range(int(rng.integers(1, 4))):
        kinds = [_bytes]
        if name.endswith(".safetensors"):
            kinds += [_safetensors] * 3
        elif name.endswith((".json", ".jsonl")):
            kinds += [_json] * 2 + [_lines, _cells]
        elif not name.endswith((".mrc", ".npy", ".html")):
            kinds += [_lines] * 2 + [_cells] * 3
        if rng.random() < 0.03:
            raw = others[rng.integers(len(others))]
        else:
            raw = kinds[rng.integers(len(kinds))](raw, rng)
    return raw


def _bytes(raw: bytes, rng: np.random.Generator) -> bytes:
    """Flip, cut, drop, double, fill with zeros, empty."""
    at = int(rng.integers(len(raw) + 1)) if rng.random() < 0.5 else int(rng.integers(2000))
    at, n = min(at, len(raw)), int(rng.integers(1, 400))
    match rng.integers(8):
        case 0:
            return raw[:at]
        case 1:
            return raw[:at] + raw[at + n :]
        case 2:
            return raw[:at] + raw[max(0, at - n) :]
        case 3:
            return raw[:at] + bytes(len(raw[at : at + n])) + raw[at + n :]
        case 4:
            return raw[:at] + rng.bytes(len(raw[at : at + n])) + raw[at + n :]
        case 5:
            return [b"", bytes(len(raw)), b"\xff\xfe" + raw, b"\xef\xbb\xbf" + raw][rng.integers(4)]
        case _:
            flipped = bytearray(raw)
            for place in rng.integers(len(raw), size=3) if raw else ():
                flipped[place] ^= 1 << int(rng.integers(8))
            return bytes(flipped)


def _lines(raw: bytes, rng: np.random.Generator) -> bytes:
    """Delete, double, swap and move lines."""
    lines = raw.split(b"\n")
    a, b = (int(place) for place in rng.integers(len(lines), size=2))
    match rng.integers(5):
        case 0:
            del lines[a]
        case 1:
            lines.insert(b, lines[a])
        case 2:
            lines[a], lines[b] = lines[b], lines[a]
        case 3:
            del lines[min(a, b) : max(a, b)]
        case _:
            return b"\r\n".join(lines)
    return b"\n".join(lines)


def _cells(raw: bytes, rng: np.random.Generator) -> bytes:
    """Put something else into one cell, into a column, or swap or drop columns."""
    lines = raw.split(b"\n")
    a, b, where = (int(place) for place in rng.integers(100_000, size=3))
    value = VALUES[rng.integers(len(VALUES))].encode("utf-8", "surrogatepass")
    separator = b"\t" if b"\t" in raw else b" "
    long = [n for n, line in enumerate(lines) if separator in line]
    if not long:
        return raw
    whole = rng.random() < 0.3
    kind = rng.integers(4)
    for n in long if whole else [long[where % len(long)]]:
        cells = lines[n].split(separator)
        i, j = a % len(cells), b % len(cells)
        if kind == 0:
            cells[i], cells[j] = cells[j], cells[i]
        elif kind == 1:
            del cells[i]
        else:
            cells[i] = value
        lines[n] = separator.join(cells)
    return b"\n".join(lines)


def _json(raw: bytes, rng: np.random.Generator) -> bytes:
    lines = raw.decode("utf-8", "replace").splitlines() or [""]
    at = int(rng.integers(len(lines)))
    for text, rest in ((raw.decode("utf-8", "replace"), None), (lines[at], lines)):
        try:
            value = json.loads(text)
        except ValueError:
            continue
        changed = json.dumps(_changed(value, rng))
        if rest is None:
            return changed.encode()
        return "\n".join([*lines[:at], changed, *lines[at + 1 :]]).encode()
    return raw


def _changed(value: Any, rng: np.random.Generator) -> Any:
    """The object with one part of it changed, wherever in it."""
    if isinstance(value, str) and value.startswith(("{", "[")):
        return json.dumps(_changed(json.loads(value), rng))
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = list(value)[rng.integers(len(value))]
        if rng.random() < 0.2:
            return {name: part for name, part in value.items() if name != key}
        return {**value, key: _changed(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.8:
        at = int(rng.integers(len(value)))
        if rng.random() < 0.3:
            return [*value[:at], *value[at + 1 :]] if rng.random() < 0.5 else [*value, value[at]]
        return [*value[:at], _changed(value[at], rng), *value[at + 1 :]]
    return OBJECTS[rng.integers(len(OBJECTS))]


def _safetensors(raw: bytes, rng: np.random.Generator) -> bytes:
    """Another header, or numbers that are none."""
    size = int.from_bytes(raw[:8], "little")
    try:
        header = json.loads(raw[8 : 8 + size])
        named = {name: facts for name, facts in header.items() if name != "__metadata__"}
        tensor = named[list(named)[rng.integers(len(named))]]
        begin, end = (8 + size + int(at) for at in tensor["data_offsets"])
        kind = rng.integers(4)
        if kind == 0:
            fill = {"F32": np.float32, "F16": np.float16, "F64": np.float64}.get(tensor["dtype"])
            with np.errstate(all="ignore"):
                filled = np.full(4, [np.nan, np.inf, -1, 1e30][rng.integers(4)]).astype(
                    fill or "i1"
                )
            wrong = (filled.tobytes() * (1 + (end - begin) // filled.nbytes))[: end - begin]
            return raw[:begin] + wrong + raw[end:]
        if kind == 1 and "__metadata__" in header:
            header["__metadata__"] = _changed(header["__metadata__"], rng)
        elif kind == 2:
            # The same bytes under another shape, or another type of the same size.
            if rng.random() < 0.5:
                tensor["shape"] = [1, int(np.prod(tensor["shape"]))]
            else:
                tensor["dtype"] = {"F32": "I32", "F64": "I64", "U8": "I8"}.get(
                    tensor["dtype"], tensor["dtype"]
                )
        else:
            name = list(named)[rng.integers(len(named))]
            header = {f"{key}x" if key == name else key: part for key, part in header.items()}
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        return raw  # its header was damaged before
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + raw[8 + size :]


#: Entries of rounds/ that are no round, or none that can be used.
ROUNDS = ("²", "٣", "-1", "1e3", "0x1", "+4", " 5", "07", "0000007", "9" * 30, "1.0", "temp")


def with_odd_folders(project: Path, rng: np.random.Generator) -> str:
    """Put something among the rounds that is none."""
    name = ROUNDS[rng.integers(len(ROUNDS))]
    odd = project / "rounds" / name
    if rng.random() < 0.3:
        odd = project / "rounds" / "007"
        odd.write_text("a file")
    elif rng.random() < 0.5:
        shutil.copytree(project / "rounds" / "001", odd)
    else:
        odd.mkdir()
    return f"rounds/{odd.name}"


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """A hang is a failure too."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"not done in {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def verbs(project: Path, data: Path) -> list[list[object]]:
    """Every command that reads a project."""
    answers = data.parent / "answers.tsv"
    return [
        ["status", project],
        ["status", project, "--json"],
        ["select", project, "-n", 4],
        ["select", project, "-n", 9, "--acquisition", "margin", "--json"],
        ["train", project],
        ["predict", project],
        ["predict", project, "--model", project / "rounds" / "001"],
        ["export", project],
        ["export", project, "--class", "junk", "-o", project / "out.star"],
        ["report", project],
        ["sheet", project, "-o", project / "sheet.html"],
        ["label", project, "--from", answers, "--annotator", "kim"],
        ["label", project, "--from", answers, "--weak"],
        ["label", project, "--from", data.parent / "other", "--annotator", "kim"],
        ["extract", project, "-j", 1],
        ["extract", project, "-j", 1, "--dry-run"],
        ["inspect", project, "--json"],
        ["inspect", project / "particles.star", project / "tomograms.star"],
        ["convert", project / "particles.star", project / "out.csv", "--to", "csv"],
    ]


@dataclass(frozen=True)
class Trial:
    """One damage and what a command made of it."""

    file: str
    command: str
    fault: str = ""

    @property
    def kind(self) -> str:
        """The last line of the fault: faults of one kind have one cause."""
        return self.fault.strip().splitlines()[-1][:160] if self.fault else ""


def judged(outcome: Outcome) -> str:
    """What is wrong with how a command ended; empty where nothing is."""
    if "Traceback" in outcome.stderr:
        return outcome.stderr
    if outcome.code == 0 or (outcome.code == 3 and outcome.stderr.strip()):
        return ""
    lines = outcome.stderr.strip().splitlines()
    if outcome.code not in (1, 2) or not lines:
        return f"ended with {outcome.code}: {outcome.stderr!r}"
    if not lines[-1].startswith("cryoal: ") or not lines[-1].isprintable():
        return f"the last line is no refusal: {lines[-1]!r}"
    return ""


def ledgers_of(project: Path) -> dict[str, bytes]:
    """What people said, byte by byte."""
    files = (project / "labels").glob("*.tsv")
    return {path.name: path.read_bytes() for path in files if path.is_file()}


def trial(whole: Path, folder: Path, rng: np.random.Generator, n_commands: int = 2) -> list[Trial]:
    """Damage one file of a copy of a project, and run a few commands on each such copy."""
    files = sorted(p for p in whole.rglob("*") if p.is_file() and p.name != ".lock")
    project = folder / "p"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(whole, project)
    if rng.random() < 0.05:
        what = with_odd_folders(project, rng)
    else:
        what = str(files[rng.integers(len(files))].relative_to(whole))
        others = [path.read_bytes() for path in rng.choice(np.array(files), 3)]
        content = damaged((project / what).read_bytes(), what, others, rng)
        if rng.random() < 0.05:
            (project / what).unlink()
            if rng.random() < 0.7:
                (project / what).mkdir()
        else:
            (project / what).write_bytes(content)
    told = ledgers_of(project)
    commands = verbs(project, whole.parent / "data")
    found = []
    for number in rng.permutation(len(commands))[:n_commands]:
        command = commands[number]
        said = " ".join(str(word).replace(str(folder), "") for word in command)
        fault = ""
        try:
            with at_most(60):
                fault = judged(cryoal(*command))
        except Exception:
            fault = traceback.format_exc()
        now = ledgers_of(project)
        lost = [name for name, text in told.items() if not now.get(name, b"").startswith(text)]
        fault = fault or (f"the ledger {lost[0]} lost something" if lost else "")
        found.append(Trial(what, said, fault))
        told = now
    return found


def main() -> None:
    """Run many trials and say what came of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="print the whole of faults that contain this")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place, np.errstate(over="ignore"):
        whole = finished_project(Path(place) / "whole")
        faults: Counter[str] = Counter()
        examples: dict[str, Trial] = {}
        total = 0
        for number in range(given.trials):
            rng = np.random.default_rng([given.seed, number])
            for one in trial(whole, Path(place) / "trial", rng):
                total += 1
                if one.fault and given.only in one.fault:
                    faults[one.kind] += 1
                    examples.setdefault(one.kind, one)
                    if faults[one.kind] == 1:
                        print(f"--- {number}: {one.file}: {one.command}\n{one.fault}", flush=True)
        print(f"{given.trials} damaged projects, {total} commands, {faults.total()} faults")
        for kind, count in faults.most_common():
            print(f"{count:6d}  {examples[kind].file}: {kind}")


if __name__ == "__main__":
    main()
