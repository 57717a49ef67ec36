"""Boxes by particle id, from one MRC volume stack a tomogram."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from cryoal.core.errors import CryoalError
from cryoal.data.extract import BoxGeometry, Extracted
from cryoal.io.columns import LARGEST_VOXEL, SMALLEST_VOXEL, Columns, tiltings_of
from cryoal.io.mrc import open_volume
from cryoal.io.star import read_star, simple, write_star

INDEX = "index.star"

#: Of a box: its number in a stack, and the stack, in the one folder of stacks.
_PLACE = re.compile(r"[0-9]{1,9}@(?!\.)[^/\\]+/(?!\.)[^/\\]+\.mrc")


@dataclass(frozen=True)
class Index:
    """What ``index.star`` says: which box lies where, and what each stack was made of.

    Attributes
    ----------
    geometry : BoxGeometry
    boxes : DataFrame
        cryoalId, rlnTomoName, rlnImageName (``000012@subtomograms/TS_01.mrc``, counted from 1),
        cryoalBoxMean, cryoalBoxStd.
    tomograms : DataFrame
        rlnTomoName, cryoalInputDigest, cryoalContrast, cryoalContrastZ, and the tomogram's own
        facts that training needs: ``Tilting.COLUMNS``; an older index has no cryoalBeamAxis.
    left_out : DataFrame
        cryoalId, rlnTomoName, cryoalStatus (the reason).
    """

    geometry: BoxGeometry
    boxes: pd.DataFrame
    tomograms: pd.DataFrame
    left_out: pd.DataFrame

    BOX_COLUMNS = ("cryoalId", "rlnTomoName", "rlnImageName", "cryoalBoxMean", "cryoalBoxStd")
    LEFT_OUT_COLUMNS = ("cryoalId", "rlnTomoName", "cryoalStatus")

    @classmethod
    def new(cls, geometry: BoxGeometry) -> "Index":
        """Return the index of an extraction that has not begun."""
        return cls(
            geometry,
            pd.DataFrame(columns=list(cls.BOX_COLUMNS), dtype=str),
            pd.DataFrame(columns=["rlnTomoName", "cryoalInputDigest"], dtype=str),
            pd.DataFrame(columns=list(cls.LEFT_OUT_COLUMNS), dtype=str),
        )

    @classmethod
    def read(cls, folder: Path) -> "Index | None":
        """Read ``index.star`` of a subtomogram folder; None where nothing was extracted yet.

        Raises
        ------
        CryoalError
            It is damaged: names the block, the row, and what was expected there.
        """
        path = folder / INDEX
        if not path.exists():
            return None
        blocks, remedy = read_star(path), "delete it and run cryoal extract again"
        facts, tomograms, boxes, left_out = (
            Columns.of_block(blocks, name, path, remedy)
            for name in ("extraction", "tomograms", "particles", "left_out")
        )
        facts.first_row()
        geometry = BoxGeometry(
            int(facts.whole("cryoalBox", 2, 1024)[0]),
            float(facts.numbers("cryoalVoxelSize", SMALLEST_VOXEL, LARGEST_VOXEL)[0]),
            float(facts.numbers("cryoalDiameter", SMALLEST_VOXEL)[0]),
        )
        names = tomograms.names("rlnTomoName")
        tomograms.text("cryoalInputDigest")
        if names:
            tiltings_of(tomograms)
        strange = set(boxes.text("rlnTomoName")) - set(names)
        if strange:
            raise boxes.refused(f"tomogram {min(strange)[:80]!r} is not in block data_tomograms")
        boxes.names("cryoalId")
        for name in ("cryoalBoxMean", "cryoalBoxStd"):
            boxes.numbers(name, -np.inf, np.inf, missing=True)
        left_out.names("cryoalId")
        for name in ("rlnTomoName", "cryoalStatus"):
            left_out.text(name)
        _places(boxes)
        return cls(geometry, boxes.table, tomograms.table, left_out.table)

    def write(self, folder: Path) -> None:
        """Write ``index.star``, all or nothing."""
        facts = simple(
            cryoalBox=str(self.geometry.box),
            cryoalVoxelSize=repr(self.geometry.voxel_size),
            cryoalDiameter=repr(self.geometry.diameter),
        )
        blocks = {
            "extraction": facts,
            "tomograms": self.tomograms,
            "particles": self.boxes,
            "left_out": self.left_out,
        }
        write_star(folder / INDEX, blocks)

    def stacks(self, folder: Path) -> set[Path]:
        """The stacks in this folder that it names."""
        files = {str(name).rpartition("@")[2] for name in self.boxes["rlnImageName"]}
        return {folder / Path(name).name for name in files if name.endswith(".mrc")}

    def without(self, tomograms: Iterable[str]) -> "Index":
        """Return the index less these tomograms."""
        gone = set(tomograms)

        def kept(frame: pd.DataFrame) -> pd.DataFrame:
            return frame[~frame["rlnTomoName"].isin(gone)].reset_index(drop=True)

        return Index(self.geometry, *map(kept, (self.boxes, self.tomograms, self.left_out)))

    def with_tomogram(self, result: Extracted, stack: Path, facts: dict[str, str]) -> "Index":
        """Return the index with one finished tomogram in it."""
        name = result.tomogram
        boxes = pd.DataFrame(
            {
                "cryoalId": result.ids,
                "rlnTomoName": name,
                "rlnImageName": [
                    f"{row:06d}@{stack.parent.name}/{stack.name}"
                    for row in range(1, len(result.ids) + 1)
                ],
                "cryoalBoxMean": [f"{value:.4f}" for value in result.mean],
                "cryoalBoxStd": [f"{value:.4f}" for value in result.std],
            },
            dtype=str,
        )
        left_out = pd.DataFrame(
            [(particle, name, reason) for particle, reason in result.left_out],
            columns=list(self.LEFT_OUT_COLUMNS),
            dtype=str,
        )
        tomogram = pd.DataFrame([{"rlnTomoName": name, **facts}], dtype=str)
        rest = self.without([name])
        # By name, not by which worker was first: what follows draws rows at random.
        frames = [
            pd.concat(pair).sort_values("rlnTomoName", kind="stable", ignore_index=True)
            for pair in (
                (rest.boxes, boxes),
                (rest.tomograms, tomogram),
                (rest.left_out, left_out),
            )
        ]
        return Index(self.geometry, *frames)

    def digests(self) -> dict[str, str]:
        """What each finished tomogram was made of: ``{name: digest}``."""
        names, digests = self.tomograms["rlnTomoName"], self.tomograms["cryoalInputDigest"]
        return dict(zip(names, digests, strict=True))


def _places(boxes: Columns) -> tuple[NDArray[np.intp], NDArray[np.str_]]:
    """Row, from 0, and name of the stack of each box.

    Raises
    ------
    CryoalError
        A place is none, is outside the folder of stacks, or holds two boxes; or a stack's boxes
        do not fill it.
    """
    names = boxes.names("rlnImageName")
    for number, name in enumerate(names, 1):
        if not _PLACE.fullmatch(name):
            raise boxes.refused(
                f"row {number}: rlnImageName is {name[:80]!r}; 000001@FOLDER/STACK.mrc is expected"
            )
    rows = np.array([int(name.split("@")[0]) - 1 for name in names], dtype=np.intp)
    stacks = np.array([name.split("@")[1] for name in names], dtype=str)
    pairs = set(zip(boxes.text("rlnTomoName"), stacks.tolist(), strict=True))
    for side in zip(*pairs, strict=True):
        if len(set(side)) < len(pairs):
            raise boxes.refused("two tomograms share a stack, or one has two")
    for stack, count in zip(*np.unique(stacks, return_counts=True), strict=True):
        inside = rows[stacks == stack]
        if len(np.unique(inside)) < count or inside.min() < 0 or inside.max() >= count:
            raise boxes.refused(f"its {count} boxes of {stack} are not those from 1 to {count}")
    return rows, stacks


class SubtomogramStore:
    """``store[ids]`` is a float32 array (n, box, box, box), memory-mapped underneath.

    Parameters
    ----------
    folder : Path
        ``subtomograms/`` of a project: ``index.star`` and one MRC stack a tomogram.

    Raises
    ------
    CryoalError
        There is no index, or a stack is missing or holds another number of boxes than it says.
    """

    def __init__(self, folder: Path) -> None:
        index = Index.read(folder)
        if index is None:
            raise CryoalError(f"{folder}: no subtomograms yet; run cryoal extract first")
        self.folder = folder
        self.index = index
        self.geometry = index.geometry
        self.ids: NDArray[np.str_] = index.boxes["cryoalId"].to_numpy(dtype=str)
        self.tomogram: NDArray[np.str_] = index.boxes["rlnTomoName"].to_numpy(dtype=str)
        self._row, self._file = _places(Columns(index.boxes, str(folder / INDEX), ""))
        self._stacks = {name: self._open(name) for name in np.unique(self._file)}

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, particle: object) -> bool:
        """Whether there is a box of this id."""
        return particle in self._lookup

    def __getitem__(self, ids: ArrayLike) -> NDArray[np.float32]:
        """Boxes of these ids, in their order: (n, box, box, box)."""
        wanted = np.atleast_1d(np.asarray(ids, dtype=str))
        return self.read(self.rows(wanted))

    def rows(self, ids: ArrayLike) -> NDArray[np.intp]:
        """Row of each id in the store.

        Raises
        ------
        CryoalError
            Names the first id that has no box, and why.
        """
        wanted = np.asarray(ids, dtype=str)
        found = self._lookup.get_indexer(pd.Index(wanted)).astype(np.intp)
        if (found < 0).any():
            raise CryoalError(self._no_box(str(wanted[np.argmax(found < 0)])))
        return found

    def read(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """Boxes of these rows: (n, box, box, box) float32.

        Raises
        ------
        CryoalError
            Names the stack that holds a value that is not finite.
        """
        boxes = np.empty((len(rows), *(self.geometry.box,) * 3), dtype=np.float32)
        for name in np.unique(self._file[rows]):
            at = np.flatnonzero(self._file[rows] == name)
            boxes[at] = self._stacks[name][self._row[rows[at]]]
            if not np.isfinite(boxes[at].sum(axis=(1, 2, 3), dtype=np.float64)).all():
                raise CryoalError(
                    f"{self.folder / Path(name).name}: holds boxes with values that are not "
                    "finite; delete it and run cryoal extract again"
                )
        return boxes

    def batches(self, size: int = 512) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float32]]]:
        """All boxes in the order of the store, a few hundred at a time: (rows, boxes)."""
        for start in range(0, len(self), size):
            rows = np.arange(start, min(start + size, len(self)))
            yield rows, self.read(rows)

    @cached_property
    def _lookup(self) -> pd.Index:
        return pd.Index(self.ids)

    def _no_box(self, particle: str) -> str:
        left_out = self.index.left_out.set_index("cryoalId")["cryoalStatus"]
        if particle in left_out.index:
            return f"particle {particle!r} was left out of the extraction ({left_out[particle]})"
        example = f"; ids look like {str(self.ids[0])!r}" if len(self) else ""
        return f"{self.folder / INDEX}: there is no particle {particle!r}{example}"

    def _open(self, name: str) -> NDArray[np.generic]:
        path = self.folder / Path(name).name
        if not path.is_file():
            raise CryoalError(f"{path}: the stack is gone; run cryoal extract again to remake it")
        volume, box = open_volume(path), self.geometry.box
        expected = int((self._file == name).sum())
        if volume.shape[-2:] != (box, box) or volume.size != expected * box**3:
            raise CryoalError(
                f"{path}: {volume.size // box**3} boxes of {box}, but {INDEX} names {expected}; "
                "delete it and run cryoal extract again"
            )
        return volume.reshape(expected, box, box, box)
