#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The slower lints. They run on a copy, with a HOME of their own: ansible-lint leaves a copy of the collection in ~/.ansible,
# which later runs would use in silence.
set -eu
cd "$(dirname "$0")/../.."
tests/tools/copy.sh .cache/lint
HOME=$PWD/.cache/lint/home
ANSIBLE_COLLECTIONS_PATH=$PWD/.cache/lint
NO_COLOR=1
export HOME ANSIBLE_COLLECTIONS_PATH NO_COLOR
mkdir -p "$HOME"
cd .cache/lint/ansible_collections/flotilla/container_os
echo '==> ansible-lint'
ansible-lint --offline -q
echo '==> documentation of the collection'
antsibull-docs lint-collection-docs --plugin-docs --skip-rstcheck .
echo '==> changelog'
antsibull-changelog lint
