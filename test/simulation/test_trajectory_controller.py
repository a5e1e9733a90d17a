# SPDX-License-Identifier: Apache-2.0
"""What the controller model makes of trajectories: replaced, interpolated, refused, held."""

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from cosmos_policy_ros.simulation.trajectory_controller import GoalPoint, TrajectoryController

MS = 1_000_000
NAMES = ('waist', 'elbow')
REST = np.zeros(2)


class Bench:
    """A controller of two joints and what it logged."""

    def __init__(self):
        self.logs = []
        self.controller = TrajectoryController(
            NAMES, lambda level, text: self.logs.append((level, text)))

    def send(self, *points, now_ms=0, stamp_ms=0, names=NAMES):
        """Send (time in ms, position of both joints[, velocity of both]) points."""
        return self.controller.receive(now_ms * MS, stamp_ms * MS, names, [GoalPoint(
            due_ns=point[0] * MS, positions=[point[1]] * 2,
            velocities=[point[2]] * 2 if len(point) > 2 else ()) for point in points])

    def at(self, now_ms, measured=REST):
        """Command of the first joint."""
        command = self.controller.command_at(now_ms * MS, np.asarray(measured))
        return None if command is None else command[0]


@pytest.fixture
def bench():
    """A fresh controller."""
    return Bench()


def test_nothing_is_commanded_before_the_first_trajectory(bench):
    assert bench.at(0) is None


def test_positions_alone_are_joined_by_lines_that_begin_at_the_measured_pose(bench):
    bench.send((100, 1.0), (200, 2.0))
    assert [bench.at(t, [0.5, 0.5]) for t in (0, 50, 100, 150, 200, 999)] == pytest.approx(
        [0.5, 0.75, 1.0, 1.5, 2.0, 2.0])


def test_a_first_point_at_once_is_a_jump(bench):
    bench.send((0, 1.0), (100, 2.0))
    assert bench.at(0, [-3.0, -3.0]) == 1.0 and bench.at(50) == 1.5


@given(ends=st.tuples(*[st.floats(-2, 2)] * 4), share=st.floats(0.01, 0.99))
def test_with_velocities_positions_and_slopes_meet_at_the_points(ends, share):
    start, end, start_speed, end_speed = ends
    bench = Bench()
    bench.send((0, start, start_speed), (1000, end, end_speed), (2000, end, 0.0))
    assert bench.at(0) == pytest.approx(start) and bench.at(1000) == pytest.approx(end)
    slope = (bench.at(1) - bench.at(0)) / 1e-3, (bench.at(1000) - bench.at(999)) / 1e-3
    assert slope == pytest.approx((start_speed, end_speed), abs=0.05)
    assert abs(bench.at(round(share * 1000))) < 4.0


def test_a_new_trajectory_replaces_the_rest_of_the_old_one(bench):
    bench.send((0, 0.0), (1000, 10.0))
    assert bench.at(100) == pytest.approx(1.0)
    bench.send((0, 1.0), (100, 0.0), now_ms=100)
    assert bench.at(150) == pytest.approx(0.5) and bench.at(900) == 0.0


def test_a_stamp_is_the_start_and_points_in_the_past_are_passed_over(bench):
    assert bench.send((0, 0.0), (100, 1.0), (200, 2.0), now_ms=1150, stamp_ms=1000)
    assert bench.at(1150) == pytest.approx(1.5)


def test_an_empty_trajectory_holds_what_is_measured(bench):
    bench.send((1000, 5.0))
    bench.at(100)
    assert bench.send(now_ms=200)
    assert [bench.at(t, [0.3, 0.3]) for t in (200, 900)] == [0.3, 0.3]


def test_joints_are_put_in_order_by_name(bench):
    bench.controller.receive(0, 0, ('elbow', 'waist'), [GoalPoint(positions=[1.0, 2.0])])
    np.testing.assert_array_equal(bench.controller.command_at(0, REST), [2.0, 1.0])


@pytest.mark.parametrize(('send', 'told'), [
    (lambda bench: bench.send((10, 9.0), now_ms=1020, stamp_ms=1000), 'ended 0.010 s ago'),
    (lambda bench: bench.send((10, 9.0), (10, 9.0)), 'do not increase'),
    (lambda bench: bench.send((10, 9.0), names=('waist', 'tail')), 'tail'),
    (lambda bench: bench.send((10, 9.0), names=('waist',)), 'expected'),
    (lambda bench: bench.send((10, 9.0, 0.5)), 'at rest'),
    (lambda bench: bench.controller.receive(0, 0, NAMES, [GoalPoint(positions=[1.0])]), '2'),
])
def test_what_is_refused_is_logged_and_leaves_the_old_trajectory(bench, send, told):
    bench.send((0, 0.0), (100, 1.0))
    assert send(bench) is False
    assert bench.logs[-1][0] == 'error' and told in bench.logs[-1][1]
    assert bench.at(50) == pytest.approx(0.5)
