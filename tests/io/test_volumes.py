"""Whatever format a volume is in, it is told by its content and gives the same voxels."""

import bz2
import gzip
import importlib
import json
import logging
import lzma
import pickle
import shutil
import sys
from functools import partial
from pathlib import Path

import mrcfile
import numpy as np
import pytest
import tifffile
from conftest import cryoal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from volume_files import served, write_em, write_ome_zarr

from cryoal.core.errors import CryoalError, MachineError
from cryoal.io import remote
from cryoal.io.files import digest_of_volume
from cryoal.io.layers import LayeredVolume
from cryoal.io.mrc import write_volume
from cryoal.io.tomograms import read_tomograms
from cryoal.io.volumes import open_volume, read_header, volume_formats

#: Every file of odd_mrc: shape, type, voxel size and a word of each remark; or the refusal.
ODD = {
    "EMD-3001.map": ((25, 43, 73), "float32", 0.42038, ["axes", "origin"]),
    "EMD-3001.map.bz2": ((25, 43, 73), "float32", 0.42038, ["bzip2", "axes", "origin"]),
    "EMD-3197.map": ((20, 20, 20), "float32", 11.4, ["origin"]),
    "README.txt": "no volume of a known format",
    "TS_run1.rec": ((10, 8, 6), "int8", 13.48, []),
    "header_only.mrc": "cut off",
    "mrc2D.mrc": "a single image",
    "new-head_int16.mrc": ((20, 30, 40), "int16", 4.0, ["origin"]),
    "omezarr_4x4x4/input_omezarr.zarr": ((4, 4, 4), "float32", 14.08, ["unit"]),
    "signed_ints.mrc": ((4, 4, 4), "int8", 14.08, ["signed"]),
    "single.mrc": "a single image",
    "singleImage_swap.spi": "no volume of a known format",
    "smallVolume.vol": "no volume of a known format",
    "swapped_byte_order.mrc": "a single image",
    "test.mrc": ((3, 3, 3), "float32", 0.0, []),
    "test_data_corrupt_header.map": "cut off",
}


@pytest.fixture
def array(rng):
    return rng.normal(size=(20, 12, 18)).astype(np.float32)


@pytest.mark.parametrize("name", ODD)
def test_every_odd_file_is_read_or_refused_as_it_should(testdata, name):
    path, expected = testdata / "odd_mrc" / name, ODD[name]
    if isinstance(expected, str):
        with pytest.raises(CryoalError, match=expected) as caught:
            open_volume(path)
        assert str(path) in str(caught.value)
        return
    shape, dtype, voxel_size, words = expected
    header, volume = read_header(path), open_volume(path)
    assert (header.shape, header.dtype.name, header.voxel_size) == (shape, dtype, voxel_size)
    assert len(header.remarks) == len(words)
    assert all(word in remark for word, remark in zip(words, header.remarks, strict=True))
    assert volume.shape == shape
    assert np.isfinite(np.asarray(volume)).all()


def test_the_table_of_odd_files_names_every_one(testdata):
    files = {str(p.relative_to(testdata / "odd_mrc")) for p in (testdata / "odd_mrc").rglob("*")}
    in_zarr = {name for name in files if ".zarr/" in name}
    assert files - in_zarr - {"omezarr_4x4x4"} == set(ODD)


@pytest.mark.parametrize("name", ["EMD-3001.map", "EMD-3197.map", "new-head_int16.mrc"])
def test_mrc_voxels_are_those_that_mrcfile_reads(testdata, name):
    with mrcfile.open(testdata / "odd_mrc" / name, permissive=True) as other:
        np.testing.assert_array_equal(open_volume(testdata / "odd_mrc" / name), other.data)


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("chunks", [[0, 8, 8], [8, 0, 8], [0, 0, 0], [-8, 8, 8], [8, 8]])
def test_chunks_that_cannot_be_are_refused(tmp_path, zarr_format, chunks):
    zarr = pytest.importorskip("zarr")
    path = tmp_path / "TS_01.zarr"
    array = zarr.create_array(str(path), shape=(8, 8, 8), chunks=(4, 8, 8), dtype="f4",
                              zarr_format=zarr_format)  # fmt: skip
    array[:] = 1
    metadata = path / ("zarr.json" if zarr_format == 3 else ".zarray")
    said = json.loads(metadata.read_text())
    if zarr_format == 3:
        said["chunk_grid"]["configuration"]["chunk_shape"] = chunks
    else:
        said["chunks"] = chunks
    metadata.write_text(json.dumps(said))
    for read in (read_header, open_volume):
        with pytest.raises(CryoalError, match=r"make no sense|can be read"):
            read(path)


# ---- compressed


@pytest.mark.parametrize(("packer", "ending"), [(gzip, "gz"), (bz2, "bz2"), (lzma, "xz")])
def test_compressed_volumes_are_unpacked_once_and_told(tmp_path, array, caplog, packer, ending):
    write_volume(tmp_path / "TS_01.mrc", array, 7.5)
    packed = tmp_path / f"TS_01.mrc.{ending}"
    packed.write_bytes(packer.compress((tmp_path / "TS_01.mrc").read_bytes()))
    with caplog.at_level(logging.INFO):
        found = read_tomograms([packed], unpack_into=tmp_path / "cache")
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(found["TS_01"])).load(), array)
    assert caplog.text.count("unpacked once into") == 1
    (unpacked,) = (tmp_path / "cache").iterdir()
    before = unpacked.stat().st_mtime_ns
    caplog.clear()
    with caplog.at_level(logging.INFO):
        read_tomograms([packed], unpack_into=tmp_path / "cache")
    assert "unpacked once into" not in caplog.text
    assert unpacked.stat().st_mtime_ns == before


def test_a_compressed_volume_that_changed_is_unpacked_again_in_place_of_the_old(tmp_path, array):
    packed = tmp_path / "TS_01.mrc.gz"
    for volume in (array, array + 1):
        write_volume(tmp_path / "TS_01.mrc", volume, 7.5)
        packed.write_bytes(gzip.compress((tmp_path / "TS_01.mrc").read_bytes()))
        np.testing.assert_array_equal(open_volume(packed, tmp_path / "cache"), volume)
    assert len(list((tmp_path / "cache").iterdir())) == 1


@pytest.mark.parametrize("packer", [gzip, bz2, lzma])
def test_a_cut_off_archive_is_refused_and_leaves_nothing(tmp_path, array, packer):
    write_volume(tmp_path / "TS_01.mrc", array, 7.5)
    packed = tmp_path / "TS_01.mrc.packed"
    packed.write_bytes(packer.compress((tmp_path / "TS_01.mrc").read_bytes())[:-100])
    with pytest.raises(CryoalError, match="damaged or cut off"):
        read_header(packed, unpack_into=tmp_path / "cache")
    assert list((tmp_path / "cache").glob("*")) == []


def test_a_compressed_volume_is_asked_for_what_any_other_is(tmp_path):
    (tmp_path / "notes.gz").write_bytes(gzip.compress(b"no volume at all" * 100))
    with pytest.raises(CryoalError, match="no volume of a known format"):
        read_header(tmp_path / "notes.gz")


# ---- OME-Zarr


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("axes", ["zyx", "xyz", "tczyx"])
def test_ome_zarr_gives_the_voxels_in_the_order_of_its_axes(tmp_path, array, version, axes):
    path = write_ome_zarr(tmp_path / "TS_01.zarr", [array], 10.0, version=version, axes=axes)
    header, volume = read_header(path), open_volume(path)
    assert (header.shape, header.voxel_size, header.remarks) == (array.shape, 10.0, ())
    np.testing.assert_array_equal(np.asarray(volume), array)
    np.testing.assert_array_equal(volume[3:17, 2:9, ::3], array[3:17, 2:9, ::3])


@pytest.mark.parametrize(
    ("unit", "size"),
    [("angstrom", 10.0), ("nanometer", 100.0), ("micrometer", 1e5), (None, 10.0), ("pixel", 0.0)],
)
def test_units_are_those_of_the_axes(tmp_path, array, unit, size):
    header = read_header(write_ome_zarr(tmp_path / "a.zarr", [array], 10.0, unit=unit))
    assert header.voxel_size == size
    assert bool(header.remarks) == (unit in (None, "pixel"))


def test_the_finest_level_is_taken_unless_another_is_named_or_wanted(tmp_path, array):
    path = write_ome_zarr(tmp_path / "TS_01.zarr", [array, array[::2, ::2, ::2]], 10.0)
    assert read_header(path).shape == array.shape
    assert read_header(path, 13.0).shape == array.shape
    for header in (read_header(path, 20.0), read_header(path / "1")):
        assert (header.shape, header.voxel_size) == ((10, 6, 9), 20.0)
        np.testing.assert_array_equal(open_volume(header.path), array[::2, ::2, ::2])
    (found,) = read_tomograms([path], voxel_size=20.0).values()
    assert (found.name, found.shape, found.voxel_size) == ("TS_01", (10, 6, 9), 20.0)


def test_zarr_folders_are_found_by_pattern_and_named_by_run_in_a_copick_folder(tmp_path, array):
    runs = tmp_path / "ExperimentRuns"
    for name in ("TS_5_4", "TS_6_4"):
        folder = runs / name / "VoxelSpacing10.000"
        folder.mkdir(parents=True)
        write_ome_zarr(folder / "wbp.zarr", [array], 10.0)
    found = read_tomograms([str(runs / "*" / "VoxelSpacing10.000" / "wbp.zarr")])
    assert sorted(found) == ["TS_5_4", "TS_6_4"]
    assert found["TS_5_4"].voxel_size == 10.0


def test_a_folders_voxel_spacing_is_a_claim_like_any_other(tmp_path, array):
    folder = tmp_path / "ExperimentRuns" / "TS_1" / "VoxelSpacing13.480"
    folder.mkdir(parents=True)
    write_ome_zarr(folder / "wbp.zarr", [array], 10.0)
    with pytest.raises(CryoalError, match=r"13\.48 A by its name but 10 A by its header"):
        read_tomograms([folder / "wbp.zarr"])


def test_a_remote_zarr_is_read_like_a_local_one(tmp_path, array, monkeypatch):
    write_ome_zarr(tmp_path / "TS_01.zarr", [array], 10.0)
    with served(tmp_path) as address:
        found = read_tomograms([f"{address}/TS_01.zarr"])["TS_01"]
        load = pickle.loads(pickle.dumps(found.load))
        np.testing.assert_array_equal(np.asarray(load()), array)
        assert (found.voxel_size, found.path) == (10.0, f"{address}/TS_01.zarr")
        with pytest.raises(CryoalError, match="no zarr group or array can be read there"):
            read_tomograms([f"{address}/TS_02.zarr"])
        with pytest.raises(CryoalError, match="download other volumes first"):
            read_tomograms([f"{address}/TS_02.mrc"])
    monkeypatch.setattr(remote, "PAUSE_SECONDS", 0.0)
    with pytest.raises(MachineError, match=r"the connection failed 3 times .*check the network"):
        read_tomograms([f"{address}/TS_01.zarr"])


@pytest.mark.parametrize("failures", [2, 100])
def test_a_connection_that_breaks_is_tried_again(tmp_path, array, monkeypatch, failures):
    monkeypatch.setattr(remote, "PAUSE_SECONDS", 0.0)
    write_ome_zarr(tmp_path / "TS_01.zarr", [array], 10.0, chunks=32)
    with served(tmp_path, breaks={"/TS_01.zarr/0/0.0.0": failures}) as address:
        volume = open_volume(f"{address}/TS_01.zarr")
        if failures == 100:
            with pytest.raises(MachineError, match="the connection failed 3 times"):
                volume[0:2]
        else:
            np.testing.assert_array_equal(volume[0:2], array[0:2])


def test_a_server_that_falls_silent_is_not_waited_for(tmp_path, array, monkeypatch):
    for name, value in (("PAUSE_SECONDS", 0.0), ("READ_SECONDS", 0.1), ("ATTEMPTS", 2)):
        monkeypatch.setattr(remote, name, value)
    write_ome_zarr(tmp_path / "TS_01.zarr", [array], 10.0)
    with (
        served(tmp_path, silent={"/TS_01.zarr/.zattrs"}) as address,
        pytest.raises(MachineError, match="the connection failed 2 times"),
    ):
        read_header(f"{address}/TS_01.zarr")


def test_an_address_is_inspected_like_a_file(tmp_path, array, monkeypatch):
    monkeypatch.setattr(remote, "PAUSE_SECONDS", 0.0)
    write_ome_zarr(tmp_path / "TS_01.zarr", [array], 10.0)
    with served(tmp_path) as address:
        outcome = cryoal("inspect", "--json", f"{address}/TS_01.zarr")
        facts = json.loads(outcome.stdout)
        assert (outcome.code, facts["kind"], facts["tomograms"]) == (0, "tomogram", ["TS_01"])
        assert (facts["voxel_size"], facts["shape"]) == (10.0, list(array.shape))
        assert cryoal("inspect", f"{address}/TS_02.zarr").code == 2


def test_remote_patterns_are_listed_by_the_server(tmp_path, array):
    for name in ("TS_01", "TS_02"):
        write_ome_zarr(tmp_path / f"{name}.zarr", [array], 10.0)
    with served(tmp_path) as address:
        assert sorted(read_tomograms([f"{address}/*.zarr"])) == ["TS_01", "TS_02"]
        with pytest.raises(CryoalError, match="fits nothing there"):
            read_tomograms([f"{address}/x*.zarr"])


def test_an_unknown_protocol_names_the_package_to_install():
    with pytest.raises(CryoalError, match="s3fs"):
        read_header("s3://bucket/TS_01.zarr")


def spoiled(path, **changes):
    """Change what .zattrs says of the multiscale image."""
    file = path / ".zattrs"
    attributes = json.loads(file.read_text())
    attributes["multiscales"][0] |= changes
    file.write_text(json.dumps(attributes))
    return path


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"datasets": []}, "name no dataset"),
        ({"datasets": [{"path": "7"}]}, "its level '7' cannot be read"),
        ({"datasets": [{}]}, "not as NGFF has them"),
        ({"axes": [{"name": "q"}] * 3}, "z, y and x are needed"),
        ({"axes": ["y", "x", "z", "c"]}, "not as NGFF has them"),
    ],
)
def test_damaged_metadata_of_a_zarr_are_refused_in_one_line(tmp_path, array, changes, words):
    path = spoiled(write_ome_zarr(tmp_path / "a.zarr", [array], 10.0), **changes)
    with pytest.raises(CryoalError, match=words) as caught:
        read_header(path)
    assert "\n" not in str(caught.value)


def test_an_origin_that_is_not_zero_is_told_and_ignored(tmp_path, array):
    path = write_ome_zarr(tmp_path / "a.zarr", [array], 10.0)
    moved = {"type": "translation", "translation": [0.0, 5.0, 5.0]}
    scaled = {"type": "scale", "scale": [10.0] * 3}
    dataset = {"path": "0", "coordinateTransformations": [scaled, moved]}
    header = read_header(spoiled(path, datasets=[dataset]))
    assert header.voxel_size == 10.0
    assert "translation" in " ".join(header.remarks)


def test_a_zarr_without_chunks_is_refused(tmp_path, array):
    path = write_ome_zarr(tmp_path / "a.zarr", [array], 10.0)
    for entry in (path / "0").iterdir():
        if entry.name not in (".zarray", ".zattrs"):
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    with pytest.raises(CryoalError, match="no chunk"):
        read_header(path)


def test_a_damaged_chunk_is_one_line_that_names_the_sections(tmp_path, array):
    path = write_ome_zarr(tmp_path / "a.zarr", [array], 10.0, chunks=8)
    chunk = sorted(p for p in (path / "0").rglob("*") if p.is_file() and p.name[0] != ".")[0]
    chunk.write_bytes(b"\xff" * 40)
    with pytest.raises(CryoalError, match=r"sections 0 to 7 cannot be read .*is it whole"):
        open_volume(path)[0:4]


def test_a_blosc_frame_that_claims_more_than_its_chunk_is_refused_before_it_hangs(tmp_path, array):
    path = write_ome_zarr(tmp_path / "a.zarr", [array], 10.0, chunks=32)
    (chunk,) = (p for p in (path / "0").rglob("*") if p.is_file() and p.name[0] != ".")
    raw = bytearray(chunk.read_bytes())
    raw[12:20] = b"\x63\xff\x80\x7f\xff\0\0\x7f"  # met by chance: c-blosc never came back
    chunk.write_bytes(raw)
    with pytest.raises(CryoalError, match="no whole Blosc frame"):
        np.asarray(open_volume(path))


def test_a_layer_of_more_chunks_than_make_sense_is_refused(tmp_path, array):
    path = write_ome_zarr(tmp_path / "a.zarr", [array], 10.0, chunks=8)
    file = path / "0" / ".zarray"
    facts = json.loads(file.read_text())
    file.write_text(json.dumps(facts | {"shape": [20, 99_999, 99_999]}))
    with pytest.raises(CryoalError, match="chunks in one layer make no sense"):
        read_header(path)


# ---- EM and TIFF


@pytest.mark.parametrize("machine", [6, 5])
@pytest.mark.parametrize("dtype", ["i1", "i2", "f4", "f8"])
def test_em_volumes_are_mapped_in_either_byte_order(tmp_path, array, machine, dtype):
    values = (array * 20).astype(dtype)
    path = write_em(tmp_path / "TS_01.em", values, machine=machine)
    mapped = open_volume(path)
    assert isinstance(mapped, np.memmap)
    np.testing.assert_array_equal(mapped, values)
    assert read_tomograms([path], voxel_size=10.0)["TS_01"].shape == array.shape


def test_real_em_volumes_are_read_and_motive_lists_are_none(testdata):
    volume = open_volume(testdata / "density_maps/human_ribo_21A.em")
    assert volume.shape == (32, 32, 32)
    assert volume.max() == pytest.approx(0.0872, abs=1e-4)
    with pytest.raises(CryoalError, match="a single image"):
        open_volume(testdata / "particles/em_motl/au_1.em")


@pytest.mark.parametrize(
    ("name", "shape"), [("13pf_MT", (36, 206, 94)), ("14pf_MT", (44, 136, 84))]
)
def test_a_real_imagej_tiff_has_its_calibration(testdata, name, shape):
    path = testdata / f"experimental/cylindra_microtubules/{name}.tif"
    header = read_header(path)
    assert (header.shape, header.dtype, header.voxel_size) == (shape, np.uint8, 10.52)
    np.testing.assert_array_equal(open_volume(path), tifffile.imread(path))


def test_a_tiff_without_calibration_states_no_voxel_size(testdata):
    header = read_header(testdata / "experimental/tardis_crops/0_0_30_47_25.tif")
    assert (header.shape, header.voxel_size) == ((96, 96, 96), 0.0)


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "zlib"},
        {"byteorder": ">"},
        {"bigtiff": True},
        {"rowsperstrip": 3},
        {"compression": "zlib", "tile": (16, 16)},
    ],
)
def test_tiff_voxels_are_those_that_were_written(tmp_path, array, options):
    byteorder = {k: options.pop(k) for k in ("byteorder", "bigtiff") if k in options}
    with tifffile.TiffWriter(tmp_path / "a.tif", **byteorder) as writer:
        writer.write(array, photometric="minisblack", **options)
    volume = open_volume(tmp_path / "a.tif")
    np.testing.assert_array_equal(volume[4:9, 1:7], array[4:9, 1:7])
    np.testing.assert_array_equal(np.asarray(volume), array)


@pytest.mark.parametrize(("unit", "scale"), [("nm", 10.0), ("angstrom", 1.0), ("\\u00B5m", 1e4)])
def test_imagej_units_are_lengths_in_angstrom(tmp_path, array, unit, scale):
    size = 12.0 / scale
    tifffile.imwrite(tmp_path / "a.tif", array, imagej=True, resolution=(1 / size, 1 / size),
                     metadata={"spacing": size, "unit": unit, "axes": "ZYX"})  # fmt: skip
    header = read_header(tmp_path / "a.tif")
    assert header.voxel_size == pytest.approx(12.0, rel=1e-5)
    assert header.cubic


def test_an_ome_tiff_states_its_size_in_its_own_unit(tmp_path, array):
    tifffile.imwrite(tmp_path / "a.ome.tif", array, metadata={
        "axes": "ZYX", **{f"PhysicalSize{a}": 1.1 for a in "XYZ"},
        **{f"PhysicalSize{a}Unit": "nm" for a in "XYZ"}})  # fmt: skip
    assert read_header(tmp_path / "a.ome.tif").voxel_size == 11.0


def test_colours_and_several_volumes_are_no_tomogram(tmp_path, rng):
    tifffile.imwrite(tmp_path / "rgb.tif", np.zeros((4, 8, 8, 3), np.uint8), photometric="rgb")
    with pytest.raises(CryoalError, match="colours"):
        read_header(tmp_path / "rgb.tif")
    many = rng.normal(size=(2, 4, 8, 8)).astype(np.float32)
    tifffile.imwrite(tmp_path / "many.tif", many, imagej=True, metadata={"axes": "TZYX"})
    with pytest.raises(CryoalError, match="2 along T, 4 along Z"):
        read_header(tmp_path / "many.tif")


# ---- what is no volume, and what is not installed


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"PK\x03\x04", "zip archive"),
        (b"\x93NUMPY", "NumPy"),
        (b"\x80\x04\x95", "never unpacked"),
        (b"", "it is empty"),
    ],
)
def test_other_files_are_refused_by_what_they_are(tmp_path, head, words):
    path = tmp_path / "TS_01.vol"
    path.write_bytes(head.ljust(2000, b"\1") if head else b"")
    with pytest.raises(CryoalError, match=words):
        read_header(path)


@pytest.mark.parametrize(("package", "file"), [("zarr", "a.zarr"), ("tifffile", "a.tif")])
def test_a_format_whose_package_is_missing_names_the_extra(
    tmp_path, array, package, file, monkeypatch
):
    path = tmp_path / file
    if package == "zarr":
        write_ome_zarr(path, [array], 10.0)
    else:
        tifffile.imwrite(path, array)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(CryoalError, match=rf"needs the package {package}: pip install 'cryoal\["):
        read_header(path)


def test_every_format_is_one_file_that_registers_itself():
    assert volume_formats.names() == ["em", "mrc", "tiff", "zarr"]
    for name in volume_formats.names():
        module = volume_formats.get(name).read_header.__module__
        assert importlib.import_module(module).__doc__


# ---- a volume that is read in layers


@given(
    depth=st.integers(1, 9),
    index=st.tuples(
        *[
            st.one_of(
                st.integers(-size, size - 1),
                st.slices(size),
                st.lists(st.integers(-size, size - 1), min_size=1, max_size=4).map(np.array),
            )
            for size in (7, 5, 6)
        ]
    ),
    parts=st.integers(1, 3),
)
@settings(max_examples=200, deadline=None)
def test_a_layered_volume_is_indexed_like_its_array(depth, index, parts):
    whole = np.arange(7 * 5 * 6).reshape(7, 5, 6)
    layered = LayeredVolume(whole.shape, whole.dtype, depth, lambda a, b: whole[a:b], "x")
    try:
        expected = whole[index[:parts]]
    except IndexError:  # lists of two lengths
        with pytest.raises(IndexError):
            layered[index[:parts]]
        return
    np.testing.assert_array_equal(layered[index[:parts]], expected)
    grid = np.ix_(*[np.array([0, 2, 4])] * 3)
    np.testing.assert_array_equal(layered[grid], whole[grid])


def test_whoever_goes_along_z_reads_every_layer_once():
    whole, read = np.arange(4000.0).reshape(40, 10, 10), []

    def sections(low, high):
        read.append((low, high))
        return whole[low:high]

    volume = LayeredVolume(whole.shape, whole.dtype, 8, sections, "x")
    for z in range(0, 30):
        volume[z : z + 10, 2:5, 2:5]
    assert read == [(z, z + 8) for z in range(0, 40, 8)]


def test_the_digest_of_a_zarr_changes_with_its_content(tmp_path, array):
    path = write_ome_zarr(tmp_path / "a.zarr", [array], 10.0)
    before = digest_of_volume(path)
    assert before == digest_of_volume(path)
    write_ome_zarr(path, [array + 1], 12.0)
    assert digest_of_volume(path) != before


# ---- damaged files


@pytest.fixture(scope="module")
def whole_files(tmp_path_factory):
    """A small sound file of every format, as bytes, by its ending."""
    folder = tmp_path_factory.mktemp("whole")
    array = np.arange(4 * 5 * 6, dtype=np.float32).reshape(4, 5, 6)
    write_em(folder / "a.em", array)
    write_volume(folder / "a.mrc", array, 10.0)
    (folder / "a.mrc.gz").write_bytes(gzip.compress((folder / "a.mrc").read_bytes()))
    tifffile.imwrite(folder / "a.tif", array, imagej=True, metadata={"spacing": 1, "unit": "nm"})
    tifffile.imwrite(folder / "b.tif", array, compression="zlib", photometric="minisblack")
    zarrs = {}
    for version in ("0.4", "0.5"):
        path = write_ome_zarr(folder / f"v{version}.zarr", [array], 10.0, version=version)
        zarrs[version] = {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*")
                          if p.is_file()}  # fmt: skip
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}, zarrs


damages = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=6)),
    min_size=1,
    max_size=3,
)
gently = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def damaged(raw, changes, keep):
    raw = bytearray(raw)
    for where, what in changes:
        at = int(where * len(raw))
        raw[at : at + len(what)] = what
    return bytes(raw[: int(len(raw) * keep)])


def refused_in_one_line_or_read(path):
    complaint = ""
    try:
        header = read_header(path)
        volume = open_volume(path)
        if np.prod(header.shape, dtype=float) < 1e7:
            assert np.asarray(volume).shape == header.shape
    except CryoalError as problem:
        complaint = str(problem)
        assert complaint
    assert "\n" not in complaint


@pytest.fixture(autouse=True)
def quiet(request):
    if "damaged" in request.node.name:
        logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("name", ["a.em", "a.mrc", "a.mrc.gz", "a.tif", "b.tif"])
@given(changes=damages, keep=st.one_of(st.just(1.0), st.floats(0, 1)), head=st.booleans())
@gently
def test_damaged_volumes_are_refused_or_read(tmp_path, whole_files, name, changes, keep, head):
    raw = whole_files[0][name]
    if head:  # most of what can go wrong is in the first bytes
        changes = [(where * min(1.0, 600 / len(raw)), what) for where, what in changes]
    path = tmp_path / name
    path.write_bytes(damaged(raw, changes, keep))
    refused_in_one_line_or_read(path)


REAL = [
    "odd_mrc/EMD-3197.map", "odd_mrc/new-head_int16.mrc", "odd_mrc/TS_run1.rec",
    "odd_mrc/signed_ints.mrc", "odd_mrc/swapped_byte_order.mrc", "odd_mrc/smallVolume.vol",
    "density_maps/human_ribo_21A.em", "experimental/tardis_crops/rec3D.rec",
    "experimental/cylindra_microtubules/14pf_MT.tif",
]  # fmt: skip


@pytest.mark.parametrize("name", REAL)
@given(changes=damages, keep=st.sampled_from([1.0, 1.0, 0.999, 0.5, 0.02]))
@settings(gently, max_examples=40)
def test_real_files_with_damaged_heads_are_refused_or_read(testdata, tmp_path, name, changes, keep):
    raw = (testdata / name).read_bytes()
    changes = [(where * min(1.0, 1100 / len(raw)), what) for where, what in changes]
    path = tmp_path / Path(name).name
    path.write_bytes(damaged(raw, changes, keep))
    refused_in_one_line_or_read(path)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@given(changes=damages, keep=st.one_of(st.just(1.0), st.floats(0, 1)), which=st.integers(0, 9))
@gently
def test_damaged_zarrs_are_refused_or_read(tmp_path, whole_files, version, changes, keep, which):
    files = whole_files[1][version]
    path = tmp_path / "a.zarr"
    shutil.rmtree(path, ignore_errors=True)
    spoil = sorted(files)[which % len(files)]
    for name, raw in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(damaged(raw, changes, keep) if name == spoil else raw)
    refused_in_one_line_or_read(path)


def test_the_loader_of_every_format_can_be_sent_to_another_process(tmp_path, array):
    write_volume(tmp_path / "a.mrc", array, 10.0)
    write_em(tmp_path / "b.em", array)
    tifffile.imwrite(tmp_path / "c.tif", array)
    write_ome_zarr(tmp_path / "d.zarr", [array], 10.0)
    for place in tmp_path.iterdir():
        load = pickle.loads(pickle.dumps(partial(open_volume, place)))
        np.testing.assert_array_equal(np.asarray(load()), array)
