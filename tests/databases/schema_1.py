# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger as schema 1 had it, kept as it was: the migrations are tested from here."""

from __future__ import annotations

import sqlalchemy as sa

TABLES = sa.MetaData()
schema = sa.Table("flotilla_schema", TABLES, sa.Column("version", sa.Integer, primary_key=True))
rollouts = sa.Table(
    "rollouts",
    TABLES,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("name", sa.String(200), nullable=False, index=True),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("why", sa.Text),
    sa.Column("plan", sa.Text, nullable=False),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sa.Column("ended_at", sa.BigInteger),
)
hosts = sa.Table(
    "rollout_hosts",
    TABLES,
    sa.Column("rollout_id", sa.ForeignKey("rollouts.id"), primary_key=True),
    sa.Column("host", sa.String(255), primary_key=True),
    sa.Column("wave", sa.Integer, nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("target", sa.String(255), nullable=False),
    sa.Column("phase", sa.String(20), nullable=False),
    sa.Column("why", sa.Text),
    sa.Column("controller", sa.String(300)),
    sa.Column("token", sa.Integer, nullable=False, default=0),
    sa.Column("lease_until", sa.BigInteger),
    sa.Column("entered_at", sa.BigInteger),
    sa.Column("left_at", sa.BigInteger),
)
transitions = sa.Table(
    "transitions",
    TABLES,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("rollout_id", sa.ForeignKey("rollouts.id"), nullable=False, index=True),
    sa.Column("host", sa.String(255), nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("phase_before", sa.String(20), nullable=False),
    sa.Column("phase", sa.String(20), nullable=False),
    sa.Column("why", sa.Text),
    sa.Column("controller", sa.String(300)),
)
# Who takes part: the ansible-playbook runs that planned or resumed a rollout and have not ended it yet.
runs = sa.Table(
    "rollout_runs",
    TABLES,
    sa.Column("rollout_id", sa.ForeignKey("rollouts.id"), primary_key=True),
    sa.Column("controller", sa.String(300), primary_key=True),
    sa.Column("seen_at", sa.BigInteger, nullable=False),
)
quarantine = sa.Table(
    "quarantine",
    TABLES,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("digest", sa.String(255), nullable=False, index=True),
    sa.Column("version", sa.String(255)),
    sa.Column("host", sa.String(255), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("released_at", sa.BigInteger),
    sa.Column("released_by", sa.String(300)),
)


def make(url: str, plan: str) -> None:
    """Make a ledger of schema 1, with a rollout of two hosts in the middle of it and a digest in quarantine."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        TABLES.create_all(connection)
        connection.execute(schema.insert().values(version=1))
        connection.execute(rollouts.insert().values(name="upgrade", state="open", plan=plan, created_at=1000))
        host = {"rollout_id": 1, "target": "b" * 64}
        confirmed = {"wave": 1, "position": 0, "phase": "confirmed", "token": 1, "entered_at": 1001, "left_at": 1002}
        flying = {"wave": 2, "position": 1, "phase": "booted", "token": 3, "controller": "c1", "lease_until": 1}
        connection.execute(hosts.insert().values(host="h1", **host, **confirmed))
        connection.execute(hosts.insert().values(host="h2", **host, **flying))
        moved = {"rollout_id": 1, "at": 1002, "phase_before": "healthy", "phase": "confirmed", "controller": "c1"}
        connection.execute(transitions.insert().values(host="h1", **moved))
        connection.execute(runs.insert().values(rollout_id=1, controller="c1", seen_at=1000))
        connection.execute(quarantine.insert().values(digest="c" * 64, host="h9", reason="it panics", at=900))
