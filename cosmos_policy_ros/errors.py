# SPDX-License-Identifier: Apache-2.0
"""Errors raised on purpose: each text names the value, what is allowed, and where."""


class CosmosPolicyError(Exception):
    """Anything that a caller of this package may want to catch."""


class ConfigurationError(CosmosPolicyError):
    """A parameter, preset or option that cannot be used."""


class CheckpointError(CosmosPolicyError):
    """Weights, statistics or text embeddings that are missing, truncated or do not fit."""


class ObservationError(CosmosPolicyError):
    """A stream that is missing, stale, frozen, skewed or implausible."""


class PredictionError(CosmosPolicyError):
    """A prediction that is not finite or has the wrong shape."""


class TrainingError(CosmosPolicyError):
    """A training that cannot go on."""


class RobotError(CosmosPolicyError):
    """A robot that is not ready to be commanded, or stopped being so."""


class RecordingError(CosmosPolicyError):
    """An episode that cannot be written or read."""
