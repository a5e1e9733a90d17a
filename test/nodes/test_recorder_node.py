# SPDX-License-Identifier: Apache-2.0
"""recorder_node over real topics: what is published is on disk, byte for byte."""

import json
import time

import pytest
import rclpy
from rclpy.action import ActionClient
from rclpy.parameter import Parameter
from rclpy.serialization import serialize_message
from rosbags.highlevel import AnyReader
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool, String
from std_srvs.srv import Trigger
import yaml

from cosmos_policy_ros.nodes import qos
from cosmos_policy_ros.nodes.interfaces import (
    BeginBatch, LabelEpisode, PolicyStatusMsg, RecordBatch, RecorderStatusMsg)
from cosmos_policy_ros.nodes.recorder_node import RecorderNode
from cosmos_policy_ros.recording.episode import load_metadata
from cosmos_policy_ros.recording.health_report import HEALTH_FILE, load_judgement
from cosmos_policy_ros.recording.parameters_file import PARAMETERS_FILE
from cosmos_policy_ros.recording.reader import EpisodeReader

JOINTS = '/follower_left/joint_states'
LATE = '/policy_node/status'


class World:
    """A recorder, and somebody who publishes joint states."""

    def __init__(self, ros, folder, **parameters):
        self.ros, self.folder = ros, folder
        self.node = ros.node()
        self.publisher = self.node.create_publisher(JointState, JOINTS, qos.DRIVER)
        values = {'output_directory': str(folder), 'topics': (JOINTS,),
                  'optional_topics': (LATE,), 'min_free_bytes': 0, 'task': 'wave',
                  'discovery_timeout_s': 0.5, **parameters}
        self.recorder = ros.add(RecorderNode(**ros.parameters(**values)))
        self.statuses = ros.collect(self.node, RecorderStatusMsg, '/recorder_node/status',
                                    qos.STATUS)

    @property
    def messages(self):
        """Messages taken of the running episode."""
        return self.recorder._recording.messages

    def trigger(self, name):
        """Call a service of the recorder."""
        return self.ros.call(self.node, Trigger, f'/recorder_node/{name}', Trigger.Request())

    def label(self, outcome, score=1.0, note=''):
        """Label the episode."""
        return self.ros.call(self.node, LabelEpisode, '/recorder_node/label',
                             LabelEpisode.Request(outcome=outcome, score=score, note=note))

    def start(self):
        """Start recording and wait until the recorder hears the publisher."""
        answer = self.trigger('start')
        assert answer.success, answer.message
        self.ros.spin_until(self.publisher.get_subscription_count, 'the subscription')

    def begin(self, **values):
        """Begin a batch."""
        return self.ros.call(self.node, BeginBatch, '/recorder_node/begin_batch',
                             BeginBatch.Request(**values))

    @property
    def state(self):
        """State in the newest status."""
        return self.statuses[-1].state if self.statuses else ''

    def reach(self, state):
        """Wait until the recorder is in a state, with something to record going on."""
        def is_there():
            self.publisher.publish(JointState(name=['waist'], position=[0.0]))
            return self.state == state
        self.ros.spin_until(is_there, f'the state {state}')

    def publish(self, count):
        """Publish messages and wait until they are counted; return their bytes."""
        sent = [JointState(name=['waist'], position=[float(i)]) for i in range(count)]
        before = self.messages
        for index, msg in enumerate(sent):
            self.publisher.publish(msg)
            self.ros.spin_until(lambda: self.messages >= before + index + 1, 'arrival')
        return [serialize_message(msg) for msg in sent]


@pytest.fixture
def world(ros, tmp_path):
    """A world that records below the test's folder."""
    return World(ros, tmp_path)


def test_every_message_is_on_disk_byte_for_byte_and_readable_by_others(world):
    world.start()
    sent = world.publish(20)
    assert world.label('success', note='well done').success
    assert world.trigger('stop').success
    episode = world.folder / 'episode_000000'
    recorded = [message.data for message in EpisodeReader(episode).messages([JOINTS])]
    # Serialising locally leaves padding behind the message that the middleware does not send.
    assert [data == other[:len(data)] for data, other in zip(recorded, sent, strict=True)] == (
        [True] * 20)
    with AnyReader([episode]) as reader:
        positions = [reader.deserialize(raw, connection.msgtype).position[0]
                     for connection, _, raw in reader.messages()
                     if connection.topic == JOINTS]
    assert positions == list(range(20))
    metadata = load_metadata(episode)
    assert (metadata.task, metadata.label.outcome.value, metadata.label.note) == (
        'wave', 'success', 'well done')


def test_a_topic_that_appears_later_is_recorded_too(ros, world):
    world.start()
    late = world.node.create_publisher(PolicyStatusMsg, LATE, qos.STATUS)
    late.publish(PolicyStatusMsg(task='late'))
    ros.spin_until(lambda: world.messages >= 1, 'the late message')
    world.trigger('stop')
    reader = EpisodeReader(world.folder / 'episode_000000')
    assert [message.topic for message in reader.messages()] == [LATE]


def test_start_names_the_topics_that_nobody_publishes(ros, tmp_path):
    world = World(ros, tmp_path, topics=(JOINTS, '/follower_right/joint_states'))
    answer = world.trigger('start')
    assert not answer.success and 'nobody publishes /follower_right/joint_states' in answer.message
    assert not list(tmp_path.iterdir())


def test_start_is_refused_without_disk_and_while_recording(ros, tmp_path):
    world = World(ros, tmp_path, min_free_bytes=10**15)
    answer = world.trigger('start')
    assert not answer.success and 'GB free' in answer.message
    world.recorder.set_parameters([Parameter('min_free_bytes', value=0)])
    world.start()
    answer = world.trigger('start')
    assert not answer.success and 'the recorder is recording' in answer.message


def test_stop_without_start_and_label_without_episode_are_refused(world):
    assert not world.trigger('stop').success
    answer = world.label('success')
    assert not answer.success and 'no episode' in answer.message


@pytest.mark.parametrize(('outcome', 'score', 'word'), [
    ('great', 1.0, 'great'), ('success', 1.5, '1.5'), ('success', float('nan'), 'nan')])
def test_a_label_out_of_range_is_refused_with_what_is_allowed(world, outcome, score, word):
    world.start()
    answer = world.label(outcome, score)
    assert not answer.success and word in answer.message


def test_a_finished_episode_can_be_relabelled_without_touching_its_messages(world):
    world.start()
    world.publish(3)
    world.trigger('stop')
    episode = world.folder / 'episode_000000'
    before = (episode / 'episode_000000_0.mcap').read_bytes()
    assert world.label('failure', 0.25).success
    assert load_metadata(episode).label.score == 0.25
    assert (episode / 'episode_000000_0.mcap').read_bytes() == before


def test_a_label_after_a_discard_does_not_reach_the_episode_before(world):
    world.start()
    world.publish(3)
    world.trigger('stop')
    assert world.label('success').success
    world.start()
    world.publish(3)
    assert world.trigger('discard').success
    answer = world.label('failure', 0.0)
    assert not answer.success and 'the last one is gone' in answer.message
    assert load_metadata(world.folder / 'episode_000000').label.outcome == 'success'
    assert not world.trigger('re_record').success
    assert (world.folder / 'episode_000000').is_dir()


def test_an_episode_whose_place_aside_is_taken_stays_the_last_one(world):
    world.start()
    world.publish(3)
    world.trigger('stop')
    (world.folder / 'set_aside/episode_000000').mkdir(parents=True)
    for _ in range(2):
        answer = world.trigger('re_record')
        assert not answer.success and 'exists' in answer.message
    assert world.label('failure', 0.0).success


def test_a_disk_that_does_not_answer_is_reported_and_the_episode_goes_on(
        ros, world, monkeypatch):
    def fail(path):
        raise OSError(116, 'Stale file handle')
    world.start()
    with monkeypatch.context() as patch:
        patch.setattr('cosmos_policy_ros.nodes.recorder_settings.shutil.disk_usage', fail)
        ros.spin_until(lambda: 'Stale file handle' in world.statuses[-1].problem, 'a report')
        world.publish(3)
    assert world.trigger('stop').success
    assert EpisodeReader(world.folder / 'episode_000000').topics[JOINTS].count == 3


@pytest.mark.parametrize(('outcome', 'score'), [
    ('success', 1.0), ('failure', 0.0), ('partial', None), ('unlabelled', None)])
def test_a_label_without_a_score_has_that_of_its_outcome(world, outcome, score):
    world.start()
    world.publish(3)
    world.trigger('stop')
    assert world.label(outcome, 0.0).success
    assert load_metadata(world.folder / 'episode_000000').label.score == score


def test_episodes_follow_one_another(world):
    for _ in range(2):
        world.start()
        world.publish(2)
        world.trigger('stop')
    assert sorted(path.name for path in world.folder.iterdir()) == [
        'episode_000000', 'episode_000001']


def test_shutting_the_node_down_finishes_the_episode(ros, world):
    world.start()
    world.publish(5)
    world.recorder.destroy_node()
    assert EpisodeReader(world.folder / 'episode_000000').topics[JOINTS].count == 5


def test_status_tells_state_streams_and_disk(ros, world):
    world.start()
    world.publish(5)
    ros.spin_until(lambda: world.statuses and world.statuses[-1].state == 'recording'
                   and world.statuses[-1].messages >= 5, 'a status')
    status = world.statuses[-1]
    assert status.streams[0].topic == JOINTS and status.disk_free_bytes > 0


def test_a_folder_that_cannot_be_written_is_refused(ros, tmp_path):
    blocked = tmp_path / 'file'
    blocked.write_text('not a folder')
    world = World(ros, blocked)
    answer = world.trigger('start')
    assert not answer.success and 'file' in answer.message


def test_stopping_without_a_message_leaves_nothing_and_says_so(world):
    world.start()
    answer = world.trigger('stop')
    assert not answer.success and 'not one message came' in answer.message
    assert not list(world.folder.glob('episode*'))


def test_a_discarded_episode_is_gone_and_its_number_is_used_again(world):
    world.start()
    world.publish(2)
    assert world.trigger('discard').success
    assert not list(world.folder.glob('episode*'))
    assert not world.trigger('discard').success
    world.start()
    world.publish(1)
    assert world.trigger('stop').message.endswith('episode_000000')


def test_recording_again_sets_the_last_episode_aside_and_never_reuses_its_name(world):
    world.start()
    world.publish(2)
    world.trigger('stop')
    assert world.trigger('re_record').success
    assert (world.folder / 'set_aside' / 'episode_000000').is_dir()
    assert not world.trigger('re_record').success
    world.start()
    world.publish(1)
    assert world.trigger('stop').message.endswith('episode_000001')


def test_an_episode_tells_its_health_its_parameters_and_who_recorded_it(ros, tmp_path):
    world = World(ros, tmp_path, operator_name='kim', seed=7, checkpoint='aloha_small',
                  default_outcome='success')
    world.start()
    world.publish(3)
    ros.spin(0.5)
    asked = world.recorder._recording._parameters.values
    ros.spin_until(lambda: len(asked.get('/recorder_node', ())) > 30, 'its parameters')
    world.trigger('stop')
    episode = tmp_path / 'episode_000000'
    metadata = load_metadata(episode)
    assert (metadata.operator, metadata.seed, metadata.label.outcome.value) == (
        'kim', 7, 'success')
    assert metadata.checkpoint_id.startswith('sha256:')
    # Three messages by hand are no 100 Hz.
    assert load_judgement(episode).verdict.value == 'bad'
    assert json.loads((episode / HEALTH_FILE).read_text())['streams'][JOINTS]['messages'] == 3
    parameters = yaml.safe_load((episode / PARAMETERS_FILE).read_text())
    assert parameters['/recorder_node']['ros__parameters']['operator_name'] == 'kim'


def test_a_batch_goes_through_its_states_and_counts(ros, world):
    cues = ros.collect(world.node, String, '/recorder_node/cue')
    answer = world.begin(num_episodes=2, episode_s=0.5, warm_up_s=0.2, reset_s=0.2, task='stack')
    assert answer.success, answer.message
    for _ in range(2):
        world.reach('waiting')
        assert world.trigger('start').success
        world.reach('recording')
    world.reach('done')
    assert world.statuses[-1].batch_recorded == 2
    assert world.statuses[-1].last_verdict in ('good', 'usable', 'bad')
    names = sorted(path.name for path in world.folder.glob('episode_*'))
    assert names == ['episode_000000', 'episode_000001']
    assert load_metadata(world.folder / names[1]).task == 'stack'
    said = [cue.data for cue in cues]
    assert 'recording 2 of 2' in said and any('put the scene back' in cue for cue in said)


def test_a_batch_that_cannot_be_is_refused_and_so_is_one_within_another(world):
    assert 'num_episodes is 0' in world.begin(num_episodes=0).message
    assert 'need an end' in world.begin(num_episodes=1, start_alone=True).message
    assert world.begin(num_episodes=1).success
    assert 'only at rest' in world.begin(num_episodes=1).message
    assert world.trigger('end_batch').success and not world.trigger('end_batch').success


def test_a_bad_episode_of_a_batch_is_set_aside_and_recorded_again(ros, tmp_path):
    world = World(ros, tmp_path, **{'health.joint_rate_hz': 10000.0})
    world.begin(num_episodes=1, episode_s=0.4, re_record_bad=True)
    world.trigger('start')
    ros.spin_until(lambda: world.publisher.get_subscription_count(), 'the subscription')
    world.reach('waiting')
    assert (tmp_path / 'set_aside' / 'episode_000000').is_dir()
    assert world.statuses[-1].batch_recorded == 0
    world.recorder.set_parameters([
        Parameter(f'health.{name}', value=[9.0, 9.0])
        for name in ('missing_rate', 'joint_gap_s', 'dropped', 'latency_s')])
    world.trigger('start')
    world.reach('done')
    assert (tmp_path / 'episode_000001').is_dir()


def test_the_action_tells_what_was_recorded(ros, world):
    client = ActionClient(world.node, RecordBatch, '/recorder_node/record_batch')
    ros.spin_until(client.server_is_ready, 'the action server')
    states = []
    world.node.create_timer(0.02, lambda: world.publisher.publish(JointState()))
    goal = client.send_goal_async(
        RecordBatch.Goal(num_episodes=2, episode_s=1.0, start_alone=True),
        feedback_callback=lambda msg: states.append(msg.feedback.state))
    ros.spin_until(goal.done, 'the goal')
    result = goal.result().get_result_async()
    ros.spin_until(result.done, 'the result')
    assert [path[-14:] for path in result.result().result.episodes] == [
        'episode_000000', 'episode_000001']
    assert len(result.result().result.verdicts) == 2 and 'recording' in states


def test_cancelling_the_action_keeps_the_running_episode(ros, world):
    client = ActionClient(world.node, RecordBatch, '/recorder_node/record_batch')
    ros.spin_until(client.server_is_ready, 'the action server')
    goal = client.send_goal_async(RecordBatch.Goal(num_episodes=5))
    ros.spin_until(goal.done, 'the goal')
    world.start()
    world.publish(2)
    goal.result().cancel_goal_async()
    result = goal.result().get_result_async()
    ros.spin_until(result.done, 'the result')
    assert result.result().result.message == '1 of 5 recorded'
    assert (world.folder / 'episode_000000').is_dir()


def test_a_pedal_starts_and_stops_and_the_other_discards(ros, world):
    pedal = world.node.create_publisher(Bool, '/pedal', 10)
    other = world.node.create_publisher(Bool, '/pedal_discard', 10)
    ros.spin_until(lambda: pedal.get_subscription_count() and other.get_subscription_count(),
                   'the pedals')

    def press(publisher):
        publisher.publish(Bool(data=True))
        publisher.publish(Bool(data=False))
    press(pedal)
    world.reach('recording')
    press(other)
    world.reach('idle')
    assert not list(world.folder.glob('episode*'))
    press(pedal)
    world.reach('recording')
    world.publish(1)
    press(pedal)
    world.reach('idle')
    assert (world.folder / 'episode_000000').is_dir()


def test_closing_both_leader_grippers_starts_an_episode_of_a_batch(ros, tmp_path):
    world = World(ros, tmp_path, gesture_hold_s=0.2)
    leaders = [world.node.create_publisher(JointState, f'/leader_{side}/joint_states', 10)
               for side in ('left', 'right')]
    ros.spin_until(lambda: all(leader.get_subscription_count() for leader in leaders),
                   'the leaders')

    def hold(angle_rad, until):
        def is_over():
            for leader in leaders:
                leader.publish(JointState(name=['waist', 'gripper'], position=[0.0, angle_rad]))
            world.publisher.publish(JointState())
            return until()
        ros.spin_until(is_over, 'the effect of the gesture')

    def hold_for(angle_rad, duration_s):
        deadline = time.monotonic() + duration_s
        hold(angle_rad, lambda: time.monotonic() > deadline)
    hold_for(0.5, 0.5)
    hold_for(-0.05, 0.5)
    assert world.state == 'idle'
    world.begin(num_episodes=1)
    world.reach('waiting')
    hold_for(0.5, 0.5)
    hold(-0.05, lambda: world.state == 'recording')


def test_a_topic_that_changes_its_type_makes_the_episode_bad_and_is_named(ros, world):
    world.start()
    world.publish(2)
    # Within one participant the middleware refuses a second type; another process is not asked.
    other = rclpy.Context()
    other.init(domain_id=ros.context.get_domain_id())
    stranger = rclpy.create_node('stranger', context=other)
    stranger.create_publisher(String, JOINTS, 10)
    try:
        ros.spin_until(lambda: world.statuses and 'std_msgs/msg/String'
                       in world.statuses[-1].problem, 'the problem')
    finally:
        stranger.destroy_node()
        other.try_shutdown()
    world.trigger('stop')
    reasons = load_judgement(world.folder / 'episode_000000').reasons
    assert any(JOINTS in reason and 'std_msgs/msg/String' in reason for reason in reasons)


def test_an_episode_that_would_fill_the_disk_is_refused_before_it_begins(ros, tmp_path):
    world = World(ros, tmp_path, estimated_byte_rate=1e10, episode_s=86400.0)
    answer = world.trigger('start')
    assert not answer.success and 'the episode takes about 864000.0 GB' in answer.message
    assert world.trigger('stop').success is False


def test_a_limit_that_contradicts_itself_is_refused(world):
    result = world.recorder.set_parameters([Parameter('health.dropped', value=[0.5, 0.1])])[0]
    assert not result.successful and 'dropped' in result.reason
