# SPDX-License-Identifier: Apache-2.0
"""An episode of a whole robot opens in the tools for bags, by readers that are not ours."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory
from rosbags.rosbag2 import Reader
from rosbags.typesys import get_types_from_msg, get_typestore, Stores
import yaml

from cosmos_policy_ros.recording.reader import EpisodeReader


def test_the_folder_is_a_bag_with_the_right_counts_and_types(episode: Path):
    ours = EpisodeReader(episode).topics
    with Reader(episode) as bag:
        assert {name: topic.msgtype for name, topic in bag.topics.items()} == {
            name: topic.type_name for name, topic in ours.items()}
        assert {name: topic.msgcount for name, topic in bag.topics.items()} == {
            name: topic.count for name, topic in ours.items()}
        read = Counter(connection.topic for connection, _, _ in bag.messages())
        assert read == {name: topic.count for name, topic in ours.items()}
        assert bag.message_count == sum(read.values())
        assert bag.start_time == min(topic.first_ns for topic in ours.values())
        # The end of a bag is behind its last message.
        assert bag.end_time == max(topic.last_ns for topic in ours.values()) + 1


def test_metadata_names_what_rosbag2_needs(episode: Path):
    info = yaml.safe_load((episode / 'metadata.yaml').read_text())['rosbag2_bagfile_information']
    assert info['storage_identifier'] == 'mcap' and info['version'] >= 5
    assert info['relative_file_paths'] == [f'{episode.name}_0.mcap']
    assert info['files'][0]['path'] == f'{episode.name}_0.mcap'
    assert info['message_count'] == info['files'][0]['message_count'] == sum(
        topic['message_count'] for topic in info['topics_with_message_count'])
    assert {topic['topic_metadata']['serialization_format']
            for topic in info['topics_with_message_count']} == {'cdr'}


def test_the_summary_of_the_file_describes_all_of_it(episode: Path):
    with (episode / f'{episode.name}_0.mcap').open('rb') as file:
        reader = make_reader(file, validate_crcs=True)
        assert reader.get_header().profile == 'ros2'
        summary = reader.get_summary()
        counts = Counter(channel.id for _, channel, _ in reader.iter_messages())
    statistics = summary.statistics
    assert statistics.message_count == sum(counts.values())
    assert statistics.channel_message_counts == counts
    assert statistics.chunk_count == len(summary.chunk_indexes) > 0
    assert {chunk.compression for chunk in summary.chunk_indexes} == {'zstd'}
    assert {schema.encoding for schema in summary.schemas.values()} == {'ros2msg'}
    assert {channel.message_encoding for channel in summary.channels.values()} == {'cdr'}


def test_the_definition_of_every_topic_can_be_read_and_fits_its_messages(episode: Path):
    reader, factory = EpisodeReader(episode), DecoderFactory()
    for name, topic in reader.topics.items():
        schema = reader.schema(name)
        store = get_typestore(Stores.EMPTY)
        store.register(get_types_from_msg(schema.data.decode(), topic.type_name))
        message = next(reader.messages([name]))
        store.deserialize_cdr(message.data, topic.type_name)
        assert factory.decoder_for('cdr', schema)(message.data) is not None
