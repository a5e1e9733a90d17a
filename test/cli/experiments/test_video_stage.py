# SPDX-License-Identifier: Apache-2.0
"""Which seeds are filmed."""

from cosmos_policy_ros.cli.experiments.video_stage import choose_seeds


def test_the_first_of_each_kind_is_filmed():
    direct = {1: False, 2: False, 3: True, 4: True, 5: False}
    planning = {1: True, 2: False, 3: True, 4: False, 5: False}
    assert choose_seeds(direct, planning) == {'success': 3, 'rescued': 1, 'failure': 2}


def test_a_rescue_is_also_the_failure_where_there_is_no_other():
    assert choose_seeds({7: False}, {7: True}) == {'rescued': 7, 'failure': 7}


def test_kinds_that_never_happened_are_left_out():
    assert choose_seeds({1: True}, {1: False}) == {'success': 1}
    assert choose_seeds({1: False}, {1: False}) == {'failure': 1}
