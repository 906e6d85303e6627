import io

import pytest

import studies
from search.display.console import SYNTHETIC, Console
from search.study.journal import read
from search.study.objectives import Objectives
from search.study.records import StudyRecord


class Clock:
    """Seconds that pass when the test says so."""

    now = 1000.0

    def __call__(self):
        return self.now


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock():
    return Clock()


def console(stream, clock, **given):
    settings = {"planned_trials": 7, "epochs": 3, "objectives": Objectives(min_specificity=0.5), "synthetic": True}
    return Console(stream, clock=clock, **(settings | given))


def play(shown, folder, clock, seconds=10.0):
    record = StudyRecord()
    for event in read(folder.journal):
        record.apply({**event, "time": clock.now})
        shown.show(record, event)
        clock.now += seconds
    return record


def test_a_log_gets_a_line_a_finished_trial(tmp_path, clock):
    out = io.StringIO()
    with console(out, clock) as shown:
        play(shown, studies.mixed(tmp_path / "study"), clock, seconds=5.0)
    lines = out.getvalue().splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "trial 0 complete",
        "trial 1 complete",
        "trial 2 complete",
        "trial 4 failed after 1 epoch",
        "trial 5 stopped after 1 epoch",
        "trial 3 complete",
    ]
    assert lines[1].startswith(
        "trial 1 complete: recall 0.85, accuracy 0.91, specificity 0.95 (epoch 3 of 3, 34 s), on the front; "
        "2/7 trials, about "
    )
    assert "the loss is not a number" in lines[3]
    assert "beyond a bound" in lines[5]


def test_a_log_is_not_silent_for_more_than_a_minute(tmp_path, clock):
    out = io.StringIO()
    with console(out, clock) as shown:
        play(shown, studies.mixed(tmp_path / "study"), clock, seconds=45.0)
    running = [line for line in out.getvalue().splitlines() if line.startswith("running:")]
    assert running[0].startswith(
        "running: trial 0 epoch 2/3 (recall 0.47, accuracy 0.67, specificity 0.80); 0/7 trials"
    )


def test_a_resumed_study_does_not_repeat_its_past(tmp_path, clock):
    folder = studies.mixed(tmp_path / "study")
    record = studies.record(folder)
    out = io.StringIO()
    with console(out, clock) as shown:
        shown.show(record)
        assert out.getvalue() == "6 trials of 7 finished before; going on.\n"
        with studies.recording(folder) as recorder:
            studies.run(recorder, 7, 1.0, 1.0)
        shown.show(studies.record(folder))
    assert out.getvalue().splitlines()[1].startswith("trial 7 complete")


def test_data_preparation_is_told_in_few_lines(clock):
    out = io.StringIO()
    with console(out, clock) as shown:
        for done in range(0, 1001, 10):
            shown.progress("reading", done, 1000)
            clock.now += 0.25
    assert out.getvalue().splitlines() == [
        "reading: 400 of 1,000 images, 40 images/s, about 15 s left",
        "reading: 800 of 1,000 images, 40 images/s, about 5 s left",
        "reading: 1,000 images, 40 images/s, 25 s",
    ]


def test_the_summary_names_everything(tmp_path, clock):
    folder = studies.mixed(tmp_path / "study")
    out = io.StringIO()
    with console(out, clock) as shown:
        shown.summary(
            studies.record(folder),
            written={"study": folder.path, "front": folder.report / "front.png"},
            commands=["python -m search.status runx1-1"],
        )
    said = out.getvalue()
    assert "7 trials (1 running, 4 complete, 1 stopped, 1 failed), 15 epochs" in said
    assert all(word in said for word in ("recall", "accuracy", "specificity", "F1", "0.950", "dropout 0.25"))
    assert SYNTHETIC in said
    assert f"  study  {folder.path}\n  front  {folder.report / 'front.png'}\n" in said
    assert said.endswith("Next:\n  python -m search.status runx1-1\n")


def test_the_summary_says_why_there_is_no_front(clock):
    out = io.StringIO()
    console(out, clock, synthetic=False).summary(StudyRecord(), written={})
    assert "No trial is on the front: none is complete." in out.getvalue()
    assert "SYNTHETIC" not in out.getvalue()


@pytest.mark.fault("files", "markup in a message", "only text")
def test_markup_in_a_message_is_only_text(clock):
    out = io.StringIO()
    console(out, clock).say("failed: [/bold] :smile: " + "x" * 300)
    assert out.getvalue() == "failed: [/bold] :smile: " + "x" * 300 + "\n"


def test_a_terminal_sees_the_running_trials_and_the_front(tmp_path, clock, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("LINES", "50")
    out = Terminal()
    with console(out, clock) as shown:
        shown.progress("reading", 1, 10)
        shown._live.refresh()
        assert "reading: 1 of 10 images" in out.getvalue()
        shown.progress("reading", 10, 10)
        shown.link("MLflow", "http://127.0.0.1:5000")
        play(shown, studies.mixed(tmp_path / "study"), clock)
        shown._live.refresh()
    said = out.getvalue()
    assert all(word in said for word in ("6/7 trials", "images/s", "hypervolume", "MLflow", "dropout 0.25", "1/3"))
    assert "trial 0 complete" in said  # it was on the front when it ended
    assert "trial 3 complete" not in said
    assert "trial 4 failed" in said


def test_a_broken_stream_does_not_end_the_search(tmp_path, clock):
    class Broken(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    with console(Broken(), clock) as shown:
        shown.say("hello")
        play(shown, studies.mixed(tmp_path / "study"), clock)
        shown.summary(StudyRecord(), written={})


def test_interruptions_pass_through(clock):
    class Interrupting(io.StringIO):
        def write(self, text):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        console(Interrupting(), clock).say("hello")
