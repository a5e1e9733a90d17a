# SPDX-License-Identifier: Apache-2.0
"""A fingerprint follows names and contents, not places."""

import pytest

from cosmos_policy_ros.recording.fingerprint import fingerprint


def folder(path, **files):
    """Make a folder of files."""
    path.mkdir()
    for name, content in files.items():
        (path / name).write_bytes(content)
    return path


def test_a_copy_elsewhere_has_the_same_fingerprint(tmp_path):
    first = folder(tmp_path / 'a', weights=b'1' * 100, config=b'{}')
    second = folder(tmp_path / 'b', config=b'{}', weights=b'1' * 100)
    assert fingerprint(first) == fingerprint(second)
    assert fingerprint(first / 'weights') == fingerprint(second / 'weights')


@pytest.mark.parametrize('files', [
    {'weights': b'1' * 99 + b'2'}, {'weights': b'1' * 101}, {'other': b'1' * 100}, {}])
def test_another_name_size_or_content_has_another(tmp_path, files):
    assert fingerprint(folder(tmp_path / 'a', weights=b'1' * 100)) != fingerprint(
        folder(tmp_path / 'b', **files))


def test_a_fetched_snapshot_is_its_revision(tmp_path):
    revision = '0123456789abcdef' * 2 + '01234567'
    assert fingerprint(folder(tmp_path / revision)) == f'revision:{revision}'
