# SPDX-License-Identifier: Apache-2.0
"""Is a serial port free? A motor bus has one master: two of them spoil each other's packets."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
import select
import stat
import termios

from cosmos_policy_ros.errors import RobotError

# A driver at 100 Hz has answers coming in at least this often.
LISTEN_S = 0.1
_OPEN_FLAGS = os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK


class PortError(RobotError):
    """A serial port that cannot be opened or belongs to someone else."""


def claim_port(port: str) -> int:
    """Open a serial port that nobody else uses.

    Looks before it touches: the processes that hold it open, then the lock that serial programs
    take, then whether bytes arrive that nobody asked for. No byte is read or written.

    Args:
        port: Path of the device.

    Returns:
        File descriptor that holds the lock; give it to `keep_others_out`, once the port is open
        for use, and to `release_port`.

    Raises:
        PortError: If the port is absent, not accessible or in use.
    """
    holders = find_holders(port)
    if holders:
        raise PortError(f'{port} is in use by {", ".join(holders)}')
    claim = _open(port)
    try:
        _lock(claim, port)
        if select.select([claim], [], [], LISTEN_S)[0]:
            raise PortError(f'{port} carries packets that nobody here asked for: it is in use by '
                            'a process that is not visible from here')
    except PortError:
        os.close(claim)
        raise
    return claim


def keep_others_out(claim: int) -> None:
    """Let every further attempt to open the port fail, our own included."""
    fcntl.ioctl(claim, termios.TIOCEXCL)


def release_port(claim: int) -> None:
    """Let others open the port again."""
    fcntl.ioctl(claim, termios.TIOCNXCL)
    os.close(claim)


def find_holders(port: str, processes: Path = Path('/proc')) -> list[str]:
    """Return name and process id of every other process that has the port open.

    Processes of other users are seen only by root.
    """
    try:
        device = os.stat(port).st_rdev
    except OSError:
        return []
    own = str(os.getpid())
    holders = {link.parts[-3] for link in processes.glob('[0-9]*/fd/*')
               if link.parts[-3] != own and _is_device(link, device)}
    return [f'{_process_name(processes / pid)} (process {pid})'
            for pid in sorted(holders, key=int)]


def _is_device(link: Path, device: int) -> bool:
    try:
        if not os.readlink(link).startswith('/dev/'):
            return False
        status = link.stat()
    # The process may have closed the file or ended meanwhile.
    except OSError:
        return False
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == device


def _process_name(process: Path) -> str:
    try:
        return (process / 'comm').read_text().strip()
    except OSError:
        return 'a process'


def _open(port: str) -> int:
    try:
        claim = os.open(port, _OPEN_FLAGS)
    except OSError as error:
        raise PortError(f'{port} cannot be opened: {_explain(error)}') from error
    if not os.isatty(claim):
        os.close(claim)
        raise PortError(f'{port} is not a serial port')
    return claim


def _explain(error: OSError) -> str:
    if error.errno == errno.ENOENT:
        found = sorted(str(path) for pattern in ('ttyDXL*', 'ttyUSB*', 'ttyACM*')
                       for path in Path('/dev').glob(pattern))
        return f'there is no such device; serial ports here: {", ".join(found) or "none"}'
    if error.errno == errno.EACCES:
        return 'permission denied; the user must be in the group dialout'
    if error.errno == errno.EBUSY:
        return 'another program uses it exclusively'
    return os.strerror(error.errno)


def _lock(claim: int, port: str) -> None:
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise PortError(f'{port} is in use: another program has locked it') from error
