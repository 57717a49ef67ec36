"""``cryoal doctor``: what this machine offers."""

import importlib.metadata
import os
import platform

import rich_click as click

#: Distribution -> what it is needed for, where it is not always installed.
OPTIONAL = {
    "napari": "labelling in napari (pip install 'cryoal[napari]')",
    "distributed": "--scheduler (pip install 'cryoal[cluster]')",
    "zarr": "tomograms in OME-Zarr (pip install 'cryoal[formats]')",
    "tifffile": "tomograms in TIFF (pip install 'cryoal[formats]')",
    "pooch": "cryoal data fetch (pip install 'cryoal[data]')",
}


@click.command()
def doctor() -> None:
    """Show versions, processor, accelerator and optional parts; what to send with a bug report."""
    import torch

    from cryoal.annotate.display import missing_for_window
    from cryoal.core.version import __version__
    from cryoal.learn.device import bfloat16_pays, resolve_device

    device = resolve_device("auto")
    click.echo(f"cryoal {__version__}, Python {platform.python_version()}, {platform.platform()}")
    for name in ("torch", "numpy", "scipy", "pandas", "mrcfile", "starfile"):
        click.echo(f"  {name} {importlib.metadata.version(name)}")
    click.echo(f"processor: {os.cpu_count()} cores, torch uses {torch.get_num_threads()}")
    click.echo(f"training on: {device}, bfloat16 {'yes' if bfloat16_pays(device) else 'no'}")
    click.echo(f"window: {missing_for_window() or 'can be opened'}")
    for name, purpose in OPTIONAL.items():
        try:
            click.echo(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            click.echo(f"{name} is not installed: {purpose}")
