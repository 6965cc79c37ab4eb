# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What the guard must know of bootc. Its status is JSON, in the order of the fields or, since 1.x, of their names, and a
# host has no JSON parser for sure: each brace gets a line, and the depth says whose a value is.

bootc_status() { bootc status --format=json 2>/dev/null || bootc status --json; }

# Prints "SLOT ID" for booted, rollback and staged (not for what is only downloaded), "queued" where the rollback entry
# is the next boot, and "follows IMAGE" as skopeo takes it. Nothing where the output is cut off or cannot be read.
bootc_slots() {
  _json=$(bootc_status | tr -d ' \t\r\n') || return 1
  # shellcheck disable=SC1004
  printf '%s\n' "$_json" | sed 's/[{}]/\
&\
/g' | {
    _depth=0 _slot='' _id='' _locked='' _image='' _transport='' _out=''
    while IFS= read -r _part; do
      case $_part in
        "{") _depth=$((_depth + 1)) ;;
        "}")
          _depth=$((_depth - 1))
          if [ "$_depth" = 2 ] && [ -n "$_slot" ]; then
            [ -z "$_id" ] || [ -n "$_locked" ] || _out="$_out$_slot $_id
"
            [ -z "$_image" ] || _out="${_out}follows $_transport:$_image
"
            _slot='' _id='' _locked='' _image=''
          fi
          ;;
        *)
          case $_depth:$_part in
            2:*'"rollbackQueued":true'*)
              _out="${_out}queued
"
              ;;
          esac
          case $_depth:$_part in
            1:*'"spec":') _slot=spec ;;
            1:*'"status":') _slot='' ;;
            2:*'"booted":') _slot=booted ;;
            2:*'"rollback":') _slot=rollback ;;
            2:*'"staged":') _slot=staged ;;
            2:*'"otherDeployments":['*) _slot='' ;;
            4:*'"checksum":"'*'"deploySerial":'*)
              _id=${_part#*\"checksum\":\"} _serial=${_part#*\"deploySerial\":}
              _id=${_id%%\"*}.${_serial%%[!0-9]*}
              ;;
            4:*'"verity":"'*)
              _id=${_part#*\"verity\":\"}
              _id=${_id%%\"*}
              ;;
          esac
          case $_depth:$_part in 3:*'"downloadOnly":true'*) _locked=1 ;; esac
          case $_slot:$_depth:$_part in
            spec:3:*'"image":"'*)
              _image=${_part#*\"image\":\"}
              _image=${_image%%\"*}
              ;;
          esac
          case $_slot:$_depth:$_part in
            spec:3:*'"transport":"'*)
              _transport=${_part#*\"transport\":\"}
              _transport=${_transport%%\"*}
              [ "$_transport" != registry ] || _transport=docker _image=//$_image
              ;;
          esac
          ;;
      esac
    done
    [ "$_depth" = 0 ] && printf '%s' "$_out"
  }
}

booted_id() { bootc_slots | sed -n 's/^booted //p'; }

# `bootc rollback` is a toggle between the running deployment and the rollback entry, and drops what is staged: it is
# called until the wanted one is the next boot, which takes two calls at the most.
make_default() { # make_default ID
  for _call in 1 2 3; do
    _slots=$(bootc_slots)
    _booted=$(printf '%s\n' "$_slots" | sed -n 's/^booted //p')
    _rollback=$(printf '%s\n' "$_slots" | sed -n 's/^rollback //p')
    _next=$_booted
    ! printf '%s\n' "$_slots" | grep -qx queued || _next=$_rollback
    ! printf '%s\n' "$_slots" | grep -q '^staged ' || _next=''
    [ "$_next" != "$1" ] || return 0
    [ "$_booted" = "$1" ] || [ "$_rollback" = "$1" ] || return 1
    [ "$_call" = 3 ] || bootc rollback >/dev/null || return 1
  done
  return 1
}
