# SPDX-License-Identifier: Apache-2.0
"""Episodes on disk: MCAP in the folder layout of rosbag2, written and read without ROS.

May import: spec, errors; mcap, mcap_ros2, numpy, yaml, cv2, av, h5py, pyarrow.
"""
