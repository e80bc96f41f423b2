#!/bin/sh
# Checks licences, sources and bans of all dependencies with cargo-deny, and
# advisories where RustSec's data base can be had. Installs cargo-deny if it is
# missing, which takes some minutes of compiling; CI has the test
# tests/tests/supply_chain.rs instead.
set -eu
cd "$(dirname "$0")/.."
. scripts/toolchain.sh

command -v cargo-deny >/dev/null || {
    say "installing cargo-deny"
    cargo install --locked cargo-deny
}
for manifest in Cargo.toml firmware-example/Cargo.toml fuzz/libfuzzer/Cargo.toml; do
    say "checking $manifest"
    cargo deny --manifest-path "$manifest" --config "$PWD/deny.toml" check bans licenses sources
done
if cargo deny fetch db 2>/dev/null; then
    cargo deny check advisories
else
    say "RustSec's data base cannot be had: advisories are not checked"
fi
