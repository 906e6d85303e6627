"""A study's gauges on the Ray dashboard and its Prometheus endpoint: Ray has no page for Tune."""

from ray.util.metrics import Gauge

from search.study.front import extended, pareto_front
from search.study.journal import Event
from search.study.objectives import Objectives
from search.study.records import StudyRecord, TrialState


class Gauges:
    """Sets trials by state, images/s of the running trials and the hypervolume of ``study`` after every event."""

    def __init__(self, study: str, objectives: Objectives) -> None:
        self._objectives = objectives
        self._seen: set[int] = set()
        self._front = pareto_front(StudyRecord(), objectives)
        tags = {"study": study}
        self._trials = Gauge("leukemia_search_trials", "Trials by state.", ("study", "state"))
        self._hypervolume = Gauge("leukemia_search_hypervolume", "Hypervolume of the front, 0 to 1.", ("study",))
        self._rate = Gauge("leukemia_search_images_per_second", "Training images/s of the running trials.", ("study",))
        for gauge in (self._trials, self._hypervolume, self._rate):
            gauge.set_default_tags(tags)

    def __call__(self, record: StudyRecord, event: Event) -> None:
        """Take over the state after ``event``."""
        running = record.by_state(TrialState.RUNNING)
        self._rate.set(sum(trial.epochs[-1].get("images_per_s", 0.0) for trial in running if trial.epochs))
        if event["event"] != "epoch":
            for state in TrialState:
                self._trials.set(record.count(state), {"state": state.value})
            newcomers = [trial for trial in record.by_state(TrialState.COMPLETE) if trial.number not in self._seen]
            self._seen.update(trial.number for trial in newcomers)
            self._front = extended(self._front, newcomers, self._objectives)
            self._hypervolume.set(self._front.hypervolume)
