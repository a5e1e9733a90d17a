# SPDX-License-Identifier: Apache-2.0
"""Workers of a Ray cluster, each with the model in a process, and on a GPU, of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from cosmos_policy_ros.errors import ConfigurationError, CosmosPolicyError, PredictionError
from cosmos_policy_ros.policy.planning_settings import PlanningSettings
from cosmos_policy_ros.spec.observation import Observation
from cosmos_policy_ros.spec.plan import DEADLINE, WORKER_LOST
from cosmos_policy_ros.spec.prediction import Prediction

_ATTRIBUTES = (
    'name', 'is_trained', 'known_tasks', 'camera_names', 'chunk_size', 'trained_values')


@dataclass(frozen=True, kw_only=True)
class WorkerSettings:
    """What every worker loads.

    Attributes:
        checkpoint: Checkpoint folder or name of a model, as the worker's machine knows it.
        planning_checkpoint: The same of the model that imagines and values; None for none.
        device: Where to load them; unless it is `cpu`, each worker is given a GPU.
        num_threads: CPU threads of each worker.
    """

    checkpoint: str | Path
    planning_checkpoint: str | Path | None = None
    device: str = 'cuda'
    num_threads: int = 1


class _Worker:
    """The remote side. What the policy refuses is returned: raised, it would lose its class."""

    def load(self, settings: WorkerSettings) -> dict[str, Any] | CosmosPolicyError:
        from cosmos_policy_ros.policy.cosmos_policy import CosmosPolicy
        from cosmos_policy_ros.policy.device import choose_device, limit_threads
        limit_threads(settings.num_threads)
        try:
            self._policy = CosmosPolicy.load(
                settings.checkpoint, planning_checkpoint=settings.planning_checkpoint,
                device=choose_device(settings.device))
        except CosmosPolicyError as error:
            return error
        return {'config': self._policy.model.config,
                **{name: getattr(self._policy, name) for name in _ATTRIBUTES}}

    def predict(
        self, observation: Observation, options: Mapping[str, Any], seed: int,
        planning: PlanningSettings | None,
    ) -> Prediction | CosmosPolicyError:
        try:
            return self._policy.predict(observation, seed, planning=planning, **options)
        except CosmosPolicyError as error:
            return error


@dataclass(frozen=True, kw_only=True, eq=False)
class _Question:
    worker: Any
    reference: Any


class RayWorkers:
    """A number of workers, less those that were lost.

    Args:
        num_workers: How many to start.
        settings: What they load.
        address: Address of a cluster; None for the one in use, or else a new one here.
        load_timeout_s: Longest wait for all of them to load in [s].

    Attributes:
        loaded: Attributes of the policy that all of them loaded, and `config`, its model's.

    Raises:
        ConfigurationError: If Ray is not installed, or they do not load in time.
        CosmosPolicyError: If the model cannot be loaded.
    """

    def __init__(
        self, num_workers: int, settings: WorkerSettings, *, address: str | None,
        load_timeout_s: float,
    ) -> None:
        if num_workers < 1:
            raise ConfigurationError(f'{num_workers} workers; at least 1 is required')
        self._ray = _ray()
        self._is_cluster_ours = not self._ray.is_initialized()
        if self._is_cluster_ours:
            self._ray.init(address, include_dashboard=False, log_to_driver=False)
        # Only GPUs are counted: where workers share CPUs, so be it.
        actor = self._ray.remote(_Worker).options(
            num_cpus=0, num_gpus=int(settings.device != 'cpu'))
        self._workers = [actor.remote() for _ in range(num_workers)]
        self._late: list[_Question] = []
        try:
            self.loaded = self._load(settings, load_timeout_s)
        except BaseException:
            self.close()
            raise

    @property
    def num_idle(self) -> int:
        """How many can be asked now."""
        return len(self._idle())

    def ask(
        self, observation: Observation, options: Mapping[str, Any],
        shares: Sequence[tuple[int, PlanningSettings | None]], *, limit_s: float,
        last_limit_s: float,
    ) -> tuple[list[Prediction], str | None]:
        """Ask one idle worker per share.

        Args:
            observation: What the robot sees.
            options: Further arguments of `Policy.predict`.
            shares: Seed and settings for each worker, at most `num_idle`.
            limit_s: Wait for all of them in [s].
            last_limit_s: Wait for the first of them in [s], if none answered in that time.

        Returns:
            The answers in the order of the shares, at least one, and why some are missing.

        Raises:
            PredictionError: If no worker answers.
            CosmosPolicyError: If one refuses the query.
        """
        given = self._ray.put(observation)
        asked = [_Question(worker=worker, reference=worker.predict.remote(given, options, *share))
                 for worker, share in zip(self._idle(), shares)]
        answers = self._answers(self._ready(asked, len(asked), limit_s))
        waiting = [question for question in asked if question not in answers]
        while not any(answers.values()) and waiting:
            first = self._ready(waiting, 1, last_limit_s)
            if not first:
                break
            answers.update(self._answers(first))
            waiting.remove(first[0])
        self._late += waiting
        predictions = [answers[question] for question in asked if answers.get(question)]
        if not predictions:
            raise PredictionError(
                f'none of {len(asked)} workers answered; {len(self._workers)} are left')
        missing = DEADLINE if waiting else None
        return predictions, missing if all(answers.values()) else WORKER_LOST

    def close(self) -> None:
        """End the workers, and the cluster if it was started for them."""
        for worker in self._workers:
            self._ray.kill(worker)
        self._workers = []
        if self._is_cluster_ours:
            self._ray.shutdown()

    def _load(self, settings: WorkerSettings, timeout_s: float) -> dict[str, Any]:
        references = [worker.load.remote(settings) for worker in self._workers]
        try:
            loaded = self._ray.get(references, timeout=timeout_s)
        except (self._ray.exceptions.GetTimeoutError,
                self._ray.exceptions.RayActorError) as error:
            raise ConfigurationError(
                f'{len(references)} workers were to load {settings.checkpoint} within '
                f'{timeout_s:g} s: {error}') from error
        _raise_refusal(loaded)
        return loaded[0]

    def _idle(self) -> list[Any]:
        self._late = [question for question in self._late
                      if not self._ready([question], 1, 0.0)]
        late = [question.worker for question in self._late]
        return [worker for worker in self._workers if worker not in late]

    def _ready(
        self, questions: Sequence[_Question], count: int, timeout_s: float,
    ) -> list[_Question]:
        """Wait until so many questions have an answer, or the worker is lost."""
        if not questions:
            return []
        ready, _ = self._ray.wait([question.reference for question in questions],
                                  num_returns=count, timeout=timeout_s)
        return [question for question in questions if question.reference in ready]

    def _answers(self, questions: Sequence[_Question]) -> dict[_Question, Prediction | None]:
        """Return the answer to each; None where the worker was lost, which is then dropped."""
        answers = {}
        for question in questions:
            try:
                answers[question] = self._ray.get(question.reference)
            except self._ray.exceptions.RayActorError:
                answers[question] = None
                self._workers.remove(question.worker)
        _raise_refusal(answers.values())
        return answers


def _raise_refusal(answers: Iterable[object]) -> None:
    for answer in answers:
        if isinstance(answer, CosmosPolicyError):
            raise answer


def _ray() -> ModuleType:
    try:
        import ray
    except ImportError as error:
        raise ConfigurationError(
            'planning on several workers needs Ray: pip install "cosmos_policy_ros[ray]"'
        ) from error
    return ray
