"""What scores of patients are evidence of: every number with an interval, by patients.

scored        the scores of one part of a split; rows are cells, or patients
interval      a number and how sure it is
resampling    intervals by drawing patients, not cells
tables        precision, recall, F1; accuracy and averages
curves        ROC and precision-recall curves, their areas, recall at a specificity
bands         how sure the curves are
calibration   whether a probability is one
operating     models and thresholds to choose from, and what a choice promises
bounds        what recall and specificity exceed, for a search

A number comes from a measure, and a measure from scores, of cells or of patients:

    cells = Scored.from_table(read_scores(path))
    intervals(answers(cells, threshold), ranking(cells), probabilities(cells))["recall"]
    intervals(ranking(by_patient(cells)))["auroc"]
    differences(ranking(cells), ranking(same_cells_of_another_model))["auroc"]
"""
