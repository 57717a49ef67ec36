"""Make the weights that rounds start from, and the first shapes of their averages.

    python benchmarks/pretrain.py --out cryoal/models/weights --templates TEMPLATES

simulates crowded tomograms of made-up complexes, and of the density maps of a folder where one is
given, describes every pick by its invariants, trains a network to name them and writes its
weights in half precision, with a JSON file beside them that states how. ``--lessons FILE`` keeps
the invariants (.npz) and takes them up again. ``--shapes-only`` makes first_shapes.safetensors
alone, in seconds.
"""

import argparse
import json
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np
from safetensors.torch import save as to_bytes

from cryoal.learn import looks
from cryoal.learn.first_shapes import make_first_shapes
from cryoal.learn.lessons import MADE_UP, Lessons, make_lessons, with_templates
from cryoal.learn.pretrain import Course, pretrain
from cryoal.models.pretrained import save_weights

#: Templates that are never pretrained on: the measured sets are made of them.
KEPT_ASIDE = ("1bxn", "1qvr", "2uv8", "3cf3", "3j9i", "4cr2", "4v4r", "5mrc")
#: Parts and near copies of those.
KIN = ("4v4r_30S", "4v4r_50S", "4v7r")
#: What ``cryoal.learn.looks`` says of imaging and picking that the facts beside weights state.
DRAWN = ("SNRS", "TILTS", "JITTER", "FAR", "OFF_CENTRE", "MATCHED")


def main() -> None:
    """Simulate, train, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder for the weights")
    parser.add_argument("--templates", type=Path, help="folder of density maps")
    parser.add_argument("--scenes", type=int, default=160, help="three tomograms of each")
    parser.add_argument("--epochs", type=int, default=Course.epochs)
    parser.add_argument("--seed", type=int, default=0, help="of the scenes and the course")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--lessons", type=Path, help="keep the invariants here, or take them")
    parser.add_argument("--shapes-only", action="store_true", help="train nothing")
    options = parser.parse_args()

    options.out.mkdir(parents=True, exist_ok=True)
    shapes = {"shapes": make_first_shapes().half()}
    (options.out / "first_shapes.safetensors").write_bytes(to_bytes(shapes))
    if options.shapes_only:
        return

    families = MADE_UP
    if options.templates is not None:
        stems = sorted(p.name.split(".")[0] for p in options.templates.iterdir())
        names = [name for name in stems if name not in (*KEPT_ASIDE, *KIN)]
        families = with_templates(options.templates, (8.0, 10.0, 13.3), names)
    began = time.monotonic()
    taken = options.lessons is not None and options.lessons.exists()
    if taken:
        stored = np.load(options.lessons)
        lessons = Lessons(
            **{k: stored[k] for k in stored.files if k != "classes"},
            classes=tuple(map(str, stored["classes"])),
        )
    else:
        with ProcessPoolExecutor(
            options.workers, multiprocessing.get_context("spawn"), initializer=_one_thread
        ) as pool:
            lessons = make_lessons(
                options.scenes,
                options.seed,
                families,
                pool=pool,
                progress=lambda n, of: print(f"scene {n} of {of}", flush=True),
            )
        if options.lessons is not None:
            np.savez(options.lessons, **vars(lessons))
    simulated = time.monotonic() - began
    course = Course(epochs=options.epochs, seed=options.seed)
    outcome = pretrain(
        lessons,
        course,
        progress=lambda epoch, of, loss: print(f"epoch {epoch} of {of}: {loss:.3f}", flush=True),
    )
    facts = {
        "course": asdict(course),
        "families": [
            asdict(f) | {"templates": f.templates and Path(f.templates).name} for f in families
        ],
        "looks": {name: getattr(looks, name) for name in DRAWN},
        "scenes": options.scenes,
        "tomograms": int(lessons.tomogram.max()) + 1,
        "particles": len(lessons.points),
        "classes": len(lessons.classes),
        "held_out_accuracy": round(outcome.accuracy, 4),
        "losses": [round(loss, 4) for loss in outcome.losses],
        "seconds_simulating": None if taken else round(simulated),
        "seconds_training": round(outcome.seconds),
        "workers": options.workers,
    }
    path = options.out / "shape.safetensors"
    save_weights(outcome.network, path)
    path.with_suffix(".json").write_text(json.dumps(facts, indent=1) + "\n", "utf-8")
    print(f"held-out accuracy {outcome.accuracy:.3f} after {outcome.seconds:.0f} s: {path}")


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


if __name__ == "__main__":
    main()
