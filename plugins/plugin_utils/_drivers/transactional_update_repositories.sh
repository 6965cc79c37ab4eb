# shellcheck shell=sh
# SPDX-License-Identifier: GPL-3.0-or-later
# libzypp's repositories: files *.repo, each with one section or several, named by the alias.

# Prints a file with every section but [ALIAS] disabled, and [ALIAS] left out. A section that does not say so is enabled.
# shellcheck disable=SC2016 # awk's own
others_disabled() { # others_disabled FILE ALIAS
  awk -v own="[$2]" '
    function close_section() { if (open && !said) print "enabled=0" }
    /^[ \t]*\[/ {
      close_section()
      heading = $0
      gsub(/^[ \t]+|[ \t]+$/, "", heading)
      open = heading != own
      skipped = !open
      said = 0
    }
    skipped { next }
    open && /^[ \t]*enabled[ \t]*=/ { print "enabled=0"; said = 1; next }
    { print }
    END { close_section() }' "$1"
}

# Prints what the section says beyond where it leads to and how it is verified: priority, keys, proxy.
# shellcheck disable=SC2016 # awk's own
kept_of() { # kept_of FILE ALIAS
  awk -v own="[$2]" '
    /^[ \t]*\[/ { heading = $0; gsub(/^[ \t]+|[ \t]+$/, "", heading); inside = heading == own; next }
    !inside || !NF { next }
    /^[ \t]*(name|enabled|autorefresh|baseurl|mirrorlist|metalink|gpgcheck|repo_gpgcheck|pkg_gpgcheck|service)[ \t]*=/ { next }
    /=/ { print }' "$1"
}

put() { # put FILE TEXT: durable before it is visible
  printf '%s\n' "$2" >"$1.new" && chmod 0644 "$1.new" && { sync "$1.new" 2>/dev/null || sync; } && mv -f "$1.new" "$1"
}

# The one that is to be followed comes first: cut off after it, the host follows too much, and never nothing.
follow_only() { # follow_only FOLDER ALIAS SECTION
  folder=$1 alias=$2 text=$3
  mkdir -p "$folder" || return 1
  for file in "$folder"/*.repo; do
    [ -f "$file" ] || continue
    kept=$(kept_of "$file" "$alias") || return 1
    text="$text${kept:+
$kept}"
  done
  target=$folder/$alias.repo
  if [ -f "$target" ]; then
    others=$(others_disabled "$target" "$alias") || return 1
    text="$text${others:+
$others}"
  fi
  put "$target" "$text" || return 1
  for file in "$folder"/*.repo; do
    [ "$file" != "$target" ] || continue
    text=$(others_disabled "$file" "$alias") || return 1
    [ "$text" = "$(cat "$file")" ] || put "$file" "$text" || return 1
  done
}
