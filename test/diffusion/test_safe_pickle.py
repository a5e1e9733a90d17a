# SPDX-License-Identifier: Apache-2.0
"""Pickles: what is allowed is read, everything else is refused before it is imported."""

from collections import OrderedDict
import os
import pickle
import sys

from hypothesis import given, settings, strategies as st
import pytest

from cosmos_policy_ros.diffusion.safe_pickle import read_pickle
from cosmos_policy_ros.errors import CheckpointError

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
    | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=8)


@settings(deadline=None)
@given(value=PLAIN, protocol=st.integers(2, pickle.HIGHEST_PROTOCOL))
def test_plain_values_are_read_back_equal(tmp_path_factory, value, protocol):
    path = tmp_path_factory.mktemp('pickle') / 'file.pkl'
    if protocol == 2:  # which writes bytes as a call
        value = str(value)
    path.write_bytes(pickle.dumps(value, protocol))
    assert read_pickle(path) == value


def test_an_allowed_name_is_used(tmp_path):
    path = tmp_path / 'file.pkl'
    path.write_bytes(pickle.dumps(OrderedDict(a=1)))
    assert read_pickle(path, allowed=['collections.OrderedDict']) == OrderedDict(a=1)
    with pytest.raises(CheckpointError, match='asks for collections.OrderedDict; only  may'):
        read_pickle(path)


def test_a_replaced_name_is_never_looked_up(tmp_path):
    path = tmp_path / 'file.pkl'
    path.write_bytes(b'cno_such_module\nbuild\n(I3\ntR.')
    assert read_pickle(path, replaced={'no_such_module.build': lambda value: 2 * value}) == 6
    assert 'no_such_module' not in sys.modules


@pytest.mark.parametrize('call', [
    b'cos\nsystem\n', b'cposix\nsystem\n', b'cbuiltins\neval\n', b'c__builtin__\nexec\n',
    b'csubprocess\nPopen\n', b'cbuiltins\ngetattr\n', b'ctorch\nload\n',
    b'\x80\x04\x8c\x0bcollections\x8c\x14OrderedDict.__init__\x93'])
def test_every_other_name_is_refused_and_not_called(tmp_path, call):
    path = tmp_path / 'file.pkl'
    path.write_bytes(call + b'(S"touch ' + str(tmp_path / 'executed').encode() + b'"\ntR.')
    with pytest.raises(CheckpointError, match='file.pkl: it asks for .*; only'):
        read_pickle(path, allowed=['collections.OrderedDict'])
    assert not (tmp_path / 'executed').exists()


def test_a_name_is_refused_before_its_module_is_imported(tmp_path, monkeypatch):
    (tmp_path / 'module_with_effects.py').write_text('raise SystemExit')
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / 'file.pkl').write_bytes(b'cmodule_with_effects\nname\n.')
    with pytest.raises(CheckpointError, match='module_with_effects.name'):
        read_pickle(tmp_path / 'file.pkl')


def test_a_class_whose_pickling_runs_a_command_is_refused(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (os.system, (f'touch {tmp_path / "executed"}',))

    (tmp_path / 'file.pkl').write_bytes(pickle.dumps({'fold shirt': Bomb()}))
    with pytest.raises(CheckpointError, match=r'asks for \w+\.system'):
        read_pickle(tmp_path / 'file.pkl')
    assert not (tmp_path / 'executed').exists()


@settings(deadline=None)
@given(length=st.integers(0, 60))
def test_a_truncated_file_is_refused(tmp_path_factory, length):
    path = tmp_path_factory.mktemp('pickle') / 'file.pkl'
    content = pickle.dumps({'fold shirt': [1.0, 2.0, b'three'], 'other': ('four', None)})
    path.write_bytes(content[:min(length, len(content) - 1)])
    with pytest.raises(CheckpointError, match='file.pkl'):
        read_pickle(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match='nowhere.pkl'):
        read_pickle(tmp_path / 'nowhere.pkl')
