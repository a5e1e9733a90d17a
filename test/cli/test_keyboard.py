# SPDX-License-Identifier: Apache-2.0
"""Keys of a real pseudo-terminal, and none where there is no terminal."""

import os
import pty
import termios

from cosmos_policy_ros.cli.keyboard import Keyboard


def test_a_key_is_read_without_enter_and_the_terminal_is_as_before(monkeypatch):
    main, terminal = pty.openpty()
    with os.fdopen(terminal, 'r') as stdin, os.fdopen(main, 'w') as fingers:
        monkeypatch.setattr('sys.stdin', stdin)
        before = termios.tcgetattr(terminal)
        with Keyboard() as keyboard:
            assert keyboard.is_there and keyboard.pressed() == ''
            fingers.write('d')
            fingers.flush()
            assert keyboard.pressed() == 'd' and keyboard.pressed() == ''
        assert termios.tcgetattr(terminal) == before


def test_keys_come_one_by_one_and_none_is_kept_back(monkeypatch):
    main, terminal = pty.openpty()
    with os.fdopen(terminal, 'r') as stdin, os.fdopen(main, 'wb', buffering=0) as fingers:
        monkeypatch.setattr('sys.stdin', stdin)
        with Keyboard() as keyboard:
            fingers.write(b'ds')
            assert [keyboard.pressed() for _ in range(3)] == ['d', 's', '']
            fingers.write(b'dd')
            keyboard.forget()
            assert keyboard.pressed() == ''
            fingers.write(b'\x1b[C')
            assert [keyboard.pressed() for _ in range(3)] == ['', '', '']
            fingers.write(b's')
            assert keyboard.pressed() == 's'


def test_without_a_terminal_no_key_is_pressed(monkeypatch, tmp_path):
    (tmp_path / 'file').write_text('dddd')
    for stdin in (None, (tmp_path / 'file').open()):
        monkeypatch.setattr('sys.stdin', stdin)
        with Keyboard() as keyboard:
            assert not keyboard.is_there and keyboard.pressed() == ''
