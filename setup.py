# SPDX-License-Identifier: Apache-2.0
"""pip install of the Python modules, for hosts without ROS and for virtual environments."""

from glob import glob
import os

from setuptools import find_packages, setup

CORE = ['numpy>=1.24', 'PyYAML', 'psutil', 'rich', 'tyro', 'mcap>=1.6', 'mcap-ros2-support']
MODEL = ['torch>=2.4', 'diffusers>=0.35', 'huggingface_hub', 'safetensors', 'pillow',
         'opencv-python-headless']
REMOTE = ['aiohttp', 'msgpack']
RAY = ['ray']
EMBED = ['transformers', 'sentencepiece']
DOCTOR = ['dynamixel_sdk>=4.0']
SIMULATION = ['mujoco>=3.3.7', 'opencv-python-headless']
REPORT = ['matplotlib', 'av>=12.3', 'opencv-python-headless', 'pillow']
EXCHANGE = ['h5py', 'pyarrow', 'av>=12.3', 'opencv-python-headless']
RERUN = ['rerun-sdk>=0.26']
TENSORBOARD = ['tensorboard']
TEST = ['pytest', 'pytest-rerunfailures', 'pytest-timeout', 'pytest-xdist', 'hypothesis', 'flake8',
        'rosbags']

setup(
    name='cosmos_policy_ros',
    version='0.1.0',
    description='Cosmos Policy on ALOHA bimanual robots, for ROS 2',
    long_description=open('README.md', encoding='utf-8').read(),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    python_requires='>=3.10',
    packages=find_packages(include=['cosmos_policy_ros', 'cosmos_policy_ros.*']),
    data_files=[
        (os.path.join('share/cosmos_policy_ros', folder), files)
        for pattern in ('config/**', 'launch/**', 'models/**')
        for folder in sorted({os.path.dirname(path) for path in glob(pattern, recursive=True)})
        if (files := [path for path in glob(f'{folder}/*') if os.path.isfile(path)])
    ],
    install_requires=CORE,
    extras_require={
        'model': MODEL, 'remote': REMOTE, 'sim': SIMULATION, 'report': REPORT, 'doctor': DOCTOR,
        'ray': RAY, 'embed': EMBED, 'test': TEST,
        'tensorboard': TENSORBOARD,
        'exchange': EXCHANGE, 'rerun': RERUN,
        'all': sorted({*MODEL, *REMOTE, *SIMULATION, *REPORT, *DOCTOR, *EXCHANGE}),
    },
    entry_points={'console_scripts': ['cosmos-policy = cosmos_policy_ros.cli.main:main']},
)
