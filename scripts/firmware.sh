#!/bin/sh
# Builds the firmware for every board, runs it on the emulators, and checks what
# it prints, what it takes, and that no panic is linked. Installs what is
# missing: Rust's targets, QEMU, and GNU's binutils for Arm.
set -eu
cd "$(dirname "$0")/.."
. scripts/toolchain.sh
export CARGO_TARGET_DIR="$PWD/target/firmware"
out="$CARGO_TARGET_DIR/transcripts"
mkdir -p "$out"
: >"$out/figures"
failures=0

fail() {
    say "FAILED: $*" >&2
    failures=$((failures + 1))
}

build() { # TARGET BOARD[,FEATURE] BINARY... [--OPTION...]
    target=$1 features=$2
    shift 2
    binaries=""
    while [ $# -gt 0 ] && [ "${1#--}" = "$1" ]; do
        binaries="$binaries --bin $1"
        shift
    done
    # shellcheck disable=SC2086 # a list of options
    use_compiler "$target"
    (cd firmware-example && bare_cargo "$target" build --release --locked \
        --features "$features" $binaries "$@")
}

elf() { # TARGET BINARY
    echo "$CARGO_TARGET_DIR/$1/release/$2"
}

# Runs a program where the files lie that the host lends to it.
run_in_out() { # BOARD ELF
    (cd "$out" && emulate "$1" "$2")
}

# Figures depend on the compiler: the expected transcript has # for each.
without_figures() {
    sed -E '/^(known loop|embed|search|RAM)/s/[0-9]+ (instructions|bytes)/# \1/g; s/off by [0-9]+/off by #/'
}

run_demo() { # TARGET BOARD [VARIANT]
    name="$2${3:+-$3}"
    say "running the firmware on $name"
    transcript="$out/$name.txt"
    run_in_out "$2" "$(elf "$1" demo)" >"$transcript" || fail "$name: exit status $?"
    cat "$transcript"
    without_figures <"$transcript" | diff "firmware-example/expected/$name.txt" - ||
        fail "$name: the transcript is not firmware-example/expected/$name.txt"
    # "embed: 5 instructions, stack 8 bytes" gives "embed-instructions 5" and "embed-stack 8".
    # The application's RAM is that of the half that took more.
    sed -nE 's/^(embed|search).*: (.*)/\1, \2/p' "$transcript" |
        awk -v board="$2" -v prefix="${3:+$3-}" -F ', ' '{
            for (i = 2; i <= NF; i++) {
                split($i, word, " ")
                if (word[2] == "instructions") print board, prefix $1 "-instructions", word[1]
                else print board, prefix $1 "-" word[1], word[2]
            }
        }' >>"$out/figures"
    awk -v board="$2" -v prefix="${3:+$3-}" '/^RAM:/ {
            if ($2 + $6 > most) most = $2 + $6
        } END { print board, prefix "application-ram", most }' "$transcript" >>"$out/figures"
}

# Embeddings of quantised models, word by word against the naive oracle's.
run_identity() { # TARGET BOARD
    say "comparing embeddings of quantised models on $2"
    run_in_out "$2" "$(elf "$1" identity)" || fail "$2: embeddings differ"
}

# Searches of integer codes against plain loops.
run_distances() { # TARGET BOARD
    say "comparing distances on $2"
    run_in_out "$2" "$(elf "$1" distances)" || fail "$2: distances differ"
}

# Figures of the integer network and of searches. Of portable kernels only the
# instructions are of interest.
run_bench() { # TARGET BOARD [portable]
    say "benchmark on $2${3:+, $3}"
    run_in_out "$2" "$(elf "$1" bench)" >"$out/bench" || fail "$2: the benchmark's exit status is $?"
    cat "$out/bench"
    grep -E "^[-a-z0-9]+ [0-9]+$" "$out/bench" | grep -E "${3:+^(compact|fast)-instructions}" |
        sed "s/^/$2 ${3:+$3-}/" >>"$out/figures"
}

# Bytes in flash of code and constants.
flash_bytes() { # ELF
    arm-none-eabi-size -A "$1" | awk '$1 ~ /^\.(text|rodata|data)/ { sum += $2 } END { print sum }'
}

measure_code() { # TARGET BOARD [VARIANT]
    code=$(($(flash_bytes "$(elf "$1" code_size)") - $(flash_bytes "$(elf "$1" empty)")))
    echo "$2 ${3:+$3-}code-bytes $code" >>"$out/figures"
}

# What the smallest program takes in flash besides the model and the gallery, and
# in RAM besides the workspace: `trainer family` and `--fit` count with it.
measure_recogniser() { # TARGET BOARD DEPLOYMENT MODEL GALLERY
    export LOOKALIKE_MODEL="$4" LOOKALIKE_GALLERY="$5"
    build "$1" "$2,own" recogniser
    files=$(cat "$4" "$5" | wc -c)
    unset LOOKALIKE_MODEL LOOKALIKE_GALLERY
    run_in_out "$2" "$(elf "$1" recogniser)" >"$out/recogniser" ||
        fail "$2: recogniser's exit status is $? with $3"
    echo "$2 recogniser-$3-code $(($(program_bytes "$(elf "$1" recogniser)") - files))" >>"$out/figures"
    awk -v board="$2" -v name="recogniser-$3-ram" '
        /^(static|stack)/ { sum += $2 }
        /^workspace/ { sum -= $2 }
        END { print board, name, sum }' "$out/recogniser" >>"$out/figures"
}

measure_recognisers() { # TARGET BOARD F32-ASSETS
    say "measuring the smallest program on $2"
    assets=firmware-example/assets
    measure_recogniser "$1" "$2" f32 "$assets/$3/model" "$assets/$3/gallery"
    measure_recogniser "$1" "$2" compact "$assets/int8/compact.model" "$assets/int8/gallery"
    measure_recogniser "$1" "$2" fast "$assets/int8/fast.model" "$assets/int8/gallery"
    # Its first convolution goes through other code.
    measure_recogniser "$1" "$2" colour "$out/colour.model" "$out/colour.gallery"
}

panics() { # ELF: prints the symbols of Rust's panic machinery
    arm-none-eabi-nm --demangle "$1" |
        grep -E 'core::panicking|core::(option|result)::(unwrap|expect)_failed|rust_begin_unwind|slice_index_fail'
}

check_panics() { # TARGET BOARD
    for binary in no_panic no_panic_c; do
        # The check must be able to fail: it has to find a panic put there on purpose.
        build "$1" "$2,control" "$binary"
        panics "$(elf "$1" "$binary")" >/dev/null ||
            fail "$2: the check for panics finds none in $binary"
        build "$1" "$2" "$binary"
        if panics "$(elf "$1" "$binary")"; then
            fail "$2: a public function that $binary names can panic"
        else
            say "$2: no panic is linked in $binary"
        fi
    done
}

check_budgets() {
    version=$(rustc --version | sed -nE 's/^rustc ([0-9]+\.[0-9]+).*/\1/p')
    say "figures with rustc $version, and budgets"
    awk -v compiler="rustc-$version" '
        FNR == NR && /^# board/ { for (i = 4; i <= NF; i++) if ($i == compiler) column = i - 1 }
        /^#/ || NF == 0 { next }
        FNR == NR {
            budget[$1 " " $2] = column ? $column : ($3 > $4 ? $3 : $4)
            next
        }
        {
            key = $1 " " $2
            seen[key] = 1
            if (!(key in budget)) { print "no budget for " key; bad = 1; next }
            over = $3 > 1.01 * budget[key]
            # `trainer inspect` quotes the budgets: they must not be stale either.
            under = column && $3 < 0.99 * budget[key]
            printf "%-12s %-34s %10d of %10d%s\n", $1, $2, $3, budget[key],
                over ? "  EXCEEDED" : under ? "  BELOW: lower the budget" : ""
            if (over || under) bad = 1
        }
        END {
            for (key in budget) if (!(key in seen)) { print "not measured: " key; bad = 1 }
            exit bad
        }' firmware-example/budgets.txt "$out/figures" || fail "a budget is exceeded"
}

check_board() { # TARGET BOARD
    say "building for $2"
    build "$1" "$2" demo code_size empty
    run_demo "$1" "$2"
    measure_code "$1" "$2"
    say "building for $2, quantised"
    build "$1" "$2,int8" demo code_size empty identity distances bench
    run_demo "$1" "$2" int8
    measure_code "$1" "$2" int8
    run_identity "$1" "$2"
    run_distances "$1" "$2"
    run_bench "$1" "$2"
    check_panics "$1" "$2"
}

# The kernels without machine instructions, where there are any.
check_portable() { # TARGET BOARD
    say "building for $2, portable"
    # At the level that the core's documentation asks for without them.
    build "$1" "$2,int8,portable" bench --config profile.release.package.lookalike.opt-level=3
    run_bench "$1" "$2" portable
}

apt_install qemu-system-arm qemu-system-misc binutils-arm-none-eabi
say "preparing what the host lends to the firmware"
env -u CARGO_TARGET_DIR cargo run --release --quiet -p lookalike-tests --example firmware_cases -- "$out"
check_board thumbv7em-none-eabihf mps2-an386
check_portable thumbv7em-none-eabihf mps2-an386
measure_recognisers thumbv7em-none-eabihf mps2-an386 reference
check_board thumbv6m-none-eabi microbit
check_portable thumbv6m-none-eabi microbit
measure_recognisers thumbv6m-none-eabi microbit small
check_board riscv32imc-unknown-none-elf virt
measure_recognisers riscv32imc-unknown-none-elf virt reference
check_budgets
say "building for a real board, the STM32F4 Discovery"
build thumbv7em-none-eabihf stm32f4-discovery demo
[ "$failures" -eq 0 ] || { say "$failures checks failed" >&2; exit 1; }
say "all checks passed"
