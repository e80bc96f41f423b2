#!/bin/sh
# Runs the commands of docs/tutorial.md as they stand there, in an empty folder.
set -eu
cd "$(dirname "$0")/.."
. scripts/toolchain.sh
# What the text tells to install.
apt_install dataset-fashion-mnist
# The tutorial makes its folder here.
TMPDIR=$(mktemp -d)
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
commands="$TMPDIR/commands"
awk '/^```sh$/ { shown = 1; next } /^```/ { shown = 0 } shown' docs/tutorial.md >"$commands"
[ "$(grep -c '^trainer' "$commands")" -ge 8 ] || {
    say "FAILED: the commands are not found in docs/tutorial.md" >&2
    exit 1
}
# Tells what runs, and stops at the first command that fails.
bash -euvo pipefail "$commands" >"$TMPDIR/output" || status=$?
cat "$TMPDIR/output"
[ "${status:-0}" -eq 0 ] || {
    say "FAILED: exit status $status" >&2
    exit 1
}
grep -q '^enrolled here: ' "$TMPDIR/output" || {
    say "FAILED: the firmware has enrolled nothing" >&2
    exit 1
}
say "the tutorial runs as written"
