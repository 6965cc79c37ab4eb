# SPDX-License-Identifier: GPL-3.0-or-later
"""Denials in the logs of real hosts."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from ansible_collections.flotilla.container_os.plugins.plugin_utils._parsers.mac_denials import (
    entries_of_journal,
    lines_of,
    parse_denials,
    since_time,
    suppressed,
)

FIXTURES = Path(__file__).parents[2] / "fixtures"
UPSTREAM = [
    json.loads(line) for line in (FIXTURES / "apparmor" / "upstream-denials.jsonl").read_text().split("\n") if line
]


def read(path: str) -> str:
    return (FIXTURES / path).read_text(encoding="utf-8")


@pytest.mark.parametrize("sample", UPSTREAM, ids=lambda sample: str(sample["sample"]))
def test_reads_as_libapparmor_does(sample: dict[str, object]) -> None:
    (denial,) = parse_denials(lines_of(str(sample["line"])))
    found = {
        "outcome": denial.outcome,
        "operation": denial.operation,
        "subject": denial.subject,
        "mask": denial.mask or None,
        "process": denial.process,
        "pid": denial.pid,
        "serial": denial.serial,
    }
    assert found == {key: sample[key] for key in found}
    if sample["name"]:
        assert denial.target == sample["name"]


def test_auditd_log_of_apparmor() -> None:
    denials = parse_denials(lines_of(read("apparmor/logs/auditd-audit.log")))
    # STATUS and AUDIT records are no denials; KILLED is one; what a profile in complain mode let pass is "allowed".
    assert Counter(denial.outcome for denial in denials) == {"denied": 12, "allowed": 10}
    hexed = next(denial for denial in denials if denial.operation == "mknod" and denial.process == "bash")
    assert hexed.target == '/tmp/file with space "q" ü'
    assert hexed.at == 1795408458.691
    assert (hexed.subject, hexed.target_class, hexed.mask) == ("t-enforce", "file", "c")
    signal = next(denial for denial in denials if denial.operation == "signal")
    assert (signal.target, signal.target_context) == ("unconfined", "unconfined")


def test_auditd_log_of_selinux() -> None:
    denials = parse_denials(lines_of(read("selinux/logs/auditd-audit.log")))
    assert denials
    first = denials[0]
    assert (first.operation, first.target, first.target_class) == ("search", "/", "dir")
    assert first.subject == "system_u:system_r:syslogd_t:s0"
    assert first.outcome == "allowed"  # permissive=1
    assert all(denial.system.value == "selinux" for denial in denials)


def test_enforcing_and_old_kernels_deny() -> None:
    line = "audit: type=1400 audit(1.5:2): avc:  denied  { read open } for  pid=3 comm=6120622e63 name=612062 "
    said, silent = (parse_denials(lines_of(line + end))[0] for end in ("tclass=file permissive=0", "tclass=file"))
    assert said.outcome == silent.outcome == "denied"
    assert (said.operation, said.process, said.target) == ("read open", "a b.c", "a b")


def test_granted_is_no_denial() -> None:
    assert parse_denials(lines_of("audit(1.0:1): avc:  granted  { load } for pid=1 tclass=security")) == ()


def test_one_record_in_two_logs_counts_once() -> None:
    kernel = lines_of(read("apparmor/logs/journal-kernel-short-iso.log"))
    alone = parse_denials(kernel)
    assert len(alone) == 2
    # The same record as journald keeps it with its audit socket: stamp and number in fields, `AVC ` before the text.
    journal = json.dumps(
        {
            "_TRANSPORT": "audit",
            "_AUDIT_ID": "442",
            "_SOURCE_REALTIME_TIMESTAMP": "1795408691183000",
            "MESSAGE": 'AVC apparmor="DENIED" operation="open" class="file" profile="t-enforce" name="/etc/gshadow" '
            'pid=1433 comm="cat" requested_mask="r" denied_mask="r" fsuid=0 ouid=0',
        }
    )
    assert parse_denials([*kernel, *entries_of_journal(journal)]) == alone


def test_journal_of_a_host_with_selinux() -> None:
    text = read("selinux/logs/journal-kernel-json.jsonl")
    denials = parse_denials(entries_of_journal(text))
    assert [denial.serial for denial in denials] == [49, 73]
    assert parse_denials(entries_of_journal(text[:-40])) == denials[:1]  # the last line was cut off


def test_message_that_is_not_utf8() -> None:
    message = list(b'audit(1.0:1): apparmor="DENIED" operation="open" profile="\xff"')
    (denial,) = parse_denials(entries_of_journal(json.dumps({"MESSAGE": message})))
    assert denial.subject == "\ufffd"


def test_since() -> None:
    records = lines_of(read("apparmor/logs/auditd-audit.log"))
    late = parse_denials(since_time(records, 1795408450))
    assert late
    assert all(denial.at is not None and denial.at >= 1795408450 for denial in late)
    assert len(late) < len(parse_denials(records))


@pytest.mark.parametrize(
    ("line", "dropped"),
    [
        ("kernel: kauditd_printk_skb: 5 callbacks suppressed", True),
        ("kernel: audit_printk_skb: 36 callbacks suppressed", True),
        ("kernel: audit: backlog limit exceeded", True),
        ("kernel: audit: audit_lost=3 audit_rate_limit=0 audit_backlog_limit=64", True),
        ("kernel: net_ratelimit: 5 callbacks suppressed", False),
    ],
)
def test_the_kernel_says_that_it_dropped_some(line: str, dropped: bool) -> None:
    assert suppressed(lines_of(line)) is dropped
