# SPDX-License-Identifier: GPL-3.0-or-later
"""Long work on a host, detached from the connection that started it.

The work runs as a transient systemd unit, or as a plain session of its own where there is no systemd, and leaves what
it says and its exit code under JOBS_DIR. A connection that drops loses nothing; a second run, also by another
controller, finds the work and waits for it. JOBS_DIR is in /run: work does not survive a reboot, nor does its record.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace

from ._errors import CannotParse, FlotillaError
from ._model.host import Clock, Host, Step, Unreachable
from ._model.shell import quote, write_file
from ._parsers.jobs import JobReport, parse_job

JOBS_DIR = "/run/flotilla/jobs"
# One poll waits on the host for this long (s): news arrive at once, and a long download costs few round trips.
POLL_HOLD = 15
# The first look comes with the start, in one round trip, and is short: a connection that breaks before its answer is
# there makes the host unreachable (the next run finds the work), one that breaks later is made anew.
FIRST_HOLD = 2
# A poll that is not answered this long (s) after its hold: the connection is gone, a new one is made.
POLL_GRACE = 30
# A start takes a fraction of this (s), also where systemd is busy; a lock older than that is left over.
START_WAIT = 30
# Pause (s) before the next try when the host cannot be reached.
RECONNECT_PAUSE = 3


@dataclass(frozen=True)
class Job:
    """Work on a host. Two jobs of one name never run at the same time; the same script is the same work.

    `on`: where it runs, as in `Step`; elsewhere, the work for each host is another.
    """

    name: str
    what: str  # for people: "staging 2 (ab12cd34ef56)"
    script: str
    on: str = ""

    @property
    def key(self) -> str:
        return hashlib.sha256(self.script.encode()).hexdigest()[:16]


def run_attached(host: Host, job: Job, timeout: float) -> JobReport:
    """Run `job` in one round trip, where nothing of a host may be left (`RunsOnController`). Its end is the answer's.

    Raises FlotillaError when it prints no usable answer; a connection error passes, also past `timeout` seconds: what
    the host then makes of the work is for the next observation.
    """
    # Its output in one, as a detached job's is.
    result = host.run([Step("work", f"( {job.script}\n) 2>&1")], limit=timeout)["work"]
    return JobReport("done", result.rc, job.key, job.what, result.stdout)


def run_job(host: Host, clock: Clock, job: Job, timeout: float) -> JobReport:
    """Start `job`, or join it if it is running already, and wait for its end.

    Returns the report (exit code, log). The caller judges the exit code.
    Raises FlotillaError when other work of that name is going on, or when there is no end within `timeout` seconds
    (the work goes on, and the next run finds it). Before the job is known to be running a connection error passes
    through; after that the host is called again until the time is over.
    """
    if job.on:
        there = host.elsewhere(job.on)
        job = replace(job, name=f"{job.name}-{there.word}", script=f"{there.preamble}{job.script}")
    results = host.run([_start(job), _wait(job, FIRST_HOLD)])
    results["start"].proven(f"start {job.what}")
    report = _parsed(results["wait"].stdout, job)
    began = clock.monotonic()
    shown = ""
    while report.state == "running":
        left = timeout - (clock.monotonic() - began)
        if left <= 0:
            raise FlotillaError(
                f"cannot see the end of {job.what}: it is still running on the host after {timeout:.0f} s; "
                "the next run finds it and waits for it",
                log=report.log,
            )
        news = report.last_line
        if news and news != shown:
            host.say(f"{job.what}: {news} ({clock.monotonic() - began:.0f} s)")
            shown = news
        hold = min(POLL_HOLD, math.ceil(left))
        answer = host.attempt([_wait(job, hold)], limit=hold + POLL_GRACE)
        if isinstance(answer, Unreachable):
            host.say(f"{job.what}: no connection, trying again ({clock.monotonic() - began:.0f} s)")
            clock.sleep(RECONNECT_PAUSE)
            continue
        report = _parsed(answer["wait"].stdout, job)
    if report.state == "gone":
        raise FlotillaError(
            f"cannot finish {job.what}: it was killed on the host, or the host rebooted", log=report.log
        )
    return report


def _parsed(text: str, job: Job) -> JobReport:
    report = parse_job(text)
    if report.key is not None and report.key != job.key:
        raise FlotillaError(
            f"cannot start {job.what}: other work of that kind is still running on the host: {report.what}"
        )
    if report.state == "absent":
        raise CannotParse("the state of a job on the host", "it was not started", text[:200] or None)
    return report


_ALIVE = 'pid=$(cat "$d/pid" 2>/dev/null) && grep -q -- "$d/run" "/proc/$pid/cmdline" 2>/dev/null'


def _start(job: Job) -> Step:
    directory = f"{JOBS_DIR}/{job.name}"
    runner = (
        f"#!/bin/sh\nLC_ALL=C\nexport LC_ALL\necho $$ >{directory}/pid\n"
        f"sh {directory}/script >{directory}/log 2>&1 </dev/null\n"
        f"echo $? >{directory}/rc.new && mv {directory}/rc.new {directory}/rc\n"
    )
    return Step(
        "start",
        # Of two that start at the same moment one waits here, and then finds the job of the other. `$$` is the same in
        # all steps of a program: as long as that one lives, the lock holds.
        f"d={directory}; l=$d.start; n=0; (umask 077 && mkdir -p {JOBS_DIR}) && "
        f"until ln -s $$ $l; do n=$((n+1)); [ $n -le {2 * START_WAIT} ] || exit 1; "
        f"[ -d /proc/$(readlink $l)/fd ] && [ $n -ne {START_WAIT} ] || rm -f $l; sleep 1; done; "
        "trap 'rm -f $l' EXIT; "
        f"if {_ALIVE}; then exit 0; fi; "
        # A finished job is work done long ago, perhaps on another state of the host: it is never taken for the new one.
        f"rm -rf $d && (umask 077 && mkdir -p $d) && {write_file(f'{directory}/script', job.script)} && "
        f"printf '%s' {quote(job.key)} >$d/key && printf '%s' {quote(job.what)} >$d/what && "
        f"{write_file(f'{directory}/run', runner, '0700')} && "
        "if [ -d /run/systemd/system ] && command -v systemd-run >/dev/null; then "
        f"systemd-run --quiet --collect --unit=flotilla-{job.name}-$$ sh $d/run; "
        "else s=setsid; command -v $s >/dev/null || s=nohup; ($s sh $d/run >/dev/null 2>&1 </dev/null &); fi && "
        "n=0; until [ -s $d/pid ] || [ $n -ge 50 ]; do n=$((n+1)); sleep 0.2 2>/dev/null || sleep 1; done; "
        "[ -s $d/pid ]",
        required=True,
        on=job.on,
    )


def _wait(job: Job, hold: int) -> Step:
    return Step(
        "wait",
        f"d={JOBS_DIR}/{job.name}; n=0; "
        f"while [ ! -e $d/rc ] && [ $n -lt {hold} ] && {_ALIVE}; do n=$((n+1)); sleep 1; done; "
        # Looked at before rc: a job that ends between the two looks is not taken for one that was killed.
        f"state=gone; {{ {_ALIVE}; }} && state=running; [ ! -e $d/rc ] || state=done; [ -d $d ] || state=absent; "
        'printf "state=%s\\nrc=%s\\nkey=%s\\nwhat=%s\\nlog:\\n" "$state" "$(cat $d/rc 2>/dev/null)" '
        '"$(cat $d/key 2>/dev/null)" "$(cat $d/what 2>/dev/null)"; tail -c 8000 $d/log 2>/dev/null; :',
        on=job.on,
    )


# Part of every observation: what of ours is going on.
BUSY_PROBE = Step("jobs", f'for d in {JOBS_DIR}/*; do [ ! -e "$d/rc" ] && {_ALIVE} && cat "$d/what" && echo; done; :')
