# SPDX-License-Identifier: GPL-3.0-or-later
"""boot_image: hosts that run from memory, and boot what a boot server gives them (PXE, a hypervisor's -kernel).

Nothing of the OS is on the host, so nothing is updated there. What is swapped is the image set that the boot server
holds for it: kernel, initial RAM disks, kernel command line, one link for each host, by one rename, with the one before
kept. Steps for the boot server say so (`Step.on`), and run there.

Identity. A set's digest is the SHA-256 of its manifest, which has those of all its files. The boot server puts it on
the kernel command line, and what a host runs is what that says: the store is believed about the store only.

The guard is on the boot server, too: docs/families/boot_image.md says what it can promise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from .._errors import FlotillaError, Refused, tail
from .._model.host import BOOT_SERVER, NOT_HERE, Result, Results, Step
from .._model.shell import quote
from .._model.state import Channel, Deployment, Fallback, Guard, HostState, Position, Verification
from .._parsers.boot_image import ARGUMENT, Store, parse_image, parse_manifest, parse_store
from .._parsers.guard import parse_guard
from ._protocol import Candidate, ChannelRules, ChannelWish, View
from ._scripts import piece

NO_BOOT_SERVER = (
    "its images are not on it, and nothing says where they are: set flotilla_boot_server to the host that holds them"
)
# How the guard's script on the boot server is called.
_VERBS = 'case $1 in wait) wait_for_deadline "$2" ;; expire) expire ;; *) exit 64 ;; esac\n'


class BootImage:
    """The `boot_image` driver."""

    name = "boot_image"
    place = BOOT_SERVER
    capabilities: tuple[str, ...] = ("guard", "stage")
    channel_rules = ChannelRules(
        parts=("name", "source"), verifications=(Verification.GPG, Verification.NONE), keys=True
    )
    lacks: Mapping[str, str] = {
        "kernel_arguments": "they are part of the image set, and its digest covers them; build another set",
        "hold_updater": "what boots is decided on the boot server; nothing on the host updates it",
    }

    def probes(self) -> tuple[Step, ...]:
        # Proof that the root is in memory: our own argument; the marks that Fedora CoreOS and Flatcar leave there
        # (/run/ostree-live, /usr/.noupdate); or Tiny Core and its kin, unless they were installed to a disk.
        live = (
            f'_c=; read -r _c 2>/dev/null </proc/cmdline; case " $_c" in *" {ARGUMENT}="*) ;; *) '
            "[ -e /run/ostree-live ] || [ -e /usr/.noupdate ] || { "
            "grep -qE '^ID=\"?(boot2docker|tinycore)\"?$' /etc/os-release 2>/dev/null && "
            "grep -qE '^[^ ]+ / (rootfs|tmpfs|ramfs) ' /proc/mounts; } "
            f'|| exit {NOT_HERE} ;; esac; printf "%s\\n" "$_c"'
        )
        return (
            Step("boot_image.cmdline", live),
            Step("boot_image.store", f"{_script('store')}\nshow", on=BOOT_SERVER),
            Step(
                "boot_image.guard",
                f"{_script('store')}\n"
                'for f in armed fallback; do [ ! -f "$guard/$f" ] || '
                '{ printf \'\\n@@flotilla-file %s\\n\' "$guard/$f"; cat "$guard/$f"; }; done',
                on=BOOT_SERVER,
            ),
        )

    def present(self, results: Results) -> bool:
        return results["boot_image.cmdline"].ok

    def observe(self, results: Results) -> View:
        running = parse_image(results["boot_image.cmdline"].stdout)
        shown = results["boot_image.store"]
        if shown.rc is None:
            return View(_deployment(running, None, Position.BOOTED), None, None, (), None, unguarded=NO_BOOT_SERVER)
        store = parse_store(shown.proven("read the image store on the boot server").stdout)
        links = store.links
        booted = _deployment(running, store, Position.BOOTED)
        staged = rollback = None
        if links.get("next") not in (None, running):
            staged = _deployment(links["next"], store, Position.STAGED)
        elif links.get("current") not in (None, running):
            # Swapped already, by hands or by a rollback that waits for its reboot.
            staged = _deployment(links["current"], store, Position.PENDING)
        if links.get("previous") not in (None, running, staged and staged.digest):
            rollback = _deployment(links["previous"], store, Position.ROLLBACK)
        first_is_staged = staged is not None and links.get("current") == staged.digest
        order = (staged, booted, rollback) if first_is_staged else (booted, staged, rollback)
        guard, fallback = _guard(results, store, running)
        return View(
            booted,
            staged,
            rollback,
            tuple(one for one in order if one is not None),
            _channel(store),
            busy=store.busy,
            guard=guard,
            fallback=fallback,
            unguarded=_unguarded(store, running),
        )

    def offer_probe(self) -> Step:
        ask = 'url=$(sed -n "s/^url=//p" "$own/channel" 2>/dev/null); [ -n "$url" ] || exit 9; ask "$url"'
        return Step("offer", f"{_script('store')}\n{_script('stage')}\n{ask}", on=BOOT_SERVER)

    def offer(self, result: Result, state: HostState) -> Candidate:
        channel = _followed(state)
        if not result.ok:
            said = tail(result.stderr) or f"the download exited with {result.rc}"
            raise FlotillaError(f"cannot ask {_url(channel)} for its image set: {said}")
        digest, _newline, manifest = result.stdout.partition("\n")
        return Candidate(digest.removeprefix("digest="), parse_manifest(manifest).version)

    def stage(self, state: HostState, digest: str, allow_downgrade: bool) -> str:
        channel = _followed(state)
        if not re.fullmatch(r"[0-9a-f]{64}", digest):
            raise Refused(f"cannot stage {digest}: a set's digest is 64 hexadecimal digits")
        verification = channel.verification.value if channel.verification else Verification.GPG.value
        running = state.booted.digest if state.booted else "none"
        call = f"stage {digest} {quote(_url(channel))} {verification} {int(allow_downgrade)} {running}"
        return f"{_script('store')}\n{_script('stage')}\n{call}\n"

    def explain(self, state: HostState, digest: str, log: str) -> str | None:
        channel = _followed(state)
        found = re.search(r"^flotilla: (\w+) ?(.*)", log, re.MULTILINE)
        if found is None:
            return tail(log) or None
        said = tail(log[: found.start()], 4)
        kind, words = found.groups()
        reasons = {
            "fetch": f"{words} cannot be fetched: {said or 'nothing came, and no error'}",
            "not_offered": f"what is offered is {words[:12]}, not {digest[:12]}",
            "no_keys": "no keys are trusted for it; give keys with update_channel, or verification: none",
            "no_gpgv": "the boot server has no gpgv to verify signatures with",
            "bad_keys": "the trusted keys cannot be read",
            "unsigned": f"the manifest is not signed (there is no manifest.sig): {said}",
            "signature": f"the signature of the manifest is refused: {said}",
            "manifest": "the manifest is not well formed",
            "older": "it was built before the set that runs; allow_downgrade takes it all the same",
            "sum": f"{words} is not what the manifest says (SHA-256)",
            "no_store": f"the boot server cannot write its store: {said}",
        }
        return f"set {digest[:12]} from {_url(channel)}: {reasons.get(kind, words)}"

    def unstage(self, state: HostState) -> Step:
        if state.staged is None or state.staged.position is Position.PENDING:
            raise Refused("cannot unstage: nothing is staged, or it is the next boot already; roll back instead")
        return Step("unstage", f'{_script("store")}\nrm -f "$own/next" && flush "$own"', required=True, on=BOOT_SERVER)

    def guard_functions(self) -> str:
        raise Refused("cannot make a guard for the host itself: it keeps nothing over a reboot")

    def arm(self, target: Deployment, rollback_to: Deployment, confirm_within: int, boot_id: str) -> Step:
        script = f"{_script('store')}\n{_script('guard')}\n{_VERBS}"
        call = f"arm {target.digest} {rollback_to.digest} {confirm_within} {quote(boot_id)} {quote(script)}"
        return self._on_guard("arm", call)

    def confirm(self, booted: str) -> Step:
        return self._on_guard("confirm", f"confirm {quote(booted)}")

    def disarm(self) -> Step:
        return self._on_guard("disarm", "disarm")

    @staticmethod
    def _on_guard(name: str, call: str) -> Step:
        return Step(name, f"{_script('store')}\n{_script('guard')}\n{call}", required=True, on=BOOT_SERVER)

    def roll_back(self, state: HostState, target: Deployment) -> Step:
        # What runs becomes the previous one, if the store has it.
        keep = f"point previous {state.booted.digest}; " if state.booted and state.booted.version is not None else ""
        script = f'{_script("store")}\n{keep}point current {target.digest} && rm -f "$own/next"'
        return Step("roll_back", script, required=True, on=BOOT_SERVER)

    def trusted_keys(self, results: Results, channel: Channel) -> str | None:
        shown = results["boot_image.store"]
        return parse_store(shown.stdout).keys if shown.ok else None

    def switch_channel(self, state: HostState, wish: ChannelWish) -> tuple[Step, ...]:
        if not re.match(r"(https?|file)://", wish.source or ""):
            raise Refused(f"cannot follow {wish.source}: image sets come from an http, https or file address")
        verification = wish.verification.value if wish.verification else Verification.GPG.value
        url = f"{(wish.source or '').rstrip('/')}/{wish.name}"
        text = f"name={wish.name}\nsource={wish.source}\nverification={verification}\nurl={url}\n"
        steps = []
        if wish.keys is not None:
            if wish.keys.count("BEGIN PGP PUBLIC KEY BLOCK") != 1:
                raise Refused(
                    "cannot trust keys: gpgv takes one block; export all keys into one (gpg --export --armor)"
                )
            script = f'{_script("store")}\nput "$own/keys.asc" {quote(wish.keys)}'
            steps.append(Step("channel.keys", script, required=True, on=BOOT_SERVER))
        script = f'{_script("store")}\nput "$own/channel" {quote(text)}'
        return (*steps, Step("channel.file", script, required=True, on=BOOT_SERVER))


def _script(name: str) -> str:
    return piece(f"boot_image_{name}.sh")


def _deployment(digest: str | None, store: Store | None, position: Position) -> Deployment | None:
    if digest is None:
        return None
    manifest = store.manifests.get(digest) if store else None
    how = store.verified.get(digest) if store else None
    return Deployment(
        id=digest,
        version=manifest.version if manifest else None,
        digest=digest,
        origin=None,
        position=position,
        verified=None if how is None else how != Verification.NONE.value,
    )


def _guard(results: Results, store: Store, running: str | None) -> tuple[Guard | None, Fallback | None]:
    """Read the guard's records. It watches the running boot once the target is what has been booted since."""
    boot_id = results["boot_id"].text
    shown = results["boot_image.guard"].proven("read the guard's records on the boot server")
    guard, fallback = parse_guard(shown.stdout, boot_id)
    if guard is None:
        return None, fallback
    on_trial = store.watching and guard.target == running and guard.boot_id_before != boot_id
    return replace(guard, deadline=guard.armed_at + guard.confirm_within if on_trial else None), fallback


def _unguarded(store: Store, running: str | None) -> str | None:
    """Return why no guard can be armed for the next boot, in words."""
    if running not in store.manifests:
        return (
            "the boot server does not hold the set that runs, so there is no way back"
            if running
            else f"its kernel command line does not say what it was booted from ({ARGUMENT}=): there is no way back"
        )
    if not store.reset:
        return (
            "a host that runs from memory cannot hold a guard, and nothing is known that resets it when it does not "
            "come up; set flotilla_boot_reset to a command that does so from the boot server, or to none to do without"
        )
    return None


def _channel(store: Store) -> Channel | None:
    said = store.channel
    if not said:
        return None
    verification = Verification.NONE if said.get("verification") == "none" else Verification.GPG
    return Channel(said.get("name"), said.get("source"), verification)


def _followed(state: HostState) -> Channel:
    if state.channel is None or state.channel.source is None:
        raise Refused(
            "cannot ask for updates: the host follows no channel; give it one with update_channel, and the boot server "
            "that holds its images with flotilla_boot_server"
        )
    return state.channel


def _url(channel: Channel) -> str:
    return f"{(channel.source or '').rstrip('/')}/{channel.name}"
