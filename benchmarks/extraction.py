"""Crop, normalise and write: against writing the same bytes, and against other programs' croppers.

    OMP_NUM_THREADS=1 python benchmarks/extraction.py [--picks 10000] [--repeats 5]

One core, a 464 x 464 x 200 float32 tomogram in the page cache, boxes of 32. Everything is timed in
turns, and the shortest of the repeats counts: what shares the machine can only lengthen a time.
``--exactness`` prints the errors against closed forms instead.
"""

import argparse
import contextlib
import importlib.util
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from cryoal.core.tomogram import Tomogram
from cryoal.data.crop import Cropper
from cryoal.data.extract import BoxGeometry, Task, extract_tomogram
from cryoal.io.mrc import open_stack, open_volume, write_volume

SHAPE, BOX = (200, 464, 464), 32
Job = Callable[[], int]


def main() -> None:
    """Time, or measure exactness or memory, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--picks", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where to write; default a temporary one")
    parser.add_argument("--exactness", action="store_true")
    parser.add_argument("--memory", action="store_true", help="extract once, print the peak")
    options = parser.parse_args()
    if options.exactness:
        exactness()
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        tomogram = make_tomogram(options.folder or Path(folder))
        if options.memory:
            extract_tomogram(task(tomogram, options.picks, Path(folder), whole=False))
            print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
            return
        memory(Path(tomogram.path).parent)  # first: a process begins at the peak of its parent
        speed(tomogram, options.picks, options.repeats, Path(folder))


def make_tomogram(folder: Path) -> Tomogram:
    """Noise on disk, and in the page cache."""
    path = folder / "tomogram.mrc"
    if not path.exists():
        noise = np.random.default_rng(0).standard_normal(SHAPE, dtype=np.float32)
        write_volume(path, noise, 10.0)
    with path.open("rb") as file:
        while file.read(2**20):
            pass
    return Tomogram("TS_01", SHAPE, 10.0, partial(open_volume, path), path=str(path))


def centres(picks: int, whole: bool) -> np.ndarray:
    """Positions whose boxes lie inside, in voxels."""
    rng = np.random.default_rng(1)
    at = rng.uniform(BOX // 2, np.array(SHAPE) - BOX // 2 - 1, size=(picks, 3))
    return np.rint(at) if whole else at


def task(tomogram: Tomogram, picks: int, folder: Path, whole: bool) -> Task:
    """An extraction of ``picks`` particles."""
    return Task(
        tomogram,
        np.array([f"TS_01/{n}" for n in range(picks)]),
        centres(picks, whole) * tomogram.voxel_size,
        folder / f"{'whole' if whole else 'between'}.mrc",
        BoxGeometry(BOX, 10.0, 210.0),
        contrast="bright",
    )


def speed(tomogram: Tomogram, picks: int, repeats: int, folder: Path) -> None:
    """Time everything in turns and print milliseconds a box and ratios to the plain write."""
    whole, between = (task(tomogram, picks, folder, is_whole) for is_whole in (True, False))
    extract_tomogram(whole)
    boxes = np.array(open_stack(whole.stack))
    jobs: dict[str, Job] = {
        "plain write, a box a call": partial(plain_write, boxes, folder / "plain.raw", sync=False),
        "plain write, on the disk (fsync)": partial(
            plain_write, boxes, folder / "plain.raw", sync=True
        ),
        "cryoal, whole voxels: crop, normalise, write": partial(extract, whole, sync=False),
        "cryoal, between voxels: crop, normalise, write": partial(extract, between, sync=False),
        "cryoal, whole voxels, on the disk": partial(extract, whole, sync=True),
        "cryoal, between voxels, on the disk": partial(extract, between, sync=True),
    }
    volume = tomogram.load()
    for name, few, cropper in croppers(volume):
        jobs[name] = partial(crop, cropper, few)
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in jobs}
    for repeat in range(repeats):
        for name, job in jobs.items():
            began, spent = time.perf_counter(), time.process_time()
            n = job()
            took = time.perf_counter() - began, time.process_time() - spent
            seconds[name].append((took[0] / n, took[1] / n))
        print(f"{repeat + 1} of {repeats}", file=sys.stderr)
    print(f"{machine()}; {picks} picks, shortest of {repeats}\n")
    print("| | ms a box | ratio | processor ms a box | ratio |\n|---|---|---|---|---|")
    shortest = {name: np.min(times, axis=0) * 1e3 for name, times in seconds.items()}
    plain = shortest["plain write, a box a call"]
    for name, (wall, cpu) in shortest.items():
        print(f"| {name} | {wall:.3f} | {wall / plain[0]:.1f} | {cpu:.3f} | {cpu / plain[1]:.1f} |")


def plain_write(boxes: np.ndarray, path: Path, *, sync: bool) -> int:
    """Write boxes that lie in memory through an ordinary file object."""
    with path.open("wb") as file:
        for box in boxes:
            file.write(box.data)
        if sync:
            file.flush()
            os.fsync(file.fileno())
    path.unlink()
    return len(boxes)


def extract(what: Task, *, sync: bool) -> int:
    """Extract, and delete the result."""
    done = extract_tomogram(what)
    if sync:
        with what.stack.open("rb") as file:
            os.fsync(file.fileno())
    what.stack.unlink()
    return len(done.ids)


def crop(cut: Callable[[np.ndarray], object], at: np.ndarray) -> int:
    """Only cut."""
    cut(at)
    return len(at)


def one_by_one(cut: Callable[[np.ndarray], object]) -> Callable[[np.ndarray], object]:
    """Cut one box after another."""
    return lambda at: [cut(centre) for centre in at][:0]


def croppers(volume: np.ndarray) -> Iterator[tuple[str, np.ndarray, Callable[..., object]]]:
    """Name, positions and a function of positions, for every program that is installed."""
    order = np.lexsort(centres(500, True).T[::-1])
    whole, between = (centres(500, w)[order] for w in (True, False))
    mine = Cropper(volume, BOX)
    yield "crop only: cryoal, whole voxels, one at a time", whole, one_by_one(mine)
    yield "crop only: cryoal, between voxels, one at a time", between, one_by_one(mine)
    makers = (torchio, monai, torch_subpixel_crop, cryocat, tomotwin)
    for make, where, few in zip(
        makers, (whole, whole, between, whole, whole), (500, 500, 20, 20, 100), strict=True
    ):
        if importlib.util.find_spec(make.__name__) is None:
            print(f"{make.__name__} is not installed: left out", file=sys.stderr)
            continue
        try:
            made = make(volume)
        except ImportError as problem:
            print(f"{make.__name__} cannot be imported ({problem}): left out", file=sys.stderr)
            continue
        yield f"crop only: {make.__name__}, {str(make.__doc__)[:-1]}", where[:few], made


def torchio(volume: np.ndarray) -> Callable[[np.ndarray], object]:
    """UniformSampler.crop (whole voxels)."""
    import torch
    import torchio as tio

    image = tio.ScalarImage(tensor=torch.from_numpy(np.array(volume))[None])
    subject, sampler = tio.Subject(image=image), tio.data.UniformSampler(BOX)
    size = np.array([BOX] * 3)
    return one_by_one(
        lambda at: sampler.crop(subject, at.astype(int) - BOX // 2, size)["image"].data
    )


def monai(volume: np.ndarray) -> Callable[[np.ndarray], object]:
    """SpatialCrop (whole voxels)."""
    import torch
    from monai.transforms import SpatialCrop

    image = torch.from_numpy(np.array(volume))[None]
    return one_by_one(lambda at: SpatialCrop(roi_center=at.astype(int), roi_size=[BOX] * 3)(image))


def torch_subpixel_crop(volume: np.ndarray) -> Callable[[np.ndarray], object]:
    """subpixel_crop_3d (phase ramp on the box itself)."""
    import torch
    from torch_subpixel_crop import subpixel_crop_3d

    image = torch.from_numpy(np.array(volume))
    return one_by_one(lambda at: subpixel_crop_3d(image, torch.from_numpy(at[None]).float(), BOX))


def cryocat(volume: np.ndarray) -> Callable[[np.ndarray], object]:
    """extract_subvolume (whole voxels; the tomogram's mean each time)."""
    from cryocat.cryomap import extract_subvolume

    image = np.array(volume)
    return one_by_one(lambda at: extract_subvolume(image, at.astype(int), [BOX] * 3))


def tomotwin(volume: np.ndarray) -> Callable[[np.ndarray], object]:
    """ExtractReference.extract_and_save (whole voxels, box 33, writes a file a box)."""
    import pandas as pd
    from tomotwin.modules.tools.extract_reference import ExtractReference

    image = np.array(volume)

    def cut(at: np.ndarray) -> None:
        table = pd.DataFrame(at.astype(int), columns=["Z", "Y", "X"])
        with (
            tempfile.TemporaryDirectory() as folder,
            Path(os.devnull).open("w") as nowhere,
            contextlib.redirect_stderr(nowhere),  # its progress bar
        ):
            ExtractReference.extract_and_save(image, table, BOX + 1, folder, "box")

    return cut


def memory(folder: Path) -> None:
    """Peak memory of processes of their own that extract 1,000 and 11,000 particles."""
    peaks = {}
    for picks in (1_000, 11_000):
        command = [sys.executable, __file__, "--memory", "--folder", folder, "--picks", picks]
        done = subprocess.run([*map(str, command)], check=True, capture_output=True, text=True)
        peaks[picks] = float(done.stdout)
    print(f"Peak memory: {peaks[1_000]:.0f} MB for 1,000 picks, {peaks[11_000]:.0f} for 11,000\n")


def exactness() -> None:
    """Errors of boxes of 32 at random places, in standard deviations of the signal."""
    rng = np.random.default_rng(0)
    size = 96
    print("| signal | root mean square | largest voxel | 1 - correlation |\n|---|---|---|---|")
    for band in (0.3, 0.5, 0.8, 0.9, 1.0):
        noise = np.fft.fftn(rng.normal(size=(size,) * 3))
        k = np.meshgrid(*[np.fft.fftfreq(size)] * 3, indexing="ij", sparse=True)
        for axis in k:
            noise *= np.abs(axis) <= band / 2
        volume = np.fft.ifftn(noise).real
        noise /= volume.std()
        cropper = Cropper((volume / volume.std()).astype(np.float32), BOX)
        found = []
        for _ in range(20):
            shift = rng.uniform(-0.5, 0.5, size=3)
            ramp = np.exp(2j * np.pi * sum(f * s for f, s in zip(k, shift, strict=True)))
            lo, hi = (size - BOX) // 2, (size + BOX) // 2
            truth = np.fft.ifftn(noise * ramp).real[lo:hi, lo:hi, lo:hi]
            away = cropper(size // 2 + shift) - truth
            one = 1 - np.corrcoef((away + truth).ravel(), truth.ravel())[0, 1]
            found.append((np.mean(away**2), np.abs(away).max(), one))
        rms, most, one = np.array(found).T
        what = "white noise" if band == 1 else f"noise up to {band:g} of Nyquist along each axis"
        print(f"| {what} | {np.sqrt(rms.mean()):.4f} | {most.max():.3f} | {one.mean():.1e} |")


def machine() -> str:
    """Processor and versions."""
    cpu = platform.processor() or platform.machine()
    if (info := Path("/proc/cpuinfo")).exists():
        lines = info.read_text().splitlines()
        cpu = next((li.split(":")[1].strip() for li in lines if li.startswith("model name")), cpu)
    load = os.getloadavg()[0]
    return f"{cpu}, one core of {os.cpu_count()} (load {load:.1f}), numpy {np.__version__}"


if __name__ == "__main__":
    main()
