#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The Molecule scenario, with a HOME of its own: molecule leaves a copy of the collection in ~/.ansible.
set -eu
cd "$(dirname "$0")/../.."
FLOTILLA_ROOT=$PWD
# The image cache of the lab is the user's: it is built once.
XDG_CACHE_HOME=${XDG_CACHE_HOME:-$HOME/.cache}
HOME=$PWD/.cache/molecule-home
ANSIBLE_SSH_CONTROL_PATH_DIR=$PWD/.cache/mcp
export FLOTILLA_ROOT XDG_CACHE_HOME HOME ANSIBLE_SSH_CONTROL_PATH_DIR
mkdir -p "$HOME" .cache/molecule
cd extensions
molecule test
