# SPDX-License-Identifier: Apache-2.0
"""The command as a whole: its table, its JSON, its exit status."""

import json

import pytest

from cosmos_policy_ros.cli.doctor import doctor
from cosmos_policy_ros.errors import ConfigurationError


@pytest.fixture(autouse=True)
def own_domain(monkeypatch):
    """Keep the listening on this machine and away from other tests; leave no variable behind."""
    monkeypatch.setenv('ROS_DOMAIN_ID', '91')
    monkeypatch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    for name in ('FASTRTPS_DEFAULT_PROFILES_FILE', 'OMP_WAIT_POLICY', 'MUJOCO_GL'):
        monkeypatch.setenv(name, '')
        monkeypatch.delenv(name)
    monkeypatch.setenv('COLUMNS', '200')


def outcomes(path):
    """Return check to (result, found) of a JSON report."""
    return {each['check']: (each['result'], each['found'])
            for each in json.loads(path.read_text())['results']}


def test_healthy_motors_pass_and_the_robots_topics_are_left_alone(bus, tmp_path, capsys):
    pytest.importorskip('cosmos_policy_ros.msg')
    status = doctor(port=bus.port, json_file=tmp_path / 'doctor.json')
    found = outcomes(tmp_path / 'doctor.json')
    assert status == 0, found
    assert found['gripper (id 9)'][0] == 'ok' and found['robot topics'][0] == 'skipped'
    text = capsys.readouterr().out
    assert 'XM540-W270, 35 degC, 12.0 V, torque off' in text and '0 fail' in text


def test_one_sick_motor_gives_exit_status_1_and_one_clear_line(bus, capsys):
    bus.motors[4]['Hardware_Error_Status'] = 0x20
    assert doctor(port=bus.port) == 1
    line, = [line for line in capsys.readouterr().out.splitlines() if 'elbow (id 4)' in line]
    assert 'fail' in line and 'hardware error overload (0x20), allowed is none (0x00)' in line


def test_no_robot_fails_and_everything_else_is_still_told(tmp_path):
    pytest.importorskip('cosmos_policy_ros.msg')
    assert doctor(listen_s=0.5, json_file=tmp_path / 'doctor.json') == 1
    found = outcomes(tmp_path / 'doctor.json')
    assert [check for check, (result, _) in found.items() if result == 'fail'] == ['robot']
    assert {'Python', 'CPU cores', 'middleware', 'DDS profile', 'torch', 'checkpoint'} <= set(
        found)


def test_an_unknown_checkpoint_keeps_nothing_else_from_being_checked(bus, tmp_path):
    assert doctor(checkpoint='aloha_tiny', port=bus.port,
                  json_file=tmp_path / 'doctor.json') == 1
    found = outcomes(tmp_path / 'doctor.json')
    assert found['checkpoint'][0] == 'fail' and found['waist (id 1)'][0] == 'ok'


@pytest.mark.parametrize('options', [
    {'robot': 'tracked_robot'}, {'listen_s': -1.0}, {'listen_s': float('nan')}])
def test_options_that_cannot_be_used_are_refused(options):
    with pytest.raises(ConfigurationError, match=str(next(iter(options.values())))):
        doctor(**options)


def test_not_listening_is_allowed(tmp_path):
    doctor(listen_s=0.0, json_file=tmp_path / 'doctor.json')
    assert outcomes(tmp_path / 'doctor.json')['robot topics'][0] == 'skipped'
