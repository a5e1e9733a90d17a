# SPDX-License-Identifier: Apache-2.0
"""policy_node over real topics: answers good observations, names what is wrong with bad ones."""

import array
import threading
import time

import numpy as np
import pytest
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image, JointState
from std_msgs.msg import Header
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from cosmos_policy_ros.errors import ConfigurationError, PredictionError
from cosmos_policy_ros.nodes import conversions, qos
from cosmos_policy_ros.nodes.image_conversions import image_from_rgb
from cosmos_policy_ros.nodes.interfaces import (
    ActionChunkMsg, PlanMsg, PolicyStatusMsg, PredictionErrorMsg)
from cosmos_policy_ros.nodes.policy_node import PolicyNode
from cosmos_policy_ros.policy.query_seed import query_seed
from cosmos_policy_ros.spec.action import ActionChunk
from cosmos_policy_ros.spec.aloha import ALOHA
from cosmos_policy_ros.spec.plan import best_candidate, Candidate, Plan
from cosmos_policy_ros.spec.prediction import Prediction

CAMERAS = ('cam_high', 'cam_left_wrist', 'cam_right_wrist')


class StillPolicy:
    """Answers with the measured pose; can be told to fail or to take its time."""

    name, is_trained, known_tasks, chunk_size = 'still', True, ('hold still', 'wave'), 50
    camera_names = CAMERAS
    can_plan, trained_values, can_continue = True, ('v_next',), True

    def __init__(self):
        self.seen = []
        self.plannings = []
        self.committed = []
        self.resets = 0
        self.error = None
        self.gate = threading.Event()
        self.gate.set()

    def predict(self, observation, seed, *, num_denoising_steps=None, with_future_images=False,
                planning=None, committed_actions=None):
        """Return a chunk that holds still, and a plan if one is asked for."""
        self.committed.append(committed_actions)
        self.seen.append((observation, seed, num_denoising_steps, with_future_images))
        self.plannings.append(planning)
        self.gate.wait(10.0)
        if self.error is not None:
            raise self.error
        images = {camera: np.full((8, 8, 3), 50, np.uint8) for camera in CAMERAS}
        return Prediction(
            chunk=ActionChunk(positions=np.tile(observation.proprio, (50, 1)),
                              stamp_ns=observation.stamp_ns, period_ns=40_000_000),
            future_proprio=observation.proprio, value=0.5, seed=seed, num_denoising_steps=5,
            future_images=images if with_future_images else {},
            mode='planning' if planning else 'direct',
            plan=plan_of(planning, observation.proprio) if planning else None)

    def seen_images(self, observation):
        """Return small grey images."""
        return {camera: np.full((8, 8, 3), 60, np.uint8) for camera in CAMERAS}

    def reset(self):
        """Count resets."""
        self.resets += 1


def plan_of(settings, proprio):
    """Return a plan whose second candidate is the best."""
    chunk = np.tile(proprio, (50, 1))
    candidates = tuple(Candidate(
        seed=index, chunk=chunk, value=0.9 if index == 1 else 0.2,
        member_values=np.full((1, 1, 1), 0.9 if index == 1 else 0.2))
        for index in range(settings.num_candidates))
    return Plan(candidates=candidates, winner_index=best_candidate(candidates),
                num_requested=settings.num_candidates, value_kind=settings.value_kind,
                aggregation=settings.aggregation, search_depth=1, reason='complete')


class Robot:
    """Publishes what a robot would: joint states and images, each of which a test may spoil."""

    def __init__(self, ros):
        self._ros, self.node = ros, ros.node('robot')
        self._joints = {arm.name: self.node.create_publisher(
            JointState, f'{arm.name}/joint_states', qos.DRIVER) for arm in ALOHA.arms}
        self._images = {camera: self.node.create_publisher(Image, f'{camera}/image', qos.CAMERA)
                        for camera in CAMERAS}
        self.spoil_joints = self.spoil_image = lambda name, msg: msg
        self._count = 0
        self.node.create_timer(0.03, self.publish)

    def publish(self):
        """Publish one round of everything; a spoiler that returns None withholds a message."""
        self._count += 1
        now = self.node.get_clock().now().to_msg()
        for arm in ALOHA.arms:
            names = [*arm.joint_names, 'gripper', 'left_finger', 'right_finger']
            msg = self.spoil_joints(arm.name, JointState(
                header=Header(stamp=now), name=names,
                position=[*arm.start_rad, 1.0, 0.05, -0.05]))
            if msg is not None:
                self._joints[arm.name].publish(msg)
        for camera in CAMERAS:
            pixels = np.full((480, 640, 3), self._count % 256, np.uint8)
            msg = self.spoil_image(camera, image_from_rgb(
                pixels, conversions.stamp_to_ns(now), camera))
            if msg is not None:
                self._images[camera].publish(msg)


class World:
    """A policy node, its robot, and everything it publishes."""

    def __init__(self, ros, **parameters):
        self.ros, self.policy, self.robot = ros, StillPolicy(), Robot(ros)
        node = self.robot.node
        self.chunks = ros.collect(node, ActionChunkMsg, '/policy_node/action_chunk')
        self.trajectories = ros.collect(node, JointTrajectory, '/policy_node/joint_trajectory')
        self.statuses = ros.collect(node, PolicyStatusMsg, '/policy_node/status', qos.STATUS)
        values = {'task': 'hold still', 'autostart': 'active', 'start_on_activate': True,
                  'execution_horizon': 5, **parameters}
        self.node = ros.add(PolicyNode(policy=self.policy, **ros.parameters(**values)))

    def wait_for_problem(self, *words):
        """Spin until the status tells a problem that holds all words."""
        self.ros.spin_until(
            lambda: self.statuses and all(word in self.statuses[-1].problem for word in words),
            f'a problem with {words}; the last was '
            f'{self.statuses[-1].problem if self.statuses else None!r}')

    def trigger(self, name):
        """Call ~/start or ~/stop."""
        return self.ros.call(self.robot.node, Trigger, f'/policy_node/{name}', Trigger.Request())

    def set(self, **values):
        """Set parameters and return the first reason of refusal, or ''."""
        results = self.node.set_parameters(
            [Parameter(name, value=value) for name, value in values.items()])
        return next((result.reason for result in results if not result.successful), '')


def without(camera):
    """Withhold the images of one camera."""
    return lambda name, msg: None if name == camera else msg


def frozen_content(msg):
    """Return the message with one picture and a fresh stamp."""
    return image_of(msg, np.full((480, 640, 3), 77, np.uint8))


def test_a_chunk_is_published_as_a_trajectory_and_with_everything_that_led_to_it(ros):
    world = World(ros, seed=7)
    ros.spin_until(lambda: world.chunks and world.trajectories, 'a chunk')
    chunk, trajectory = world.chunks[0], world.trajectories[0]
    assert list(trajectory.joint_names) == list(ALOHA.joint_names)
    assert len(trajectory.points) == 50 and trajectory.header.stamp == chunk.header.stamp
    observation = world.policy.seen[0][0]
    assert conversions.stamp_to_ns(chunk.header.stamp) == observation.stamp_ns
    np.testing.assert_allclose(trajectory.points[0].positions, observation.proprio)
    assert (chunk.task, chunk.mode, chunk.seed, chunk.policy) == (
        'hold still', 'direct', 7, 'still')
    assert chunk.is_trained and chunk.value == 0.5 and 0 < chunk.latency_s < 5


def test_fresh_noise_has_a_seed_that_the_stamp_of_the_observation_tells(ros):
    world = World(ros, seed=7, fresh_noise=True, execution_horizon=10)
    ros.spin_until(lambda: len(world.chunks) >= 2, 'two chunks')
    seeds = [chunk.seed for chunk in world.chunks]
    assert seeds == [query_seed(7, conversions.stamp_to_ns(chunk.header.stamp))
                     for chunk in world.chunks]
    assert len(set(seeds)) == len(seeds)


def test_queries_follow_one_another_by_the_execution_horizon(ros):
    world = World(ros, execution_horizon=10)
    ros.spin_until(lambda: len(world.chunks) >= 4, 'four chunks')
    stamps_s = [conversions.stamp_to_ns(chunk.header.stamp) / 1e9 for chunk in world.chunks]
    # A query is due a horizon after the last observation; its images are then a little older.
    assert 0.3 <= min(np.diff(stamps_s)) and np.median(np.diff(stamps_s)) < 0.6


def test_without_a_horizon_the_next_query_is_as_late_as_the_latency_permits(ros):
    world = World(ros, execution_horizon=0, blend_s=0.4)
    ros.spin_until(lambda: len(world.chunks) >= 3, 'three chunks')
    stamps_s = [conversions.stamp_to_ns(chunk.header.stamp) / 1e9 for chunk in world.chunks]
    assert 0.8 < np.diff(stamps_s)[-1] < 1.7


def test_images_are_imagined_only_while_somebody_watches(ros):
    world = World(ros)
    ros.spin_until(lambda: len(world.chunks) >= 2, 'two chunks')
    assert not any(seen[3] for seen in world.policy.seen)
    images = ros.collect(world.robot.node, Image, '/policy_node/predicted/cam_high')
    ros.spin_until(lambda: images, 'an imagined image')
    assert (images[0].width, images[0].encoding) == (8, 'rgb8')
    imagined_ns = conversions.stamp_to_ns(images[0].header.stamp)
    assert any(imagined_ns == conversions.stamp_to_ns(chunk.header.stamp) + 2 * 10**9
               for chunk in world.chunks)


def test_a_slow_model_blocks_no_callback(ros):
    world = World(ros)
    world.policy.gate.clear()
    ros.spin_until(lambda: world.policy.seen, 'a query')
    start = time.monotonic()
    assert world.trigger('stop').success
    assert time.monotonic() - start < 2.0
    world.policy.gate.set()
    ros.spin(0.5)
    assert not world.chunks, 'an answer that came after stop was published'


def test_stop_ends_queries_and_start_resets_the_policy(ros):
    world = World(ros)
    ros.spin_until(lambda: world.chunks, 'a chunk')
    world.trigger('stop')
    ros.spin(0.3)
    count = len(world.chunks)
    ros.spin(0.6)
    assert len(world.chunks) == count and world.statuses[-1].state == 'stopped'
    assert world.trigger('start').success
    ros.spin_until(lambda: len(world.chunks) > count, 'a chunk after start')
    assert world.policy.resets == 2


def test_nothing_is_queried_before_activation(ros):
    world = World(ros, autostart='inactive')
    answer = world.trigger('start')
    assert not answer.success and 'not active' in answer.message
    world.node.trigger_activate()
    ros.spin_until(lambda: world.chunks, 'a chunk after activation')
    world.node.trigger_deactivate()
    ros.spin_until(lambda: world.statuses[-1].state == 'inactive', 'the inactive state')


@pytest.mark.parametrize(('spoil', 'words'), [
    (without('cam_high'), ('cam_high', 'missing')),
    (lambda name, msg: image_of(msg, np.zeros((240, 320, 3), np.uint8)),
     ('(240, 320', '(480, 640')),
    (lambda name, msg: with_encoding(msg, 'mono8'), ('mono8', 'rgb8')),
    (lambda name, msg: frozen(msg), ('frozen',)),
    (lambda name, msg: with_stamp(msg, 1), ('old',)),
    (lambda name, msg: with_data(msg, b'short'), ('holds 5 bytes',)),
])
def test_a_bad_image_is_named_and_no_chunk_is_published(ros, spoil, words):
    world = World(ros, autostart='inactive')
    world.robot.spoil_image = spoil
    world.node.trigger_activate()
    world.wait_for_problem(*words)
    world.chunks.clear()
    ros.spin(0.5)
    assert not world.chunks
    world.robot.spoil_image = lambda name, msg: msg
    ros.spin_until(lambda: world.chunks, 'a chunk once the images are good')


@pytest.mark.parametrize(('spoil', 'word'), [
    (without('cam_high'), 'old'),
    (lambda name, msg: frozen_content(msg) if name == 'cam_high' else msg, 'frozen'),
], ids=['silent', 'frozen'])
def test_a_camera_that_fails_is_told_at_once_and_not_only_at_the_next_query(ros, spoil, word):
    world = World(ros, execution_horizon=1000)
    ros.spin_until(lambda: world.chunks and world.statuses, 'a chunk')
    assert not world.statuses[-1].image_problem
    world.robot.spoil_image = spoil
    ros.spin_until(lambda: world.statuses[-1].image_problem, 'a word about the images')
    assert world.statuses[-1].image_problem.startswith('cam_high: ')
    assert word in world.statuses[-1].image_problem and len(world.chunks) == 1
    world.robot.spoil_image = lambda name, msg: msg
    ros.spin_until(lambda: not world.statuses[-1].image_problem, 'the end of it')


def test_inference_can_be_made_slow_for_rehearsals_while_it_runs(ros):
    world = World(ros, execution_horizon=1)
    ros.spin_until(lambda: world.chunks, 'a chunk')
    world.node.set_parameters([Parameter('inference_delay_s', value=1.0)])
    ros.spin(0.2)
    world.chunks.clear()
    ros.spin_until(lambda: len(world.chunks) > 1, 'slow chunks')
    assert world.chunks[-1].latency_s > 1.0


@pytest.mark.parametrize(('spoil', 'words'), [
    (lambda name, msg: None if 'right' in name else msg, ('follower_right', 'missing')),
    (lambda name, msg: with_position(msg, float('nan')), ('follower_left', 'nan')),
    (lambda name, msg: minus_pi(msg), ('-pi', 'failed read')),
    (lambda name, msg: renamed(msg, 'elbow', 'knee'), ('elbow', 'knee')),
    (lambda name, msg: with_position(msg, 9.0), ('9.0', 'limits')),
])
def test_a_bad_joint_state_is_named_and_no_chunk_is_published(ros, spoil, words):
    world = World(ros, autostart='inactive')
    world.robot.spoil_joints = spoil
    world.node.trigger_activate()
    world.wait_for_problem(*words)
    assert not world.chunks


def test_a_camera_that_dies_while_running_ends_the_chunks(ros):
    world = World(ros)
    ros.spin_until(lambda: world.chunks, 'a chunk')
    world.robot.spoil_image = without('cam_left_wrist')
    world.wait_for_problem('cam_left_wrist', 'old')
    world.chunks.clear()
    ros.spin(0.5)
    assert not world.chunks


def test_an_unknown_task_is_refused_and_the_known_ones_are_listed(ros):
    world = World(ros)
    reason = world.set(task='juggle')
    assert "'juggle'" in reason and "'wave'" in reason
    assert world.set(task='wave') == ''
    ros.spin_until(lambda: world.chunks and world.chunks[-1].task == 'wave', 'a chunk for wave')


def test_a_node_that_cannot_become_what_autostart_asks_for_is_not_made(ros):
    with pytest.raises(ConfigurationError, match='policy_node cannot become active'):
        World(ros, task='juggle')


def test_a_parameter_out_of_range_is_refused_with_the_range(ros):
    world = World(ros)
    assert '1000' in world.set(execution_horizon=-1)
    assert world.node.get_parameter('execution_horizon').value == 5
    assert 'unconfigured' in world.set(checkpoint='elsewhere')


def test_a_failing_prediction_is_reported_and_the_next_one_is_tried(ros):
    world = World(ros)
    world.policy.error = PredictionError('nan at index 3')
    world.wait_for_problem('inference failed', 'nan at index 3')
    world.policy.error = None
    ros.spin_until(lambda: world.chunks, 'a chunk after the failure')


def test_failures_in_a_row_are_not_retried_at_once(ros):
    world = World(ros)
    world.policy.error = PredictionError('nan at index 3')
    world.wait_for_problem('nan at index 3')
    first = len(world.policy.seen)
    ros.spin(1.2)
    # Pauses of 0.25, 0.5 and 1 s, where the query timer alone would have made sixty attempts.
    assert len(world.policy.seen) - first <= 3


def test_inference_that_is_too_slow_for_its_chunks_is_a_warning(ros):
    world = World(ros, inference_delay_s=1.1)
    ros.spin_until(lambda: world.statuses and 'arms pause' in world.statuses[-1].warning,
                   'the warning')
    assert 'async_blend: chunks of 2.00 s take 1.' in world.statuses[-1].warning
    assert 'allowed: 1.00 s' in world.statuses[-1].warning


def test_a_chunk_is_asked_to_begin_with_what_runs_meanwhile(ros):
    world = World(ros, strategy='prefix_conditioned', inference_delay_s=0.3)
    ros.spin_until(lambda: len(world.policy.committed) >= 3, 'three queries')
    assert world.policy.committed[0] is None, 'nothing runs before the first chunk'
    actions = world.policy.committed[-1]
    assert 5 <= len(actions) <= 25 and actions.shape[1] == 14
    held = np.tile(world.policy.seen[0][0].proprio, (len(actions), 1))
    np.testing.assert_allclose(actions, held)


def test_other_strategies_commit_nothing(ros):
    world = World(ros, inference_delay_s=0.3)
    ros.spin_until(lambda: len(world.policy.committed) >= 3, 'three queries')
    assert all(actions is None for actions in world.policy.committed)


def test_prefix_conditioning_is_refused_for_a_policy_that_cannot_continue(ros):
    world = World(ros)
    world.policy.can_continue = False
    assert "'still' cannot begin a chunk" in world.set(strategy='prefix_conditioned')
    assert world.node.get_parameter('strategy').value == 'async_blend'


def test_an_unforeseen_error_stops_the_queries(ros):
    world = World(ros)
    world.policy.error = ZeroDivisionError('surprise')
    world.wait_for_problem('surprise')
    ros.spin_until(lambda: world.statuses[-1].state == 'stopped', 'the stopped state')


def test_planning_is_switched_on_and_off_while_running(ros):
    world = World(ros)
    plans = ros.collect(world.robot.node, PlanMsg, '/policy_node/plan')
    ros.spin_until(lambda: world.chunks, 'a direct chunk')
    assert not plans and world.chunks[-1].mode == 'direct'
    assert world.set(num_candidates=4) == '' and world.set(mode='planning') == ''
    ros.spin_until(lambda: plans and world.chunks[-1].mode == 'planning', 'a plan')
    plan = plans[0]
    assert (len(plan.candidates), plan.winner_index, plan.num_counted) == (4, 1, 4)
    assert plan.value_spread == pytest.approx(0.7) and plan.reason == 'complete'
    assert len(plan.candidates[0].positions) == 50 * 14
    assert plan.header.stamp in [chunk.header.stamp for chunk in world.chunks]
    assert world.set(mode='direct') == ''
    count = len(world.chunks)
    ros.spin_until(lambda: any(chunk.mode == 'direct' for chunk in world.chunks[count:]),
                   'a direct chunk again')


def test_planning_parameters_that_contradict_each_other_are_refused_together(ros):
    world = World(ros)
    results = world.node.set_parameters_atomically([
        Parameter('value_kind', value='q'), Parameter('num_futures', value=3)])
    assert not results.successful and 'num_futures 3' in results.reason
    assert world.node.get_parameter('value_kind').value == 'v_next'
    assert world.set(num_candidates=0) != ''


def test_planning_with_an_untrained_value_warns_or_is_refused(ros):
    world = World(ros)
    assert world.set(value_kind='q') == '' and world.set(mode='planning') == ''
    ros.spin_until(lambda: world.statuses and 'not trained' in world.statuses[-1].warning,
                   'the warning')
    world.set(mode='direct')
    world.set(untrained_value='refuse')
    reason = world.set(mode='planning')
    assert "'q'" in reason and 'trained: v_next' in reason


def test_a_policy_that_cannot_plan_refuses_the_mode(ros):
    world = World(ros)
    world.policy.can_plan = False
    assert 'cannot plan' in world.set(mode='planning')


def test_predictions_are_compared_with_what_arrives_at_their_time(ros):
    world = World(ros, watch_predictions=True, execution_horizon=10)
    errors = ros.collect(world.robot.node, PredictionErrorMsg, '/policy_node/prediction_error')
    ros.spin_until(lambda: errors, 'a comparison, two seconds after its prediction')
    error = errors[0]
    assert list(error.cameras) == list(CAMERAS)
    np.testing.assert_allclose(error.image_error, 10 / 255, atol=1e-6)
    assert list(error.image_change) == [0.0] * 3
    assert error.proprio_rms < 1e-6 and 0 <= error.lateness_s < 0.3
    assert error.uncertainty == pytest.approx(10 / 255)
    due = [conversions.stamp_to_ns(chunk.header.stamp) + 2 * 10**9 for chunk in world.chunks]
    assert conversions.stamp_to_ns(error.header.stamp) in due


def test_the_prediction_error_decides_whether_planning_pays(ros):
    world = World(ros, watch_predictions=True, mode='planning', uncertainty_threshold=0.5)
    ros.spin_until(lambda: any(settings.uncertainty is not None
                               for settings in world.policy.plannings), 'a known uncertainty')
    known = [settings for settings in world.policy.plannings if settings.uncertainty is not None]
    assert known[0].uncertainty == pytest.approx(10 / 255) and not known[0].is_needed


def test_shutdown_while_configured_and_while_not_ends_quietly(ros):
    world = World(ros)
    world.node.trigger_shutdown()
    assert world.node._policy is None
    other = World(ros, autostart='unconfigured')
    other.node.trigger_shutdown()


def test_a_policy_that_learned_with_the_other_arm_first_is_not_loaded(ros):
    world = World(ros, autostart='unconfigured')
    world.policy.arm_order = ('right', 'left')
    assert world.node.trigger_configure() == TransitionCallbackReturn.FAILURE
    world.policy.arm_order = ('left', 'right')
    assert world.node.trigger_configure() == TransitionCallbackReturn.SUCCESS


def test_cleanup_and_configure_start_afresh(ros):
    world = World(ros)
    ros.spin_until(lambda: world.chunks, 'a chunk')
    world.node.trigger_deactivate()
    world.node.trigger_cleanup()
    assert world.set(checkpoint='elsewhere') == ''
    world.chunks.clear()
    world.node.trigger_configure()
    world.node.trigger_activate()
    ros.spin_until(lambda: world.chunks, 'a chunk after a new configure')


def with_encoding(msg, encoding):
    """Return the image with another encoding."""
    msg.encoding = encoding
    return msg


def with_stamp(msg, sec):
    """Return the image with another stamp."""
    msg.header.stamp.sec = sec
    return msg


def with_data(msg, data):
    """Return the image with other bytes."""
    msg.data = array.array('B', data)
    return msg


def image_of(msg, pixels):
    """Return an image of other pixels with the stamp of `msg`."""
    return image_from_rgb(pixels, conversions.stamp_to_ns(msg.header.stamp), 'cam')


def frozen(msg):
    """Return an image whose content never changes."""
    return image_of(msg, np.full((480, 640, 3), 123, np.uint8))


def with_position(msg, value):
    """Return the joint state with another first position."""
    msg.position[0] = value
    return msg


def minus_pi(msg):
    """Return the joint state of a failed bus read."""
    msg.position = [-np.pi] * 7 + [0.05, -0.05]
    return msg


def renamed(msg, old, new):
    """Return the joint state with one joint renamed."""
    msg.name = [new if name == old else name for name in msg.name]
    return msg
