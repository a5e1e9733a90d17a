# SPDX-License-Identifier: Apache-2.0
"""What is recorded of a topic besides its messages."""

from __future__ import annotations

from dataclasses import dataclass

import yaml

from cosmos_policy_ros.errors import RecordingError

# Values of the rmw enumerations, which bags of every distribution since Foxy carry as numbers.
_HISTORY = {'system_default': 0, 'keep_last': 1, 'keep_all': 2, 'unknown': 3}
_RELIABILITY = {'system_default': 0, 'reliable': 1, 'best_effort': 2, 'unknown': 3}
_DURABILITY = {'system_default': 0, 'transient_local': 1, 'volatile': 2, 'unknown': 3}
_POLICIES = {'reliability': _RELIABILITY, 'durability': _DURABILITY, 'history': _HISTORY}
_LIVELINESS_AUTOMATIC = 1
_INFINITE = {'sec': 9223372036, 'nsec': 854775807}


@dataclass(frozen=True, kw_only=True)
class TopicQos:
    """Quality of service that the publishers of a topic offered.

    The names are those of rclpy's `short_key`.

    Attributes:
        reliability: `reliable` or `best_effort`.
        durability: `volatile` or `transient_local`.
        history: `keep_last` or `keep_all`.
        depth: Number of messages kept under `keep_last`.

    Raises:
        RecordingError: If a name is unknown or the depth negative.
    """

    reliability: str = 'reliable'
    durability: str = 'volatile'
    history: str = 'keep_last'
    depth: int = 10

    def __post_init__(self) -> None:
        for policy, known in _POLICIES.items():
            if getattr(self, policy) not in known:
                raise RecordingError(f'QoS {policy} is {getattr(self, policy)!r}; '
                                     f'allowed are {", ".join(known)}')
        if self.depth < 0:
            raise RecordingError(f'QoS depth is {self.depth}; it must not be negative')

    def to_yaml(self) -> str:
        """Return the profile in the form that bags carry it: a YAML list of one."""
        return yaml.safe_dump([{
            'history': _HISTORY[self.history], 'depth': self.depth,
            'reliability': _RELIABILITY[self.reliability],
            'durability': _DURABILITY[self.durability],
            'deadline': dict(_INFINITE), 'lifespan': dict(_INFINITE),
            'liveliness': _LIVELINESS_AUTOMATIC,
            'liveliness_lease_duration': dict(_INFINITE),
            'avoid_ros_namespace_conventions': False,
        }], sort_keys=False)

    @classmethod
    def from_yaml(cls, text: str) -> TopicQos:
        """Return the profile that `to_yaml` wrote.

        Raises:
            RecordingError: If the text is no such profile.
        """
        try:
            [profile] = yaml.safe_load(text)
            return cls(depth=profile['depth'], **{
                name: {number: key for key, number in known.items()}[profile[name]]
                for name, known in _POLICIES.items()})
        except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
            raise RecordingError(f'{text!r} is no QoS profile: {error}') from error


@dataclass(frozen=True, kw_only=True)
class Topic:
    """A recorded topic.

    Attributes:
        name: Full name, for example `/follower_left/joint_states`.
        type_name: Message type, for example `sensor_msgs/msg/JointState`.
        qos: Quality of service that was offered.
    """

    name: str
    type_name: str
    qos: TopicQos = TopicQos()
