# SPDX-License-Identifier: Apache-2.0
"""Moving safely without ROS: observations in, limited joint commands out.

Time is an argument (`now_ns`) everywhere in this room. May import: spec, errors, numpy.
"""
