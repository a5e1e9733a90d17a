# SPDX-License-Identifier: Apache-2.0
"""The page stands alone, says what matters first, and shows text as text."""

import base64
from collections.abc import Callable
import dataclasses
from html.parser import HTMLParser
import json
from pathlib import Path
import re

import cv2
import numpy as np
import pytest
from synthetic_episode import START_NS, SyntheticRecorder

from cosmos_policy_ros.errors import RecordingError
from cosmos_policy_ros.evaluation.episode_report import EpisodeReport
from cosmos_policy_ros.evaluation.episode_series import EpisodeSeries, load_series
from cosmos_policy_ros.evaluation.motion_report import compute_report
from cosmos_policy_ros.evaluation.report_page import render_page, write_report
from cosmos_policy_ros.recording.episode import EpisodeLabel
from cosmos_policy_ros.recording.reader import EpisodeReader
from cosmos_policy_ros.spec.aloha import ALOHA

Content = tuple[EpisodeReport, EpisodeSeries]
HOSTILE = '<script>alert("x")</script> & "cup"'


class Page(HTMLParser):
    """Collects the text, the tags and the sources of a page, and checks that tags close."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.tags, self.sources, self.open = '', [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.sources += [value for name, value in attributes if name in ('src', 'href')]
        if tag not in ('meta', 'img'):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope='module')
def content(episode: Path, topics) -> Content:
    """Report and series of the shared episode."""
    reader = EpisodeReader(episode)
    series = load_series(reader, ALOHA, topics)
    return compute_report(reader, series, topics), series


@pytest.fixture(scope='module')
def html(content: Content, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of the shared episode, as written beside its figures."""
    folder = tmp_path_factory.mktemp('report')
    page = write_report(folder, *content)
    assert page == folder / 'report.html'
    figures = json.loads((folder / 'report.json').read_text())
    assert figures == json.loads(json.dumps(content[0].to_json()))
    return page.read_text()


@pytest.fixture(scope='module')
def page(html: str) -> Page:
    """The parsed page."""
    return Page(html)


def test_page_needs_no_other_file(page: Page):
    assert len(page.sources) == 6
    assert all(source.startswith('data:image/png;base64,') for source in page.sources)
    assert not page.open


def test_every_plot_is_a_picture_with_something_in_it(page: Page):
    for source in page.sources:
        data = np.frombuffer(base64.b64decode(source.split(',')[1]), np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_COLOR)
        assert min(image.shape[:2]) > 100
        assert np.count_nonzero((image < 200).any(axis=2)) > 1000


def test_summary_comes_before_the_first_plot(html: str):
    summary = Page(html[:html.index('<img')]).text
    for words in ('put the red cube into the cup', 'success', 'tiny', 'untrained', '4.2 s',
                  '250 ms', '50.0 Hz', '25.0 Hz', 'largest rms tracking error', '4 late ticks',
                  'no_chunk', 'done', '0.0%',
                  'speed step at borders of chunks'):
        assert words in summary, words


def test_every_topic_and_joint_is_listed(page: Page, reader):
    for name in (*reader.topics, *ALOHA.joint_names):
        assert name in page.text


def test_seams_and_jerk_are_tabled(page: Page, content: Content):
    assert f'step at {content[0].seams.borders} borders of chunks' in page.text
    assert 'jerk of the commands' in page.text
    without = Page(render_page(dataclasses.replace(content[0], seams=None), content[1]))
    assert 'No chunk took over from another' in without.text


def test_trained_policy_raises_no_notice(content: Content, page: Page):
    report, series = content
    trained = dataclasses.replace(
        report, policy=dataclasses.replace(report.policy, is_trained=True))
    assert 'random weights' not in render_page(trained, series)
    assert 'random weights' in page.text


def test_text_is_never_taken_for_markup(content: Content, page: Page):
    report, series = content
    policy = dataclasses.replace(report.policy, policy=HOSTILE, modes=HOSTILE)
    stream = dataclasses.replace(report.streams[0], topic=HOSTILE)
    hostile = Page(render_page(dataclasses.replace(
        report, task=HOSTILE, note=HOSTILE, robot=HOSTILE, name=HOSTILE, task_stage=HOSTILE,
        policy=policy, streams=(stream,)), series, video_name=HOSTILE))
    assert 'script' not in hostile.tags
    assert hostile.text.count(HOSTILE) >= 7
    assert HOSTILE in hostile.sources
    assert 'video' in hostile.tags


def test_episode_with_nothing_in_it_has_a_page(
        new_recorder: Callable[[], SyntheticRecorder], topics):
    path = new_recorder().writer.finish(EpisodeLabel(), ended_ns=START_NS)
    reader = EpisodeReader(path)
    series = load_series(reader, ALOHA, topics)
    page = Page(render_page(compute_report(reader, series, topics), series))
    assert 'unlabelled' in page.text
    assert not re.search(r'\bnan\b|\bNone\b', page.text)


def test_folder_that_cannot_be_written_is_named(content: Content, tmp_path: Path):
    with pytest.raises(RecordingError, match=str(tmp_path / 'missing')):
        write_report(tmp_path / 'missing', *content)
