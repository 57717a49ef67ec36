"""Make the weights that training starts from: cryoal/models/weights/compact.safetensors.

    python benchmarks/pretrain.py --out cryoal/models/weights

simulates crowded tomograms of made-up complexes, cuts the picks out, trains the default network
to name them and writes its weights in half precision, with a JSON file beside them that states
how. ``--boxes FILE`` keeps the boxes (a .npz and a .npy) and takes them up again.
"""

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from cryoal.learn.pretrain import FAMILIES, Course, TrainingBoxes, make_boxes, pretrain
from cryoal.models.pretrained import save_weights


def main() -> None:
    """Simulate, train, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for the weights")
    parser.add_argument("--network", default="compact")
    parser.add_argument("--tomograms", type=int, default=72, help="scenes, two tomograms of each")
    parser.add_argument("--steps", type=int, default=Course.steps)
    parser.add_argument("--batch-size", type=int, default=Course.batch_size)
    parser.add_argument("--seed", type=int, default=0, help="of the scenes")
    parser.add_argument("--course-seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rate", type=float, default=Course.learning_rate)
    parser.add_argument("--weights", type=Path, help="go on from these, of an earlier course")
    parser.add_argument("--boxes", type=Path, help="keep the boxes here, or take them from here")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    began = time.monotonic()
    taken = options.boxes is not None and options.boxes.with_suffix(".npz").exists()
    data = _boxes(options)
    simulated = time.monotonic() - began
    n_complexes = sum(f.n for f in FAMILIES)
    print(f"{len(data.boxes)} boxes of {n_complexes} complexes and junk: {simulated:.0f} s")

    course = Course(
        steps=options.steps,
        batch_size=options.batch_size,
        learning_rate=options.rate,
        seed=options.course_seed,
    )
    outcome = pretrain(
        data,
        course,
        network=options.network,
        weights=options.weights,
        progress=lambda step, of, loss: print(
            f"step {step} of {of}: loss {loss:.3f}, {time.monotonic() - began:.0f} s", flush=True
        ),
    )
    facts = {
        "network": options.network,
        "course": asdict(course),
        "earlier_course": _facts_of(options.weights),
        "families": [asdict(f) for f in FAMILIES],
        "scenes": options.tomograms,
        "boxes": len(data.boxes),
        "classes": len(data.classes),
        "held_out_accuracy": round(outcome.accuracy, 4),
        "losses": [round(loss, 4) for loss in outcome.losses],
        "seconds_simulating": None if taken else round(simulated),
        "seconds_training": round(outcome.seconds),
        "threads": options.threads,
    }
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / f"{options.network}.safetensors"
    save_weights(outcome.network, path)
    path.with_suffix(".json").write_text(json.dumps(facts, indent=1) + "\n", "utf-8")
    print(f"held-out accuracy {outcome.accuracy:.3f} after {outcome.seconds:.0f} s: {path}")


def _facts_of(weights: Path | None) -> dict[str, object] | None:
    """What is written beside the weights that were gone on from."""
    if weights is None:
        return None
    facts: dict[str, object] = json.loads(weights.with_suffix(".json").read_text("utf-8"))
    return {name: facts[name] for name in ("course", "held_out_accuracy", "seconds_training")}


def _boxes(options: argparse.Namespace) -> TrainingBoxes:
    kept: Path | None = options.boxes
    if kept is not None and kept.with_suffix(".npz").exists():
        with np.load(kept.with_suffix(".npz")) as file:
            rest = [file[name] for name in ("targets", "views", "tomogram")]
            classes = tuple(file["classes"].tolist())
        return TrainingBoxes(np.load(kept.with_suffix(".npy")), *rest, classes)
    data = make_boxes(
        options.tomograms,
        options.seed,
        progress=lambda done, of: print(f"scene {done} of {of}", flush=True),
    )
    if kept is not None:
        np.save(kept.with_suffix(".npy"), data.boxes)
        np.savez(
            kept.with_suffix(".npz"),
            targets=data.targets,
            views=data.views,
            tomogram=data.tomogram,
            classes=np.array(data.classes),
        )
    return data


if __name__ == "__main__":
    main()
