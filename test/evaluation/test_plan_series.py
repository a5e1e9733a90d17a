# SPDX-License-Identifier: Apache-2.0
"""Plans and prediction errors over time, from messages to figures and plots."""

from types import SimpleNamespace

import numpy as np
import pytest

from cosmos_policy_ros.evaluation.episode_plots import png_bytes
from cosmos_policy_ros.evaluation.plan_plots import plot_plans, plot_prediction_errors
from cosmos_policy_ros.evaluation.plan_series import (
    plan_sample, PlanSample, prediction_error_sample, report_plans)


def header(time_s):
    """Make a header."""
    return SimpleNamespace(stamp=SimpleNamespace(
        sec=int(time_s), nanosec=int(round((time_s % 1) * 1e9))))


def plan_message(time_s, values, **changes):
    """Make what a Plan message decodes to; None is a candidate that was not valued."""
    candidates = [SimpleNamespace(is_valued=value is not None, value=value or 0.0)
                  for value in values]
    return SimpleNamespace(**{
        'header': header(time_s), 'candidates': candidates, 'winner_index': 0,
        'num_requested': len(values), 'was_cut_short': None in values,
        'reason': 'deadline' if None in values else 'complete', **changes})


def test_a_plan_keeps_values_winner_and_reason():
    plan = plan_sample(10**9, 0.0, plan_message(3.5, [0.2, None, 0.8], winner_index=2))
    assert plan.stamp_s == 2.5 and plan.values == (0.2, None, 0.8)
    assert (plan.num_counted, plan.winner_index, plan.reason) == (2, 2, 'deadline')


def test_plans_are_summed_up_by_reason_and_spread():
    plans = tuple(plan_sample(0, 0.0, plan_message(time_s, values)) for time_s, values in (
        (1.0, [0.1, 0.5]), (2.0, [0.3, None]), (3.0, [0.2, 0.8])))
    report = report_plans(plans)
    assert (report.plans, report.cut_short) == (3, 1)
    assert report.reasons == {'complete': 2, 'deadline': 1}
    assert report.mean_counted == pytest.approx(5 / 3)
    assert report.value_spread_p50 == pytest.approx(0.5)
    assert report_plans(()) is None


def test_a_prediction_error_averages_its_cameras_and_may_have_none():
    message = SimpleNamespace(header=header(4.0), image_error=[0.1, 0.3], image_change=[0.2, 0.2],
                              proprio_rms=0.05)
    error = prediction_error_sample(0, 0.0, message)
    assert (error.due_s, error.image_error, error.proprio_rms) == (4.0, pytest.approx(0.2), 0.05)
    message.image_error = message.image_change = np.array([])
    assert prediction_error_sample(0, 0.0, message).image_error is None


@pytest.mark.parametrize('values', [(0.2, 0.8), (None, None), (0.4,)])
def test_every_plan_can_be_drawn(values):
    plan = PlanSample(stamp_s=1.0, values=values, winner_index=0, num_requested=4,
                      was_cut_short=True, reason='deadline')
    assert png_bytes(plot_plans([plan, plan], 5.0)).startswith(b'\x89PNG')


def test_errors_without_images_can_be_drawn():
    message = SimpleNamespace(header=header(4.0), image_error=[], image_change=[],
                              proprio_rms=0.05)
    error = prediction_error_sample(0, 0.0, message)
    assert png_bytes(plot_prediction_errors([error], 5.0)).startswith(b'\x89PNG')
