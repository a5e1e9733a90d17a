# SPDX-License-Identifier: Apache-2.0
"""The simulated ALOHA: MuJoCo world, cameras, Interbotix drivers, tasks and scripted experts.

May import `spec` and `errors`; third party: mujoco, numpy, opencv. No ROS, no clock.

How a node wires it (one thread may advance, another render, others command):

    robot = SimulatedAloha(ALOHA, log=log)
    robot.reset(seed=0, now_ns=now)
    robot.advance_to(now)                               # every few milliseconds
    with robot.driver('follower_left') as driver:       # holds the robot's lock
        driver.command_group(now, 'arm', msg.cmd)
    states = robot.joint_states('follower_left')        # None while the driver is busy or dead
    renderer = CameraRenderer(robot.load_visual_model())    # in the rendering thread
    image = renderer.render(robot.snapshot(), 'cam_high')
"""
