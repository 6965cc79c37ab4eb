#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Build the artifact, install it into an empty directory, and run it from there by its name on every ansible-core that is
# supported. A version whose Python is not on this machine is left out, and that is said.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
work=$root/.cache/matrix
mkdir -p "$work/home"
users_home=$HOME
export HOME=$work/home ANSIBLE_NOCOLOR=1
unset ANSIBLE_CONFIG

# ansible-core, the Pythons that can run it, and whether it may fail.
versions="2.17:3.10,3.11,3.12: 2.18:3.11,3.12,3.13: 2.19:3.11,3.12,3.13: 2.20:3.12,3.13,3.14: 2.21:3.12,3.13,3.14: 2.22:3.13,3.14:pre"

find_python() { # find_python VERSION: a python with venv
  local candidate
  for candidate in "$(command -v "python$1" || :)" "/usr/bin/python$1" "$users_home"/.pyenv/versions/"$1".*/bin/python3; do
    if [ -x "$candidate" ] && "$candidate" -c "import sys, venv, ensurepip; sys.exit('%d.%d' % sys.version_info[:2] != '$1')" 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  return 1
}

echo '==> building the artifact'
tests/tools/copy.sh "$work/tree"
rm -rf "$work/artifact" "$work/installed"
ansible-galaxy collection build --output-path "$work/artifact" "$work/tree/ansible_collections/flotilla/container_os" >/dev/null
artifact=$(ls "$work"/artifact/*.tar.gz)
size=$(stat -c %s "$artifact")
echo "    $(basename "$artifact"): $((size / 1024)) KiB"
[ "$size" -lt 1000000 ] || { echo 'the artifact is too large'; exit 1; }
if tar -tzf "$artifact" | grep -E '^(tests|inventory|Makefile|\.|site\.yml)'; then
  echo 'the artifact holds what belongs to the checkout alone'
  exit 1
fi
mkdir -p "$work/installed"
cd "$work/installed" # away from the checkout, whose configuration knows the collection already
ansible-galaxy collection install -p . "$artifact" >/dev/null 2>&1

tree=ansible_collections/flotilla/container_os
modules=$(find $tree/plugins/modules -name '*.py' -printf 'flotilla.container_os.%f\n' | sed 's/\.py$//' | sort)
roles=$(find $tree/roles -mindepth 1 -maxdepth 1 -printf 'flotilla.container_os.%f\n' | sort)
cat >play.yml <<'YAML'
- hosts: localhost
  gather_facts: false
  tasks:
    - name: Read this machine, which no driver knows
      flotilla.container_os.deployment_info:
      register: seen
    - ansible.builtin.assert:
        that:
          - seen.host_state.driver is none
          - seen.host_state.boot_id | length == 36
          - seen is not changed
    - name: Refuse to change it
      flotilla.container_os.deployment:
      register: refused
      ignore_errors: true
    - ansible.builtin.assert:
        that:
          - refused is failed
          - refused.msg is search('has no update mechanism that is known here')
YAML
printf '[fleet]\n' >inventory

try() { # try VENV
  local bin=$1/bin
  export ANSIBLE_COLLECTIONS_PATH=$work/installed
  # shellcheck disable=SC2086
  "$bin/ansible-doc" -t module $modules >"$1/doc.txt" && "$bin/ansible-doc" -t role $roles >>"$1/doc.txt" &&
    ! grep -i 'error' "$1/doc.txt.err" 2>/dev/null &&
    "$bin/ansible-playbook" -i inventory play.yml &&
    "$bin/ansible-playbook" -i inventory flotilla.container_os.report -e "upgrade_ledger=sqlite:///$1/ledger.sqlite" &&
    "$bin/ansible-playbook" -i inventory --syntax-check flotilla.container_os.site
}

passed=0 failed=0 left_out=
for entry in $versions; do
  IFS=: read -r core pythons mark <<<"$entry"
  python=
  for wanted in ${pythons//,/ }; do
    python=$(find_python "$wanted") && break
  done
  if [ -z "$python" ]; then
    left_out="$left_out $core (needs Python $pythons)"
    continue
  fi
  venv=$work/venv-$core
  if [ ! -f "$venv/ready" ]; then
    echo "==> ansible-core $core: installing with $("$python" --version)"
    rm -rf "$venv"
    "$python" -m venv "$venv"
    pre=${mark:+--pre}
    # shellcheck disable=SC2086
    if ! "$venv/bin/pip" install -q --disable-pip-version-check $pre "ansible-core==$core.*" -r "$root/requirements.txt" >"$venv/pip.log" 2>&1; then
      [ -n "$mark" ] && { left_out="$left_out $core (cannot be installed here)"; continue; }
      tail -n 5 "$venv/pip.log"
      exit 1
    fi
    touch "$venv/ready"
  fi
  if try "$venv" >"$venv/log" 2>&1; then
    echo "==> ansible-core $("$venv/bin/python" -c 'import ansible.release; print(ansible.release.__version__)') on $("$venv/bin/python" --version): passed"
    passed=$((passed + 1))
  elif [ -n "$mark" ]; then
    echo "==> ansible-core $core (pre-release): failed, which is allowed"
    tail -n 15 "$venv/log"
  else
    echo "==> ansible-core $core: FAILED"
    tail -n 40 "$venv/log"
    failed=$((failed + 1))
  fi
done
[ -z "$left_out" ] || echo "==> left out:$left_out"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
