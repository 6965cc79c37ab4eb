# SPDX-License-Identifier: GPL-3.0-or-later
"""All types of probes, in the order in which they are listed to people. A new type is one file and one line here."""

from __future__ import annotations

from .probe_type import ProbeType
from .probes.command import Command
from .probes.container import Container
from .probes.file import File
from .probes.http import Http
from .probes.listening import Listening
from .probes.mac_denials import MacDenials
from .probes.mount import Mount
from .probes.systemd import Systemd
from .probes.tcp import Tcp

TYPES: tuple[type[ProbeType], ...] = (Systemd, Container, Http, Tcp, Command, File, Mount, Listening, MacDenials)
BY_NAME = {kind.TYPE: kind for kind in TYPES}
