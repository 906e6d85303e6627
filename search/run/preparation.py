"""What must be there before the first trial: images prepared and shared, the study begun on disk, MLflow following."""

from search.data.dataset import Dataset, write_listing
from search.data.sharing import SharedDataset
from search.display.console import Console
from search.run.planning import Plan
from search.run.resources import StudyResources, refuse_other_data
from search.study.manifest import begin
from search.study.options import find_study
from search.tracking.tracker import Tracker, watch_command
from search.tuning.warm_start import refuse_known_test


class Preparation:
    """Called once, while the workers start; ``follow`` once more does nothing."""

    def __init__(
        self, plan: Plan, resources: StudyResources, tracker: Tracker, console: Console, *, dashboard: str
    ) -> None:
        self._plan, self._resources, self._tracker, self._console = plan, resources, tracker, console
        self._dashboard, self._followed = dashboard, False

    def __call__(self) -> SharedDataset:
        """Prepare the images, begin the study where it is new, and return what trials read; what is wrong is raised."""
        plan, console = self._plan, self._console
        dataset = self._resources.prepare_dataset()
        if plan.changes is not None:
            refuse_other_data(plan.folder, dataset)
        plan.starts.refuse_other_split(dataset.split.fingerprint)
        if plan.changes is None and plan.config.warm_start:
            refuse_known_test(find_study(plan.config.warm_start, plan.folder.path.parent), dataset.split)
        placed = self._resources.place(dataset)
        if plan.changes is None:
            self._begin(dataset)
        self.follow()
        console.link("Study", str(plan.folder.path))
        console.link("MLflow", watch_command(plan.uri))
        if self._dashboard:
            console.link("Ray dashboard", self._dashboard)
        return placed

    def follow(self) -> None:
        """Have MLflow told of the study from now on."""
        if not self._followed:
            self._followed = True
            self._tracker.start()

    def _begin(self, dataset: Dataset) -> None:
        plan = self._plan
        write_listing(plan.folder.quarantine, dataset.quarantined, dataset.source)
        write_listing(plan.folder.duplicates, dataset.duplicates, dataset.source)
        plan.starts.copy_to(plan.folder)
        if plan.config.exclude:
            write_listing(plan.folder.excluded, dataset.excluded, dataset.source)
        begin(
            plan.folder,
            config=plan.config,
            task=plan.task,
            data=dataset.report,
            split=dataset.split,
            space=plan.space,
            command=plan.command,
            starts=plan.starts.stored(),
            prior=plan.prior,
        )
