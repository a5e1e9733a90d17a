# SPDX-License-Identifier: Apache-2.0
"""Planning, on the tiny model: laws of the choice, of the search, and of the deadline."""

from copy import deepcopy
from dataclasses import replace

from hypothesis import given, HealthCheck, settings as hypothesis_settings, strategies as st
import numpy as np
import pytest
import torch

from cosmos_policy_ros.diffusion.cosmos_model import CosmosModel
from cosmos_policy_ros.diffusion.latent_injection import value_from_latent
from cosmos_policy_ros.diffusion.latent_layout import NetworkRole
from cosmos_policy_ros.diffusion.random_weights import draw_random_weights
from cosmos_policy_ros.errors import ConfigurationError, PredictionError
from cosmos_policy_ros.policy.chunk_smoothing import smooth_chunks
from cosmos_policy_ros.policy.chunk_variation import chunk_variation
from cosmos_policy_ros.policy.cosmos_policy import CosmosPolicy
from cosmos_policy_ros.policy.planning_settings import PlanningSettings
from cosmos_policy_ros.policy.preprocessing import preprocess_images
from cosmos_policy_ros.policy.value_aggregation import aggregate_values, AGGREGATIONS
from cosmos_policy_ros.spec.plan import (
    CANDIDATES_AGREE, COMPLETE, DEADLINE, NOT_MEASURED, NOT_NEEDED)

FEW = PlanningSettings(
    num_candidates=3, num_denoising_steps_future=3, num_denoising_steps_value=3)
ENSEMBLES = replace(FEW, num_futures=2, num_values=3, aggregation='majority_mean')
JOINT = replace(FEW, is_joint=True)
KINDS = {'joint': JOINT, 'v_next': FEW, 'v_full': replace(FEW, value_kind='v_full'),
         'q': replace(FEW, value_kind='q'), 'ensembles': ENSEMBLES,
         'common_noise': replace(ENSEMBLES, imagination_seed=9),
         'deep': replace(ENSEMBLES, search_depth=2, depth_aggregation='average'),
         'deep_joint': replace(JOINT, search_depth=2)}
EXAMPLES = hypothesis_settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope='module')
def planning_checkpoint(tiny_patch_checkpoint):
    """A second model of the same kind, with other weights."""
    model = CosmosModel(replace(
        tiny_patch_checkpoint.model.config, trained_values=('v_next',))).eval()
    draw_random_weights(model, seed=1)
    return replace(tiny_patch_checkpoint, name='planner', model=model)


@pytest.fixture(scope='module')
def policy(tiny_patch_checkpoint, planning_checkpoint):
    """A policy on two checkpoints."""
    return CosmosPolicy(tiny_patch_checkpoint, planning_checkpoint=planning_checkpoint)


@pytest.fixture
def observation(synthetic_observation):
    """What the robot sees."""
    return synthetic_observation()


def values_of(prediction):
    """Return the aggregated values of the candidates."""
    return [candidate.value for candidate in prediction.plan.candidates]


def assert_same_plan(first, second, **tolerance):
    """Check that two predictions considered the same, up to rounding, and chose the same."""
    for one, other in zip(first.plan.candidates, second.plan.candidates, strict=True):
        assert one.seed == other.seed
        np.testing.assert_allclose(one.chunk, other.chunk, **tolerance)
        np.testing.assert_allclose(one.member_values, other.member_values, **tolerance)
    assert first.plan.winner_index == second.plan.winner_index


@pytest.mark.parametrize('kind', KINDS)
def test_candidates_keep_where_their_joints_were_imagined_to_end(policy, observation, kind):
    prediction = policy.predict(observation, 4, planning=KINDS[kind])
    imagined = [candidate.future_proprio for candidate in prediction.plan.candidates]
    if kind in ('joint', 'deep_joint', 'q'):
        assert imagined == [None] * 3 and prediction.plan.imagined_share is None
    else:
        np.testing.assert_array_equal(
            imagined[prediction.plan.winner_index], prediction.future_proprio)
        assert np.ptp(imagined, axis=0).max() > 0 and prediction.plan.imagined_share is not None


@pytest.mark.parametrize('kind', KINDS)
def test_each_candidate_is_the_direct_chunk_of_its_seed(policy, observation, kind):
    plan = policy.predict(observation, 4, planning=KINDS[kind]).plan
    assert plan.reason == COMPLETE and plan.num_counted == 3
    for index, candidate in enumerate(plan.candidates):
        direct = policy.predict(observation, 4 + index)
        assert candidate.seed == 4 + index
        np.testing.assert_allclose(candidate.chunk, direct.chunk.positions, atol=1e-4)


def test_one_joint_candidate_equals_the_direct_prediction(policy, observation):
    direct = policy.predict(observation, 2, with_future_images=True)
    planned = policy.predict(observation, 2, with_future_images=True,
                             planning=replace(JOINT, num_candidates=1))
    assert np.array_equal(direct.chunk.positions, planned.chunk.positions)
    assert np.array_equal(direct.future_proprio, planned.future_proprio)
    assert planned.value == pytest.approx(direct.value, abs=1e-6)
    for camera, image in direct.future_images.items():
        assert np.array_equal(image, planned.future_images[camera])


@pytest.mark.parametrize('kind', KINDS)
def test_the_same_seed_gives_the_same_plan(policy, observation, kind):
    first, second = (policy.predict(observation, 1, planning=KINDS[kind]) for _ in range(2))
    assert_same_plan(first, second, atol=0, rtol=0)


@pytest.mark.parametrize('kind', ['v_next', 'v_full', 'q', 'ensembles'])
def test_common_noise_is_that_of_its_seed_for_every_candidate(policy, observation, kind):
    def values(**changes):
        plan = policy.predict(observation, 4, planning=replace(KINDS[kind], **changes)).plan
        return [candidate.member_values for candidate in plan.candidates]
    own = values()
    for index in range(3):
        common = values(imagination_seed=4 + index)
        for other in range(3):
            is_same = np.allclose(common[other], own[other], atol=1e-5)
            assert is_same == (other == index)


def test_what_is_valued_is_the_smooth_chunk_that_is_sent(
        tiny_patch_checkpoint, policy, observation):
    config = replace(tiny_patch_checkpoint.model.config, chunk_cutoff_hz=4.0)
    model = CosmosModel(config).eval()
    model.load_state_dict(tiny_patch_checkpoint.model.state_dict())
    smooth = CosmosPolicy(replace(tiny_patch_checkpoint, model=model))
    rough = CosmosPolicy(tiny_patch_checkpoint)
    predictions = [one.predict(observation, 1, planning=KINDS['q']) for one in (smooth, rough)]
    for sent, raw in zip(*(one.plan.candidates for one in predictions)):
        np.testing.assert_allclose(sent.chunk, smooth_chunks(
            raw.chunk, period_s=config.chunk_period_s, cutoff_hz=4.0), atol=1e-6)
        assert sent.value != raw.value
    np.testing.assert_array_equal(
        predictions[0].chunk.positions, predictions[0].plan.winner.chunk)


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('max_batch', [1, 2, 5])
def test_the_size_of_a_batch_does_not_matter(policy, observation, kind, max_batch):
    whole = policy.predict(observation, 1, planning=KINDS[kind])
    parts = policy.predict(observation, 1, planning=replace(KINDS[kind], max_batch=max_batch))
    assert_same_plan(whole, parts, atol=1e-4)


@pytest.mark.parametrize('kind', KINDS)
def test_the_answer_is_the_winner(policy, observation, kind):
    prediction = policy.predict(observation, 1, planning=KINDS[kind])
    winner = prediction.plan.winner
    assert prediction.mode == 'planning' and prediction.seed == 1
    assert np.array_equal(prediction.chunk.positions, winner.chunk)
    assert prediction.value == winner.value == max(values_of(prediction))


@EXAMPLES
@given(seed=st.integers(0, 99), count=st.integers(1, 4))
def test_more_candidates_never_lower_the_value_of_the_winner(policy, observation, seed, count):
    fewer, more = (policy.predict(observation, seed, planning=replace(
        JOINT, num_candidates=number, num_denoising_steps_action=1))
        for number in (count, count + 1))
    assert values_of(more)[:count] == pytest.approx(values_of(fewer), abs=1e-5)
    assert more.value >= fewer.value - 1e-5


@pytest.mark.parametrize('aggregation', AGGREGATIONS)
def test_a_value_is_the_aggregate_of_its_members(policy, observation, aggregation):
    prediction = policy.predict(
        observation, 0, planning=replace(ENSEMBLES, aggregation=aggregation))
    for candidate in prediction.plan.candidates:
        assert candidate.member_values.shape == (1, 2, 3)
        assert candidate.value == aggregate_values(candidate.member_values.ravel(), aggregation)


def reference_value(policy, planning_checkpoint, observation, seed, settings):
    """Value a candidate pass by pass, without batches: the futures and values of its members."""
    base, world = policy.model, planning_checkpoint.model
    embedding = planning_checkpoint.text_embeddings.embedding(observation.task)
    texts = {model: model.encode_text(embedding) for model in (base, world)}
    views = preprocess_images(observation.images, policy.camera_names, base.config)
    bounds = planning_checkpoint.statistics.proprio
    proprio = torch.from_numpy(bounds.normalise(observation.proprio))[None]
    clean = base.inject_proprio(base.observation_encoder().encode(views).latents, proprio)

    def draw(model, latents, role, seed, steps):
        return model.sample(
            latents, role=role, text=texts[model], seeds=[seed], num_steps=steps)
    chunk = draw(base, clean, NetworkRole.POLICY, seed, 3)
    by_depth = []
    branches = [chunk] * len(settings.future_steps)
    for depth in range(settings.search_depth):
        if depth:
            branches = [draw(base, base.advance(branch), NetworkRole.POLICY, seed, 3)
                        for branch in branches]
        branches = [draw(world, branch, NetworkRole.WORLD_MODEL, seed + member, steps)
                    for member, (branch, steps) in enumerate(zip(
                        branches, settings.future_steps))]
        by_depth.append([[float(value_from_latent(world.raw_value(draw(
            world, branch, NetworkRole.STATE_VALUE, seed + member, steps)))[0])
            for member, steps in enumerate(settings.value_steps)] for branch in branches])
    return np.array(by_depth)


@pytest.mark.parametrize('depth, aggregation', [(1, 'last'), (2, 'last'), (3, 'average')])
def test_a_search_equals_its_passes_one_by_one(
        policy, planning_checkpoint, observation, depth, aggregation):
    settings = replace(ENSEMBLES, num_candidates=2, aggregation='lcb', search_depth=depth,
                       depth_aggregation=aggregation)
    plan = policy.predict(observation, 5, planning=settings).plan
    for candidate in plan.candidates:
        expected = reference_value(
            policy, planning_checkpoint, observation, candidate.seed, settings)
        counted = expected if aggregation == 'average' else expected[-1:]
        np.testing.assert_allclose(candidate.member_values, counted, atol=1e-4)
        per_branch = counted.mean(axis=0)
        assert candidate.value == pytest.approx(
            float(aggregate_values(per_branch.ravel(), 'lcb')), abs=1e-4)


def test_the_planning_checkpoint_values_and_the_policy_acts(
        policy, tiny_patch_checkpoint, observation):
    alone = CosmosPolicy(tiny_patch_checkpoint).predict(observation, 0, planning=FEW)
    both = policy.predict(observation, 0, planning=FEW)
    for one, other in zip(alone.plan.candidates, both.plan.candidates):
        assert np.array_equal(one.chunk, other.chunk) and one.value != other.value


def test_the_future_shown_is_the_one_behind_the_value(policy, observation):
    direct = policy.predict(observation, 0, with_future_images=True)
    planned = policy.predict(observation, 0, with_future_images=True,
                             planning=replace(FEW, num_candidates=1))
    assert np.array_equal(direct.chunk.positions, planned.chunk.positions)
    assert not np.array_equal(direct.future_proprio, planned.future_proprio)
    assert any(not np.array_equal(image, planned.future_images[camera])
               for camera, image in direct.future_images.items())


def test_all_candidates_but_the_first_are_moved_and_valued_as_moved(policy, observation):
    plain = policy.predict(observation, 0, planning=FEW).plan.candidates
    moved = policy.predict(
        observation, 0, planning=replace(FEW, candidate_spread=0.05)).plan.candidates
    np.testing.assert_array_equal(moved[0].chunk, plain[0].chunk)
    assert moved[0].value == pytest.approx(plain[0].value, abs=1e-5)
    for one, other in zip(moved[1:], plain[1:]):
        expected = other.chunk + chunk_variation(other.seed, other.chunk.shape, 0.05)
        np.testing.assert_allclose(one.chunk, expected, atol=1e-4)
        assert one.value != pytest.approx(other.value, abs=1e-6)


def test_candidates_that_agree_are_not_valued(policy, observation):
    chunks = np.stack([one.chunk for one in policy.predict(
        observation, 0, planning=FEW).plan.candidates])
    spread = float(np.ptp(chunks, axis=0).max())
    agreed, differing = (policy.predict(observation, 0, planning=replace(
        FEW, agree_threshold=threshold)) for threshold in (1.01 * spread, 0.99 * spread))
    assert (agreed.plan.reason, agreed.plan.winner_index) == (CANDIDATES_AGREE, 0)
    assert values_of(agreed) == [None] * 3 and not agreed.plan.was_cut_short
    assert agreed.mode == 'direct' and differing.plan.reason == COMPLETE


def test_a_certain_caller_is_answered_directly(policy, observation):
    settings = replace(FEW, uncertainty_threshold=0.3)
    certain = policy.predict(observation, 0, planning=replace(settings, uncertainty=0.2))
    assert (certain.plan.reason, certain.mode) == (NOT_NEEDED, 'direct')
    assert len(certain.plan.candidates) == 1 and not certain.plan.was_cut_short
    direct = policy.predict(observation, 0)
    assert np.array_equal(certain.chunk.positions, direct.chunk.positions)
    assert certain.value == direct.value
    for uncertainty in (0.3, None):
        planned = policy.predict(
            observation, 0, planning=replace(settings, uncertainty=uncertainty))
        assert planned.plan.reason == COMPLETE


def test_the_steps_of_the_plan_win_over_those_of_the_query(policy, observation):
    for steps, expected in ((None, 2), (1, 1)):
        prediction = policy.predict(observation, 0, num_denoising_steps=2, planning=replace(
            JOINT, num_denoising_steps_action=steps))
        assert prediction.num_denoising_steps == expected


def test_the_name_and_the_trained_values_tell_of_both_checkpoints(
        policy, tiny_patch_checkpoint):
    assert policy.name == 'tiny+planner' and policy.trained_values == ('v_next',)
    assert CosmosPolicy(tiny_patch_checkpoint).trained_values == ()


def test_both_checkpoints_are_loaded_by_name(observation):
    policy = CosmosPolicy.load('aloha_small', planning_checkpoint='aloha_small')
    alone = CosmosPolicy.load('aloha_small')
    assert policy.name == 'aloha_small+aloha_small' and policy.is_trained
    first, second = (each.predict(observation, 0, planning=replace(
        FEW, num_candidates=2, num_denoising_steps_action=1, num_denoising_steps_future=1,
        num_denoising_steps_value=1)) for each in (policy, alone))
    assert_same_plan(first, second, atol=1e-5)


def test_values_that_are_not_finite_are_refused(
        tiny_patch_checkpoint, planning_checkpoint, observation):
    model = deepcopy(planning_checkpoint.model)
    with torch.no_grad():
        model.transformer.final_layer.linear.weight[0, 0] = float('nan')
    policy = CosmosPolicy(tiny_patch_checkpoint,
                          planning_checkpoint=replace(planning_checkpoint, model=model))
    assert policy.predict(observation, 0).mode == 'direct'
    with pytest.raises(PredictionError, match='not finite'):
        policy.predict(observation, 0, planning=FEW)


class FakeClock:
    """Time that passes only where the model works."""

    def __init__(self):
        self.now_ns = 0

    def __call__(self):
        return self.now_ns

    def pass_s(self, duration_s):
        """Let time pass."""
        self.now_ns += int(duration_s * 1e9)


class SlowModel(CosmosModel):
    """Takes `fixed_s` for an evaluation, `each_s` more per sample, and `decode_s` for images."""

    clock = fixed_s = each_s = decode_s = None

    def denoise(self, noisy, sigma, **given):
        """Denoise as the model does, and let the time pass."""
        self.clock.pass_s(self.fixed_s + len(noisy) * self.each_s)
        return super().denoise(noisy, sigma, **given)

    def decode_future_images(self, latents, blank):
        """Decode as the model does, and let the time pass."""
        self.clock.pass_s(self.decode_s)
        return super().decode_future_images(latents, blank)


@pytest.fixture
def slow_policy(tiny_patch_checkpoint):
    """Build a policy with a fake clock and given costs."""
    def build(**costs):
        model = SlowModel(tiny_patch_checkpoint.model.config).eval()
        model.load_state_dict(tiny_patch_checkpoint.model.state_dict())
        model.clock = FakeClock()
        vars(model).update({'fixed_s': 0.01, 'each_s': 0.1, 'decode_s': 0.05, **costs})
        return CosmosPolicy(
            replace(tiny_patch_checkpoint, model=model), clock=model.clock), model
    return build


def timed(policy, clock, *arguments, **options):
    """Predict; returns the prediction and what it took in [s]."""
    start_ns = clock.now_ns
    prediction = policy.predict(*arguments, **options)
    return prediction, (clock.now_ns - start_ns) * 1e-9


@EXAMPLES
@given(fixed_s=st.floats(0, 0.2), each_s=st.floats(0.01, 0.3), decode_s=st.floats(0, 0.5),
       jitter=st.lists(st.floats(0.92, 1.0), min_size=4, max_size=4),
       slack=st.floats(1.01, 20), kind=st.sampled_from(sorted(KINDS)))
def test_the_deadline_is_kept_whatever_a_pass_costs(
        slow_policy, observation, fixed_s, each_s, decode_s, jitter, slack, kind):
    policy, model = slow_policy(fixed_s=fixed_s, each_s=each_s, decode_s=decode_s)
    policy.predict(observation, 0, with_future_images=True)
    _, direct_s = timed(policy, model.clock, observation, 0, with_future_images=True)
    settings = replace(KINDS[kind], num_denoising_steps_action=3, deadline_s=slack * direct_s)
    for seed, factor in enumerate(jitter):
        model.fixed_s, model.each_s = factor * fixed_s, factor * each_s
        prediction, duration_s = timed(
            policy, model.clock, observation, seed, with_future_images=True, planning=settings)
        plan = prediction.plan
        assert duration_s <= settings.deadline_s + 1e-6
        assert plan.reason == (COMPLETE if plan.num_counted == 3 else DEADLINE)
        valued = [one.is_complete for one in plan.candidates]
        assert valued == sorted(valued, reverse=True), 'the first candidates are valued first'


def test_with_time_enough_the_plan_is_the_one_without_a_deadline(slow_policy, observation):
    policy, _ = slow_policy()
    policy.predict(observation, 0)
    free = policy.predict(observation, 0, planning=ENSEMBLES)
    limited = policy.predict(observation, 0, planning=replace(ENSEMBLES, deadline_s=1000.0))
    assert_same_plan(free, limited, atol=0, rtol=0)
    assert limited.plan.deadline_s == 1000.0


def test_with_less_time_fewer_candidates_count(slow_policy, observation):
    policy, model = slow_policy(fixed_s=0.0, each_s=0.1, decode_s=0.0)
    policy.predict(observation, 0)
    # A candidate takes 3 evaluations for each of its chunk, future and value.
    counts = [policy.predict(observation, 0, planning=replace(
        FEW, deadline_s=1.1 * 0.9 * candidates + 0.01)).plan.num_counted
        for candidates in (0.5, 1, 2, 3)]
    assert counts == [0, 0, 2, 3]


def test_a_plan_that_becomes_slow_midway_keeps_what_it_has(slow_policy, observation):
    policy, model = slow_policy(fixed_s=0.0, each_s=0.1, decode_s=0.0)
    policy.predict(observation, 0)
    settings = replace(FEW, deadline_s=3.1, max_batch=1)
    denoise, evaluations = model.denoise, 0

    def slower(noisy, sigma, **given):
        nonlocal evaluations
        evaluations += 1
        model.each_s = 0.1 if evaluations <= 9 else 0.2
        return denoise(noisy, sigma, **given)
    model.denoise = slower
    prediction, duration_s = timed(policy, model.clock, observation, 0, planning=settings)
    plan = prediction.plan
    assert plan.reason == DEADLINE and plan.was_cut_short
    assert (len(plan.candidates), plan.num_counted) == (3, 1)
    assert plan.winner_index == 0 and duration_s <= 3.1


def test_before_anything_was_measured_a_deadline_is_answered_directly(slow_policy, observation):
    policy, _ = slow_policy()
    settings = replace(FEW, deadline_s=1000.0)
    first = policy.predict(observation, 0, planning=settings)
    assert (first.plan.reason, first.mode) == (NOT_MEASURED, 'direct')
    assert first.plan.was_cut_short
    assert policy.predict(observation, 0, planning=settings).plan.reason == COMPLETE
    with_images = [policy.predict(observation, 0, planning=settings, with_future_images=True)
                   for _ in range(2)]
    assert [one.plan.reason for one in with_images] == [NOT_MEASURED, COMPLETE]


def test_a_deadline_below_a_direct_query_is_refused_with_both_times(slow_policy, observation):
    policy, _ = slow_policy(fixed_s=0.0, each_s=0.1)
    policy.predict(observation, 0)
    with pytest.raises(ConfigurationError, match=r'deadline_s is 0\.25.*took 0\.3 s'):
        policy.predict(observation, 0, planning=replace(FEW, deadline_s=0.25))


def test_after_one_slow_moment_planning_comes_back(slow_policy, observation):
    policy, model = slow_policy(fixed_s=0.0, each_s=0.1, decode_s=0.0)
    policy.predict(observation, 0)
    settings = replace(FEW, deadline_s=4.0)
    model.each_s = 1.0
    policy.predict(observation, 0, planning=settings)
    model.each_s = 0.1
    reasons = [policy.predict(observation, 0, planning=settings).plan.reason
               for _ in range(8)]
    assert reasons[0] == DEADLINE and reasons[-1] == COMPLETE
