"""The main job by command line on density templates: the accuracy after each round.

    python benchmarks/main_job.py TEMPLATES OUT
    python benchmarks/main_job.py TEMPLATES OUT --method projections --acquisition random

simulates tomograms of eight templates (10 A a voxel, our SNR 0.1, exact picks), extracts, and runs
four rounds in which the truth answers what ``cryoal select`` asks. The accuracy printed is that
of the teacher on particles without a label; nothing is chosen by it.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from cryoal import Project
from cryoal.io import read_tsv, write_tsv
from cryoal.learn.metrics import accuracy, macro_f1
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
    parser.add_argument("--method", default="volume", help="of cryoal simulate")
    parser.add_argument("--snr", type=float, default=0.1)
    parser.add_argument("--imbalance", type=float, default=1.0)
    parser.add_argument("--junk", type=float, default=0.0)
    parser.add_argument("--picks", default="perfect")
    parser.add_argument("--acquisition", default="default")
    parser.add_argument("--start", default="pretrained", help="or scratch")
    options = parser.parse_args()
    data = options.out / "data"
    project = options.out / f"{options.acquisition}-{options.start}"
    if not (data / "truth.tsv").exists():
        simulate(
            data,
            templates=options.templates,
            classes=options.classes,
            tomograms=6,
            per_tomogram=250,
            snr=options.snr,
            imbalance=options.imbalance,
            junk=options.junk,
            picks=options.picks,
            method=options.method,
            seed=options.seed,
        )
    if not project.exists():
        cryoal(
            *("extract", project, "--tomograms", data / "tomograms.star"),
            *("--particles", data / "particles.star", "--diameter", 250),
        )
        settings = project / "cryoal.toml"
        text = settings.read_text("utf-8")
        text = text.replace("[train]\n", f'[train]\nstart = "{options.start}"\n', 1)
        settings.write_text(text, "utf-8")
    table = read_tsv(data / "truth.tsv", required=("id", "label"))
    truth = dict(zip(table["id"], table["label"], strict=True))
    print("labels  accuracy  macro-F1  seconds")
    for asked in (*options.labels, None):
        began = time.monotonic()
        cryoal(*("select", project, "-n", asked or 10, "--acquisition", options.acquisition))
        opened = Project.open(project)
        labels, predictions = opened.labels.current(), opened.predictions
        if labels and predictions is not None:
            guess = [predictions.classes[k] for k in predictions.teacher.argmax(1)]
            others = [row for row, name in enumerate(predictions.ids) if str(name) not in labels]
            said = [guess[row] for row in others]
            true = [truth[str(predictions.ids[row])] for row in others]
            names = sorted(set(true) | set(said))
            number = {name: at for at, name in enumerate(names)}
            right, called = (np.array([number[w] for w in words]) for words in (true, said))
            print(
                f"{len(labels):6d}  {accuracy(right, called):8.3f}  "
                f"{macro_f1(right, called, len(names)):8.3f}  {time.monotonic() - began:7.0f}",
                flush=True,
            )
        if asked is None:
            break
        told = opened.queue.table[["cryoalId"]].rename(columns={"cryoalId": "id"})
        told["label"] = [truth[name] for name in told["id"]]
        write_tsv(options.out / "answers.tsv", told)
        cryoal("label", project, "--from", options.out / "answers.tsv", "--annotator", "truth")


if __name__ == "__main__":
    main()
