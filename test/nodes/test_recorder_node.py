# SPDX-License-Identifier: Apache-2.0
"""recorder_node over real topics: what is published is on disk, byte for byte."""

import pytest
from rclpy.serialization import serialize_message
from rosbags.highlevel import AnyReader
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger

from cosmos_policy_ros.nodes import qos
from cosmos_policy_ros.nodes.interfaces import LabelEpisode, PolicyStatusMsg, RecorderStatusMsg
from cosmos_policy_ros.nodes.recorder_node import RecorderNode
from cosmos_policy_ros.recording.episode import load_metadata
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

    def publish(self, count):
        """Publish messages and wait until they are counted; return their bytes."""
        sent = [JointState(name=['waist'], position=[float(i)]) for i in range(count)]
        before = self.recorder._messages
        for index, msg in enumerate(sent):
            self.publisher.publish(msg)
            self.ros.spin_until(lambda: self.recorder._messages >= before + index + 1, 'arrival')
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
    ros.spin_until(lambda: world.recorder._messages >= 1, 'the late message')
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
    from rclpy.parameter import Parameter
    world.recorder.set_parameters([Parameter('min_free_bytes', value=0)])
    world.start()
    answer = world.trigger('start')
    assert not answer.success and 'already recording' in answer.message


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
