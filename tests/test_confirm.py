"""Confirmations of studies on real folders of images, with models that take no training."""

import dataclasses
import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import ray
from PIL import Image
from ray import cloudpickle
from sklearn.metrics import accuracy_score, recall_score, roc_auc_score

import studies
from folders import draw_folder
from leukmodels.cells import join
from leukmodels.errors import ConfigError, StudyError
from leukmodels.evaluation import read_scores, write_scores
from leukmodels.images import decode
from leukmodels.metrics import score
from leukmodels.readers.source import open_source
from leukmodels.split import Split
from leukmodels.tasks import find_task
from search import journal, manifest
from search.aims import Aims
from search.confirm import main
from search.confirmation.choosing import REFERENCE
from search.confirmation.conduct import confirm
from search.confirmation.locked import open_test
from search.confirmation.options import Asked
from search.confirmation.ranking import SHOWN, rank
from search.confirmation.retraining import Answer
from search.confirmed import Confirmation, Retraining, confirmation_of
from search.data.account import take_account
from search.data.cache import PixelCache
from search.data.placing import share
from search.data.prepare import Prepared
from search.folder import StudyFolder
from search.planning import plan_again
from search.starts import Starts

cloudpickle.register_pickle_by_value(sys.modules[__name__])

PX = 16
ASKED = Asked(members=2, folds=3, seeds=2, choose=1)


class Toys:
    """Models that answer by a hash of the image's name; they write down what they are shown, and die when told to."""

    def __init__(self, log: Path, *, die_after: int = 10**6, die_at_test: int = -1, diverge: int = -1):
        self.log, self.die_after, self.die_at_test, self.diverge = log, die_after, die_at_test, diverge

    def retrain(self, task, data, plan):
        if len([*self.log.glob("trained-*")]) >= self.die_after:
            raise RuntimeError("the power went")
        opened = data.open()
        cells = join(opened.train, opened.validation)
        rows = {name: getattr(task.round, name) for name in ("train", "choosing", "asked")}
        shown = "\n".join(f"{part}\t{name}" for part, own in rows.items() for name in cells.image_ids[own])
        kind = "by-image" if task.round.by_image else "trained"
        (self.log / f"{kind}-{task.which.name.replace('/', '-').replace('by-image-', '')}").write_text(shown)
        if task.which.trial == self.diverge:
            return Answer(which=task.which, metrics={}, reason="Training diverged in epoch 1.")
        about = cells.take(task.round.asked)
        scores = answers(about.image_ids, about.labels, hint=0.5 if task.round.by_image else 0.3)
        write_scores(task.folder / "scores.parquet", about, scores)
        return Answer(which=task.which, metrics=score(about.labels, scores).to_dict(), best_epoch=1)

    def test(self, model, cells, place, test, plan):
        if self.die_at_test == test.trial:
            raise RuntimeError("the power went")
        with (self.log / "asked").open("a") as log:
            log.write(f"{test.trial}\n")
        opened = cells.open()
        write_scores(place / f"{test.trial}.parquet", opened, answers(opened.image_ids, opened.labels))
        return test.trial


def answers(names, labels, *, hint=0.3):
    """Return scores that are mostly right."""
    noise = np.array([int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) / 2**32 for name in names])
    return (1 - hint) * noise + hint * labels


@pytest.fixture
def place(session, tmp_path, request):
    """Return a study of 24 patients, or of twice what is asked for, with three complete trials."""
    patients = getattr(request, "param", 12)
    root = draw_folder(tmp_path / "mll", patients=patients, cells=4, classes=("control", "RUNX1_RUNX1T1"))
    config = studies.config(data=str(root), concurrency=2)
    cache = PixelCache(tmp_path / "cache")
    task = find_task("runx1")
    account = take_account(open_source(root), task, config, cache, synthetic=False, cores=2)
    folder = StudyFolder(tmp_path / "runx1-1")
    manifest.begin(
        folder,
        config=config,
        task=task,
        data=account.report,
        split=account.split,
        space=studies.spaces.space("small"),
        command="python -m search.run --task runx1",
        starts=Starts().to_dict(),
    )
    with studies.recording(folder) as recorder:
        for number, (recall, specificity) in enumerate([(0.7, 0.8), (0.85, 0.95), (0.95, 0.7)]):
            studies.run(recorder, number, recall, specificity)
    validation = share(Prepared.of(account), cache).open().validation
    for number in range(3):
        write_scores(
            folder.trial(number) / "scores.parquet", validation, answers(validation.image_ids, validation.labels)
        )
    return folder


@pytest.fixture
def conducted(session, place, tmp_path):
    """Return what confirms the study; the log of its models stays in one folder."""
    log = tmp_path / "log"
    log.mkdir()

    def call(asked=ASKED, **toys):
        plan = plan_again(place, given={}, cache=tmp_path / "cache", command="confirm")
        return confirm(plan, asked, session, models=Toys(log, **toys))

    call.log = log
    return call


def events(folder, kind, *, by_image=False):
    every = [event for event in journal.read(folder.journal) if event["event"] == kind]
    return [event for event in every if event.get("by_image", by_image) is by_image]


def patients(names):
    return {name.split("/")[2] for name in names}


def test_the_front_is_trained_again_and_the_test_opened_once_for_the_chosen(place, conducted, capsys):
    ranking = conducted()
    trained = events(place, "retrained")
    keys = {(event["trial"], event["seed"], event["fold"]) for event in trained}
    assert keys == {(trial, seed, fold) for trial in (0, 1, 2) for seed in (0, 1) for fold in (0, 1, 2)}
    assert len(trained) == len(keys)
    assert {each.trial for each in ranking} == {0, 1, 2}
    (opening,) = confirmation_of(journal.read(place.journal)).openings
    assert opening.complete
    assert [each.trial for each in opening.chosen] == [ranking[0].trial, 0] if ranking[0].trial else [0]
    assert opening.chosen[-1].why in (REFERENCE, "highest mean recall")
    told = capsys.readouterr().out
    assert "The test patients are opened for the trials" in told
    assert "beside what validation promised" in told


def test_what_the_journal_says_is_what_the_scores_say(place, conducted):
    conducted()
    for event in events(place, "retrained"):
        which = Retraining(**{name: event[name] for name in ("trial", "folds", "seed", "fold", "by_image")})
        table = read_scores(place.confirmed / "retrained" / which.name / "scores.parquet")
        truth, called = table["label"].to_numpy(), table["score"].to_numpy() >= 0.5
        assert event["metrics"]["recall"] == recall_score(truth, called)
        assert event["metrics"]["accuracy"] == accuracy_score(truth, called)
    (opened,) = events(place, "test_opened")
    for each, event in zip(opened["chosen"], events(place, "tested"), strict=True):
        table = read_scores(place.confirmed / "test" / "1" / f"{event['trial']}.parquet")
        truth, called = table["label"].to_numpy(), table["score"].to_numpy() >= each["threshold"]
        assert event["metrics"]["recall"] == recall_score(truth, called)


def test_every_patient_but_those_of_the_test_is_asked_about_once_a_seed_and_never_trained_on_then(place, conducted):
    conducted()
    split = Split.load(place.split)
    developed = {*split.patients("train"), *split.patients("validation")}
    asked = {seed: [] for seed in (0, 1)}
    for path in conducted.log.glob("trained-00001-*"):
        seed = int(path.name.split("-")[3])
        shown = {"train": [], "choosing": [], "asked": []}
        for line in path.read_text().splitlines():
            part, name = line.split("\t")
            shown[part].append(name)
        asked[seed] += shown["asked"]
        assert patients(shown["asked"]).isdisjoint(patients(shown["train"]) | patients(shown["choosing"]))
        assert patients(shown["train"]).isdisjoint(patients(shown["choosing"]))
        assert patients(name for names in shown.values() for name in names) == developed
    for names in asked.values():
        assert len(names) == len(set(names)) == 4 * len(developed)
    first, second = ([*map(sorted, (patients([name]) for name in asked[seed]))] for seed in (0, 1))
    assert sorted(first) == sorted(second)


def test_the_best_is_also_trained_where_images_are_split_to_see_what_that_adds(place, conducted):
    best = conducted()[0].trial
    keys = [(event["trial"], event["seed"], event["fold"]) for event in events(place, "retrained", by_image=True)]
    assert sorted(keys) == [(best, seed, fold) for seed in (0, 1) for fold in (0, 1, 2)]
    for path in conducted.log.glob("by-image-*-0-*"):
        shown = {"train": set(), "choosing": set(), "asked": set()}
        for line in path.read_text().splitlines():
            part, name = line.split("\t")
            shown[part].add(name)
        assert shown["asked"].isdisjoint(shown["train"] | shown["choosing"])
        assert patients(shown["asked"]) & patients(shown["train"])
    probes = {probe["name"]: probe for probe in json.loads((place.confirmed / "probes.json").read_text())}
    scores = {
        by_image: pa.concat_tables(
            read_scores(place.confirmed / "retrained" / Retraining(**which).name / "scores.parquet")
            for which in ({"trial": best, "folds": 3, "seed": 0, "fold": f, "by_image": by_image} for f in range(3))
        )
        for by_image in (False, True)
    }
    areas = {split: roc_auc_score(table["label"], table["score"]) for split, table in scores.items()}
    assert areas[True] > areas[False]
    assert probes["the model, split by image"]["estimate"] == pytest.approx(areas[True] - areas[False])


@pytest.mark.parametrize("place", [18], indirect=True)
def test_where_a_base_model_knows_the_training_patients_validation_alone_is_asked_about(place, conducted, capsys):
    said = json.loads(place.manifest.read_text())
    said["starts"]["base"] = {"origin": "trial 1 of aml-1", "task": "aml", "split": "f", "study": "1"}
    place.manifest.write_text(json.dumps(said))
    conducted()
    split, asked = Split.load(place.split), []
    for path in conducted.log.glob("*-00001-*-0-*"):
        shown = {"train": set(), "choosing": set(), "asked": set()}
        for line in path.read_text().splitlines():
            part, name = line.split("\t")
            shown[part] |= patients([name])
        assert {*split.patients("train")} <= shown["train"]
        assert shown["asked"] | shown["choosing"] <= {*split.patients("validation")}
        asked += shown["asked"] if path.name.startswith("trained") else []
    assert sorted(asked) == sorted(split.patients("validation"))
    assert "validation patients alone are asked about" in capsys.readouterr().out


def test_a_wished_recall_comes_first_at_its_own_threshold(place, conducted):
    conducted(dataclasses.replace(ASKED, min_recall=0.75, sure=False))
    (opened,) = events(place, "test_opened")
    first = opened["chosen"][0]
    table = read_scores(place.trial(first["trial"]) / "scores.parquet")
    truth, called = table["label"].to_numpy(), table["score"].to_numpy() >= first["threshold"]
    assert first["promise"]["recall"] == recall_score(truth, called) >= 0.75
    assert first["why"] == "recall of validation patients of at least 0.75"


def test_a_recall_that_cannot_be_promised_leaves_the_test_locked(place, conducted):
    with pytest.raises(StudyError, match="for other patients; the most is"):
        conducted(dataclasses.replace(ASKED, min_recall=0.9))
    assert not events(place, "test_opened")
    assert len(events(place, "retrained")) == 18  # kept for the next attempt


def test_a_second_look_at_the_test_needs_to_be_asked_for_and_is_counted(place, conducted, capsys):
    conducted()
    asked = (conducted.log / "asked").read_text()
    capsys.readouterr()
    conducted()
    assert "--again opens them all the same, and the report counts it" in capsys.readouterr().out
    assert (conducted.log / "asked").read_text() == asked
    conducted(dataclasses.replace(ASKED, again=True))
    openings = confirmation_of(journal.read(place.journal)).openings
    assert [opening.number for opening in openings] == [1, 2]
    assert len([*(place.confirmed / "test" / "2").glob("*.parquet")]) == len(openings[1].chosen)


def test_killed_while_it_trains_it_goes_on_without_repeating_anything(place, conducted, capsys):
    with pytest.raises(RuntimeError, match="the power went"):
        conducted(die_after=5)
    before = {path: path.stat().st_mtime_ns for path in conducted.log.glob("trained-*")}
    done = len(events(place, "retrained"))
    assert 0 < done < 18
    assert not events(place, "test_opened")
    conducted()
    kept = {(e["trial"], e["seed"], e["fold"]) for e in events(place, "retrained")[:done]}
    assert len(events(place, "retrained")) == 18
    for path, written in before.items():
        trial, _, seed, fold = (int(part) for part in path.name.removeprefix("trained-").split("-"))
        if (trial, seed, fold) in kept:
            assert path.stat().st_mtime_ns == written
    assert f"{done} of 18 models were trained before; going on." in capsys.readouterr().out


def test_an_opening_that_was_cut_short_is_finished_as_it_was_begun(place, conducted):
    with pytest.raises(RuntimeError, match="the power went"):
        conducted(dataclasses.replace(ASKED, choose=2), die_at_test=0)
    (opened,) = events(place, "test_opened")
    conducted(dataclasses.replace(ASKED, choose=1))
    (opening,) = confirmation_of(journal.read(place.journal)).openings
    assert opening.complete
    assert [each.trial for each in opening.chosen] == [each["trial"] for each in opened["chosen"]]
    assert sorted(event["trial"] for event in events(place, "tested")) == sorted(opening.results)


def test_the_test_can_stay_locked(place, conducted, capsys):
    conducted(dataclasses.replace(ASKED, locked=True))
    assert not events(place, "test_opened")
    assert not (place.confirmed / "test").exists()
    assert "stay locked (--keep-locked)" in capsys.readouterr().out


def test_a_configuration_that_diverges_is_behind_all_others_and_the_reason_is_kept(place, conducted, capsys):
    ranking = conducted(dataclasses.replace(ASKED, seeds=1), diverge=2)
    assert 2 not in {each.trial for each in ranking}
    assert 2 not in {each["trial"] for each in events(place, "test_opened")[0]["chosen"]}
    reasons = confirmation_of(journal.read(place.journal)).reasons
    assert set(reasons.values()) == {"Training diverged in epoch 1."}
    assert "trial 2, fold 0: Training diverged in epoch 1." in capsys.readouterr().out


def test_the_search_that_goes_on_afterwards_reads_the_journal_as_before(place, conducted):
    before = studies.record(place).trials
    conducted()
    assert studies.record(place).trials == before


def test_images_that_changed_since_are_refused_before_the_test_is_opened(place, conducted, tmp_path):
    first, second = sorted((tmp_path / "mll").rglob("AAA/image_*.tif"))[:2]
    with Image.open(second) as image:
        image.rotate(90).save(first)
    with pytest.raises(StudyError, match="are not those that runx1-1 was begun with"):
        conducted()
    assert not events(place, "test_opened")


def reachable(thing, seen):
    """Yield every image that can be reached from an object, through fields, containers and Ray's references."""
    if id(thing) in seen:
        return
    seen.add(id(thing))
    if isinstance(thing, ray.ObjectRef):
        yield from reachable(ray.get(thing), seen)
    elif isinstance(thing, np.ndarray):
        if thing.dtype == np.uint8 and thing.ndim == 4:
            yield from (image.tobytes() for image in thing)
    elif isinstance(thing, dict | list | tuple | set):
        for each in thing.values() if isinstance(thing, dict) else thing:
            yield from reachable(each, seen)
    elif dataclasses.is_dataclass(thing):
        for each in dataclasses.fields(thing):
            yield from reachable(getattr(thing, each.name), seen)


def test_no_image_of_a_test_patient_can_be_reached_from_what_a_trial_is_given(place, tmp_path):
    split, root = Split.load(place.split), tmp_path / "mll"
    config = manifest.config_of(place.read_manifest(), studies.record(place))
    account = take_account(
        open_source(root), find_task("runx1"), config, PixelCache(tmp_path / "cache"), synthetic=False, cores=2
    )
    placed = share(Prepared.of(account), PixelCache(tmp_path / "cache"))
    found = {*reachable(placed, set()), *reachable(placed.open(), set())}
    pixels = {path: decode(path.read_bytes(), image_px=PX, crop_px=None).tobytes() for path in root.rglob("*.tif")}
    of_part = {
        part: {pixels[path] for path in pixels if split.part_of[path.parent.name] == part}
        for part in ("train", "validation", "test")
    }
    assert of_part["train"] | of_part["validation"] <= found
    assert found.isdisjoint(of_part["test"])


def test_the_lock_opens_for_nothing_but_an_opening_in_the_journal(place, conducted, tmp_path):
    cache = PixelCache(tmp_path / "cache")
    config = manifest.config_of(place.read_manifest(), studies.record(place))
    account = take_account(open_source(tmp_path / "mll"), find_task("runx1"), config, cache, synthetic=False, cores=2)
    with pytest.raises(StudyError, match=r"are locked: python -m search\.confirm opens them, once"):
        open_test(place, account, cache)
    conducted()  # and afterwards it is locked again
    with pytest.raises(StudyError, match="are locked"):
        open_test(place, account, cache)


def retrainings(**measured):
    """Return a confirmation of trials by their (recall, accuracy) in turn; None where training failed."""
    confirmation = Confirmation()
    for trial, points in measured.items():
        for fold, point in enumerate(points):
            which = Retraining(trial=int(trial[1:]), folds=3, seed=0, fold=fold)
            metrics = dict.fromkeys(SHOWN, 0.8)
            confirmation.retrained[which] = metrics | {"recall": point[0], "accuracy": point[1]} if point else {}
    return confirmation


def test_the_ranking_is_by_means_of_both_and_never_by_their_sum():
    confirmation = retrainings(
        t1=[(0.9, 0.6), (0.9, 0.6)], t2=[(0.6, 0.95), (0.8, 0.95)], t3=[(0.65, 0.9), (0.65, 0.9)], t4=[(1.0, 1.0), None]
    )
    ranking = rank(confirmation, [1, 2, 3, 4, 5], Aims())
    assert [each.trial for each in ranking] == [1, 2, 3, 4]
    assert [each.on_front for each in ranking] == [True, True, False, False]
    assert ranking[1].means["recall"] == pytest.approx(0.7)
    assert ranking[1].spreads["recall"] == pytest.approx(np.std([0.6, 0.8], ddof=1))
    assert (ranking[3].trainings, ranking[3].failures) == (1, 1)


def test_a_mean_beyond_the_studys_bound_is_on_no_front():
    confirmation = retrainings(t1=[(1.0, 0.4)], t2=[(0.5, 0.9)])
    for which in confirmation.retrained:
        if which.trial == 1:
            confirmation.retrained[which] = {**confirmation.retrained[which], "specificity": 0.1}
    ranking = rank(confirmation, [1, 2], Aims(min_specificity=0.5))
    assert [(each.trial, each.on_front) for each in ranking] == [(2, True), (1, False)]


def test_what_cannot_be_done_is_said_all_at_once():
    with pytest.raises(ConfigError) as caught:
        Asked(folds=2, seeds=0, again=True, locked=True)
    for words in ("--folds is 2", "--seeds is 0", "--again opens the test patients and --keep-locked does not"):
        assert words in str(caught.value)


def test_a_study_without_a_front_has_nothing_to_confirm(tmp_path, session):
    folder = studies.begin(tmp_path / "empty")
    with pytest.raises(StudyError, match="nothing to confirm"):
        plan = plan_again(folder, given={}, cache=tmp_path / "cache", command="confirm")
        confirm(plan, ASKED, session, models=Toys(tmp_path))


def test_help_says_what_it_does(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "open the locked test patients, once" in " ".join(capsys.readouterr().out.split())
