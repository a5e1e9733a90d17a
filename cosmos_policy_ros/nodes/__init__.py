# SPDX-License-Identifier: Apache-2.0
"""The ROS side: four nodes that only wire, and what they share.

The only room that imports rclpy and messages. May import every room except training.
"""
