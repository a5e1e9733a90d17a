# SPDX-License-Identifier: Apache-2.0
"""Definitions of the messages that imported episodes consist of, for hosts without ROS."""

from __future__ import annotations

DRIVER_MESSAGES = {
    'builtin_interfaces/msg/Time': 'int32 sec\nuint32 nanosec\n',
    'std_msgs/msg/Header': 'builtin_interfaces/Time stamp\nstring frame_id\n',
    'sensor_msgs/msg/JointState': (
        'std_msgs/Header header\nstring[] name\nfloat64[] position\nfloat64[] velocity\n'
        'float64[] effort\n'),
    'sensor_msgs/msg/CompressedImage': 'std_msgs/Header header\nstring format\nuint8[] data\n',
    'interbotix_xs_msgs/msg/JointGroupCommand': 'string name\nfloat32[] cmd\n',
    'interbotix_xs_msgs/msg/JointSingleCommand': 'string name\nfloat32 cmd\n',
}
