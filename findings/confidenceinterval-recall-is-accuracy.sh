#!/usr/bin/env bash
# confidenceinterval 1.0.5: recall_score, precision_score and f1_score of two classes are the accuracy unless told.
#
# Its functions have the names of scikit-learn's, whose recall of two classes is that of the class 1. These average over
# both classes ("micro") by default, which makes each of the three the accuracy. A leukemia screen that finds 5 of 10
# leukemic and clears 90 of 90 healthy cells is told a recall of 0.95 with an interval to match; average="binary" is
# needed for 0.5, and then a method as well, as the default one is refused for it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check confidenceinterval==1.0.5 2> "$folder/pip.log" ||
    { cat "$folder/pip.log"; exit 2; }
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import numpy as np
from confidenceinterval import f1_score, precision_score, recall_score
from sklearn import metrics

truth = np.repeat([1, 0], [10, 90])
called = np.repeat([1, 0], [5, 95])
told = {}
for name, of in (("recall", recall_score), ("precision", precision_score), ("f1", f1_score)):
    told[name] = float(of(truth, called)[0])
    print(f"{name}: {told[name]:.3f}; scikit-learn's {getattr(metrics, name + '_score')(truth, called):.3f}")
binary = float(recall_score(truth, called, average="binary", method="wilson")[0])
print(f"accuracy {metrics.accuracy_score(truth, called):.3f}; recall with average='binary' {binary:.3f}")
assert {round(value, 9) for value in told.values()} == {0.95}
assert round(binary, 6) == 0.5
PY
