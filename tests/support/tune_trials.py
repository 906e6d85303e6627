"""What Ray Tune hands to a scheduler: trials and their results, as trial.run reports them."""

import json
from types import SimpleNamespace

from studies import TOLD, metrics, outcome


def trial_of(number):
    """Return a trial as far as the scheduler looks at it."""
    return SimpleNamespace(config={"number": number})


def report_of(epoch, recall, specificity, **told):
    """Return the report of an epoch."""
    return {"epoch": epoch, "metrics": json.dumps(metrics(recall, specificity, **told) | TOLD)}


def outcome_of(recall, specificity):
    """Return the report of a trial that ran to its end."""
    return {"outcome": json.dumps(outcome(metrics(recall, specificity)))}
