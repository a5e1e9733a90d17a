# SPDX-License-Identifier: Apache-2.0
"""CPU time of a query outside the model: messages in, observation, messages out."""

from __future__ import annotations

from functools import partial
import time

import numpy as np
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Image, JointState

from cosmos_policy_ros.nodes import conversions
from cosmos_policy_ros.nodes.image_conversions import image_from_rgb, rgb_from_image
from cosmos_policy_ros.policy.cosmos_policy import CosmosPolicy
from cosmos_policy_ros.policy.preprocessing import preprocess_images
from cosmos_policy_ros.robot.observation_assembler import ObservationAssembler
from cosmos_policy_ros.robot.settings import FreshnessLimits
from cosmos_policy_ros.spec.action import ActionChunk
from cosmos_policy_ros.spec.aloha import ALOHA, CHUNK_SIZE
from cosmos_policy_ros.spec.prediction import Prediction
from cosmos_policy_ros.spec.robot import ArmSpec

PERIOD_NS = 40_000_000


def measure_query_overhead(policy: CosmosPolicy, repeats: int) -> list[float]:
    """Run queries without the model on random images of three cameras.

    Returns:
        CPU time of each query in [ms]: messages deserialised, joined, images preprocessed for the
        model, and the answer's messages built and serialised.
    """
    assembler = ObservationAssembler(ALOHA, policy.camera_names, FreshnessLimits())
    random = np.random.default_rng(0)
    prediction = _prediction(random)
    samples_ms = []
    for index in range(1, repeats + 1):
        stamp_ns = index * PERIOD_NS
        images, states = _messages(random, policy.camera_names, stamp_ns)
        start_ns = time.thread_time_ns()
        _observe(assembler, policy, images, states, stamp_ns)
        _answer(prediction)
        samples_ms.append((time.thread_time_ns() - start_ns) / 1e6)
    return samples_ms


def _messages(
    random: np.random.Generator, cameras: tuple[str, ...], stamp_ns: int,
) -> tuple[dict[str, bytes], dict[str, bytes]]:
    images = {camera: serialize_message(image_from_rgb(
        random.integers(0, 256, (480, 640, 3), np.uint8), stamp_ns, camera))
        for camera in cameras}
    states = {arm.name: serialize_message(_joint_state(arm, stamp_ns)) for arm in ALOHA.arms}
    return images, states


def _joint_state(arm: ArmSpec, stamp_ns: int) -> JointState:
    names = (*arm.joint_names, arm.gripper_joint, arm.finger_joint, 'right_finger')
    positions = np.array([*arm.start_rad, arm.gripper.joint_open_rad, 0.05, -0.05])
    return conversions.joint_state_message(positions, names, stamp_ns)


def _observe(assembler: ObservationAssembler, policy: CosmosPolicy, images: dict[str, bytes],
             states: dict[str, bytes], stamp_ns: int) -> None:
    for arm in ALOHA.arms:
        state = deserialize_message(states[arm.name], JointState)
        assembler.update_joints(arm.name, conversions.joint_sample(state, arm), stamp_ns)
    for camera, data in images.items():
        image = deserialize_message(data, Image)
        assembler.update_image(
            camera, partial(rgb_from_image, image), stamp_ns, stamp_ns)
    observation = assembler.assemble(stamp_ns, 'benchmark')
    preprocess_images(observation.images, policy.camera_names, policy.model.config)


def _answer(prediction: Prediction) -> None:
    serialize_message(conversions.trajectory_from_chunk(prediction.chunk, ALOHA))
    serialize_message(conversions.chunk_message(prediction, ALOHA))


def _prediction(random: np.random.Generator) -> Prediction:
    chunk = ActionChunk(positions=random.uniform(0, 1, (CHUNK_SIZE, ALOHA.num_joints)),
                        stamp_ns=0, period_ns=PERIOD_NS)
    return Prediction(chunk=chunk, future_proprio=chunk.positions[-1], value=0.5, seed=0,
                      num_denoising_steps=5)
