#!/bin/sh
# Builds the C interface for a Cortex-M4F and for this machine, checks that its
# header is strict C and C++, and runs the example program on both: on QEMU's
# mps2-an386 board and natively. Both must print the expected transcript.
#
# What is missing is installed with rustup or apt-get.
set -eu

target=thumbv7em-none-eabihf
cd "$(dirname "$0")/.."
example=c-interface/example
include=c-interface/include
out=$PWD/target/c-interface
mkdir -p "$out"

. scripts/toolchain.sh

need() { # COMMAND PACKAGE...
    command=$1
    shift
    command -v "$command" >/dev/null || apt_install "$@"
}

# Compiles the header alone; COMPILER may have arguments.
check_header() { # COMPILER...
    echo '#include "lookalike.h"' | "$@" -I "$include" -Wall -Wextra -Werror -fsyntax-only -
}

run_example() { # NAME COMMAND...
    name=$1
    shift
    say "running the example $name"
    status=0
    "$@" >"$out/transcript.txt" || status=$?
    if ! diff -u "$example/transcript.txt" "$out/transcript.txt" || [ "$status" -ne 0 ]; then
        say "the example fails $name: exit status $status" >&2
        exit 1
    fi
}

need cc gcc libc6-dev
need c++ g++
need arm-none-eabi-gcc gcc-arm-none-eabi libnewlib-arm-none-eabi
need qemu-system-arm qemu-system-arm
need timeout coreutils

say "checking the header"
check_header cc -std=c99 -pedantic -x c
check_header c++ -std=c++11 -pedantic -x c++
check_header arm-none-eabi-gcc -std=c99 -pedantic -x c
check_header arm-none-eabi-g++ -std=c++11 -pedantic -x c++

say "building for this machine"
build="build --locked -p lookalike-c --profile firmware"
# shellcheck disable=SC2086 # a list of arguments
CARGO_TARGET_DIR=$out/host cargo $build
strict="-std=c99 -pedantic -Wall -Wextra -Werror"
sources="$example/main.c $example/assets.S"
# shellcheck disable=SC2086 # lists of arguments
cc -O2 $strict -I "$include" -Wa,-I,"$example/assets" $sources \
    "$out/host/firmware/liblookalike_c.a" -lpthread -ldl -lm -o "$out/example"
run_example "on this machine" "$out/example"

say "building for $target"
# shellcheck disable=SC2086 # a list of arguments
CARGO_TARGET_DIR=$out/bare-metal bare_cargo "$target" $build
# shellcheck disable=SC2086 # lists of arguments
arm-none-eabi-gcc -mcpu=cortex-m4 -mthumb -mfloat-abi=hard -mfpu=fpv4-sp-d16 -Os $strict \
    -ffunction-sections -fdata-sections -Wl,--gc-sections -Wl,-z,noexecstack \
    -I "$include" -Wa,-I,"$example/assets" \
    -nostartfiles --specs=nano.specs --specs=rdimon.specs -T "$example/mps2-an386/mps2-an386.ld" \
    "$example/mps2-an386/startup.c" $sources \
    "$out/bare-metal/$target/firmware/liblookalike_c.a" -o "$out/example.elf"

if arm-none-eabi-nm "$out/example.elf" | grep -E 'core9?panicking|rust_begin_unwind'; then
    say "code that can panic is linked" >&2
    exit 1
fi
run_example "on mps2-an386" timeout 60 qemu-system-arm -machine mps2-an386 -nographic \
    -monitor none -serial none -semihosting-config enable=on,target=native \
    -kernel "$out/example.elf"

# Links the functions alone, at the size that they add to a firmware.
code_size() { # FUNCTION...
    roots=""
    for function in "$@"; do roots="$roots -Wl,--undefined=lookalike_$function"; done
    # shellcheck disable=SC2086 # a list of arguments
    arm-none-eabi-gcc -mcpu=cortex-m4 -mthumb -mfloat-abi=hard -mfpu=fpv4-sp-d16 \
        -nostdlib -Wl,--gc-sections -Wl,--entry=0 -Wl,-z,noexecstack $roots \
        "$out/bare-metal/$target/firmware/liblookalike_c.a" -lgcc -o "$out/size.elf"
    arm-none-eabi-size "$out/size.elf" | awk 'NR == 2 { print $1 " bytes of flash, " $2 + $3 " of static RAM" }'
}
embedding="model_open model_embed"
searching="$embedding gallery_open gallery_search gallery_label"
# shellcheck disable=SC2086 # lists of functions
{
    say "opening and embedding: $(code_size $embedding)"
    say "and searching: $(code_size $searching)"
    say "all functions: $(code_size $searching model_dimensions gallery_enrol gallery_remove \
        gallery_len gallery_capacity status_message)"
}
say "passed"
