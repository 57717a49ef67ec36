"""The layouts that programs write: each is named, and all of them mean the same thirty spots.

Three tomograms of 4000 x 3800 x 1200 pixels of 2.1 A, reconstructed at binning 5.
"""

import json

import numpy as np
import pytest

from cryoal.core.errors import CryoalError
from cryoal.io.convert import convert_file
from cryoal.io.inspect import inspect
from cryoal.io.listing import open_list
from cryoal.io.particles import read_particles
from cryoal.io.tomograms import read_tomograms

SIZE, PIXEL, BINNING, IMAGE = np.array([4000, 3800, 1200]), 2.1, 5, 4.2
VOXEL = PIXEL * BINNING
NAMES = np.repeat(["TS_01", "TS_03", "TS_54"], 10)
NUMBERS = np.repeat([1, 3, 54], 10)
RNG = np.random.default_rng(7)
SPOTS = np.round(RNG.uniform(20, (780, 740, 220), (30, 3)), 3)  # voxels, xyz
ANGLES = np.round(RNG.uniform(0, 180, (30, 3)), 3)
ORIGIN = np.round(RNG.uniform(-10, 10, (30, 3)), 4)  # Angstrom
CENTRED = [f"rlnCenteredCoordinate{axis}Angst" for axis in "XYZ"]
CORNER = [f"rlnCoordinate{axis}" for axis in "XYZ"]
TURN = ["rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"]
SHIFT = [f"rlnOrigin{axis}Angst" for axis in "XYZ"]
SHIFT_PIXELS = [f"rlnOrigin{axis}" for axis in "XYZ"]
GENERAL = "\n# version 50001\n\ndata_general\n\n_rlnTomoSubTomosAre2DStacks   1\n \n"
FROM_CENTRE = (SPOTS * BINNING - SIZE / 2) * PIXEL


def loop(block, columns, *parts, rows=slice(None)):
    """A STAR block; parts are (30, n) arrays, lists of 30, or one value for all rows."""
    wide = [
        np.asarray(part).reshape(30, -1).astype(str) if np.ndim(part) else [[str(part)]] * 30
        for part in parts
    ]
    lines = [" ".join(word for part in row for word in part) for row in zip(*wide, strict=True)]
    labels = "".join(f"_{name} #{n} \n" for n, name in enumerate(columns, 1))
    return f"\ndata_{block}\n\nloop_ \n{labels}" + "".join(
        f"{line} \n" for line in np.array(lines)[rows]
    )


def optics(**columns):
    known = {"rlnOpticsGroup": 1, "rlnOpticsGroupName": "opticsGroup1", "rlnVoltage": 300.0}
    known |= columns
    labels = "".join(f"_{name} #{n} \n" for n, name in enumerate(known, 1))
    return f"\ndata_optics\n\nloop_ \n{labels}" + " ".join(map(str, known.values())) + "\n\n"


def suffixed(ending, before=""):
    return [f"{before}{name}{ending}" for name in NAMES]


TOMO = {"rlnTomoTiltSeriesPixelSize": PIXEL}
STACKS = {"rlnCtfDataAreCtfPremultiplied": 1, "rlnImageDimensionality": 2, "rlnImageSize": 64}
OLD_EXPORT = TOMO | STACKS | {"rlnTomoSubtomogramBinning": 2.0, "rlnImagePixelSize": IMAGE}
NEW_EXPORT = OLD_EXPORT | {"rlnTomoTiltSeriesPixelSize": IMAGE, "rlnTomoSubtomogramBinning": 1.0}
EXPORT = ["rlnTomoName", "rlnTomoParticleId", *CORNER, *TURN, "rlnTomoParticleName",
          "rlnOpticsGroup", *SHIFT, "rlnTomoVisibleFrames"]  # fmt: skip
PYTOM = ["rlnCutOff", "rlnSearchStd", "rlnDetectorPixelSize", "rlnMicrographName"]
IDS = [f"{name}/{n}" for n, name in enumerate(NAMES)]
COUNT = np.arange(30)
MAGNIFIED = ["rlnMagnification", "rlnDetectorPixelSize", "rlnImageName", "rlnCtfImage"]

#: Producer and layout: text, dialect, unit.
STAR = {
    "RELION 5 picker's particles.star": (
        loop("particles", ["rlnTomoName", *CENTRED], NAMES, FROM_CENTRE),
        "relion5", "centred_angstrom"),
    "RELION 5 with its columns in another order": (
        loop("particles", [CENTRED[2], CENTRED[0], "rlnTomoName", CENTRED[1]],
             FROM_CENTRE[:, 2], FROM_CENTRE[:, 0], NAMES, FROM_CENTRE[:, 1]),
        "relion5", "centred_angstrom"),
    "RELION 5 extracted and refined": (
        GENERAL + optics(**TOMO, **STACKS, rlnImagePixelSize=8.4)
        + loop("particles", ["rlnTomoName", *TURN, *CENTRED, "rlnOpticsGroup",
                             "rlnTomoParticleName", "rlnTomoVisibleFrames", *SHIFT],
               NAMES, ANGLES, FROM_CENTRE + ORIGIN, 1, IDS, "[1,0,1]", ORIGIN),
        "relion5", "centred_angstrom"),
    "RELION 5 with both coordinates": (
        GENERAL + optics(**TOMO)
        + loop("particles", ["rlnTomoName", *CORNER, *CENTRED, "rlnOpticsGroup"],
               NAMES, SPOTS * BINNING, FROM_CENTRE, 1),
        "relion5", "centred_angstrom"),
    "RELION 5 from RELION 4's coordinates": (
        GENERAL + optics(**TOMO, rlnImagePixelSize=8.4)
        + loop("particles", ["rlnTomoName", *CORNER, "rlnOpticsGroup"],
               NAMES, SPOTS * BINNING, 1),
        "relion5", "unbinned_pixel"),
    "RELION 4": (
        optics(**TOMO, rlnTomoSubtomogramBinning=BINNING, rlnImagePixelSize=VOXEL)
        + loop("particles", ["rlnTomoName", "rlnTomoParticleId", *CORNER, *SHIFT, *TURN,
                             "rlnOpticsGroup", "rlnCtfImage"],
               NAMES, COUNT, SPOTS * BINNING + ORIGIN / PIXEL, ORIGIN, ANGLES, 1, "w.mrc"),
        "relion4", "unbinned_pixel"),
    "dynamo2relion": (
        "# Created by the starfile Python package\n"
        + loop("", [*CORNER, *TURN, "rlnTomoName", "rlnObjectNumber"],
               SPOTS * BINNING, ANGLES, NAMES, 1),
        "relion4", "unbinned_pixel"),
    "cryoCAT, whose groups are floats": (
        optics(**TOMO, rlnOpticsGroup="1.0")
        + loop("particles", ["rlnTomoName", *CORNER, "rlnOpticsGroup"], NAMES, SPOTS * BINNING, 1),
        "relion4", "unbinned_pixel"),
    "Ais, easymode": (
        loop("particles", [*CORNER, "rlnMicrographName"], SPOTS, suffixed("_10.50Apx.tomostar")),
        "warp", "voxel"),
    "RELION 3.1": (
        optics(rlnImagePixelSize=VOXEL, rlnImageSize=64)
        + loop("particles", ["rlnMicrographName", *CORNER, *SHIFT, "rlnOpticsGroup"],
               suffixed(".mrc", "Tomograms/"), SPOTS + ORIGIN / VOXEL, ORIGIN, 1),
        "relion31", "voxel"),
    "RELION 3.0, origins in pixels of twice binned images": (
        loop("images", ["rlnMicrographName", *CORNER, *MAGNIFIED, *SHIFT_PIXELS],
             suffixed(".mrc"), SPOTS + ORIGIN / VOXEL, 10000, 2 * VOXEL, "a.mrc", "b.mrc",
             ORIGIN / VOXEL / 2),
        "relion3", "voxel"),
    "WarpTools template matching": (
        loop("", [*CORNER, *TURN, "rlnMicrographName", "rlnAutopickFigureOfMerit"],
             SPOTS * BINNING / SIZE, ANGLES, suffixed(".tomostar"), COUNT),
        "warp", "fraction"),
    "WarpTools 2D export, before July 2026": (
        GENERAL + optics(**OLD_EXPORT)
        + loop("particles", EXPORT, suffixed(".tomostar"), COUNT, SPOTS * VOXEL / IMAGE, ANGLES,
               IDS, 1, ORIGIN * 0, "[1,1]"),
        "warp", "output_pixel"),
    "WarpTools 2D export since, refined by RELION": (
        GENERAL + optics(**NEW_EXPORT)
        + loop("particles", EXPORT, suffixed(".tomostar"), COUNT, (SPOTS * VOXEL + ORIGIN) / IMAGE,
               ANGLES, IDS, 1, ORIGIN, "[1,1]"),
        "warp", "output_pixel"),
    "WarpTools 3D export": (
        loop("", [*CORNER, *TURN, "rlnMicrographName", *MAGNIFIED, "rlnPixelSize"],
             SPOTS * VOXEL / IMAGE, ANGLES, suffixed(".tomostar"), 10000.0, IMAGE, "a.mrc",
             "b.mrc", IMAGE),
        "relion3", "output_pixel"),
    "the same, refined by RELION 5.1": (
        optics(rlnImagePixelSize=IMAGE, rlnImageSize=120)
        + loop("particles", [*CORNER, "rlnMicrographName", "rlnImageName", "rlnPixelSize",
                             "rlnOpticsGroup", *SHIFT],
               (SPOTS * VOXEL + ORIGIN) / IMAGE, suffixed(".tomostar"), "a.mrc", IMAGE, 1, ORIGIN),
        "relion31", "output_pixel"),
    "Warp 1 export": (
        loop("images", ["rlnMicrographName", *CORNER, *MAGNIFIED, "rlnPixelSize"],
             suffixed("_10.50Apx.mrc", "/x/reconstruction/"), SPOTS * VOXEL / IMAGE, 10000.0,
             IMAGE, "a.mrc", "b.mrc", IMAGE),
        "relion3", "output_pixel"),
    "a list made for ts_export_particles": (
        loop("", [*CORNER, "rlnMicrographName"], SPOTS, suffixed(".tomostar")), "warp", "voxel"),
    "M's species with temporal poses": (
        loop("", [*[f"wrpCoordinate{x}{n}" for n in (1, 2) for x in "XYZ"],
                  *[f"wrpAngle{x}{n}" for n in (1, 2) for x in ("Rot", "Tilt", "Psi")],
                  "wrpSourceName", "wrpRandomSubset"],
             SPOTS * VOXEL, SPOTS * 0, ANGLES, ANGLES, suffixed(".tomostar"), 1),
        "warp", "angstrom"),
    "pytom-match-pick": (
        loop("", [*CORNER, *TURN, "rlnLCCmax", *PYTOM], SPOTS, ANGLES, 0.3, 0.1, 0.01, VOXEL,
             suffixed("", "rec_")),
        "pytom", "voxel"),
    "pytom-match-pick's other label, Warp's names": (
        loop("particles", [*CORNER, *TURN, "ptmLCCmax", *PYTOM], SPOTS, ANGLES, 0.3, 0.1, 0.01,
             VOXEL, suffixed("_10.50Apx")),
        "pytom", "voxel"),
    "pytom-match-pick for RELION 5": (
        loop("", [*CENTRED, *TURN, "rlnLCCmax", "rlnTomoTiltSeriesPixelSize", "rlnTomoName"],
             FROM_CENTRE, ANGLES, 0.3, PIXEL, NAMES),
        "pytom", "centred_angstrom"),
    "STOPGAP": (
        loop("stopgap_motivelist",
             ["motl_idx", "tomo_num", "object", "subtomo_num", "halfset", "orig_x", "orig_y",
              "orig_z", "score", "x_shift", "y_shift", "z_shift", "phi", "psi", "the", "class"],
             COUNT, [f"{n}.000000" for n in NUMBERS], 1, COUNT, "A", np.rint(SPOTS) + 1, 0.5,
             SPOTS - np.rint(SPOTS), ANGLES, 1),
        "stopgap", "voxel"),
}  # fmt: skip


@pytest.fixture(scope="module")
def tomograms(tmp_path_factory):
    path = tmp_path_factory.mktemp("set") / "tomograms.star"
    sizes = [f"rlnTomoSize{axis}" for axis in "XYZ"]
    columns = ["rlnTomoName", "rlnTomoTiltSeriesPixelSize", "rlnTomoTomogramBinning", *sizes]
    parts = (NAMES, PIXEL, BINNING, np.tile(SIZE, (30, 1)))
    path.write_text(loop("global", columns, *parts, rows=[0, 10, 20]))
    return read_tomograms([path], need_volumes=False)


def check(path, dialect, unit, tomograms, rows=slice(None), into=("relion5", "relion4", "warp")):
    facts = inspect(path, tomograms)
    assert (facts["dialect"], facts["unit"], facts["refused"]) == (dialect, unit, None)
    found = read_particles([path], tomograms).position[:, ::-1]
    np.testing.assert_allclose(found, SPOTS[rows] * VOXEL, atol=0.01)
    for target in into:
        written = path.with_name(f"{path.stem}_{target}.star")
        audit = convert_file(path, written, target, tomograms)
        assert (audit.rows_out, audit.dialect_out) == (len(found), target)
        assert audit.largest_change < 0.01
        again = read_particles([written], tomograms).position[:, ::-1]
        np.testing.assert_allclose(again, SPOTS[rows] * VOXEL, atol=0.02)


@pytest.mark.parametrize("layout", STAR)
def test_every_star_layout_is_named_and_means_the_same_spots(tmp_path, tomograms, layout):
    text, dialect, unit = STAR[layout]
    (tmp_path / "list.star").write_text(text)
    check(tmp_path / "list.star", dialect, unit, tomograms)


def dynamo(width, apix=0.0):
    table = np.zeros((30, 42))
    table[:, 0], table[:, 19], table[:, 35] = COUNT + 1, NUMBERS, apix
    table[:, 3:6], table[:, 6:9], table[:, 23:26] = ORIGIN / VOXEL, ANGLES, SPOTS - ORIGIN / VOXEL
    return "".join(" ".join(f"{v:.9g}" for v in row[:width]) + "\n" for row in table)


@pytest.mark.parametrize(("width", "apix"), [(26, 0), (32, 0), (36, VOXEL), (40, 1), (42, 0)])
def test_dynamos_tables_may_have_any_width_from_26_and_state_a_pixel_size(
    tmp_path, tomograms, width, apix
):
    (tmp_path / "crop.tbl").write_text(dynamo(width, apix))
    check(tmp_path / "crop.tbl", "dynamo", "voxel", tomograms)


@pytest.mark.parametrize("machine", range(7))
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("sizes", [(20, 30, 1), (20, 1, 30)])
def test_a_motive_list_is_one_whatever_machine_and_axis_its_header_names(
    tmp_path, tomograms, machine, order, sizes
):
    values = np.zeros((30, 20))
    values[:, 4], values[:, 7:10], values[:, 10:13] = (
        NUMBERS, np.rint(SPOTS) + 1, SPOTS - np.rint(SPOTS),
    )  # fmt: skip
    header = bytes([machine, 0, 0, 5]) + np.array(sizes, f"{order}i4").tobytes() + bytes(496)
    (tmp_path / "motl.em").write_bytes(header + values.astype(f"{order}f4").tobytes())
    check(tmp_path / "motl.em", "em", "voxel", tomograms, into=())


FIRST = NAMES == "TS_01"
LOCATIONS = [dict(zip("xyz", (spot * VOXEL).tolist(), strict=True)) for spot in SPOTS[FIRST]]


@pytest.mark.parametrize(
    "picks",
    [
        {"run_name": "TS_01", "voxel_spacing": VOXEL, "unit": "angstrom"},
        {"run_name": "TS_01", "voxel_spacing": None, "trust_orientation": False},
        {"run_name": None},
        {},
    ],
)
def test_a_copick_run_is_named_by_its_file_or_by_its_folder(tmp_path, tomograms, picks):
    path = tmp_path / "ExperimentRuns/TS_01/Picks/kim_0_ribosome.json"
    path.parent.mkdir(parents=True)
    points = [{"location": location, "score": None} for location in LOCATIONS]
    path.write_text(json.dumps({"points": points, "pickable_object_name": "ribosome", **picks}))
    check(path, "copick", "angstrom", tomograms, rows=FIRST, into=("relion5", "csv"))


@pytest.mark.parametrize(
    "more",
    [{}, {"xyz_rotation_matrix": np.eye(3).tolist()}, {"instance_id": 0}, {"instance_id": 3}],
)
@pytest.mark.parametrize("location_first", [True, False])
def test_the_portals_points_may_have_their_keys_in_any_order(
    tmp_path, tomograms, more, location_first
):
    kind = "orientedPoint" if "xyz_rotation_matrix" in more else "instancePoint"
    lines = []
    for spot in SPOTS[FIRST]:
        keys = {"location": dict(zip("xyz", spot.tolist(), strict=True))}
        rest = {"type": kind if more else "point", **more}
        lines.append(json.dumps({**keys, **rest} if location_first else {**rest, **keys}))
    (tmp_path / "TS_01.ndjson").write_text("\n".join(lines))
    check(tmp_path / "TS_01.ndjson", "portal", "voxel", tomograms, rows=FIRST, into=("copick",))


@pytest.mark.parametrize("unbinned", [True, False])
def test_eman2s_boxes_count_from_the_middle_or_from_the_corner(tmp_path, tomograms, unbinned):
    middle = (SIZE // BINNING) // 2
    spots = (SPOTS - middle) * BINNING if unbinned else SPOTS
    info = {"boxes_3d": [[*spot, "manual", 0.5, 0] for spot in spots[FIRST].tolist()]}
    (tmp_path / "TS_01_info.json").write_text(
        json.dumps(({"apix_unbin": PIXEL} if unbinned else {}) | info)
    )
    unit = "unbinned_pixel" if unbinned else "voxel"
    check(tmp_path / "TS_01_info.json", "eman2", unit, tomograms, rows=FIRST, into=("portal",))


@pytest.mark.parametrize("far", ["1e9", "-1e300", "99999999999"])
def test_a_position_beyond_every_tomogram_is_a_damaged_file(tmp_path, far):
    (tmp_path / "a.coords").write_text(f"1 2 3\n10 {far} 30\n")
    with pytest.raises(CryoalError, match=r"a\.coords, particle 2: its position is 10, "):
        open_list(tmp_path / "a.coords")


def test_a_list_kept_rlnmicrographname_of_warp_and_lies_where_rlntomoname_says(tmp_path, tomograms):
    """Converted lists keep both names; only that of the tomogram says whose they are."""
    (tmp_path / "a.star").write_text(
        optics(**TOMO, rlnImagePixelSize=IMAGE)
        + loop("particles", ["rlnTomoName", "rlnMicrographName", *CORNER, "rlnOpticsGroup"],
               NAMES, suffixed(".tomostar"), SPOTS * BINNING, 1)
    )  # fmt: skip
    picks = open_list(tmp_path / "a.star").picks
    assert (picks.dialect, picks.unit) == ("relion4", "unbinned_pixel")
    check(tmp_path / "a.star", "relion4", "unbinned_pixel", tomograms)
