# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: the flotilla maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

DOCUMENTATION = r"""
---
module: rollout_report
short_description: Write what became of a rollout to files
version_added: 0.1.0
description:
  - Reads a rollout from the ledger and writes it on the controller, as JSON for programs, JUnit XML for CI, one HTML page for
    people, and metrics for Prometheus.
  - A file is there whole or not at all, and is written only where it differs. The same record gives the same bytes.
  - Where there is no such rollout yet, nothing is written.
options:
  name:
    description: The name of the rollout. The newest one of that name is written.
    type: str
    default: upgrade
  id:
    description: The number of a rollout, to write an older one.
    type: int
  ledger:
    description: The ledger, as a URL of SQLAlchemy. SQLite serves one controller, PostgreSQL several.
    type: str
    required: true
  directory:
    description:
      - Where the report is written, as C(NAME-ID.json), C(NAME-ID.junit.xml) and C(NAME-ID.html). Made where it is missing.
    type: path
  formats:
    description: Which of them.
    type: list
    elements: str
    choices: [json, junit, html]
    default: [json, junit, html]
  prometheus:
    description:
      - The file for the textfile collector of node_exporter, whose name must end in C(.prom). Where it is kept, one file for
        each name of a rollout.
    type: path
notes:
  - Works on the controller alone; no host is connected to.
  - The JSON is described by C(docs/schemas/rollout-report.schema.json) in the collection.
author:
  - The flotilla maintainers (@flotilla)
"""

EXAMPLES = r"""
- name: Write the report of the newest upgrade
  flotilla.container_os.rollout_report:
    ledger: sqlite:////var/lib/flotilla/ledger.sqlite
    directory: /var/lib/flotilla/reports
    prometheus: /var/lib/node_exporter/flotilla-upgrade.prom
  run_once: true
"""

RETURN = r"""
msg:
  description: What was written, in a sentence.
  returned: always
  type: str
files:
  description: The path of each file, under C(json), C(junit), C(html) and C(prometheus).
  returned: success
  type: dict
"""
