"""A project from tomograms and picks in Python, as far as the first label sheet."""

import sys
from pathlib import Path

from cryoal import Project

data, out = Path(sys.argv[1]), Path(sys.argv[2])

project = Project.extract(
    out,
    tomograms=data / "tomograms.star",
    particles=data / "particles.star",
    diameter=190,
)
queue = project.select(n=10)
print("Label these first:", ", ".join(queue.ids))
print("Sheet:", project.sheet(out / "sheet.html"))
print("Report:", project.report())
print(project.status()["next"])
