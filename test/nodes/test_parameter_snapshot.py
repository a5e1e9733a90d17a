# SPDX-License-Identifier: Apache-2.0
"""Parameters of every node, unset ones left out, secrets hidden."""

import rclpy
from rclpy.parameter import Parameter

from cosmos_policy_ros.nodes.parameter_snapshot import HIDDEN, ParameterSnapshot


def test_every_node_is_asked_unset_parameters_are_left_out_and_secrets_hidden(ros):
    node = ros.node()
    other = ros.add(rclpy.create_node('other', context=ros.context))
    for name, value in (('rate_hz', 2.5), ('names', ['a', 'b']), ('server_token', 'abc'),
                        ('empty_token', ''), ('count', 3)):
        other.declare_parameter(name, value)
    other.declare_parameter('unset', Parameter.Type.STRING_ARRAY)
    snapshot = ParameterSnapshot(node)

    def is_complete():
        snapshot.poll()
        return {'count', 'names', 'server_token'} <= set(snapshot.values.get('/other', ()))
    ros.spin_until(is_complete, 'the answers')
    values = snapshot.values['/other']
    assert (values['rate_hz'], values['names'], values['count']) == (2.5, ['a', 'b'], 3)
    assert values['server_token'] == HIDDEN and values['empty_token'] == ''
    assert 'unset' not in values
    snapshot.close()
    assert not list(node.clients)
