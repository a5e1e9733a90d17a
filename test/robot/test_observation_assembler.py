# SPDX-License-Identifier: Apache-2.0
"""One complete, fresh, synchronised observation, or one text that says what is wrong."""

from __future__ import annotations

from threading import Thread

from hypothesis import example, given, strategies as st
import numpy as np
import pytest

from cosmos_policy_ros.errors import ConfigurationError, ObservationError
from cosmos_policy_ros.robot.joint_state import JointSample
from cosmos_policy_ros.robot.observation_assembler import FreshnessLimits, ObservationAssembler
from cosmos_policy_ros.spec.robot import CameraSpec, RobotSpec
from cosmos_policy_ros.spec.aloha import ALOHA

MS = 1_000_000
CAMERAS = ('cam_high', 'cam_left_wrist')
LEFT, RIGHT = (arm.name for arm in ALOHA.arms)
ROBOT = RobotSpec(name='small', arms=ALOHA.arms, cameras=tuple(
    CameraSpec(name=name, width=32, height=24) for name in CAMERAS))
T0_MS = 1000


def _image(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (24, 32, 3), dtype=np.uint8)


def _sample(stamp_ms: int, value: float = 0.1) -> JointSample:
    return JointSample(positions=np.full(7, value), stamp_ns=stamp_ms * MS)


def _assembler(stamps_ms: dict[str, int] | None = None, **limits: float) -> ObservationAssembler:
    assembler = ObservationAssembler(ROBOT, CAMERAS, FreshnessLimits(**limits))
    for name, stamp_ms in (stamps_ms or {}).items():
        _feed(assembler, name, stamp_ms)
    return assembler


def _feed(assembler: ObservationAssembler, name: str, stamp_ms: int) -> None:
    if name in CAMERAS:
        assembler.update_image(name, _image(stamp_ms), stamp_ms * MS, stamp_ms * MS)
    else:
        assembler.update_joints(name, _sample(stamp_ms), stamp_ms * MS)


def _all(stamp_ms: int = T0_MS, **changes: int) -> dict[str, int]:
    return {**dict.fromkeys((LEFT, RIGHT, *CAMERAS), stamp_ms), **changes}


@given(ages_ms=st.fixed_dictionaries({
    LEFT: st.integers(0, 80), RIGHT: st.integers(0, 80),
    'cam_high': st.integers(0, 250), 'cam_left_wrist': st.integers(0, 250)}))
@example(ages_ms={LEFT: 50, RIGHT: 0, 'cam_high': 200, 'cam_left_wrist': 100})
def test_observation_exists_exactly_when_every_age_and_the_skew_are_allowed(ages_ms):
    assembler = _assembler({name: T0_MS - age for name, age in ages_ms.items()})
    image_ages = [ages_ms[camera] for camera in CAMERAS]
    is_stale = {name: ages_ms[name] > (200 if name in CAMERAS else 50) for name in ages_ms}
    is_skewed = max(image_ages) - min(image_ages) > 100
    if not any(is_stale.values()) and not is_skewed:
        observation = assembler.assemble(T0_MS * MS, 'task')
        assert observation.stamp_ns == (T0_MS - max(ages_ms.values())) * MS
        return
    with pytest.raises(ObservationError) as error:
        assembler.assemble(T0_MS * MS, 'task')
    for name in ages_ms:
        assert (f'{ages_ms[name] / 1000:.3f} s old' in str(error.value)) or not is_stale[name]


def test_observation_holds_newest_images_joints_and_task():
    assembler = _assembler(_all())
    assembler.update_joints(RIGHT, _sample(T0_MS + 5, 0.2), (T0_MS + 5) * MS)
    _feed(assembler, 'cam_high', T0_MS + 10)
    observation = assembler.assemble((T0_MS + 20) * MS, 'fold the shirt')
    np.testing.assert_array_equal(observation.images['cam_high'], _image(T0_MS + 10))
    np.testing.assert_array_equal(observation.images['cam_left_wrist'], _image(T0_MS))
    np.testing.assert_array_equal(observation.proprio, [0.1] * 7 + [0.2] * 7)
    assert (observation.stamp_ns, observation.task) == (T0_MS * MS, 'fold the shirt')


def test_one_text_names_everything_that_is_wrong():
    assembler = _assembler({RIGHT: 900, 'cam_high': 600})
    assembler.refuse_joints(LEFT, 'every joint is at -pi')
    with pytest.raises(ObservationError) as error:
        assembler.assemble(T0_MS * MS, 'task')
    assert str(error.value) == (
        'no observation: '
        'follower_left joints: missing, last refused: every joint is at -pi; '
        'follower_right joints: 0.100 s old (limit 0.050 s); '
        'cam_high: 0.400 s old (limit 0.200 s); cam_left_wrist: missing')


def test_skewed_cameras_are_named_with_their_distance():
    assembler = _assembler(_all(cam_left_wrist=T0_MS - 110))
    with pytest.raises(ObservationError, match=(
            r'cam_left_wrist and cam_high are 0.110 s apart \(limit 0.100 s\)')):
        assembler.assemble(T0_MS * MS, 'task')


@pytest.mark.parametrize('name', [LEFT, 'cam_high'])
def test_stamp_ahead_of_the_clock_is_refused(name):
    assembler = _assembler(_all(**{name: T0_MS + 30}))
    with pytest.raises(ObservationError, match=f'{name}.*0.030 s ahead of the clock'):
        assembler.assemble(T0_MS * MS, 'task')


def test_camera_that_repeats_its_stamp_is_called_frozen():
    assembler = _assembler(_all())
    for name in (LEFT, RIGHT, 'cam_left_wrist'):
        _feed(assembler, name, T0_MS + 300)
    for _ in range(9):
        _feed(assembler, 'cam_high', T0_MS)
    with pytest.raises(ObservationError, match='cam_high: 0.300 s old .* repeated 9 times'):
        assembler.assemble((T0_MS + 300) * MS, 'task')


def _assemble_same_picture(assembler: ObservationAssembler, count: int) -> None:
    for step in range(count):
        for name in (LEFT, RIGHT, 'cam_left_wrist'):
            _feed(assembler, name, T0_MS + step)
        stamp_ns = (T0_MS + step) * MS
        assembler.update_image('cam_high', _image(7), stamp_ns, stamp_ns)
        assembler.assemble(stamp_ns, 'task')


def test_camera_with_new_stamps_but_one_picture_is_called_frozen_until_it_changes():
    assembler = _assembler()
    _assemble_same_picture(assembler, 4)
    with pytest.raises(ObservationError, match='cam_high: frozen: 4 images .* .limit 3.'):
        _assemble_same_picture(assembler, 5)
    _feed(assembler, 'cam_high', T0_MS + 50)
    assembler.assemble((T0_MS + 50) * MS, 'task')


def test_noiseless_cameras_may_be_allowed_to_repeat_themselves():
    _assemble_same_picture(_assembler(max_identical_images=0), 30)


def test_cameras_that_fall_silent_or_freeze_are_named_and_those_never_heard_are_not():
    assembler = _assembler()
    assert assembler.image_problems(T0_MS * MS) == []
    for index in range(5):
        stamp_ns = (T0_MS + 10 * index) * MS
        assembler.update_image('cam_high', lambda: None, stamp_ns, stamp_ns,
                               np.zeros(100, np.uint8))
    [frozen] = assembler.image_problems(stamp_ns)
    assert frozen.startswith('cam_high: frozen: 4 images')
    assembler.update_image('cam_high', lambda: None, stamp_ns + 1, stamp_ns + 1,
                           np.ones(100, np.uint8))
    assert assembler.image_problems(stamp_ns + 1) == []
    [silent] = assembler.image_problems(stamp_ns + 10**9)
    assert silent.startswith('cam_high: 1.000 s old (limit')


def test_repeated_assembly_of_one_image_is_not_called_frozen():
    assembler = _assembler(_all())
    for _ in range(10):
        assembler.assemble(T0_MS * MS, 'task')


def test_only_the_newest_image_is_decoded_and_only_when_assembled():
    decoded = []

    def lazily(seed: int):
        return lambda: decoded.append(seed) or _image(seed)

    assembler = _assembler(_all())
    for step in (1, 2, 3):
        assembler.update_image('cam_high', lazily(step), (T0_MS + step) * MS, T0_MS * MS)
    assert decoded == []
    observation = assembler.assemble((T0_MS + 3) * MS, 'task')
    assert decoded == [3]
    np.testing.assert_array_equal(observation.images['cam_high'], _image(3))


def test_stale_image_is_not_decoded():
    assembler = _assembler(_all())
    assembler.update_image('cam_high', lambda: pytest.fail('decoded'), (T0_MS + 1) * MS, T0_MS)
    with pytest.raises(ObservationError, match='cam_high: 0.999 s old'):
        assembler.assemble((T0_MS + 1000) * MS, 'task')


def test_image_that_cannot_be_decoded_is_named_beside_the_other_problems():
    def broken() -> np.ndarray:
        raise ObservationError('truncated JPEG')

    assembler = _assembler({LEFT: T0_MS, 'cam_left_wrist': T0_MS})
    assembler.update_image('cam_high', broken, T0_MS * MS, T0_MS * MS)
    with pytest.raises(ObservationError, match='right joints: missing; cam_high: truncated JPEG'):
        assembler.assemble(T0_MS * MS, 'task')


@pytest.mark.parametrize('image, text', [
    (np.zeros((480, 640, 3), np.uint8), r'shape \(480, 640, 3\) uint8, expected \(24, 32, 3\)'),
    (np.zeros((32, 24, 3), np.uint8), r'shape \(32, 24, 3\) uint8, expected \(24, 32, 3\)'),
    (np.zeros((24, 32, 4), np.uint8), r'shape \(24, 32, 4\)'),
    (np.zeros((24, 32), np.uint8), r'shape \(24, 32\)'),
    (np.zeros((24, 32, 3), np.float32), '.* float32, expected')])
def test_image_of_another_size_is_refused_and_never_resized(image, text):
    assembler = _assembler(_all())
    assembler.update_image('cam_high', image, (T0_MS + 1) * MS, T0_MS * MS)
    with pytest.raises(ObservationError, match='cam_high: image has ' + text):
        assembler.assemble((T0_MS + 1) * MS, 'task')


def test_older_image_does_not_replace_a_newer_one():
    assembler = _assembler(_all())
    _feed(assembler, 'cam_high', T0_MS - 10)
    observation = assembler.assemble(T0_MS * MS, 'task')
    np.testing.assert_array_equal(observation.images['cam_high'], _image(T0_MS))
    assert assembler.camera_health(T0_MS * MS)[0].num_older == 1


def test_health_tells_age_and_counters_of_every_stream():
    assembler = _assembler({'cam_high': T0_MS, LEFT: T0_MS})
    _feed(assembler, 'cam_high', T0_MS)
    high, wrist = assembler.camera_health((T0_MS + 30) * MS)
    assert (high.camera, high.age_s, high.num_repeated) == ('cam_high', 0.03, 1)
    assert (wrist.camera, wrist.age_s) == ('cam_left_wrist', None)
    assert assembler.joint_age_s((T0_MS + 30) * MS) is None
    _feed(assembler, RIGHT, T0_MS + 10)
    assert assembler.joint_age_s((T0_MS + 30) * MS) == 0.03


def test_unknown_cameras_and_arms_are_refused_by_name():
    with pytest.raises(ConfigurationError, match="unknown camera 'cam_low'"):
        ObservationAssembler(ROBOT, ('cam_low',), FreshnessLimits())
    assembler = _assembler()
    with pytest.raises(ConfigurationError, match="'cam_low'; the observation has cam_high"):
        assembler.update_image('cam_low', _image(0), 0, 0)
    with pytest.raises(ConfigurationError, match="unknown arm 'leader_left'"):
        assembler.update_joints('leader_left', _sample(0), 0)
    with pytest.raises(ConfigurationError, match="unknown arm 'leader_left'"):
        assembler.refuse_joints('leader_left', '')


def test_observation_does_not_change_when_the_sender_reuses_its_memory():
    assembler, image = _assembler(_all()), _image(1)
    assembler.update_image('cam_high', image, (T0_MS + 1) * MS, T0_MS * MS)
    observation = assembler.assemble((T0_MS + 1) * MS, 'task')
    image[:] = 0
    np.testing.assert_array_equal(observation.images['cam_high'], _image(1))


def test_streams_may_be_fed_while_an_observation_is_assembled():
    assembler = _assembler(
        _all(0), max_joint_age_s=9.0, max_image_age_s=9.0, max_image_skew_s=9.0)

    def feed() -> None:
        for stamp_ms in range(1, 300):
            for name in (LEFT, RIGHT, *CAMERAS):
                _feed(assembler, name, stamp_ms)

    thread = Thread(target=feed)
    thread.start()
    stamps_ns = []
    while thread.is_alive():
        stamps_ns.append(assembler.assemble(300 * MS, 'task').stamp_ns)
    thread.join()
    assert stamps_ns == sorted(stamps_ns)
    assert assembler.assemble(300 * MS, 'task').stamp_ns == 299 * MS
