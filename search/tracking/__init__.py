"""MLflow as a projection of the journal; the only room that knows MLflow.

The driver holds a ``tracker.Tracker``, which runs ``follower`` as a process of its own; ``runs`` and ``models`` are
what the follower writes, ``store`` is how a store is opened, ``ledger`` reads back what it holds.
"""
