# SPDX-License-Identifier: Apache-2.0
"""What things are: robot, observation, action chunk, prediction, statistics.

Every value that crosses a room is defined here. May import: errors, numpy.
"""
