# SPDX-License-Identifier: Apache-2.0
"""What an episode was like: figures, a report page, a video beside the imagined future.

May import: spec, policy, robot, simulation, recording; matplotlib, av, opencv, numpy.
"""
