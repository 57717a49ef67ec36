"""TomoTwin: its STAR export is read; its pickles never are, as opening one runs its author's code.

``tomotwin_pick.py`` writes ``.coords`` (read as ``coords``), ``.cbox`` and ``*_relion3.star``,
whose one table has rlnCoordinateX/Y/Z and nothing else (``modules/common/io/star_format.py``).
Voxels of the embedded tomogram, from 0.
"""

from dataclasses import replace

from cryoal.core.errors import CryoalError
from cryoal.io.base import Format, NotParticlesError, Picks, formats
from cryoal.io.content import Content
from cryoal.io.relion_columns import CORNER
from cryoal.io.relion_star import read_relion, rewrite_star

#: Opcode PROTO and the protocols that pandas has written with.
_PICKLE = tuple(bytes((0x80, protocol)) for protocol in range(2, 6))


def _pickled(content: Content) -> bool:
    return content.head.startswith(_PICKLE) and content.head[-1:] != b""


def _bare(content: Content) -> bool:
    blocks = content.blocks
    return len(blocks) == 1 and all(sorted(b.columns) == CORNER for b in blocks.values())


def _recognise(content: Content) -> int:
    if _pickled(content):
        return 3 if b"pandas" in content.head else 0
    return 3 if content.blocks and _bare(content) else 0


def _read(content: Content, unit: str | None = None) -> Picks:
    path = content.path
    if _pickled(content):
        advice = (
            "a TomoTwin pickle, which is never opened here: a pickle runs what its author wrote; "
            "run 'tomotwin_pick.py -l FILE.tloc' and give the .coords, .cbox or .star it writes"
        )
        kind = CryoalError if path.suffix.lower() == ".tloc" else NotParticlesError
        raise kind(f"{path}: {advice}")
    picks = read_relion(content, unit)
    evidence = picks.evidence if unit else "TomoTwin counts voxels of the embedded tomogram"
    return replace(picks, dialect="tomotwin", unit=unit or "voxel", evidence=evidence)


formats.register("tomotwin")(
    Format(
        "tomotwin",
        _recognise,
        _read,
        rewrite=rewrite_star,
        placing=frozenset(CORNER),
        one_tomogram=True,
        layout="{tomogram}.star",
    )
)
