# SPDX-License-Identifier: Apache-2.0
"""The `metadata.yaml` by which rosbag2 knows a folder as a bag."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

from cosmos_policy_ros.recording.durable_file import write_durably
from cosmos_policy_ros.recording.topic import Topic

BAG_METADATA_FILE = 'metadata.yaml'

# Version 5 is the newest that Humble reads; Jazzy and later read it as well.
_BAG_VERSION = 5


def save_bag_metadata(
    directory: Path, *, file_name: str, topics: Mapping[Topic, int], first_ns: int, last_ns: int,
) -> None:
    """Write the bag metadata of a folder with one MCAP file.

    Args:
        directory: The folder.
        file_name: Name of the MCAP file in it.
        topics: Recorded topics, each with its number of messages.
        first_ns: Log time of the earliest message in [ns].
        last_ns: Log time of the latest message in [ns].

    Raises:
        OSError: If the file cannot be written.
    """
    span = {'starting_time': {'nanoseconds_since_epoch': first_ns},
            'duration': {'nanoseconds': last_ns - first_ns},
            'message_count': sum(topics.values())}
    content = {'rosbag2_bagfile_information': {
        'version': _BAG_VERSION, 'storage_identifier': 'mcap', **span,
        'topics_with_message_count': [
            _describe(topic, count) for topic, count in topics.items()],
        'compression_format': '', 'compression_mode': '',
        'relative_file_paths': [file_name],
        'files': [{'path': file_name, **span}],
    }}
    write_durably(directory / BAG_METADATA_FILE, yaml.dump(
        content, Dumper=_PlainDumper, sort_keys=False))


def _describe(topic: Topic, count: int) -> dict[str, object]:
    return {'topic_metadata': {'name': topic.name, 'type': topic.type_name,
                               'serialization_format': 'cdr',
                               'offered_qos_profiles': topic.qos.to_yaml()},
            'message_count': count}


class _PlainDumper(yaml.SafeDumper):
    """Writes repeated values in full: readers of bags do not expect YAML aliases."""

    def ignore_aliases(self, data: object) -> bool:
        return True
