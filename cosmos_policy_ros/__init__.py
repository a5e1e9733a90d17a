# SPDX-License-Identifier: Apache-2.0
"""Cosmos Policy on ALOHA bimanual robots, for ROS 2. Imports neither ROS nor torch."""

import pkgutil

__version__ = '0.1.0'

# The generated messages (`cosmos_policy_ros.msg`) are installed by colcon in a second folder of
# the same package name; extending the path lets source tree and messages be one package.
__path__ = pkgutil.extend_path(__path__, __name__)
