# SPDX-License-Identifier: GPL-3.0-or-later
"""The types of probes, one a file; `_health/registry.py` lists them."""
