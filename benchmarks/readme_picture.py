"""The picture of the README: the most confident predictions of each class of a project, smoothed.

python benchmarks/readme_picture.py cryoal-demo/project docs/images/classes.png
"""

import sys
from pathlib import Path

from scipy.ndimage import gaussian_filter

from cryoal import Project
from cryoal.project.reporting import confident
from cryoal.report.montage import class_montage

project = Project.open(sys.argv[1])
ids, names = confident(project, project.classify())
boxes = gaussian_filter(project.subtomograms[ids], (0, 1, 1, 1))
class_montage(boxes, names).savefig(Path(sys.argv[2]), dpi=110)
