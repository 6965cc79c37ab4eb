# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# What the repositories would make of the snapshot that runs.

update_method() { # dup or up: as the OS's own timer finds it
  method=dup
  for file in /usr/etc/transactional-update.conf /usr/etc/transactional-update.conf.d/* /etc/transactional-update.conf; do
    said=$(sed -n 's/^[[:space:]]*UPDATE_METHOD=//p' "$file" 2>/dev/null | tail -n 1 | tr -d "\"' \t")
    method=${said:-$method}
  done
  case $method in dup | up) echo "$method" ;; *) echo "UPDATE_METHOD is $method, not dup or up" >&2; return 1 ;; esac
}

# zypper is asked for what it would do, as transactional-update asks it before it does it. It writes nothing but its cache.
offer() {
  method=$(update_method) || return 1
  shown=$(ZYPP_READONLY_HACK=1 zypper --non-interactive --xmlout "$method" -y --auto-agree-with-product-licenses --dry-run)
  rc=$?
  tags=$(printf '%s' "$shown" | tr '\n<' ' \n')
  # 100 to 103 say that there is something to do. 106, repositories that were passed over, is no answer.
  case $rc in
    0 | 10[0-3]) ;;
    *)
      printf '%s\n' "$tags" | sed -n 's/^message type="[ew][a-z]*">//p' | tail -n 8 |
        sed "s/&apos;/'/g; s/&quot;/\"/g; s/&lt;/</g; s/&gt;/>/g; s/&amp;/\&/g" >&2
      echo "zypper $method --dry-run exited with $rc" >&2
      return 1
      ;;
  esac
  current=$(booted_id)
  installed=$(packages "$current") || { echo "the packages that run cannot be read" >&2; return 1; }
  product=$(readlink /etc/products.d/baseproduct)
  lines=$(printf '%s\n%s\n' "$installed" "$tags" | applied "${product%.prod}") ||
    { echo "cannot parse the output of zypper $method --dry-run: it is cut off" >&2; return 1; }
  version=$(printf '%s\n' "$lines" | sed -n 's/^= //p')
  printf 'digest %s\nversion %s\n' "$(printf '%s\n' "$lines" | digest)" "${version:-$(version_of "$current")}"
}
