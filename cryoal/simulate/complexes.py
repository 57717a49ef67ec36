"""Well-known complexes as balls of protein, from published dimensions and symmetry.

Each complex is an asymmetric unit of balls (x, y, z, radius in Angstrom) copied by its point
group; the published figures stand beside it, and the tests hold the model against them. They are
stand-ins with the size, symmetry, mass and hollows of the real thing at 20 to 40 Angstrom, not
models of its fold.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

#: Volume of protein in Angstrom^3 per dalton (partial specific volume 0.73 cm^3/g).
PROTEIN_VOLUME = 1.21

Ball = tuple[float, float, float, float]


@dataclass(frozen=True)
class Complex:
    """A complex of known size.

    Attributes
    ----------
    name : str
    mass : float, kDa
    dimensions : (3,) float, Angstrom
        Published outer dimensions, longest first.
    symmetry : str
        Point group of the balls as scipy spells it: "C7", "D7", "T", "O", "I"; axis z.
    balls : tuple of (x, y, z, radius), Angstrom
        The asymmetric unit.
    source : str
        Where mass and dimensions stand.
    extra : tuple of (x, y, z, radius), Angstrom
        Balls outside the symmetry.
    """

    name: str
    mass: float
    dimensions: tuple[float, float, float]
    symmetry: str
    balls: tuple[Ball, ...]
    source: str
    extra: tuple[Ball, ...] = ()


def all_balls(complex_: Complex) -> NDArray[np.float64]:
    """Every ball after symmetry: (M, 4) x, y, z, radius in Angstrom."""
    unit = np.array(complex_.balls, dtype=np.float64).reshape(-1, 4)
    # The stubs list only example groups.
    group = Rotation.create_group(complex_.symmetry).as_matrix()  # type: ignore[arg-type]
    places = np.einsum("gij,nj->gni", group, unit[:, :3]).reshape(-1, 3)
    copies = np.column_stack([places, np.tile(unit[:, 3], len(group))])
    return np.vstack([copies, np.array(complex_.extra, dtype=np.float64).reshape(-1, 4)])


_LARGE_SUBUNIT: tuple[Ball, ...] = (
    (0, 0, 0, 64), (0, 38, 12, 42), (0, -38, 10, 42), (-26, 0, -18, 46),
    (8, 10, 74, 24), (12, -76, 30, 17), (12, -95, 42, 15), (16, 78, 22, 15), (20, 98, 30, 10),
)  # fmt: skip
"""Body, central protuberance, L1 stalk and L7/L12 stalk."""

_SMALL_SUBUNIT: tuple[Ball, ...] = (
    (88, -4, -34, 41), (82, -16, -72, 24), (72, -30, 2, 25), (86, 6, 56, 35), (90, 42, 62, 15),
    (78, 0, 14, 22),
)  # fmt: skip
"""Body, spur, platform, head, beak and neck."""

#: Ordered so that `--classes 5` takes five that differ clearly and are no larger than a ribosome.
COMPLEXES: tuple[Complex, ...] = (
    Complex(
        "ribosome_70s", 2300, (250, 210, 200), "C1", (*_LARGE_SUBUNIT, *_SMALL_SUBUNIT),
        "Bacterial 70S: 2.3 MDa, 200-250 A across; PDB 4V4R, 4YBB",
    ),
    Complex(
        "proteasome_20s", 700, (148, 113, 113), "D7", ((37, 0, 56, 18), (38, 8, 20, 19)),
        "T. acidophilum 20S: 148 x 113 A, 28 subunits, about 700 kDa; Loewe et al. 1995, PDB 1PMA",
    ),
    Complex(
        "thyroglobulin", 660, (250, 160, 110), "C2",
        ((28, 18, 0, 31), (66, 34, 14, 29), (100, 8, -4, 25), (58, -18, -22, 30),
         (16, -52, 16, 27), (86, 40, -22, 22), (40, 10, 30, 24)),
        "Human dimer: 660 kDa, 250 x 160 x 110 A; Coscia et al. 2020, PDB 6SCJ",
    ),
    Complex(
        "apoferritin", 480, (122, 122, 122), "O",
        ((43, 22, 14, 13), (33, 36, 12, 13), (14, 18, 43, 10)),
        "24 subunits of 20 kDa, 120 A outside, 80 A cavity; PDB 2FHA",
    ),
    Complex(
        "groel", 800, (146, 137, 137), "D7",
        ((47, 0, 19, 20), (48, 8, 40, 14), (46, 2, 56, 17)),
        "E. coli GroEL: 14 x 57 kDa, 146 A high, 137 A wide; Braig et al. 1994, 1995, PDB 1OEL",
    ),
    Complex(
        "ms2_capsid", 2500, (285, 285, 285), "I",
        ((25, 16, 122, 15), (6, 38, 119, 15), (52, 26, 110, 15)),
        "Bacteriophage MS2 shell: T = 3, 180 x 13.7 kDa, about 285 A; Golmohammadi 1993, PDB 2MS2",
    ),
    Complex(
        "igg", 150, (145, 85, 40), "C1",
        ((22, 6, 12, 15), (24, -6, 10, 15), (40, 6, 22, 15), (42, -6, 22, 15),
         (57, 5, 31, 15), (56, -5, 30, 15), (-22, 6, 12, 15), (-24, -6, 10, 15),
         (-40, 6, 22, 15), (-42, -6, 22, 15), (-57, 5, 31, 15), (-56, -5, 30, 15),
         (8, 0, -10, 12), (-8, 0, -10, 12), (10, 4, -24, 14), (-10, -4, -24, 14)),
        "Intact IgG2a: 150 kDa; Harris et al. 1997, PDB 1IGT; 145 x 85 x 40 A by Sarma et al. 1971",
    ),
    Complex(
        "beta_galactosidase", 465, (175, 135, 90), "D2",
        ((22, 22, 14, 25), (56, 32, 12, 24), (64, 8, 24, 20), (30, 48, 18, 19), (68, 50, 14, 16)),
        "E. coli tetramer: 465 kDa, 175 x 135 x 90 A; Jacobson et al. 1994, PDB 1BGL",
    ),
    Complex(
        "rubisco", 550, (112, 112, 105), "D4",
        ((36, 6, 14, 20), (26, 20, 30, 18), (14, 10, 40, 13)),
        "Spinach L8S8: 550 kDa, 112 x 112 x 105 A; Andersson 1996, PDB 8RUC",
    ),
    Complex(
        "p97", 540, (160, 160, 80), "C6",
        ((36, 0, -22, 20), (38, 8, 18, 20), (64, 6, 16, 15)),
        "p97/VCP hexamer: 6 x 90 kDa, 160 A wide, 80 A high; Davies et al. 2008, PDB 3CF3",
    ),
    Complex(
        "tric", 950, (160, 152, 152), "D8",
        ((55, 4, 18, 21), (42, 0, 50, 20), (16, 4, 66, 13)),
        "TRiC/CCT closed: 16 x 58 kDa, about 160 A; Leitner et al. 2012, PDB 4V94",
    ),
    Complex(
        "glutamine_synthetase", 620, (143, 143, 103), "D6",
        ((48, 0, 24, 22), (30, 10, 30, 15), (56, 10, 38, 13)),
        "S. typhimurium 12-mer: 620 kDa, 143 A wide, 103 A high; Almassy et al. 1986, PDB 2GLS",
    ),
    Complex(
        "atp_synthase", 550, (225, 120, 110), "C1",
        ((36, 0, 62, 24), (18, 31, 66, 23), (-18, 31, 62, 24), (-36, 0, 66, 23),
         (-18, -31, 62, 24), (18, -31, 66, 23), (0, 0, 50, 14), (2, 0, 24, 12), (3, 0, 4, 12),
         (0, 6, -14, 12), (20, 0, -46, 14), (10, 17, -46, 14), (-10, 17, -46, 14),
         (-20, 0, -46, 14), (-10, -17, -46, 14), (10, -17, -46, 14), (20, 0, -70, 14),
         (10, 17, -70, 14), (-10, 17, -70, 14), (-20, 0, -70, 14), (-10, -17, -70, 14),
         (10, -17, -70, 14), (44, 0, -58, 20), (50, 0, -30, 10), (56, 0, -10, 10),
         (60, 0, 14, 10), (62, 0, 38, 10), (56, 0, 62, 10), (42, 0, 90, 12), (18, 0, 104, 17)),
        "Bacterial F1Fo: 550 kDa, about 220 A tall, F1 head 110 A; Sobti et al. 2016, PDB 5T4O",
    ),
    Complex(
        "ribosome_80s", 3300, (300, 260, 240), "C1",
        (*((1.14 * x, 1.14 * y, 1.14 * z, 1.14 * r) for x, y, z, r in
           (*_LARGE_SUBUNIT, *_SMALL_SUBUNIT)),
         (-52, 44, -52, 26), (-40, -56, -46, 24), (-72, -8, 26, 22), (98, -8, -116, 20),
         (-20, 18, -86, 20)),
        "S. cerevisiae 80S: 3.3 MDa, 250-300 A; Ben-Shem et al. 2011, PDB 4V88",
    ),
    Complex(
        "fatty_acid_synthase", 2600, (270, 250, 250), "D3",
        ((36, 0, 10, 26), (76, 20, 12, 30), (96, -14, 16, 28), (84, 30, 50, 30),
         (88, -24, 56, 26), (62, 44, 84, 27), (52, 0, 104, 24), (18, 12, 112, 22)),
        "S. cerevisiae FAS barrel: 2.6 MDa, 270 x 250 A; Leibundgut et al. 2007, PDB 2UV8",
    ),
    Complex(
        "proteasome_26s", 1650, (300, 200, 150), "C1", (),
        "26S with one cap: 20S of 148 A and a 19S cap of 150 A (450 A with two); Unverdorben "
        "et al. 2014, PDB 4CR2",
        extra=(
            *(((r * np.cos(a), r * np.sin(a), z, size)) for z, r, size in
              ((56, 37, 18), (20, 38, 19), (-20, 38, 19), (-56, 37, 18))
              for a in 2 * np.pi * np.arange(7) / 7),
            *(((32 * np.cos(a), 32 * np.sin(a), 96, 23)) for a in 2 * np.pi * np.arange(6) / 6),
            (-74, -18, 104, 25), (-62, 18, 130, 23), (58, 22, 120, 27), (82, -8, 136, 27),
            (62, -42, 158, 26), (28, 46, 148, 27), (10, 14, 170, 27), (-22, -22, 186, 24),
            (30, -30, 190, 26), (60, 20, 178, 24), (4, 8, 204, 20),
        ),
    ),
    Complex(
        "erythrocruorin", 3600, (300, 300, 185), "D6",
        ((108, 0, 50, 40), (66, 20, 16, 26), (40, 0, 16, 20)),
        "Lumbricus haemoglobin: 3.6 MDa bilayer, 300 x 185 A; Royer et al. 2006, PDB 2GTL",
    ),
)  # fmt: skip
