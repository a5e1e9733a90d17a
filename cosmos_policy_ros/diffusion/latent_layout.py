# SPDX-License-Identifier: Apache-2.0
"""Which latent frame holds what, and which frames are clean in each use of the network.

Every layout is: blank, proprio, one frame per view, action, future proprio, one future frame per
view, value. A layout is therefore the list of its views.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from cosmos_policy_ros.errors import ConfigurationError

VIDEO_FRAMES_PER_LATENT = 4


class NetworkRole(Enum):
    """What the one network is used for: it denoises what the role does not hold clean."""

    POLICY = 'p(a, s_next, V | s)'
    WORLD_MODEL = 'p(s_next, V | s, a)'
    TRANSITION_VALUE = 'V(s, a, s_next)'
    STATE_VALUE = 'V(s_next)'
    ACTION_VALUE = 'Q(s, a)'


VALUE_ROLES = {'v_next': NetworkRole.STATE_VALUE, 'v_full': NetworkRole.TRANSITION_VALUE,
               'q': NetworkRole.ACTION_VALUE}
"""Names, in settings and configurations, of the roles that only ask for a value."""


@dataclass(frozen=True, kw_only=True)
class LatentLayout:
    """Roles of the latent frames of one sequence.

    Attributes:
        name: Name of the layout.
        views: Camera views in the order of their frames.
    """

    name: str
    views: tuple[str, ...]

    @property
    def blank(self) -> int:
        """Frame of the leading blank image."""
        return 0

    @property
    def proprio(self) -> int:
        """Frame of the measured joints."""
        return self.blank + 1

    @property
    def current_views(self) -> dict[str, int]:
        """Frame of each current image."""
        return {view: self.proprio + 1 + i for i, view in enumerate(self.views)}

    @property
    def action(self) -> int:
        """Frame of the action chunk."""
        return self.proprio + 1 + len(self.views)

    @property
    def future_proprio(self) -> int:
        """Frame of the joints at the end of the chunk."""
        return self.action + 1

    @property
    def future_views(self) -> dict[str, int]:
        """Frame of each image at the end of the chunk."""
        return {view: self.future_proprio + 1 + i for i, view in enumerate(self.views)}

    @property
    def value(self) -> int:
        """Frame of the value."""
        return self.future_proprio + 1 + len(self.views)

    @property
    def num_latent_frames(self) -> int:
        """Length of the latent sequence."""
        return self.value + 1

    @property
    def num_video_frames(self) -> int:
        """Length of the sequence as a video: the blank image once, the others four times each."""
        return self.video_frames_until(self.num_latent_frames)

    @property
    def blank_in_video(self) -> tuple[int, ...]:
        """Frames that are black in the video although a vector may be injected there.

        They are put back to black before a sequence is decoded; the value comes last and cannot
        influence an image.
        """
        return self.blank, self.proprio, self.action, self.future_proprio

    def video_frames_until(self, num_latent_frames: int) -> int:
        """Number of video frames behind the first `num_latent_frames` latent frames."""
        return VIDEO_FRAMES_PER_LATENT * (num_latent_frames - 1) + 1

    def first_video_frame(self, latent_frame: int) -> int:
        """Index of the first video frame of a latent frame other than the leading blank one."""
        return VIDEO_FRAMES_PER_LATENT * (latent_frame - 1) + 1

    def clean_frames(self, role: NetworkRole) -> tuple[int, ...]:
        """Return the frames that a role is given and does not denoise."""
        until = {NetworkRole.POLICY: self.action, NetworkRole.WORLD_MODEL: self.action + 1,
                 NetworkRole.ACTION_VALUE: self.action + 1,
                 NetworkRole.TRANSITION_VALUE: self.value}
        if role is NetworkRole.STATE_VALUE:
            return self.blank, *range(self.future_proprio, self.value)
        return tuple(range(until[role]))


ALOHA = LatentLayout(name='aloha', views=('left_wrist', 'right_wrist', 'primary'))
LIBERO = LatentLayout(name='libero', views=('wrist', 'primary'))
ROBOCASA = LatentLayout(name='robocasa', views=('wrist', 'primary', 'secondary'))
LAYOUTS = {layout.name: layout for layout in (ALOHA, LIBERO, ROBOCASA)}


def latent_layout(name: str) -> LatentLayout:
    """Return the layout of that name.

    Raises:
        ConfigurationError: If there is no such layout.
    """
    if name not in LAYOUTS:
        raise ConfigurationError(f'unknown latent layout {name!r}; known: {", ".join(LAYOUTS)}')
    return LAYOUTS[name]
