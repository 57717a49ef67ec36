"""Every convention of position, box, angle and wedge: the only home of each.

- Arrays are indexed ``[z, y, x]``; positions are ``(..., 3)`` in zyx order, in Angstrom, unless a
  name says ``xyz`` or ``voxels``.
- Voxel index 0 is the *centre* of the first voxel (WarpTools
  ``docs/reference/warptools/tomogram_particle_files.md``; cryotypes ``PoseSet``), and a position
  in Angstrom is that index times the resolved voxel size.
- The centre of a box of n voxels is index ``n // 2`` (RELION ``Conventions.rst``).
- A particle's rotation is active: it turns the reference into the particle as it lies in the
  tomogram, acting on xyz column vectors.
"""

import math
import warnings
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation

FloatArray = NDArray[np.floating]

#: Where RELION puts the centre of a tomogram of N unbinned pixels: its C++ programs use N/2, its
#: napari picker N/2 - 1 (relion#1137).
RELION_CENTRES = {"half": 0.0, "half-minus-one": -1.0}

#: The two axes across each beam axis. The first is the tilt axis of a reconstruction that lies as
#: most programs write it: y where the beam runs along z, z where it runs along y (IMOD's tilt).
BEAM_AXES = {"z": ("y", "x"), "y": ("z", "x"), "x": ("y", "z")}


def reverse_axes(coordinates: ArrayLike) -> NDArray[np.float64]:
    """Turn xyz into zyx, or back: (..., 3) in, (..., 3) out."""
    return np.asarray(coordinates, dtype=np.float64)[..., ::-1].copy()


def voxels_from_angstrom(position: ArrayLike, voxel_size: float) -> NDArray[np.float64]:
    """Voxel index, 0 at the centre of the first voxel, of a position in Angstrom."""
    return np.asarray(position, dtype=np.float64) / voxel_size


def angstrom_from_voxels(voxels: ArrayLike, voxel_size: float) -> NDArray[np.float64]:
    """Position in Angstrom of a voxel index, 0 at the centre of the first voxel."""
    return np.asarray(voxels, dtype=np.float64) * voxel_size


def box_centre(box: int) -> int:
    """Voxel on which a particle's position lands: ``box // 2``, as in RELION, SPIDER and XMIPP."""
    return box // 2


def box_for_diameter(diameter: float, voxel_size: float, shift: int = 0) -> int:
    """Smallest even box of 1.5 diameters, with a margin for random shifts on every side.

    Parameters
    ----------
    diameter : float, Angstrom
    voxel_size : float, Angstrom per voxel
    shift : int, voxels
        The largest shift that training applies; the box grows by it on both sides.

    Returns
    -------
    int, voxels, even

    Examples
    --------
    >>> box_for_diameter(250, 10), box_for_diameter(250, 10, shift=2)
    (38, 42)
    """
    return 2 * math.ceil(1.5 * diameter / voxel_size / 2 - 1e-9) + 2 * shift


def relion_rotation(rot_tilt_psi: ArrayLike) -> Rotation:
    """Active rotation (xyz) that RELION's rlnAngleRot, rlnAngleTilt and rlnAnglePsi stand for.

    RELION's matrix (``Euler_angles2matrix``, src/euler.cpp) is the transpose, hence the inverse,
    of scipy's intrinsic ZYZ. That inverse is the particle's pose: copick, the CZ portal and
    RELION's own ``spheres.py`` take the same ``inv()`` of the stored angles.

    Parameters
    ----------
    rot_tilt_psi : (..., 3) float, degrees

    Returns
    -------
    scipy Rotation
    """
    return Rotation.from_euler(
        "ZYZ", np.asarray(rot_tilt_psi, dtype=np.float64), degrees=True
    ).inv()


def relion_matrix(rot_tilt_psi: ArrayLike) -> NDArray[np.float64]:
    """RELION's own 3 x 3 matrix of its three angles (``Euler_angles2matrix``, src/euler.cpp).

    Parameters
    ----------
    rot_tilt_psi : (..., 3) float, degrees

    Returns
    -------
    (..., 3, 3) float64, acting on xyz column vectors
    """
    matrix: NDArray[np.float64] = relion_rotation(rot_tilt_psi).as_matrix()
    return matrix


def relion_angles(rotation: Rotation) -> NDArray[np.float64]:
    """rlnAngleRot, rlnAngleTilt, rlnAnglePsi in degrees of an active rotation: (..., 3)."""
    return quiet_euler(rotation.inv(), "ZYZ")


def quiet_euler(rotation: Rotation, axes: Literal["ZYZ", "zxz"]) -> NDArray[np.float64]:
    """Euler angles in degrees, also where only the sum of the outer two is determined: (..., 3)."""
    with warnings.catch_warnings():
        # With the middle angle 0 both outer turn about one axis: scipy warns and calls the third
        # 0, which is as good.
        warnings.filterwarnings("ignore", message="Gimbal lock")
        angles: NDArray[np.float64] = rotation.as_euler(axes, degrees=True)
    return angles


def relion_decentred(
    coordinate_xyz: ArrayLike,
    origin_xyz: ArrayLike,
    pixel_size: float | NDArray[np.float64],
    subtomogram_angles: ArrayLike | None = None,
) -> NDArray[np.float64]:
    """RELION 4/5: unbinned coordinate after its refined origin is taken off.

    ``p - (A @ o) / s`` with A the subtomogram's matrix: the origin is *subtracted*, in the
    subtomogram's frame (``ParticleSet::getParticleCoordDecenteredPixel``, RELION 5).

    Parameters
    ----------
    coordinate_xyz : (N, 3) float, unbinned pixels
    origin_xyz : (N, 3) float, Angstrom
        rlnOriginX/Y/ZAngst.
    pixel_size : float or (N, 1), Angstrom
        rlnTomoTiltSeriesPixelSize.
    subtomogram_angles : (N, 3) float, degrees, optional
        rlnTomoSubtomogramRot/Tilt/Psi; none is the identity.

    Returns
    -------
    (N, 3) float64, unbinned pixels, xyz
    """
    origin = np.asarray(origin_xyz, dtype=np.float64)
    if subtomogram_angles is not None:
        origin = np.einsum("nij,nj->ni", relion_matrix(subtomogram_angles), origin)
    return np.asarray(coordinate_xyz, dtype=np.float64) - origin / pixel_size


def relion_uncentred(
    centred_xyz: ArrayLike,
    size_xyz: ArrayLike,
    pixel_size: float | NDArray[np.float64],
    centre: str = "half",
) -> NDArray[np.float64]:
    """RELION 5: unbinned pixel of rlnCenteredCoordinateX/Y/ZAngst, corner origin.

    ``c / s + N / 2`` (``TomogramSet``: ``centre = (w0/2.0, h0/2.0, d0/2.0)``), or N/2 - 1 with
    ``centre="half-minus-one"`` as RELION's napari picker writes it.

    Parameters
    ----------
    centred_xyz : (N, 3) float, Angstrom from the tomogram's centre
    size_xyz : (N, 3) or (3,) float, unbinned pixels
        rlnTomoSizeX/Y/Z.
    pixel_size : float or (N, 1), Angstrom
    centre : "half" or "half-minus-one"
    """
    middle = np.asarray(size_xyz, dtype=np.float64) / 2 + RELION_CENTRES[centre]
    return np.asarray(centred_xyz, dtype=np.float64) / pixel_size + middle


def frequencies(shape: tuple[int, int, int], *, real: bool = True) -> tuple[FloatArray, ...]:
    """Broadcastable kz, ky, kx in cycles per voxel, in the layout of ``rfftn`` (or ``fftn``)."""
    last = np.fft.rfftfreq(shape[2]) if real else np.fft.fftfreq(shape[2])
    return (
        np.fft.fftfreq(shape[0])[:, None, None],
        np.fft.fftfreq(shape[1])[None, :, None],
        last[None, None, :],
    )


def tilt_axis_degrees(tilt_axis: str | float, beam_axis: str = "z") -> float:
    """Angle of a tilt axis that is stated as a letter or as degrees.

    Raises
    ------
    ValueError
        It is neither an axis across the beam nor a number.

    Examples
    --------
    >>> tilt_axis_degrees("y"), tilt_axis_degrees("x"), tilt_axis_degrees("z", "y")
    (0.0, 90.0, 0.0)
    """
    across = BEAM_AXES[beam_axis]
    if tilt_axis in across:
        return 90.0 * across.index(str(tilt_axis))
    return float(tilt_axis)


def sampled_region(
    shape: tuple[int, int, int],
    tilt_range: tuple[float, float] = (-60.0, 60.0),
    tilt_axis: str | float = 0.0,
    beam_axis: str = "z",
    *,
    real: bool = True,
) -> NDArray[np.bool_]:
    """Where a single-axis tilt series has measured: everything but the missing wedge.

    Where the beam runs along z, a view at tilt t about y fills the plane ``kz = kx tan(t)``; the
    sign of t follows from the hand of the reconstruction, which no file states reliably, so an
    asymmetric range is right only up to a mirror.

    Parameters
    ----------
    shape : (Z, Y, X) of the real-space volume
    tilt_range : (low, high), degrees
    tilt_axis : float, degrees, or the letter of an axis
        In the plane across the beam, counted from the first of ``BEAM_AXES`` against the sense
        that leads to the second: 0 is y (RELION, Warp, IMOD's rotated reconstructions), 90 is x,
        and 10 lies anti-clockwise of y in a section with x to the right and y up, as IMOD counts.
    beam_axis : "z", "y" (IMOD's reconstructions as they are written first) or "x"

    Returns
    -------
    bool array in the layout of ``np.fft.rfftn`` (``fftn`` if not ``real``), True where measured
    """
    kz, ky, kx = frequencies(shape, real=real)
    k = {"z": kz, "y": ky, "x": kx}
    along, aside = (k[axis] for axis in BEAM_AXES[beam_axis])
    angle = math.radians(tilt_axis_degrees(tilt_axis, beam_axis))
    # Exactly along an axis the other has no share: rounding would cost the plane at k = 0.
    sine, cosine = (
        0.0 if abs(part) < 1e-12 else part for part in (math.sin(angle), math.cos(angle))
    )
    across = sine * along + cosine * aside
    low, high = (math.tan(math.radians(t)) for t in tilt_range)
    # k of the beam = across * tan(t) for a t in range; both signs of `across` by Friedel symmetry.
    first, second = across * low, across * high
    beam = k[beam_axis]
    inside = (beam >= np.minimum(first, second) - 1e-12) & (
        beam <= np.maximum(first, second) + 1e-12
    )
    return np.broadcast_to(inside, np.broadcast_shapes(kz.shape, ky.shape, kx.shape)).copy()


def radius_grid(box: int, centre: ArrayLike | None = None) -> NDArray[np.float64]:
    """Distance in voxels of every voxel from the box's centre (or ``centre``, zyx): (box,) * 3."""
    middle = np.broadcast_to(np.asarray(box_centre(box) if centre is None else centre), (3,))
    z, y, x = (np.arange(box) - m for m in middle)
    distance: NDArray[np.float64] = np.sqrt(
        z[:, None, None] ** 2 + y[None, :, None] ** 2 + x[None, None, :] ** 2
    )
    return distance
