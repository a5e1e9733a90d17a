# SPDX-License-Identifier: Apache-2.0
"""Logging at a level that is known only at run time."""

from __future__ import annotations

from rclpy.node import Node


def log(node: Node, level: str, text: str) -> None:
    """Log a text at `debug`, `info`, `warn`, `error` or `fatal`."""
    logger = node.get_logger()
    # rclpy ties a severity to a line of code, so each level has its own.
    if level == 'debug':
        logger.debug(text)
    elif level == 'info':
        logger.info(text)
    elif level == 'warn':
        logger.warning(text)
    elif level == 'error':
        logger.error(text)
    else:
        logger.fatal(text)
