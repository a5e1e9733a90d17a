# SPDX-License-Identifier: Apache-2.0
"""`cosmos-policy fetch` against a hub of our own: what it takes, asks, keeps and refuses."""

from errno import ENOSPC
import io
import os
import socket
import subprocess
import sys
import time
from types import SimpleNamespace

from cli.fake_hub import FakeHub
from diffusion.released_layout import BASE, PLANNING, POLICY, write_autoencoder, write_policy
import pytest
from rich.filesize import decimal

from cosmos_policy_ros.cli.main import main
from cosmos_policy_ros.diffusion.checkpoint_files import checkpoint_files
from cosmos_policy_ros.diffusion.checkpoint_paths import find_checkpoint

POLICY_FILES = {f'{POLICY}.pt', 'config.json', 'aloha_dataset_statistics.json',
                'aloha_t5_embeddings.pkl'}
AUTOENCODER_FILE = 'tokenizer/tokenizer.pth'


@pytest.fixture(scope='module')
def repositories(tmp_path_factory, tiny_checkpoint):
    """Folders with the files of the released repositories; tests must not change them."""
    root = tmp_path_factory.mktemp('hub')
    write_policy(root / POLICY, tiny_checkpoint)
    write_autoencoder(root / BASE, tiny_checkpoint)
    (root / BASE / 'model-480p-16fps.pt').write_bytes(b'the video model, which is not needed')
    (root / PLANNING).mkdir()
    (root / PLANNING / f'{PLANNING}.pt').write_bytes((root / POLICY / f'{POLICY}.pt').read_bytes())
    encoder = root / 't5-11b'
    encoder.mkdir()
    for name in ('config.json', 'spiece.model', 'pytorch_model.bin', 'tf_model.h5', 'README.md'):
        (encoder / name).write_bytes(name.encode())
    return {**{f'nvidia/{name}': root / name for name in (POLICY, PLANNING, BASE)},
            'google-t5/t5-11b': encoder}


@pytest.fixture
def hub(repositories, tmp_path, monkeypatch):
    """The hub, in place of the real one and of this user's cache."""
    for name in ('HF_HUB_CACHE', 'HF_TOKEN_PATH'):
        monkeypatch.setattr(f'huggingface_hub.constants.{name}', str(tmp_path / name))
    with FakeHub(dict(repositories)) as running:
        point_to(running.url, monkeypatch)
        yield running


def point_to(url, monkeypatch):
    """Do what HF_ENDPOINT does in a new process."""
    monkeypatch.setattr('huggingface_hub.constants.ENDPOINT', url)
    monkeypatch.setattr('huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE',
                        f'{url}/{{repo_id}}/resolve/{{revision}}/{{filename}}')


def files_in(folder):
    """Names of the files in a folder, without the hub's own bookkeeping."""
    return {str(path.relative_to(folder)) for path in folder.rglob('*')
            if path.is_file() and '.cache' not in path.parts}


def test_a_policy_comes_with_its_image_tokenizer_and_without_what_is_not_needed(
        hub, repositories, tmp_path):
    output = tmp_path / 'policy'
    assert main(['fetch', f'nvidia/{POLICY}', '--output', str(output), '--yes']) == 0
    assert files_in(output) == POLICY_FILES | {AUTOENCODER_FILE}
    for name in POLICY_FILES:
        assert (output / name).read_bytes() == (
            repositories[f'nvidia/{POLICY}'] / name).read_bytes()


def test_a_policy_in_the_cache_is_found_whole_by_the_name_of_its_repository(hub):
    assert main(['fetch', f'nvidia/{POLICY}', '--yes']) == 0
    files = checkpoint_files(find_checkpoint(f'nvidia/{POLICY}'))
    assert files.weights.name == f'{POLICY}.pt' and files.is_released
    assert files.autoencoder.name == 'tokenizer.pth'
    assert files.statistics.name == 'aloha_dataset_statistics.json'
    assert [path.name for path in files.text_embeddings] == ['aloha_t5_embeddings.pkl']


def test_the_planning_model_comes_with_what_the_policy_has_for_it(hub, tmp_path):
    assert main(['fetch', f'nvidia/{PLANNING}', '--output', str(tmp_path / 'a'), '--yes']) == 0
    assert files_in(tmp_path / 'a') == {
        f'{PLANNING}.pt', 'aloha_dataset_statistics.json', 'aloha_t5_embeddings.pkl',
        AUTOENCODER_FILE}


def test_of_the_base_model_only_the_image_tokenizer_is_taken(hub, tmp_path):
    assert main(['fetch', f'nvidia/{BASE}', '--output', str(tmp_path / 'a'), '--yes']) == 0
    assert files_in(tmp_path / 'a') == {AUTOENCODER_FILE}


def test_of_a_text_encoder_one_kind_of_weights_is_taken(hub, tmp_path):
    assert main(['fetch', 'google-t5/t5-11b', '--output', str(tmp_path / 'a'), '--yes']) == 0
    assert files_in(tmp_path / 'a') == {'config.json', 'spiece.model', 'pytorch_model.bin'}


@pytest.mark.parametrize('where', ['cache', 'folder'])
def test_what_is_there_is_not_downloaded_again(hub, tmp_path, capsys, where):
    command = ['fetch', f'nvidia/{POLICY}', '--yes']
    command += ['--output', str(tmp_path / 'a')] if where == 'folder' else []
    assert main(command) == 0
    assert len(hub.downloads) == 5
    capsys.readouterr()
    assert main(command) == 0
    assert len(hub.downloads) == 5
    assert 'to download' not in capsys.readouterr().out


def test_a_changed_file_is_downloaded_again_though_its_size_is_the_same(hub, tmp_path):
    repository = tmp_path / 'own'
    repository.mkdir()
    for name in ('own.pt', 'dataset_statistics.json', 't5_embeddings.pkl'):
        (repository / name).write_bytes(b'first')
    hub.repositories['nvidia/own'] = repository
    command = ['fetch', 'nvidia/own', '--output', str(tmp_path / 'a'), '--yes']
    assert main(command) == 0
    (repository / 'own.pt').write_bytes(b'other')
    assert main(command) == 0
    assert (tmp_path / 'a' / 'own.pt').read_bytes() == b'other'


def test_the_size_is_told_before_anything_is_downloaded(hub, monkeypatch, capsys, tmp_path):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    folders = hub.repositories[f'nvidia/{POLICY}'], hub.repositories[f'nvidia/{BASE}']
    size_bytes = sum(path.stat().st_size for folder in folders for path in folder.rglob('*')
                     if path.name in {*POLICY_FILES, 'tokenizer.pth'})
    monkeypatch.setattr('sys.stdin', Terminal('n\n'))
    assert main(['fetch', f'nvidia/{POLICY}', '--output', str(tmp_path / 'a')]) == 1
    output = ' '.join(capsys.readouterr().out.split())
    assert f'5 files of {decimal(size_bytes)} to download' in output
    assert hub.downloads == [] and not files_in(tmp_path / 'a')
    monkeypatch.setattr('sys.stdin', Terminal('y\n'))
    assert main(['fetch', f'nvidia/{POLICY}', '--output', str(tmp_path / 'a')]) == 0
    assert len(hub.downloads) == 5


def test_without_a_terminal_to_ask_nothing_is_downloaded(hub, monkeypatch, capsys):
    monkeypatch.setattr('sys.stdin', io.StringIO('y\n'))
    assert main(['fetch', f'nvidia/{POLICY}']) == 1
    assert '--yes' in capsys.readouterr().err and hub.downloads == []


def test_an_answer_that_breaks_off_is_continued(hub, repositories, tmp_path, monkeypatch):
    monkeypatch.setattr('huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE', 1000)
    monkeypatch.setattr('huggingface_hub.file_download.time.sleep', lambda seconds: None)
    name = f'{POLICY}.pt'
    hub.breaks[name] = 2
    assert main(['fetch', f'nvidia/{POLICY}', '--output', str(tmp_path / 'a'), '--yes']) == 0
    assert (tmp_path / 'a' / name).read_bytes() == (
        repositories[f'nvidia/{POLICY}'] / name).read_bytes()
    first, second, third = (start for asked, start in hub.downloads if asked == name)
    assert first == 0 < second < third


def test_a_download_that_fails_leaves_nothing_half_and_keeps_what_is_complete(
        hub, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr('huggingface_hub.file_download.time.sleep', lambda seconds: None)
    hub.breaks['aloha_t5_embeddings.pkl'] = 100
    command = ['fetch', f'nvidia/{POLICY}', '--output', str(tmp_path / 'a'), '--yes']
    assert main(command) == 1
    assert 'complete files are kept' in ' '.join(capsys.readouterr().err.split())
    assert files_in(tmp_path / 'a') == POLICY_FILES - {'aloha_t5_embeddings.pkl'}
    hub.breaks.clear()
    hub.downloads.clear()
    assert main(command) == 0
    assert {name for name, _ in hub.downloads} == {'aloha_t5_embeddings.pkl', AUTOENCODER_FILE}
    assert files_in(tmp_path / 'a') == POLICY_FILES | {AUTOENCODER_FILE}


@pytest.mark.parametrize('repository, text', [
    ('nvidia/unknown', 'there is no repository nvidia/unknown'),
    ('not a name', "'not a name' is not the name of a repository"),
    ('nvidia/a/b', "'nvidia/a/b' is not the name of a repository")])
def test_what_is_no_repository_is_refused(hub, capsys, repository, text):
    assert main(['fetch', repository, '--yes']) == 1
    assert text in ' '.join(capsys.readouterr().err.split())


def test_a_gated_repository_is_refused_with_what_to_do_before_anything_is_downloaded(hub, capsys):
    hub.gated.add(f'nvidia/{BASE}')
    assert main(['fetch', f'nvidia/{POLICY}', '--yes']) == 1
    error = ' '.join(capsys.readouterr().err.split())
    assert f'access to nvidia/{BASE} has to be granted' in error and 'HF_TOKEN' in error
    assert hub.downloads == []


def test_a_repository_of_something_else_is_refused_with_its_files(hub, tmp_path, capsys):
    (tmp_path / 'other').mkdir()
    (tmp_path / 'other' / 'data.parquet').touch()
    hub.repositories['nvidia/other'] = tmp_path / 'other'
    assert main(['fetch', 'nvidia/other', '--yes']) == 1
    assert 'neither weights of a policy nor a T5 text encoder; its first files are: ' \
        'data.parquet' in ' '.join(capsys.readouterr().err.split())


def test_a_policy_without_statistics_is_refused(hub, tmp_path, capsys):
    (tmp_path / 'other').mkdir()
    (tmp_path / 'other' / 'policy.pt').touch()
    hub.repositories['nvidia/other'] = tmp_path / 'other'
    assert main(['fetch', 'nvidia/other', '--yes']) == 1
    assert 'no statistics in nvidia/other' in ' '.join(capsys.readouterr().err.split())


def test_a_disk_that_is_too_small_is_told_before_anything_is_downloaded(
        hub, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr('shutil.disk_usage', lambda path: SimpleNamespace(free=1000))
    assert main(['fetch', f'nvidia/{POLICY}', '--output', str(tmp_path / 'a'), '--yes']) == 1
    assert 'has only 1.0 kB free' in ' '.join(capsys.readouterr().err.split())
    assert hub.downloads == []


def test_a_folder_that_cannot_be_written_is_told(hub, tmp_path, capsys):
    (tmp_path / 'file').touch()
    assert main(['fetch', f'nvidia/{POLICY}', '--output', str(tmp_path / 'file' / 'a'),
                 '--yes']) == 1
    assert f'cannot write files of nvidia/{POLICY}' in ' '.join(capsys.readouterr().err.split())


def test_a_disk_that_fills_up_is_told(hub, tmp_path, capsys, monkeypatch):
    def fail(*_arguments, **_options):
        raise OSError(ENOSPC, 'No space left on device')

    monkeypatch.setattr('huggingface_hub.file_download.http_get', fail)
    assert main(['fetch', f'nvidia/{POLICY}', '--output', str(tmp_path / 'a'), '--yes']) == 1
    assert 'No space left on device' in ' '.join(capsys.readouterr().err.split())
    assert not files_in(tmp_path / 'a')


def test_an_interrupted_download_ends_quietly(hub, tmp_path, capsys, monkeypatch):
    def interrupt(*_arguments, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr('huggingface_hub.file_download.http_get', interrupt)
    assert main(['fetch', f'nvidia/{POLICY}', '--output', str(tmp_path / 'a'), '--yes']) == 130
    assert 'complete files are kept' in capsys.readouterr().out
    assert not files_in(tmp_path / 'a')


def test_no_network_is_told_at_once(capsys, monkeypatch):
    with socket.socket() as unused:
        unused.bind(('127.0.0.1', 0))
        url = f'http://127.0.0.1:{unused.getsockname()[1]}'
        point_to(url, monkeypatch)
        start = time.monotonic()
        assert main(['fetch', f'nvidia/{POLICY}', '--yes']) == 1
    assert time.monotonic() - start < 5
    assert f'cannot reach {url}' in ' '.join(capsys.readouterr().err.split())


def test_a_network_that_swallows_everything_is_given_up(capsys, monkeypatch):
    monkeypatch.setattr('cosmos_policy_ros.cli.hub_files.LISTING_TIMEOUT_S', 0.3)
    with socket.create_server(('127.0.0.1', 0)) as silent:
        point_to(f'http://127.0.0.1:{silent.getsockname()[1]}', monkeypatch)
        start = time.monotonic()
        assert main(['fetch', f'nvidia/{POLICY}', '--yes']) == 1
    assert time.monotonic() - start < 5
    assert 'cannot reach' in capsys.readouterr().err


def test_offline_mode_is_told(hub, capsys, monkeypatch):
    monkeypatch.setattr('huggingface_hub.constants.HF_HUB_OFFLINE', True)
    assert main(['fetch', f'nvidia/{POLICY}', '--yes']) == 1
    assert 'HF_HUB_OFFLINE' in capsys.readouterr().err


def test_the_command_itself_honours_the_usual_variables(repositories, tmp_path):
    with FakeHub(dict(repositories)) as hub:
        environment = {**os.environ, 'HF_ENDPOINT': hub.url, 'HF_HOME': str(tmp_path / 'home')}
        done = subprocess.run(
            [sys.executable, '-m', 'cosmos_policy_ros.cli.main', 'fetch', f'nvidia/{POLICY}',
             '--yes'], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    snapshots = tmp_path / 'home' / 'hub' / f'models--nvidia--{POLICY}' / 'snapshots'
    assert files_in(next(snapshots.iterdir())) == POLICY_FILES
