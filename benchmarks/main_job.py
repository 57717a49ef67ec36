"""The main job by command line on density templates: the accuracy after each round.

    python benchmarks/main_job.py TEMPLATES OUT

simulates tomograms of eight templates (10 A a voxel, our SNR 0.1, exact picks), extracts, and runs
four rounds in which the truth answers what ``cryoal select`` asks. The accuracy printed is that
of the teacher on particles without a label; nothing is chosen by it.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

from cryoal import Project
from cryoal.io import read_tsv, write_tsv
from cryoal.simulate.write import simulate

EIGHT = ("1bxn", "1qvr", "2uv8", "3cf3", "3j9i", "4cr2", "4v4r", "5mrc")


def cryoal(*arguments: object) -> None:
    """Run a command as a user would."""
    subprocess.run([sys.executable, "-m", "cryoal", *map(str, arguments), "-q"], check=True)


def main() -> None:
    """Simulate, extract, four rounds, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("templates", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--classes", nargs="+", default=list(EIGHT))
    parser.add_argument("--labels", type=int, nargs="+", default=[50, 50, 50, 100])
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    data, project = options.out / "data", options.out / "project"
    if not project.exists():
        simulate(
            data,
            templates=options.templates,
            classes=options.classes,
            tomograms=6,
            per_tomogram=250,
            snr=0.1,
            seed=options.seed,
        )
        cryoal(
            *("extract", project, "--tomograms", data / "tomograms.star"),
            *("--particles", data / "particles.star", "--diameter", 250),
        )
    table = read_tsv(data / "truth.tsv", required=("id", "label"))
    truth = dict(zip(table["id"], table["label"], strict=True))
    print("labels  accuracy  seconds")
    for asked in (*options.labels, None):
        began = time.monotonic()
        cryoal("select", project, "-n", asked or 10)
        opened = Project.open(project)
        labels, predictions = opened.labels.current(), opened.predictions
        if labels and predictions is not None:
            guess = [predictions.classes[k] for k in predictions.teacher.argmax(1)]
            rest = [
                (guess[row], truth[str(name)])
                for row, name in enumerate(predictions.ids)
                if str(name) not in labels
            ]
            accuracy = sum(a == b for a, b in rest) / len(rest)
            print(f"{len(labels):6d}  {accuracy:8.3f}  {time.monotonic() - began:7.0f}", flush=True)
        if asked is None:
            break
        told = opened.queue.table[["cryoalId"]].rename(columns={"cryoalId": "id"})
        told["label"] = [truth[name] for name in told["id"]]
        write_tsv(options.out / "answers.tsv", told)
        cryoal("label", project, "--from", options.out / "answers.tsv", "--annotator", "truth")


if __name__ == "__main__":
    main()
