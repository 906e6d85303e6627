#!/usr/bin/env bash
# cleanlab 2.9.0: find_label_issues(filter_by="confident_learning") finds fewer cells than confident learning counts.
#
# Confident learning (Northcutt et al. 2021) counts a cell as mislabelled where it lies off the diagonal of the confident
# joint: the model is as sure of another label as it usually is of the cells that bear that label. cleanlab's own
# compute_confident_joint gives these cells. One would expect find_label_issues with the filter of that name to give the
# same ones; it also drops those whose given label is the likelier one. That bites exactly where this field needs the
# method: a label that models hardly believe, such as leukemia on the many healthy cells of a patient, has a threshold
# below one half.
# Where it touches this project: tests/leukmodels/label_issues/test_ranking.py.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check cleanlab==2.9.0 2> "$folder/pip.log" ||
    { cat "$folder/pip.log"; exit 2; }
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import numpy as np
from cleanlab.count import compute_confident_joint, get_confident_thresholds
from cleanlab.filter import find_label_issues

labels = np.array([0, 0, 0, 1, 1, 1, 1])
of_one = np.array([1, 3, 5, 1, 2, 3, 6]) / 16
probabilities = np.stack([1 - of_one, of_one], axis=1)
_, counted = compute_confident_joint(labels, probabilities, return_indices_of_off_diagonals=True)
found = np.flatnonzero(find_label_issues(labels, probabilities, filter_by="confident_learning", n_jobs=1))
print("thresholds of labels 0 and 1:", get_confident_thresholds(labels, probabilities).tolist())
print("off the diagonal of the confident joint:", [int(row) for row in counted])
print("found by find_label_issues:             ", [int(row) for row in found])
assert [int(row) for row in counted] == [2, 3, 4, 5]
assert [int(row) for row in found] == [3, 4, 5]
PY
