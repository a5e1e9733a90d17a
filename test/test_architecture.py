# SPDX-License-Identifier: Apache-2.0
"""Rooms import only downwards: every import of every file, late ones too, against the table."""

import ast
from pathlib import Path

import pytest

PACKAGE = 'cosmos_policy_ros'
ROOT = Path(__file__).resolve().parents[1] / PACKAGE
# Room: (rooms of ours, third-party modules beyond the standard library and numpy).
TABLE = {
    '__init__': (set(), set()),
    'errors': (set(), set()),
    'worker_pool': (set(), set()),
    'spec': (set(), set()),
    'bringup': ({'spec'}, {'yaml'}),
    'diffusion': ({'spec'}, {'torch', 'diffusers', 'safetensors', 'huggingface_hub',
                             'transformers'}),
    'policy': ({'spec', 'diffusion'}, {'torch', 'cv2', 'PIL', 'aiohttp', 'msgpack', 'ray'}),
    'robot': ({'spec'}, set()),
    'simulation': ({'spec'}, {'mujoco', 'cv2'}),
    'recording': ({'spec', 'worker_pool'},
                  {'mcap', 'mcap_ros2', 'yaml', 'h5py', 'pyarrow', 'av', 'cv2'}),
    'training': ({'spec', 'diffusion', 'policy', 'recording', 'worker_pool'},
                 {'torch', 'safetensors', 'tensorboard'}),
    'evaluation': ({'spec', 'policy', 'robot', 'simulation', 'recording'},
                   {'matplotlib', 'av', 'cv2', 'rerun'}),
    'nodes': ({'spec', 'diffusion', 'policy', 'robot', 'simulation', 'recording', 'evaluation',
               'bringup', 'msg', 'srv', 'action', '__init__'},
              {'rclpy', 'cv2', 'rcl_interfaces', 'builtin_interfaces', 'diagnostic_msgs',
               'interbotix_xs_msgs', 'lifecycle_msgs', 'sensor_msgs', 'std_msgs', 'std_srvs',
               'trajectory_msgs', 'geometry_msgs', 'rosgraph_msgs', 'h5py'}),
    'cli': ({'spec', 'bringup', 'diffusion', 'policy', 'robot', 'simulation', 'recording',
             'training', 'evaluation', 'nodes', 'worker_pool', '__init__'},
            {'tyro', 'rich', 'yaml', 'torch', 'safetensors', 'psutil', 'cv2', 'PIL',
             'dynamixel_sdk', 'huggingface_hub'}),
}
STANDARD = set(__import__('sys').stdlib_module_names) | {'numpy'}
FILES = sorted(path for path in ROOT.rglob('*.py'))


def room_of(path: Path) -> str:
    """Return the room that a file lies in."""
    return path.relative_to(ROOT).parts[0].removesuffix('.py')


def imported_modules(path: Path) -> set[str]:
    """Return the dotted names that a file imports, wherever the import stands."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f'{path} uses a relative import'
            names |= {f'{node.module}.{alias.name}' for alias in node.names}
    return names


@pytest.mark.parametrize('path', FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_imports_only_what_its_room_may(path):
    ours, third_party = TABLE[room_of(path)]
    for name in imported_modules(path):
        top, _, rest = name.partition('.')
        if top == PACKAGE:
            room = rest.partition('.')[0] or '__init__'
            room = room if room in TABLE or room in ('msg', 'srv', 'action') else '__init__'
            assert room in ours | {room_of(path), 'errors'}, f'{path} imports {name}'
        else:
            assert top in STANDARD | third_party, f'{path} imports {name}'


@pytest.mark.parametrize('path', FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_starts_with_its_licence_and_says_what_it_is(path):
    text = path.read_text()
    assert text.startswith('# SPDX-License-Identifier: Apache-2.0\n')
    assert ast.get_docstring(ast.parse(text))
