"""``cryoal data``: public data sets, listed, fetched and verified."""

from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import rich_click as click

from cryoal.cli.common import json_option, print_json, progress, say, verbosity_options

_folder = click.option(
    "--to",
    "folder",
    type=click.Path(path_type=Path),
    help="Folder of the data set; default: its name, here.",
)
_name = click.argument("name", required=False, metavar="[NAME]")


@click.group("data")
def data() -> None:
    """Public data sets: list them, fetch their files, verify what is there.

    NAME is one of those that 'cryoal data list' shows, or a manifest of your own (mine.toml).
    """


@data.command("list")
@_name
@json_option
def list_(name: str | None, as_json: bool) -> None:
    """Show every data set in a line, or all that is known of one."""
    from cryoal.data.manifest import find_manifest, manifest_paths, read_manifest

    if name is not None:
        manifest = find_manifest(name)
        if as_json:
            print_json(manifest.model_dump())
        else:
            click.echo(_in_full(manifest))
        return
    manifests = [read_manifest(path) for path in manifest_paths().values()]
    if as_json:
        print_json([manifest.model_dump() for manifest in manifests])
        return
    for manifest in manifests:
        size = f"{manifest.voxel_size:g} A" if manifest.voxel_size else ""
        fetched = f"{len(manifest.files)} files" if manifest.files else "not fetched here"
        click.echo(
            f"{manifest.name:<18} {manifest.kind:<12} {len(manifest.classes):>2} classes  "
            f"{size:>9}  {fetched:<17} {manifest.title}"
        )
    say("Next: cryoal data list NAME, cryoal data fetch NAME")


@data.command()
@_name
@_folder
@click.option("--only", metavar="GLOB", help="Fetch only files whose paths fit, quoted.")
def fetch(name: str | None, folder: Path | None, only: str | None) -> None:
    """Download the files of a data set; run it again to go on after an interruption."""
    from cryoal.core.errors import CryoalError
    from cryoal.data.fetch import fetch as download
    from cryoal.data.manifest import find_manifest, manifest_paths
    from cryoal.io.files import megabytes

    if name is None:
        raise CryoalError(f"which data set? There are: {', '.join(manifest_paths())}")
    manifest = find_manifest(name)
    files = [file for file in manifest.files if only is None or fnmatch(file.path, only)]
    if not files and manifest.files:
        raise CryoalError(
            f"--only {only}: fits none of {', '.join(file.path for file in manifest.files)}"
        )
    if not files:
        commands = "; ".join(folder.command for folder in manifest.folders)
        raise CryoalError(f"{manifest.name}: too large to be fetched file by file; use: {commands}")
    target = folder or Path(manifest.name)
    done = 0
    for number, file in enumerate(files, 1):
        with progress(f"{file.path} ({number}/{len(files)}), MB") as bar:
            done += download(
                manifest,
                file,
                target,
                lambda got, total, bar=bar: bar(got // 10**6, max(got, total) // 10**6),  # type: ignore[misc]
            )
    size = sum((target / file.path).stat().st_size for file in files)
    stated = sum(file.sha256 is not None for file in files)
    checked = f"{stated} checked against a published digest" if stated else "no digest is published"
    here = "all were there" if not done else f"{done} fetched"
    say(
        f"{len(files)} files, {megabytes(size)}, in {target} ({here}; {checked}). "
        f"Next: cryoal data list {name} says how to make a project of it"
    )


@data.command()
@_name
@_folder
def verify(name: str | None, folder: Path | None) -> None:
    """Check the files of a data set, or of every data set in this folder."""
    from cryoal.core.errors import CryoalError
    from cryoal.data.fetch import verify as check
    from cryoal.data.manifest import find_manifest, manifest_paths

    if name is None and folder is not None:
        raise CryoalError(f"--to {folder}: which data set is it? Name it as well")
    names = [name] if name else [one for one in manifest_paths() if Path(one).is_dir()]
    if not names:
        raise CryoalError(
            "no data set was fetched into this folder; name one and its folder (--to)"
        )
    spoiled, total = [], 0
    for one in names:
        manifest = find_manifest(one)
        target = folder or Path(manifest.name)
        for file in manifest.files:
            verdict = check(manifest, file, target)
            click.echo(f"{verdict:<10} {target / file.path}")
            total += 1
            if verdict in ("wrong", "missing", "incomplete"):
                spoiled.append(f"{target / file.path} is {verdict}")
    if spoiled:
        more = f" and {len(spoiled) - 1} more" if len(spoiled) > 1 else ""
        raise CryoalError(
            f"{spoiled[0]}{more}; delete what is wrong and run cryoal data fetch {names[0]}"
        )
    say(f"{total} files are as they should be.")


def _in_full(manifest: Any) -> str:
    """All that a manifest says, one thing a line; what nobody verified is marked."""
    tilts = manifest.tilt_range
    said = {
        "kind": manifest.kind,
        "voxel_size": f"{manifest.voxel_size:g} A" if manifest.voxel_size else "not one for all",
        "tilt_range": f"{tilts[0]:g} to {tilts[1]:g} degrees" if tilts else "not stated",
        "classes": ", ".join(manifest.classes) or "none stated",
        "licence": manifest.licence,
        "citation": manifest.citation,
        "homepage": manifest.homepage,
    }
    lines = [f"{manifest.name}: {manifest.title}", "", manifest.description.strip(), ""]
    for key, value in said.items():
        source = manifest.verified.get(key)
        lines.append(f"{key.replace('_', ' '):<11} {value}" + (f"  [{source}]" if source else ""))
    for file in manifest.files:
        digest = file.sha256 or "no digest is published"
        lines += ["", f"file        {file.path}: {file.what}", f"            {file.url}",
                  f"            {digest}  [{file.verified}]"]  # fmt: skip
    for folder in manifest.folders:
        lines += ["", f"folder      {folder.what}: {folder.url}", f"            {folder.command}",
                  f"            [{folder.verified}]"]  # fmt: skip
    indented = "\n".join(f"    {line}" for line in manifest.to_project.strip().splitlines())
    lines += ["", f"to a project  [{manifest.verified['to_project']}]", indented]
    return "\n".join(lines)


for _command in data.commands.values():
    _command.params.extend(verbosity_options())
