"""A confirmation from its first retraining to the last test patient."""

import json

import pyarrow as pa
import pytest
from sklearn.metrics import accuracy_score, recall_score, roc_auc_score

import studies
from confirming import ASKED, Toys, confirmer, events, patients, searched
from leukmodels.dataset.split import Split
from leukmodels.errors import StudyError
from leukmodels.process.files import digest
from leukmodels.training.scoring import read_scores
from search.confirm.__main__ import main
from search.confirm.confirmation import confirm
from search.run.planning import plan_again
from search.selection.test_candidates import REFERENCE
from search.study import journal
from search.study.confirmation_log import Retraining, confirmation_of


@pytest.fixture
def place(session, tmp_path, request):
    return searched(tmp_path, patients=getattr(request, "param", 12))


@pytest.fixture
def conducted(session, place, tmp_path):
    return confirmer(place, session, tmp_path)


def test_the_front_is_trained_again_and_the_test_opened_once_for_the_chosen(place, conducted, capsys):
    ranking = conducted()
    trained = events(place, "retrained")
    keys = {(event["trial"], event["seed"], event["fold"]) for event in trained}
    assert keys == {(trial, seed, fold) for trial in (0, 1, 2) for seed in (0, 1) for fold in (0, 1, 2)}
    assert len(trained) == len(keys)
    assert [each.trial for each in ranking] == [2, 1, 0]
    (opening,) = confirmation_of(journal.read(place.journal)).openings
    assert opening.complete
    assert [(each.trial, each.why) for each in opening.chosen] == [(2, "highest mean recall"), (0, REFERENCE)]
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
        shown = {"train": [], "validation": [], "held_out": []}
        for line in path.read_text().splitlines():
            part, name = line.split("\t")
            shown[part].append(name)
        asked[seed] += shown["held_out"]
        assert patients(shown["held_out"]).isdisjoint(patients(shown["train"]) | patients(shown["validation"]))
        assert patients(shown["train"]).isdisjoint(patients(shown["validation"]))
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
        shown = {"train": set(), "validation": set(), "held_out": set()}
        for line in path.read_text().splitlines():
            part, name = line.split("\t")
            shown[part].add(name)
        assert shown["held_out"].isdisjoint(shown["train"] | shown["validation"])
        assert patients(shown["held_out"]) & patients(shown["train"])
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
        shown = {"train": set(), "validation": set(), "held_out": set()}
        for line in path.read_text().splitlines():
            part, name = line.split("\t")
            shown[part] |= patients([name])
        assert {*split.patients("train")} <= shown["train"]
        assert shown["held_out"] | shown["validation"] <= {*split.patients("validation")}
        asked += shown["held_out"] if path.name.startswith("trained") else []
    assert sorted(asked) == sorted(split.patients("validation"))
    assert "validation cells alone are scored" in capsys.readouterr().out


def test_a_wished_recall_comes_first_at_its_own_threshold(place, conducted):
    conducted(ASKED.model_copy(update={"min_recall": 0.75, "recall_guarantee": False}))
    (opened,) = events(place, "test_opened")
    first = opened["chosen"][0]
    table = read_scores(place.trial(first["trial"]) / "scores.parquet")
    truth, called = table["label"].to_numpy(), table["score"].to_numpy() >= first["threshold"]
    assert first["promise"]["recall"] == recall_score(truth, called) >= 0.75
    assert first["why"] == "measured recall of at least 0.75"


def test_a_recall_that_cannot_be_promised_leaves_the_test_locked(place, conducted):
    with pytest.raises(StudyError, match="for other patients; the most is"):
        conducted(ASKED.model_copy(update={"min_recall": 0.9}))
    assert not events(place, "test_opened")
    assert not events(place, "retrained")  # hours would be lost


def test_a_second_look_at_the_test_needs_to_be_asked_for_and_is_counted(place, conducted, capsys):
    conducted()
    asked = (conducted.log / "held_out").read_text()
    capsys.readouterr()
    conducted()
    assert "--again opens it all the same, and the report counts it" in capsys.readouterr().out
    assert (conducted.log / "held_out").read_text() == asked
    conducted(ASKED.model_copy(update={"again": True}))
    openings = confirmation_of(journal.read(place.journal)).openings
    assert [opening.number for opening in openings] == [1, 2]
    assert len([*(place.confirmed / "test" / "2").glob("*.parquet")]) == len(openings[1].chosen)


@pytest.mark.fault("drivers", "a confirmation dies while it trains", "what was trained is not trained again")
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
        conducted(ASKED.model_copy(update={"choose": 2}), die_at_test=0)
    (opened,) = events(place, "test_opened")
    conducted(ASKED.model_copy(update={"choose": 1}))
    (opening,) = confirmation_of(journal.read(place.journal)).openings
    assert opening.complete
    assert [each.trial for each in opening.chosen] == [each["trial"] for each in opened["chosen"]]
    assert sorted(event["trial"] for event in events(place, "tested")) == sorted(opening.results)


def test_an_opening_that_was_begun_waits_as_long_as_the_test_is_to_stay_locked(place, conducted, capsys):
    with pytest.raises(RuntimeError, match="the power went"):
        conducted(die_at_test=0)
    before = events(place, "tested")
    conducted(ASKED.model_copy(update={"keep_locked": True}))
    assert "The test stays locked" in capsys.readouterr().out
    assert events(place, "tested") == before
    assert not confirmation_of(journal.read(place.journal)).openings[0].complete


@pytest.mark.parametrize("change", [lambda path: path.unlink(), lambda path: path.write_bytes(b"another")])
def test_the_test_is_not_opened_for_models_that_are_not_what_was_measured(place, conducted, change):
    vouched_for(place, 2)
    change(place.trial(2) / "model.keras")
    with pytest.raises(StudyError, match=r"00002/model\.keras is (missing|not the file that trial 2 ended with)"):
        conducted()
    assert not events(place, "test_opened")
    assert not [*conducted.log.glob("trained-*")]


def vouched_for(place, number):
    """Have the journal know the hashes of a trial's files, as it does of every trial that a search ends now."""
    trial = studies.record(place).trials[number]
    sha256 = {name: digest(place.trial(number) / name) for name in ("model.keras", "scores.parquet")}
    with journal.Journal(place.journal) as written:
        outcome = {**trial.outcome, "sha256": sha256}
        written.append("trial_finished", trial=number, state="complete", outcome=outcome, reason="")


def test_a_model_that_is_replaced_while_the_test_waits_is_not_tested(place, conducted):
    vouched_for(place, 2)
    with pytest.raises(RuntimeError, match="the power went"):
        conducted(die_at_test=2)
    (place.trial(2) / "model.keras").write_bytes(b"another")
    with pytest.raises(StudyError, match="is not the file that trial 2 ended with"):
        conducted()
    assert 2 not in [event["trial"] for event in events(place, "tested")]


def test_the_journal_says_which_model_was_asked_and_which_scores_came_of_it(place, conducted):
    conducted()
    (opening,) = confirmation_of(journal.read(place.journal)).openings
    for each in opening.chosen:
        scores = place.confirmed / "test" / "1" / f"{each.trial}.parquet"
        model = place.trial(each.trial) / "model.keras"
        assert opening.sha256(each.trial) == {"model.keras": digest(model), "scores.parquet": digest(scores)}


def test_the_test_can_stay_locked(place, conducted, capsys):
    conducted(ASKED.model_copy(update={"keep_locked": True}))
    assert not events(place, "test_opened")
    assert not (place.confirmed / "test").exists()
    assert "stays locked (--keep-locked)" in capsys.readouterr().out


def test_a_configuration_that_diverges_is_behind_all_others_and_the_reason_is_kept(place, conducted, capsys):
    ranking = conducted(ASKED.model_copy(update={"seeds": 1}), diverge=2)
    assert 2 not in {each.trial for each in ranking}
    assert 2 not in {each["trial"] for each in events(place, "test_opened")[0]["chosen"]}
    reasons = confirmation_of(journal.read(place.journal)).reasons
    assert set(reasons.values()) == {"Training diverged in epoch 1."}
    assert "trial 2, fold 0: Training diverged in epoch 1." in capsys.readouterr().out


def test_the_search_that_goes_on_afterwards_reads_the_journal_as_before(place, conducted):
    before = studies.record(place).trials
    conducted()
    assert studies.record(place).trials == before


def test_a_study_without_a_front_has_nothing_to_confirm(tmp_path, session):
    folder = studies.begin(tmp_path / "empty")
    with pytest.raises(StudyError, match="nothing to confirm"):
        plan = plan_again(folder, given={}, cache=tmp_path / "cache", command="confirm")
        confirm(plan, ASKED, session, models=Toys(tmp_path))


def test_help_says_what_it_does(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "open the locked test patients, once" in " ".join(capsys.readouterr().out.split())
