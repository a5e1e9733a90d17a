# SPDX-License-Identifier: Apache-2.0
"""The one door to our own message types and to the driver's."""

from cosmos_policy_ros.action import RecordBatch
from cosmos_policy_ros.msg import (
    ActionChunk as ActionChunkMsg,
    ArmStatus as ArmStatusMsg,
    Plan as PlanMsg,
    PlanCandidate as PlanCandidateMsg,
    PolicyStatus as PolicyStatusMsg,
    PredictionError as PredictionErrorMsg,
    RecorderStatus as RecorderStatusMsg,
    SimulationStatus as SimulationStatusMsg,
    StageTiming as StageTimingMsg,
    StreamHealth as StreamHealthMsg,
)
from cosmos_policy_ros.srv import BeginBatch, InjectFault, LabelEpisode, ResetSimulation
from interbotix_xs_msgs.msg import JointGroupCommand, JointSingleCommand, JointTrajectoryCommand
from interbotix_xs_msgs.srv import (
    MotorGains, OperatingModes, Reboot, RegisterValues, RobotInfo, TorqueEnable)

__all__ = [
    'ActionChunkMsg', 'ArmStatusMsg', 'BeginBatch', 'InjectFault', 'JointGroupCommand',
    'JointSingleCommand', 'JointTrajectoryCommand', 'LabelEpisode', 'MotorGains', 'OperatingModes',
    'PlanCandidateMsg', 'PlanMsg', 'PolicyStatusMsg', 'PredictionErrorMsg', 'Reboot',
    'RecordBatch', 'RecorderStatusMsg', 'RegisterValues', 'ResetSimulation', 'RobotInfo',
    'SimulationStatusMsg', 'StageTimingMsg', 'StreamHealthMsg', 'TorqueEnable',
]
