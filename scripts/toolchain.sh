# Sourced by the scripts that build for microcontrollers: a compiler for a bare
# target, from rustup where it has or can fetch the target, otherwise Debian's,
# which builds Rust's core library from source; and the emulators.
# shellcheck shell=sh

say() {
    echo "$(basename "$0" .sh): $*"
}

# apt_install PACKAGE...: installs what is missing.
apt_install() {
    missing=""
    for package in "$@"; do
        dpkg -s "$package" >/dev/null 2>&1 || missing="$missing $package"
    done
    [ -z "$missing" ] && return
    command -v apt-get >/dev/null || {
        say "no apt-get here: install what Debian calls$missing" >&2
        exit 1
    }
    say "installing$missing with apt-get"
    [ "$(id -u)" -eq 0 ] && sudo="" || sudo=sudo
    $sudo apt-get update -q
    # shellcheck disable=SC2086 # a list of packages
    $sudo apt-get install -y -q --no-install-recommends $missing
}

# rustup_has TARGET: whether rustup has the target, or can fetch it.
rustup_has() {
    command -v rustup >/dev/null || return 1
    rustup target list --installed | grep -qx "$1" && return
    say "adding rustup's target $1"
    rustup target add "$1"
}

# use_compiler TARGET: chooses the compiler for a bare target, sets it up if need be.
use_compiler() {
    rustup_has "$1" && return
    apt_install rustc-web cargo-web rust-web-src
    # Debian's compiler asks for rust-lld, which not every version of it brings.
    command -v rust-lld >/dev/null || {
        apt_install lld
        export "CARGO_TARGET_$(echo "$1" | tr 'a-z.-' 'A-Z__')_LINKER=ld.lld"
    }
    # RUSTC_BOOTSTRAP lets a stable compiler take -Zbuild-std.
    export PATH="/usr/bin:$PATH" RUSTC_BOOTSTRAP=1
    build_std=-Zbuild-std=core
}

# bare_cargo TARGET SUBCOMMAND [OPTION...]: cargo for a bare target.
bare_cargo() {
    target=$1 subcommand=$2
    shift 2
    use_compiler "$target"
    cargo "$subcommand" --target "$target" ${build_std:+"$build_std"} "$@"
}

# emulate BOARD ELF: runs a program on a board's emulator, in the working
# directory, where the files lie that the host lends to it. Each instruction
# advances the emulated clock by a nanosecond. Only a program that hangs takes
# minutes.
emulate() {
    case $1 in
    virt) machine="qemu-system-riscv32 -machine virt -bios none" ;;
    *) machine="qemu-system-arm -machine $1" ;;
    esac
    # shellcheck disable=SC2086 # a command with its options
    timeout 600 $machine -icount shift=0 -nographic \
        -semihosting-config enable=on,target=native -kernel "$2" </dev/null
}

# program_bytes ELF: the flash that a whole program takes.
program_bytes() {
    arm-none-eabi-size -A "$1" |
        awk '$1 ~ /^\.(vector_table|init|trap|text|rodata|eh_frame|data)/ { sum += $2 } END { print sum }'
}
