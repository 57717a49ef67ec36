"""What a volume says of itself, and a STAR file that lists no particles."""

from pathlib import Path
from typing import Any

from cryoal.core.errors import CryoalError
from cryoal.core.tomogram import Tomogram
from cryoal.io.content import Content
from cryoal.io.paths import resolve
from cryoal.io.places import tomogram_name, voxel_size_in_path
from cryoal.io.tilts import tilt_series
from cryoal.io.tomogram_star import number, tomogram_rows
from cryoal.io.tomograms import UnplacedTomogramError, flipped, read_tomograms
from cryoal.io.volumes import is_remote, is_volume, read_header
from cryoal.io.voxel_size import Said, believable, resolve_voxel_size

_TILT_STACKS = (".st", ".ali", ".preali")


def about_volume(path: Path | str, facts: dict[str, Any], voxel_size: float | None = None) -> None:
    """Add what a volume's header says, and each place that claims a voxel size.

    A voxel size that no place claims is an oddity of a volume that can be read: ``--voxel-size``
    says it. Two that differ are an error, as one of the two files behind them is wrong.

    Parameters
    ----------
    voxel_size : float, Angstrom, optional
        As the user said it; it overrules the others.

    Raises
    ------
    CryoalError
        As opening it would.
    """
    try:
        header = read_header(path)
    except CryoalError:
        if not is_remote(path) and is_volume(path):
            facts["kind"] = _kind_by_name(path)
        raise
    facts["shape"] = list(header.shape)
    facts["dtype"] = header.dtype.name
    facts["problems"] += header.remarks
    claims = {"its name": voxel_size_in_path(str(path)), "its header": header.voxel_size or None}
    facts["voxel_sizes"] = {place: size for place, size in claims.items() if size}
    kind = _kind_by_name(path)
    if kind == "tilt_series":
        facts["kind"] = kind
    elif header.volumes > 1 or kind == "stack":
        facts["kind"] = "stack"
        facts["n_particles"] = header.volumes if header.volumes > 1 else header.shape[0]
    elif header.shape[0] == 1:
        raise CryoalError(f"{path}: a single image (Z is 1); a tomogram is a volume")
    else:
        facts["kind"] = "tomogram"
        facts["tomograms"] = [tomogram_name(path)]
        facts["problems"] += flipped(header.shape)
    if not header.cubic:
        facts["problems"].append("its voxels are not cubes by the header")
    if header.voxel_size and not believable(header.voxel_size):
        facts["problems"].append(
            f"its header says {header.voxel_size:g} A, which programs write without measuring"
        )
    sizes = [size for size in (claims["its name"],) if size]
    sizes += [header.voxel_size] if believable(header.voxel_size) else []
    if len(sizes) > 1:
        facts["voxel_sizes_agree"] = abs(sizes[0] - sizes[1]) <= 0.01 * sizes[0]
    if not sizes and voxel_size is None:
        facts["problems"].append(
            f"its voxel size is unknown, its header says {header.voxel_size:g}; give it in "
            "Angstrom with --voxel-size"
        )
        return
    named = {"its name": claims["its name"]}
    said = None if voxel_size is None else Said(voxel_size)
    facts["voxel_size"] = resolve_voxel_size(named, header.voxel_size, str(path), said)


def _kind_by_name(path: Path | str) -> str:
    """What a volume is called: a tilt series, a stack of images, else a tomogram."""
    ending = Path(path).suffix.lower()
    if ending in _TILT_STACKS:
        return "tilt_series"
    return "stack" if ending == ".mrcs" else "tomogram"


def about_other_star(content: Content, facts: dict[str, Any]) -> bool:
    """Describe a STAR file that lists no particles; False if it may."""
    for block in content.blocks.values():
        named = [c for c in ("rlnTomoParticlesFile", "rlnTomoTomogramsFile") if c in block]
        if named:
            facts["kind"] = "optimisation_set"
            for column in named:
                file = str(block[column].iloc[0]) if len(block) else ""
                facts[column] = file
                if resolve(file, content.path) is None:
                    facts["problems"].append(f"{column} names {file}, which is not there")
            return True
    series = tilt_series(content)
    if series is not None:
        facts["kind"] = "tilt_series"
        facts.update(series)
        return True
    try:
        rows = tomogram_rows(content.blocks, content.path)
    except CryoalError:
        return False
    facts["kind"] = "tomogram_set"
    facts["tomograms"] = [row["rlnTomoName"] for row in rows]
    if not rows:
        raise CryoalError(f"{content.path}: it lists no tomograms")
    try:
        found = read_tomograms([content.path])
    except CryoalError as problem:
        facts["problems"].append(str(problem))
        try:
            found = read_tomograms([content.path], need_volumes=False)
        except UnplacedTomogramError as without_sizes:
            facts["problems"].append(str(without_sizes))
            return True
    sizes = {name: tomogram.voxel_size for name, tomogram in found.items()}
    one = len({round(size, 4) for size in sizes.values()}) == 1
    facts["voxel_size"] = next(iter(sizes.values())) if one else None
    facts["voxel_sizes_agree"] = one
    facts["voxel_sizes"] = _claims(next(iter(found.values()))) if one else sizes
    facts["shapes"] = {name: list(tomogram.shape) for name, tomogram in found.items()}
    return True


def _claims(tomogram: Tomogram) -> dict[str, float]:
    """Each place that states a voxel size of a tomogram, by the first of its set."""
    row, place = tomogram.columns or {}, f"tomogram {tomogram.name}"
    pixel = number(row, "rlnTomoTiltSeriesPixelSize", place)
    binning = number(row, "rlnTomoTomogramBinning", place)
    claims: dict[str, float | None] = {
        "rlnTomoTiltSeriesPixelSize": pixel,
        "rlnTomoTiltSeriesPixelSize x rlnTomoTomogramBinning": (
            round(pixel * binning, 5) if pixel and binning else None
        ),
    }
    if tomogram.load is not None:
        claims["the names of its volumes"] = voxel_size_in_path(tomogram.path)
        claims["the headers of its volumes"] = read_header(tomogram.path).voxel_size or None
    return {where: size for where, size in claims.items() if size}
