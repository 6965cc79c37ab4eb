# SPDX-License-Identifier: GPL-3.0-or-later
"""CPU and wall time per host, over real sshd endpoints: every 127.1.x.y of a network namespace is a host."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAMESPACE = f"flotilla-bench-{os.getpid()}"
PORT = 2222
USER = "flotilla-bench"

# Each is the tasks of a play; the last one is an audit of the same facts with stock modules, as it is usually written.
CASES = {
    "raw": ["ansible.builtin.raw: cat /etc/os-release"],
    "deployment_info": ["flotilla.container_os.deployment_info:"],
    "command": ["ansible.builtin.command: cat /etc/os-release"],
    "setup": ["ansible.builtin.setup:"],
    "ten tasks": [
        "ansible.builtin.setup: {gather_subset: [min]}",
        "ansible.builtin.slurp: {src: /etc/os-release}",
        "ansible.builtin.command: cat /proc/sys/kernel/random/boot_id",
        "ansible.builtin.command: cat /proc/cmdline",
        "ansible.builtin.stat: {path: /run/ostree-booted}",
        "ansible.builtin.find: {paths: /etc/ostree/remotes.d, patterns: '*.conf'}",
        "ansible.builtin.shell: ostree admin status || true",
        "ansible.builtin.shell: cat /sys/kernel/security/apparmor/profiles || true",
        "ansible.builtin.shell: systemctl is-active eos-autoupdater.timer || true",
        "ansible.builtin.stat: {path: /var/lib/flotilla/guard/armed}",
    ],
}


@dataclass(frozen=True)
class Cost:
    """Milliseconds per host."""

    controller: float
    host: float
    wall: float

    @property
    def both(self) -> float:
        return self.controller + self.host


def measure(hosts: int, forks: int, rounds: int) -> None:
    """Measure all cases `rounds` times in turn and print the medians with their ratios."""
    print(f"==> part A: {hosts} hosts over sshd on loopback, {forks} forks, {rounds} rounds, medians", flush=True)
    with tempfile.TemporaryDirectory(prefix="flotilla-bench-") as folder:
        work = Path(folder)
        work.chmod(0o755)
        sshd = _start_sshd(work)
        try:
            _write_fleet(work, hosts)
            _play(work, "raw", forks, sshd)  # opens the connections, which all cases then share
            taken: dict[str, list[Cost]] = {name: [] for name in CASES}
            for number in range(rounds):
                for name in CASES:
                    print(f"    round {number + 1}: {name}", flush=True)
                    taken[name].append(
                        _per_host(_play(work, name, forks, sshd), _play_nothing(work, forks, sshd), hosts)
                    )
        finally:
            sshd.terminate()
            sshd.wait()
            subprocess.run(["ip", "netns", "del", NAMESPACE], check=False)
            subprocess.run(["userdel", "--force", USER], check=False, stderr=subprocess.DEVNULL)
    costs = {name: _median(some) for name, some in taken.items()}
    base = costs["deployment_info"]
    print(
        f"\n{'ms per host':<20}{'controller':>10}{'host':>10}{'both':>10}{'wall':>10}   both, against deployment_info"
    )
    for name, cost in costs.items():
        ratio = cost.both / base.both
        shown = "".join(f"{value:>10.1f}" for value in (cost.controller, cost.host, cost.both, cost.wall))
        print(f"{name:<20}{shown}   {ratio:>6.1f} x")
    print(f"controller CPU, deployment_info / raw: {base.controller / costs['raw'].controller:.2f} (goal <= 1.2)")
    print(f"both, setup / deployment_info:         {costs['setup'].both / base.both:.1f} (goal >= 10)")
    print(f"both, ten tasks / deployment_info:     {costs['ten tasks'].both / base.both:.1f} (goal >= 40)\n")


def _start_sshd(work: Path) -> subprocess.Popen[bytes]:
    subprocess.run(["ip", "netns", "add", NAMESPACE], check=True)
    subprocess.run(["ip", "-n", NAMESPACE, "link", "set", "lo", "up"], check=True)
    for name in ("host_key", "user_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(work / name)], check=True)
    shutil.copy(work / "user_key.pub", work / "authorized_keys")
    # A root of its own, whose login shell is sh and reads nobody's start-up files.
    account = [
        "--no-create-home",
        "--non-unique",
        "--uid",
        "0",
        "--gid",
        "0",
        "--home-dir",
        str(work),
        "--shell",
        "/bin/sh",
        "--password",
        "*",  # no password, which is not the same as the "!" of a locked account: that one sshd refuses
    ]
    subprocess.run(["useradd", *account, USER], check=True)
    Path("/run/sshd").mkdir(exist_ok=True)
    (work / "sshd_config").write_text(
        f"ListenAddress 0.0.0.0:{PORT}\nHostKey {work}/host_key\nAuthorizedKeysFile {work}/authorized_keys\n"
        "StrictModes no\nPermitRootLogin yes\nMaxStartups 4000:30:8000\nMaxSessions 200\nUseDNS no\nUsePAM no\n"
        f"PidFile {work}/sshd.pid\n"
    )
    argv = ["ip", "netns", "exec", NAMESPACE, "/usr/sbin/sshd", "-D", "-f", str(work / "sshd_config")]
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _attempt in range(100):
        if (work / "sshd.pid").exists():
            return process
        time.sleep(0.1)
    raise SystemExit("cannot measure: sshd did not start")


def _write_fleet(work: Path, hosts: int) -> None:
    names = [f"127.1.{number // 250}.{number % 250 + 1}" for number in range(hosts)]
    (work / "inventory").write_text("[bench]\n" + "\n".join(names) + "\n")
    key = (work / "host_key.pub").read_text().split()[:2]
    (work / "known_hosts").write_text(f"* {' '.join(key)}\n")
    for name, tasks in {**CASES, "nothing": []}.items():
        body = "".join(f"    - name: Case\n      {task}\n" for task in tasks)
        (work / f"{name}.yml").write_text(f"- hosts: bench\n  gather_facts: false\n  tasks:\n{body or '    []'}\n")


@dataclass(frozen=True)
class _Taken:
    """Seconds."""

    controller: float
    host: float
    wall: float


def _play(work: Path, name: str, forks: int, sshd: subprocess.Popen[bytes]) -> _Taken:
    argv = ["ip", "netns", "exec", NAMESPACE, "ansible-playbook", "-i", str(work / "inventory"), "-f", str(forks)]
    argv += [str(work / f"{name}.yml")]
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(work / "cp"),
        "ANSIBLE_SSH_ARGS": "-o ControlMaster=auto -o ControlPersist=300s",
        "ANSIBLE_REMOTE_PORT": str(PORT),
        "ANSIBLE_REMOTE_USER": USER,
        "ANSIBLE_PRIVATE_KEY_FILE": str(work / "user_key"),
        "ANSIBLE_SSH_COMMON_ARGS": f"-o UserKnownHostsFile={work}/known_hosts",
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
    }
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    before = _tree_cpu(sshd.pid)
    began = time.monotonic()
    process = subprocess.Popen(argv, cwd=work, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    said = process.stdout.read().decode()
    _pid, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.monotonic() - began
    if process.returncode:
        raise SystemExit(f"cannot measure {name}: {said[-3000:]}")
    return _Taken(usage.ru_utime + usage.ru_stime, _tree_cpu(sshd.pid) - before, wall)


def _play_nothing(work: Path, forks: int, sshd: subprocess.Popen[bytes]) -> _Taken:
    """The start of ansible-playbook itself, which is none of a host's cost."""
    return _play(work, "nothing", forks, sshd)


def _per_host(taken: _Taken, empty: _Taken, hosts: int) -> Cost:
    return Cost(
        (taken.controller - empty.controller) * 1000 / hosts,
        taken.host * 1000 / hosts,
        (taken.wall - empty.wall) * 1000 / hosts,
    )


def _median(costs: list[Cost]) -> Cost:
    return Cost(
        statistics.median(cost.controller for cost in costs),
        statistics.median(cost.host for cost in costs),
        statistics.median(cost.wall for cost in costs),
    )


def _tree_cpu(pid: int) -> float:
    """Return the CPU seconds of a process, its children that live, and those that ended and were waited for."""
    ticks = os.sysconf("SC_CLK_TCK")
    children: dict[int, list[int]] = {}
    spent: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        one = int(path.parent.name)
        children.setdefault(int(fields[1]), []).append(one)
        spent[one] = sum(int(field) for field in fields[11:15])
    queue, total = [pid], 0
    while queue:
        one = queue.pop()
        total += spent.get(one, 0)
        queue += children.get(one, [])
    return total / ticks
