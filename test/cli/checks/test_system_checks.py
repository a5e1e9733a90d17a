# SPDX-License-Identifier: Apache-2.0
"""What is made of the machine."""

import pytest

from cosmos_policy_ros.cli.checks.system import (
    check_cores, check_python, check_rendering, check_shared_memory, check_system)

MIB = 2**20


def test_this_machine_runs_the_tests_and_so_has_no_failure():
    results = check_system(128 * MIB)
    assert [result.check for result in results] == [
        'Python', 'CPU cores', 'shared memory', 'rendering (simulation)']
    assert all(result.result != 'fail' for result in results)


@pytest.mark.parametrize(('version', 'result'), [
    ((3, 9), 'fail'), ((3, 10), 'ok'), ((3, 13), 'ok'), ((3, 14), 'fail')])
def test_python_must_be_one_that_ros_has_wheels_for(version, result):
    outcome = check_python(version)
    assert outcome.result == result
    assert result == 'ok' or outcome.found == f'3.{version[1]}, allowed is 3.10 to 3.13'


@pytest.mark.parametrize(('cores', 'result'), [(1, 'warn'), (3, 'warn'), (4, 'ok'), (64, 'ok')])
def test_few_cores_are_a_warning(cores, result):
    assert check_cores(cores).result == result


def test_shared_memory_without_room_for_one_node_fails_and_for_all_warns(tmp_path):
    import shutil
    free = shutil.disk_usage(tmp_path).free
    assert check_shared_memory(tmp_path, free // 100).result == 'ok'
    assert check_shared_memory(tmp_path, free // 2).result == 'warn'
    full = check_shared_memory(tmp_path, 2 * free)
    assert full.result == 'fail' and 'one node needs' in full.found


def test_absent_shared_memory_is_a_warning(tmp_path):
    assert check_shared_memory(tmp_path / 'none', MIB).result == 'warn'


def test_rendering_is_tried(monkeypatch):
    monkeypatch.delenv('MUJOCO_GL', raising=False)
    outcome = check_rendering()
    assert outcome.result == 'ok' and '640x480 image in' in outcome.found


def test_a_backend_that_cannot_render_off_screen_is_a_warning(monkeypatch):
    monkeypatch.setenv('MUJOCO_GL', 'glfw')
    outcome = check_rendering()
    assert outcome.result == 'warn' and 'glfw' in outcome.found
