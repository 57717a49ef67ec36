"""How long a round of ``cryoal select`` takes, whole and in parts, with 300 labels.

    python benchmarks/round_time.py OUT [--particles 3500] [--start scratch] [--picks jittered]

simulates tomograms of eight phantoms, 250 picks in each, extracts boxes of 32 at 10 A, answers 300
particles from the truth and runs the command twice. The first round also describes every
particle; the second, after ten labels more, is what every later round takes. Processor seconds
stand beside the wall clock's, since other work on the machine lengthens only the latter.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from cryoal.io import read_tsv, write_tsv
from cryoal.simulate.write import simulate


def main() -> None:
    """Simulate, extract, label, two rounds, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--particles", type=int, default=3500)
    parser.add_argument("--labels", type=int, default=300)
    parser.add_argument("--start", default="pretrained", help="or scratch")
    parser.add_argument("--picks", default="perfect", help="of cryoal simulate")
    options = parser.parse_args()
    data, project = options.out / "data", options.out / options.start
    if not (data / "truth.tsv").exists():
        tomograms = -(-options.particles // 250)
        simulate(
            data,
            tomograms=tomograms,
            per_tomogram=250,
            classes=8,
            largest=200.0,
            picks=options.picks,
        )
    print("| | wall, s | processor, s | of the wall: train | predict | choose |")
    print("|---|---|---|---|---|---|", flush=True)
    timed(
        "extract",
        *("extract", project, "--tomograms", data / "tomograms.star"),
        *("--particles", data / "particles.star", "--diameter", 200, "--box", 32),
    )
    settings = project / "cryoal.toml"
    text = settings.read_text("utf-8").replace("[train]\n", f'[train]\nstart = "{options.start}"\n')
    settings.write_text(text, "utf-8")
    truth = read_tsv(data / "truth.tsv", required=("id", "label"))
    order = np.random.default_rng(0).permutation(len(truth))
    for name, rows in {
        "the first round": order[: options.labels],
        "a later round": order[options.labels : options.labels + 10],
    }.items():
        write_tsv(options.out / "answers.tsv", truth.iloc[rows])
        cryoal("label", project, "--from", options.out / "answers.tsv", "--annotator", "truth")
        lines = len(log(project))
        timed(name, "select", project, log_of=project, since=lines)


def timed(name: str, *arguments: object, log_of: Path | None = None, since: int = 0) -> None:
    """Run a command and print a row of the table."""
    began, spent = time.monotonic(), processor_seconds()
    cryoal(*arguments)
    wall, cpu = time.monotonic() - began, processor_seconds() - spent
    parts = {} if log_of is None else {e["command"]: e["seconds"] for e in log(log_of)[since:]}
    shares = " | ".join(str(parts.get(part, "")) for part in ("train", "predict", "select"))
    print(f"| {name} | {wall:.0f} | {cpu:.0f} | {shares} |", flush=True)


def processor_seconds() -> float:
    """Of all commands that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def log(project: Path) -> list[dict[str, object]]:
    """What the project has noted of its commands."""
    return [json.loads(line) for line in (project / "log.jsonl").read_text("utf-8").splitlines()]


def cryoal(*arguments: object) -> None:
    """Run a command as a user would."""
    subprocess.run([sys.executable, "-m", "cryoal", *map(str, arguments), "-q"], check=True)


if __name__ == "__main__":
    main()
