# SPDX-License-Identifier: Apache-2.0
"""`cosmos-policy fault` without a robot: the list of faults."""

import pytest

pytest.importorskip('tyro')

from cosmos_policy_ros.cli.main import main  # noqa: E402
from cosmos_policy_ros.simulation.faults import FAULTS  # noqa: E402


def test_without_a_name_every_fault_is_listed(capsys, monkeypatch):
    monkeypatch.setenv('COLUMNS', '160')
    assert main(['fault']) == 0
    printed = capsys.readouterr().out
    for kind in FAULTS.values():
        assert kind.name in printed
    assert '[s]' in printed
