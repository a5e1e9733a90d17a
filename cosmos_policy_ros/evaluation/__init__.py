# SPDX-License-Identifier: Apache-2.0
"""What an episode was like, and how often a policy succeeds.

Of a recorded episode: figures, a report page, a video beside the imagined future. Of a policy:
closed-loop rollouts of the simulated robot in virtual time, success rates, paired comparisons,
and the expert's demonstrations to learn from.

May import: spec, policy, robot, simulation, recording; matplotlib, av, opencv, numpy.
"""
