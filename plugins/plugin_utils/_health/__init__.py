# SPDX-License-Identifier: GPL-3.0-or-later
"""Health of a host: probes that ask it, a verdict over what they say, a baseline to compare with."""
