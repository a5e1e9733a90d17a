# SPDX-License-Identifier: Apache-2.0
"""Dataclasses as maps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from cosmos_policy_ros.errors import PredictionError
from cosmos_policy_ros.policy.remote.codec import decode, encode
from cosmos_policy_ros.policy.remote.records import record_from_wire, record_to_wire


@dataclass(frozen=True, kw_only=True)
class Leaf:
    """A part of a record."""

    name: str
    share: float


@dataclass(frozen=True, kw_only=True)
class Tree:
    """A record with every kind of field."""

    leaves: tuple[Leaf, ...]
    root: Leaf
    sizes: tuple[int, ...] | None
    is_old: bool
    height: float | None = None
    rings: int = 5


TREE = Tree(leaves=(Leaf(name='a', share=0.5), Leaf(name='b', share=1.0)),
            root=Leaf(name='r', share=0.0), sizes=(1, 2), is_old=True, height=2.5)


def read(message):
    """Read a tree."""
    return record_from_wire(Tree, message, what='the tree', error=PredictionError)


@pytest.mark.parametrize('tree', [
    TREE, Tree(leaves=(), root=TREE.root, sizes=None, is_old=False, rings=7)])
def test_a_record_survives_the_journey(tree):
    assert read(decode(encode(record_to_wire(tree)))) == tree


def test_what_is_missing_has_its_default():
    message = record_to_wire(TREE)
    del message['rings'], message['height']
    assert (read(message).rings, read(message).height) == (5, None)


@pytest.mark.parametrize('field, value, text', [
    ('leaves', [{'name': 'a'}], "no 'share'"), ('leaves', [5], 'map'), ('leaves', 'ab', 'list'),
    ('root', None, 'map'), ('sizes', ['a'], '0 of sizes of the tree is str'),
    ('is_old', 1, 'true or false'), ('rings', None, 'integer'), ('height', np.zeros(2), 'number'),
    ('colour', 1, "unknown fields 'colour'")])
def test_a_field_of_another_kind_is_refused_with_its_place(field, value, text):
    with pytest.raises(PredictionError, match=text):
        read({**record_to_wire(TREE), field: value})


@pytest.mark.parametrize('field', ['leaves', 'root', 'is_old'])
def test_a_field_without_a_default_is_required(field):
    message = record_to_wire(TREE)
    del message[field]
    with pytest.raises(PredictionError, match=f"no '{field}'"):
        read(message)
