# SPDX-License-Identifier: Apache-2.0
"""Stages: what is done stays done, what was interrupted goes on, what changed is refused."""

import fcntl
import json

import pytest
from rich.console import Console

from cosmos_policy_ros.cli.experiments.stage import duration_text, Experiment, Stage
from cosmos_policy_ros.errors import ConfigurationError


class Clock:
    """A clock that a stage turns on."""

    def __init__(self):
        self.now_s = 100.0

    def __call__(self):
        """Return the time in [s]."""
        return self.now_s


@pytest.fixture
def place(tmp_path):
    """An output folder, a clock, and a list of what ran."""
    return tmp_path / 'out', Clock(), []


def stage(place, name, *, stops=False, settings=None, results=()):
    """A stage of seven seconds that notes its name."""
    _, clock, ran = place

    def run():
        ran.append(name)
        clock.now_s += 7
        if stops:
            raise KeyboardInterrupt
        return {'by': name}
    return Stage(name=name, title=name, settings=settings or {'count': 3}, results=results,
                 run=run)


def experiment(place, *stages):
    """An experiment without an audience."""
    folder, clock, _ = place
    return Experiment(folder, stages, Console(quiet=True), clock=clock)


def test_stages_run_in_order_and_once(place):
    stages = [stage(place, 'a'), stage(place, 'b')]
    first = experiment(place, *stages).run()
    again = experiment(place, *stages).run()
    assert place[2] == ['a', 'b'] and first == again
    assert again['b'].facts == {'by': 'b'} and again['b'].elapsed_s == 7


def test_an_interrupted_stage_goes_on_and_its_times_add_up(place):
    with pytest.raises(KeyboardInterrupt):
        experiment(place, stage(place, 'a'), stage(place, 'b', stops=True)).run()
    records = experiment(place, stage(place, 'a'), stage(place, 'b')).run()
    assert place[2] == ['a', 'b', 'b']
    assert (records['a'].elapsed_s, records['b'].elapsed_s) == (7, 14)


@pytest.mark.parametrize('is_done', [True, False])
def test_other_settings_are_refused_by_name_before_anything_runs(place, is_done):
    settings = {'count': 3, 'loss': {'weight': 1.0, 'kind': 'q'}}
    begun = stage(place, 'b', settings=settings, stops=not is_done)
    try:
        experiment(place, begun).run()
    except KeyboardInterrupt:
        pass
    changed = {'count': 3, 'loss': {'weight': 2.0, 'kind': 'q'}}
    with pytest.raises(ConfigurationError, match=r'loss\.weight was 1\.0, now 2\.0') as caught:
        experiment(place, stage(place, 'a'), stage(place, 'b', settings=changed))
    assert ('done with' if is_done else 'begun with') in str(caught.value)
    assert 'count' not in str(caught.value) and place[2] == ['b']


def test_a_result_that_is_gone_is_told_with_what_to_do(place):
    result = place[0] / 'model'
    done = stage(place, 'a', results=[result])
    experiment(place, done).run()
    with pytest.raises(ConfigurationError, match='model is gone.*remove .*a.json'):
        experiment(place, done)
    result.mkdir()
    experiment(place, done).run()
    assert place[2] == ['a']


def test_the_output_folder_may_move(place, tmp_path):
    folder, clock, ran = place
    experiment(place, stage(place, 'a', settings={'model': str(folder / 'policy')})).run()
    moved = folder.rename(tmp_path / 'moved')
    elsewhere = moved, clock, ran
    experiment(elsewhere, stage(elsewhere, 'a', settings={'model': str(moved / 'policy')})).run()
    assert ran == ['a']


def test_two_processes_do_not_work_in_one_folder(place):
    both = experiment(place, stage(place, 'a'))
    with (place[0] / 'stages' / '.lock').open('w') as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(ConfigurationError, match='another process'):
            both.run()
    assert both.run()['a'].is_done


def test_a_damaged_record_is_refused(place):
    experiment(place, stage(place, 'a')).run()
    path = place[0] / 'stages' / 'a.json'
    path.write_text(json.dumps({'unknown': 1}))
    with pytest.raises(ConfigurationError, match='cannot read'):
        experiment(place, stage(place, 'a'))


def test_durations_read_as_a_person_says_them():
    assert [duration_text(seconds) for seconds in (0.4, 99, 100, 3590, 3900)] == [
        '0 s', '99 s', '2 min', '1 h 00 min', '1 h 05 min']
