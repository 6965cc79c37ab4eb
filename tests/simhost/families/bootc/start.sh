#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What the initramfs (ostree-prepare-root) leaves behind.
mkdir -p /run/ostree
: >/run/ostree-booted
