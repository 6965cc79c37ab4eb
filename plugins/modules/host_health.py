# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: the flotilla maintainers
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

DOCUMENTATION = r"""
---
module: host_health
short_description: Probe a host, record a baseline, give a verdict
version_added: 0.1.0
description:
  - Runs all probes and says whether the host is healthy. Those on the host itself are one round trip an attempt; those
    on the controller look at the host as its clients do.
  - With a baseline taken before a change, only what broke since counts. What was broken before is reported and does not
    fail.
  - What cannot be found out, because a tool is missing on the host or does not answer, is not healthy, and no baseline
    forgives it.
  - A bad verdict makes the task fail, with the evidence in its message and all returns in its result.
  - It only reads. It never reports a change, and runs the same in check mode.
options:
  probes:
    description:
      - What to look at. At least one.
      - Besides the options that all probes have, each type has its own. An option of another type is refused.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The name of the probe in messages and in RV(probes). No two probes share one.
        type: str
        required: true
      type:
        description:
          - V(systemd) looks at units, V(container) at containers of podman or docker, V(http) asks a URL, V(tcp)
            connects to a port, V(command) runs a command that only reads, V(file) looks at a file, V(mount) at a file
            system, V(listening) at ports that are listened on, V(mac_denials) at what AppArmor and SELinux denied.
        type: str
        required: true
        choices: [systemd, container, http, tcp, command, file, mount, listening, mac_denials]
      query:
        description:
          - A JMESPath expression over the probe's data, RV(probes). It takes the place of the type's own expectation.
            What the type's options ask for (O(probes[].status), O(probes[].rc), O(probes[].file_type),
            O(probes[].max_age), O(probes[].rw), O(probes[].min_free_percent), O(probes[].min_free_mb)) holds besides.
          - Needs the Python package C(jmespath) on the controller.
        type: str
      expect:
        description:
          - The value that O(probes[].query) must give, or a list of them. Types count, V("200") is not V(200).
          - Without it, the query must give V(true).
        type: raw
      critical:
        description: With V(false) the probe is reported, and the verdict can be good without it.
        type: bool
        default: true
      ignore_baseline:
        description: With V(true) the probe must be healthy, whatever it was in the baseline.
        type: bool
        default: false
      where:
        description:
          - Where the probe looks from. V(host) is the host itself.
          - V(controller) is what runs Ansible, for V(http), V(tcp) and V(command). It needs no tool there, no proxy is
            used, and up to eight such probes of a host look at the same time.
        type: str
        choices: [host, controller]
        default: host
      units:
        description:
          - V(systemd). Units that must be active; a name without a type is a service.
          - Without it, the boot must be finished and no unit may have failed.
        type: list
        elements: str
      names:
        description:
          - V(container), required. Containers that must run, and be healthy where they have a health check.
        type: list
        elements: str
      runtime:
        description: V(container). V(auto) takes the first that is there, podman before docker.
        type: str
        choices: [auto, podman, docker]
        default: auto
      url:
        description:
          - V(http), required. What to get, as the place that O(probes[].where) names sees it, so that loopback is that
            place. No proxy is used and no redirect is followed.
          - It must not hold a name and password; what follows a question mark shows in no message.
        type: str
      status:
        description: V(http). The status that is expected, or a list of them. Without it, 200.
        type: list
        elements: int
      headers:
        description:
          - V(http). Headers to send. Their values show in no message and no result.
          - Where the host has no curl, they show in its list of processes while it asks.
        type: dict
      validate_certs:
        description: V(http). Whether to refuse a certificate that does not verify.
        type: bool
        default: true
      host:
        description:
          - V(tcp). A host name or an address, as the place that O(probes[].where) names sees it.
          - Without it, 127.0.0.1 on the host, and from the controller the address of the connection.
        type: str
      port:
        description: V(tcp), required. The port.
        type: int
      argv:
        description: V(command). The program and its arguments. Either this or O(probes[].cmd) is required.
        type: list
        elements: str
      cmd:
        description: V(command). A line for C(/bin/sh).
        type: str
      rc:
        description: V(command). The exit code that is expected, or a list of them. Without it, 0.
        type: list
        elements: int
      timeout:
        description: V(http), V(command) 10 and V(tcp) 5 seconds of patience with one attempt, unless said otherwise.
        type: float
      path:
        description: V(file), V(mount), required. The path of the file, or the mount point.
        type: path
      present:
        description: V(file). V(false) if it must not be there.
        type: bool
        default: true
      file_type:
        description: V(file). What it must be. A symbolic link stands for what it leads to.
        type: str
        choices: [file, directory, socket, fifo, block_device, character_device]
      max_age:
        description: V(file). How long ago it may have been written last, in seconds, by the host's clock.
        type: float
      content:
        description: V(file). Whether to read it, for O(probes[].query). Its first 4 KiB are in the result then.
        type: bool
        default: false
      rw:
        description: V(mount). V(true) if it must be writable, V(false) if it must be read-only.
        type: bool
      min_free_percent:
        description: V(mount). Room that must be free, in percent.
        type: float
      min_free_mb:
        description: V(mount). Room that must be free, in MiB.
        type: int
      ports:
        description: V(listening), required. Ports that must be listened on, on any address.
        type: list
        elements: int
      protocol:
        description: V(listening). The protocol.
        type: str
        choices: [tcp, udp]
        default: tcp
      since:
        description: V(mac_denials). V(baseline) passes over what is older than O(baseline).
        type: str
        choices: [boot, baseline]
        default: boot
      max:
        description: V(mac_denials). How many denials are all right.
        type: int
        default: 0
  state:
    description:
      - V(verdict) waits until the host is healthy, and fails when it is not so in time.
      - V(baseline) records how the host is, and never fails on what it finds. A probe counts as broken there when three
        attempts in a row find the same fault.
      - V(observed) looks once, and never fails on what it finds.
    type: str
    choices: [baseline, verdict, observed]
    default: verdict
  baseline:
    description:
      - The registered result of an earlier run with O(state=baseline). A fault that it has too does not count.
    type: dict
  stable_for:
    description:
      - How long the host must stay healthy, in seconds. Every attempt in that window must be good, and no unit or
        container that is named may be restarted between two of them.
      - Where a guard has the boot on trial, the task fails as soon as the window cannot end before the guard does.
    type: int
    default: 0
  timeout:
    description:
      - The budget for becoming healthy, in seconds. The window of O(stable_for) must begin within it and may end later.
    type: int
    default: 60
  interval:
    description:
      - The pause between two attempts, in seconds. A host that is not healthy yet is asked more often at first.
    type: int
    default: 5
notes:
  - Needs no Python on the host, only a POSIX C(sh) and root (directly or by any become method).
  - Works on the controller through the connection of the host; check mode is supported, and the same. There is no diff,
    because nothing changes.
seealso:
  - module: flotilla.container_os.deployment_confirm
author:
  - The flotilla maintainers (@flotilla)
"""

EXAMPLES = r"""
- name: Record how the host is before the upgrade
  flotilla.container_os.host_health:
    state: baseline
    probes:
      - {name: units, type: systemd}
      - {name: workload, type: http, url: "http://127.0.0.1:8080/health", query: json.ready}
      - {name: containers, type: container, names: [web, db]}
      - {name: room, type: mount, path: /var, rw: true, min_free_percent: 10}
      - {name: heartbeat, type: file, path: /run/agent/alive, max_age: 60}
      - {name: reachable, type: tcp, where: controller, port: 443}
      - {name: denials, type: mac_denials, critical: false}
  register: before

- name: See that the host is as healthy as before, for half a minute
  flotilla.container_os.host_health:
    probes: "{{ health_probes }}"
    baseline: "{{ before }}"
    stable_for: 30
    timeout: 300

- name: See that a database has a leader
  flotilla.container_os.host_health:
    probes:
      - name: leader
        type: command
        argv: [etcdctl, endpoint, status, --write-out=json]
        query: length([?Status.leader != `0`])
        expect: [3]
"""

RETURN = r"""
verdict:
  description: Whether the host is healthy, also in the result of a task that failed because it is not.
  returned: always, but for a refusal
  type: dict
  contains:
    healthy:
      description: All critical probes are good, or as they were in the baseline.
      type: bool
    reasons:
      description: Why the host is not healthy, one text for each probe in RV(verdict.broke).
      type: list
      elements: str
    broke:
      description: Names of critical probes with faults that the baseline does not have.
      type: list
      elements: str
    already_broken:
      description: Names of probes with faults that the baseline has too. With O(state=baseline), of all broken ones.
      type: list
      elements: str
    unknown:
      description: Names of probes that could not find out.
      type: list
      elements: str
    warnings:
      description: What is wrong and does not count.
      type: list
      elements: str
    attempts:
      description: How many attempts were made; each is one round trip.
      type: int
    elapsed:
      description: How long it took, in seconds.
      type: float
  sample:
    healthy: false
    reasons: ["probe workload: http://127.0.0.1:8080/health answered 503, expected 200"]
    broke: [workload]
    already_broken: []
    unknown: []
    warnings: []
    attempts: 9
    elapsed: 61.2
probes:
  description: What each probe found in the last attempt, by its name.
  returned: always, but for a refusal
  type: dict
  contains:
    type:
      description: The type of the probe.
      type: str
    where:
      description: Where it looked from.
      type: str
    healthy:
      description: It found no fault.
      type: bool
    critical:
      description: It counts for the verdict.
      type: bool
    value:
      description: The value of the query, or what stands for the data without one, such as the status of V(http).
      type: raw
    reason:
      description: What is wrong, or null.
      type: str
    faults:
      description: What is wrong, by keys that a later verdict compares with.
      type: dict
    data:
      description: What was found; the keys of each type are in the guide. Null when nothing could be found out.
      type: dict
  sample:
    workload:
      type: http
      where: host
      healthy: false
      critical: true
      value: 503
      reason: http://127.0.0.1:8080/health answered 503, expected 200
      faults: {answer: "http://127.0.0.1:8080/health answered 503, expected 200"}
      data: {status: 503, body: "", json: null, error: null, tool: curl}
"""
