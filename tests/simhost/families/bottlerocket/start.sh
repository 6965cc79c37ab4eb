#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The API's socket; and mark-successful-boot.service, once the host is up.
: >/run/api.sock
/usr/lib/simhost/family/host/signpost mark-successful-boot
