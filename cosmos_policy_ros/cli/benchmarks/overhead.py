# SPDX-License-Identifier: Apache-2.0
"""CPU time of the policy node outside the model."""

from __future__ import annotations

from cosmos_policy_ros.cli.benchmarks.figures import Figure, spread
from cosmos_policy_ros.nodes.query_overhead import measure_query_overhead
from cosmos_policy_ros.policy.cosmos_policy import CosmosPolicy

LIMIT_MS = 10.0


def measure_overhead(*, checkpoint: str = 'aloha_small', repeats: int = 300) -> list[Figure]:
    """Time everything between the newest image's bytes and the chunk's bytes but the model."""
    samples_ms = measure_query_overhead(CosmosPolicy.load(checkpoint), repeats)
    return spread('policy node outside the model, CPU time', samples_ms, 'ms',
                  p99_limit=LIMIT_MS)
