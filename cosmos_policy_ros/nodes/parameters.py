# SPDX-License-Identifier: Apache-2.0
"""The ROS parameters of every node, with their defaults, units and ranges."""

from __future__ import annotations

from dataclasses import dataclass

from cosmos_policy_ros.nodes.parameter_declaration import parameter
from cosmos_policy_ros.robot.motion_settings import MODES, Strategy

_STRATEGIES = tuple(strategy.value for strategy in Strategy)


@dataclass(frozen=True, kw_only=True)
class PolicyNodeParameters:
    """Parameters of policy_node."""

    robot: str = parameter('interbotix', 'Robot preset', read_only=True)
    policy: str = parameter(
        'cosmos', 'Who answers: the model, the scripted expert of the simulation, or an endless '
        'swaying to rehearse faults with', choices=('cosmos', 'scripted', 'sway'),
        read_only=True)
    backend: str = parameter(
        'local', 'Where the model runs: in this process, or on a `cosmos-policy serve` elsewhere',
        choices=('local', 'remote'), read_only=True)
    checkpoint: str = parameter(
        'aloha_small', 'Folder of a checkpoint, or the name of one in models/; '
        'change it while unconfigured')
    planning_checkpoint: str = parameter(
        '', 'Checkpoint that imagines and values in planning mode; empty for the same one; '
        'change it while unconfigured')
    server_url: str = parameter(
        'ws://127.0.0.1:8000', 'Where the remote model listens', read_only=True)
    server_token: str = parameter('', 'Token that the remote model asks for', read_only=True)
    server_timeout_s: float = parameter(
        5.0, 'How long the remote model may take for an answer [s]', low=0.1, high=120.0,
        read_only=True)
    device: str = parameter('auto', 'Torch device; auto takes a GPU where there is one',
                            read_only=True)
    torch_threads: int = parameter(
        1, 'CPU threads of the model [1]', low=1, high=64, read_only=True)
    num_workers: int = parameter(
        0, 'Processes that share the candidates of a plan, each with the model and a GPU of its '
        'own, started by Ray [1]; 0: this process alone', low=0, high=64, read_only=True)
    ray_address: str = parameter(
        '', 'Ray cluster to start them in, host:port; empty for a new one on this machine',
        read_only=True)
    task: str = parameter('transfer the cube', 'Task text given to the model')
    mode: str = parameter(
        'direct', 'How a chunk is chosen: one sample, or the best of several by the model itself',
        choices=MODES)
    denoising_steps__action: int = parameter(
        5, 'Denoising steps of a chunk; 2 costs and gives the same as 1 [1]', low=1, high=100)
    denoising_steps__future: int = parameter(
        5, 'Planning: most denoising steps of an imagined future [1]', low=1, high=100)
    denoising_steps__value: int = parameter(
        5, 'Planning: most denoising steps of a value [1]', low=1, high=100)
    num_candidates: int = parameter(8, 'Planning: chunks to compare [1]', low=1, high=256)
    candidate_spread: float = parameter(
        0.0, 'Planning: how far all chunks but the first are moved at random, standard deviation '
        '[rad]; 0 for not at all', low=0.0, high=0.2)
    common_noise: bool = parameter(
        False, 'Planning: imagine and value all chunks with the same noise, so that their values '
        'differ by what they do alone')
    is_joint: bool = parameter(
        False, 'Planning: take the value that comes with each chunk in the same sample')
    value_kind: str = parameter(
        'v_next', 'Planning: value of the imagined future, of the whole transition, or Q of the '
        'chunk', choices=('v_next', 'v_full', 'q'))
    num_futures: int = parameter(1, 'Planning: futures of each chunk [1]', low=1, high=32)
    num_values: int = parameter(1, 'Planning: values of each future [1]', low=1, high=32)
    value_aggregation: str = parameter(
        'average', 'Planning: how the values of a chunk become one',
        choices=('average', 'lcb', 'success_vote', 'majority_mean'))
    search_depth: int = parameter(1, 'Planning: chunks to look ahead [1]', low=1, high=8)
    depth_aggregation: str = parameter(
        'last', 'Planning: which depths count', choices=('last', 'average'))
    planning_deadline_s: float = parameter(
        0.0, 'Planning: time for a query [s]; 0 for any', low=0.0, high=120.0)
    max_batch: int = parameter(
        16, 'Planning: samples drawn at once [1]', low=1, high=1024)
    agree_threshold: float = parameter(
        0.0, 'Planning: chunks that differ by less are not valued [rad]; 0 values always',
        low=0.0, high=6.3)
    uncertainty_threshold: float = parameter(
        0.0, 'Planning: below this prediction error the answer is direct [1]; 0 plans always',
        low=0.0, high=1.0)
    untrained_value: str = parameter(
        'warn', 'Planning with a checkpoint whose value was not trained',
        choices=('warn', 'refuse'))
    watch_predictions: bool = parameter(
        False, 'Imagine images at every query and publish how far they were from what came')
    seed: int = parameter(195, 'Seed of the diffusion noise', low=0, high=2**32 - 1)
    fresh_noise: bool = parameter(
        False, 'Draw the noise of every query anew, by the seed and the stamp of its observation; '
        'else all queries have the noise of the seed')
    execution_horizon: int = parameter(
        0, 'Actions after which the next observation is taken [1]; 0: as late as the measured '
        'latency permits', low=0, high=1000)
    strategy: str = parameter(
        'async_blend', 'How the arms make chunks follow one another; the same as that of arm_node',
        choices=_STRATEGIES)
    blend_s: float = parameter(
        0.3, 'Time over which a chunk takes over from the one before; the same as that of '
        'arm_node [s]', low=0.001, high=5.0)
    latency_percentile: float = parameter(
        95.0, 'Share of recent latencies that the next is expected not to exceed [%]',
        low=0.0, high=100.0)
    latency_window: int = parameter(
        20, 'How many recent latencies count [1]', low=1, high=1000)
    query_margin_s: float = parameter(
        0.05, 'How much earlier than needed a chunk is to arrive [s]', low=0.001, high=5.0)
    settle_s: float = parameter(
        0.1, 'Time between the end of a motion and an observation of arms at rest [s]',
        low=0.001, high=5.0)
    image_transport: str = parameter(
        'raw', 'Image topics to read: raw, or compressed for <camera>/image/compressed',
        choices=('raw', 'compressed'), read_only=True)
    max_joint_age_s: float = parameter(
        0.1, 'Joint states older than this are stale [s]', low=0.001, high=10.0)
    max_image_age_s: float = parameter(
        0.3, 'Images older than this are stale [s]', low=0.001, high=10.0)
    max_image_skew_s: float = parameter(
        0.15, 'Largest time between the images of one observation [s]', low=0.001, high=10.0)
    max_identical_images: int = parameter(
        3, 'More images in a row with new stamps but the same content are a frozen camera [1]; '
        '0 allows any number', low=0, high=1000)
    inference_delay_s: float = parameter(
        0.0, 'For rehearsals: hold every answer back, as if inference were slower [s]', low=0.0,
        high=60.0)
    start_on_activate: bool = parameter(
        False, 'Begin to query as soon as the node is active')
    autostart: str = parameter(
        'inactive', 'Lifecycle state that the node brings itself to',
        choices=('unconfigured', 'inactive', 'active'), read_only=True)


@dataclass(frozen=True, kw_only=True)
class ArmNodeParameters:
    """Parameters of arm_node."""

    robot: str = parameter('interbotix', 'Robot preset', read_only=True)
    control_rate_hz: float = parameter(
        50.0, 'Rate of commands [Hz]', low=10.0, high=200.0, read_only=True)
    status_rate_hz: float = parameter(
        10.0, 'Rate of ~/status [Hz]', low=0.1, high=50.0, read_only=True)
    dry_run: bool = parameter(
        False, 'Publish what would be sent on ~/dry_run/joint_states and move nothing',
        read_only=True)
    output: str = parameter(
        'joint_group', 'How commands are sent: single targets or short trajectories to '
        'Interbotix\'s driver, or trajectories to ros2_control\'s joint_trajectory_controller',
        choices=('joint_group', 'joint_trajectory', 'trajectory_controller'), read_only=True)
    trajectory_window: int = parameter(
        2, 'Output joint_trajectory: control ticks sent at once; a stop waits for the end of '
        'them [1]', low=1, high=5, read_only=True)
    prepare_driver: bool = parameter(
        True, 'On start, set gripper mode, motion profiles and gains as vendor scripts do; '
        'false refuses a driver where they differ')
    position_p_gain: int = parameter(
        800, 'Raw proportional gain of the arm joints, without integral part [1]; 0: any gains',
        low=0, high=16383)
    position_margin_rad: float = parameter(
        0.02, 'Kept from every position limit [rad]', low=0.0, high=0.5)
    velocity_scale: float = parameter(
        0.5, 'Share of the speed limits that commands may use [1]', low=0.01, high=1.0)
    max_joint_age_s: float = parameter(
        0.1, 'Joint states older than this stop the arms [s]', low=0.001, high=10.0)
    future_tolerance_s: float = parameter(
        0.02, 'How far a stamp may lie ahead of the clock [s]', low=0.001, high=10.0)
    max_following_error_rad: float = parameter(
        0.5, 'Larger gap between command and measurement stops the arms [rad]',
        low=0.01, high=6.3)
    following_error_time_s: float = parameter(
        0.3, 'How long such a gap may last [s]', low=0.001, high=10.0)
    max_start_gap_rad: float = parameter(
        0.1, 'First actions further away than this are approached slowly [rad]',
        low=0.001, high=6.3)
    refused_start_gap_rad: float = parameter(
        1.0, 'First actions further away than this are refused [rad]', low=0.001, high=6.3)
    soft_start_speed_rad_s: float = parameter(
        0.5, 'Speed of the slow approach [rad/s]', low=0.01, high=3.2)
    strategy: str = parameter(
        'async_blend', 'How chunks follow one another',
        choices=_STRATEGIES)
    blend_s: float = parameter(
        0.3, 'Time over which a chunk takes over from the one before [s]', low=0.001, high=5.0)
    ensemble_decay: float = parameter(
        0.01, 'temporal_ensemble: m of the weights exp(-m i), the oldest chunk first [1]',
        low=0.0, high=10.0)
    max_chunk_age_s: float = parameter(
        10.0, 'Chunks whose observation is older are refused [s]', low=0.1, high=120.0)
    max_acceleration_rad_s2: float = parameter(
        15.0, 'Largest change of a joint\'s speed [rad/s^2]; arms that brake more gently come to '
        'rest far beyond what chunks ask for', low=5.0, high=200.0)
    gripper_squeeze: float = parameter(
        1.0, 'How far beyond its measured opening a closing gripper is commanded [1]; 1: any',
        low=0.001, high=1.0)
    pose_speed_rad_s: float = parameter(
        0.5, 'Highest speed on the way to a pose [rad/s]', low=0.01, high=3.2)
    park_on_shutdown: bool = parameter(
        False, 'When the node is ended, first open the grippers and go to rest')
    driver_poll_period_s: float = parameter(
        1.0, 'How often modes, torque and motor errors are read while started [s]; 0: never',
        low=0.0, high=60.0, read_only=True)
    policy_timeout_s: float = parameter(
        3.0, 'A policy node that is silent for longer stops the arms [s]; 0: no matter',
        low=0.0, high=60.0)
    driver_timeout_s: float = parameter(
        5.0, 'How long a service of the driver may take [s]', low=0.1, high=60.0)
    start_on_activate: bool = parameter(
        False, 'Check the driver and allow motion as soon as the node is active')
    autostart: str = parameter(
        'inactive', 'Lifecycle state that the node brings itself to',
        choices=('unconfigured', 'inactive', 'active'), read_only=True)


@dataclass(frozen=True, kw_only=True)
class RecorderNodeParameters:
    """Parameters of recorder_node."""

    output_directory: str = parameter('episodes', 'Folder that receives one folder per episode')
    task: str = parameter('transfer the cube', 'Task text written into the episode')
    robot: str = parameter('interbotix', 'Robot preset written into the episode', read_only=True)
    mode: str = parameter('direct', 'Who drives, written into the episode')
    checkpoint: str = parameter('', 'Checkpoint or policy, written into the episode')
    operator_name: str = parameter('', 'Who drives or watches, written into the episode')
    seed: int = parameter(
        -1, 'Seed of the episode, written into it; -1 where there is none', low=-1, high=2**31 - 1)
    default_outcome: str = parameter(
        'unlabelled', 'Label of an episode until somebody gives another',
        choices=('unlabelled', 'success', 'failure', 'partial'))
    episode_s: float = parameter(
        0.0, 'Length of an episode outside a batch [s]; 0: until stopped', low=0.0, high=86400.0)
    warm_up_s: float = parameter(
        0.0, 'Time between start and recording outside a batch [s]', low=0.0, high=86400.0)
    gesture_hold_s: float = parameter(
        0.0, 'How long both leader grippers have to be closed to start an episode of a batch [s]; '
        '0: no gesture', low=0.0, high=10.0, read_only=True)
    gesture_stop_s: float = parameter(
        0.0, 'How long they have to be closed to stop it [s]; 0: no gesture', low=0.0, high=10.0,
        read_only=True)
    topics: tuple[str, ...] = parameter(
        (), 'Topics that every episode must hold; start is refused while one is absent')
    optional_topics: tuple[str, ...] = parameter(
        (), 'Topics that are recorded once they appear')
    compression: str = parameter(
        'zstd', 'Compression of the file: zstd is small, lz4 is fast',
        choices=('zstd', 'lz4', 'none'))
    image_encoding: str = parameter(
        'jpeg', 'How raw images are stored: jpeg; png, lossless; h264, a video; raw, as they come',
        choices=('jpeg', 'png', 'h264', 'raw'))
    jpeg_quality: int = parameter(90, 'Quality of JPEG images [1]', low=1, high=100)
    video_topics: tuple[str, ...] = parameter(
        (), 'Topics of raw images that are stored as H.264 whatever image_encoding says')
    video_crf: int = parameter(
        20, 'Constant rate factor of H.264: 0 is the best, 51 the worst [1]', low=0, high=51)
    encoder_threads: int = parameter(
        2, 'Threads that encode images, videos apart [1]', low=1, high=64)
    flush_period_s: float = parameter(
        0.5, 'A crash loses at most the messages of this time [s]', low=0.01, high=60.0)
    sync_to_disk: bool = parameter(
        True, 'Force what is written onto the disk, so that a power cut loses no more')
    min_free_bytes: int = parameter(
        2 * 10**9, 'Disk that stays free: an episode that would need it is refused, one that '
        'reaches it is ended [bytes]', low=0, high=10**15)
    estimated_byte_rate: float = parameter(
        5e6, 'Disk that an episode is expected to take until one was measured [bytes/s]', low=0.0,
        high=1e10)
    discovery_timeout_s: float = parameter(
        5.0, 'How long start waits for absent topics [s]', low=0.0, high=120.0)
    health__joint_rate_hz: float = parameter(
        100.0, 'Health: expected rate of joint states [Hz]', low=0.1, high=10000.0)
    health__image_rate_hz: float = parameter(
        30.0, 'Health: expected rate of images [Hz]', low=0.1, high=10000.0)
    health__joint_gap_s: tuple[float, ...] = parameter(
        (0.1, 0.3), 'Health: longest time without joint states, good and usable [s]')
    health__image_gap_s: tuple[float, ...] = parameter(
        (0.2, 0.5), 'Health: longest time without an image, good and usable [s]')
    health__missing_rate: tuple[float, ...] = parameter(
        (0.1, 0.3), 'Health: share by which a rate may fall short, good and usable [1]')
    health__dropped: tuple[float, ...] = parameter(
        (0.02, 0.1), 'Health: share of messages missing between stamps, good and usable [1]')
    health__latency_s: tuple[float, ...] = parameter(
        (0.1, 0.3), 'Health: stamp to receipt of 95 in 100 messages, good and usable [s]')
    health__camera_skew_s: tuple[float, ...] = parameter(
        (0.05, 0.15), 'Health: time between images of 95 in 100 sets, good and usable [s]')
    health__lost: tuple[float, ...] = parameter(
        (0.0, 0.001), 'Health: share of messages lost before the disk, good and usable [1]')


@dataclass(frozen=True, kw_only=True)
class TeleopNodeParameters:
    """Parameters of teleop_node."""

    robot: str = parameter('interbotix', 'Robot preset', read_only=True)
    rate_hz: float = parameter(
        50.0, 'Rate at which followers are told where the leaders are [Hz]', low=10.0, high=200.0,
        read_only=True)
    max_joint_age_s: float = parameter(
        0.1, 'A leader silent for longer lets the arms hold [s]', low=0.001, high=10.0,
        read_only=True)


@dataclass(frozen=True, kw_only=True)
class SimulatedAlohaNodeParameters:
    """Parameters of simulated_aloha_node."""

    robot: str = parameter('interbotix', 'Robot preset', read_only=True)
    cameras: tuple[str, ...] = parameter(
        ('cam_high', 'cam_left_wrist', 'cam_right_wrist'),
        'Cameras to render; at least one', read_only=True)
    image_rate_hz: float = parameter(
        15.0, 'Images per camera [Hz]', low=0.1, high=120.0, read_only=True)
    render: bool = parameter(
        True, 'Whether to publish images at all; false needs no OpenGL', read_only=True)
    publish_compressed: bool = parameter(
        False, 'Also publish <camera>/image/compressed as JPEG', read_only=True)
    joint_state_rate_hz: float = parameter(
        100.0, 'Joint states per arm [Hz]', low=1.0, high=500.0, read_only=True)
    initial_pose: str = parameter(
        'start', 'Pose of the arms at the start', choices=('start', 'sleep'), read_only=True)
    trajectory_timing: str = parameter(
        'faithful', 'JointTrajectoryCommand timing: as the real driver does it, or correct',
        choices=('faithful', 'correct'), read_only=True)
    trajectory_controller: bool = parameter(
        False, 'Also run ros2_control\'s joint_trajectory_controller for each arm and gripper',
        read_only=True)
    leaders: bool = parameter(
        False, 'Also offer leader arms, in the hands of an operator who follows the recorder',
        read_only=True)
    task: str = parameter(
        'transfer_cube', 'Name of the task: its scene, and its rule of success', read_only=True)
    seed: int = parameter(0, 'Seed of the scene at start-up', low=0, high=2**31 - 1)
