from leukmodels.dataset.shards import image_bytes
from machines import CACHE, GB, STORAGE, demand

WINDOWS = 2 * 4096 * image_bytes(64)


def test_a_trial_weighs_what_was_measured_and_its_windows_where_it_may_stream():
    assert demand(pixels="shared").trial_bytes == 430_000_000 + 100_000 * 64**2
    assert demand(pixels="auto").trial_bytes == demand(pixels="shared").trial_bytes + WINDOWS
    assert demand(pixels="streamed").windows_bytes == WINDOWS


def test_pretrained_networks_take_more():
    assert demand(networks=True).trial_bytes == demand().trial_bytes + 900_000_000
    (_, plain, _), (_, large, _) = demand().disk()[1], demand(networks=True).disk()[1]
    assert large == plain + 3 * 100_000_000


def test_what_is_written_is_said_by_folder_and_purpose():
    models = 3 * (600_000 + 1024 * 64**2)
    study = [(STORAGE, GB, "the study"), (STORAGE, models, "the models of 3 trials")]
    assert demand().disk() == study
    assert demand(prepare_bytes=5).disk(7) == [*study, (CACHE, 5, "prepared images"), (CACHE, 7, "images to stream")]


def test_a_cohort_that_is_still_to_be_drawn_takes_disk():
    drawn = demand(drawn_bytes=5 * GB).disk()
    assert [(folder, size) for folder, size, purpose in drawn if purpose == "the drawn cohort"] == [(STORAGE, 5 * GB)]
