# shellcheck shell=bash
# Reads how many tests ran out of a step's log, and what of it to show. Sourced by test.sh.
# Each counter prints "PASSED FAILED"; a log without a summary gives "0 0".

count_none() { echo "0 0"; }

# test result: ok. 12 passed; 0 failed; …
count_libtest() { awk '/^test result: / { passed += $4; failed += $6 } END { print passed + 0, failed + 0 }' "$1"; }

#       Tests  1 failed | 33 passed (34)
count_vitest() {
    sed 's/\x1b\[[0-9;]*m//g' "$1" | awk '
        $1 == "Tests" { for (i = 2; i < NF; i++) { if ($(i + 1) == "passed") passed = $i; if ($(i + 1) == "failed") failed = $i } }
        END { print passed + 0, failed + 0 }'
}

# A line for each test program that held a test.
list_programs() {
    awk '
        /^ +Running / { program = $0; sub(/^ +Running /, "", program); sub(/ \(.*/, "", program); file = $NF; sub(/.*\//, "", file); sub(/-[0-9a-f]+\)$/, "", file); program = file " (" program ")" }
        /^ +Doc-tests / { program = $2 " (examples in its documentation)" }
        /^test result: / && $4 + $6 + $8 > 0 { printf "  %-60s %4d passed %4d failed %3d ignored\n", program, $4, $6, $8 }
    ' "$1"
}

# What a person needs first: the failed tests themselves, else the end of the log.
excerpt() {
    say "─── from $1 ───"
    if grep -q '^failures:$' "$1"; then
        awk '/^failures:$/ { on = 1 } on && shown++ < 120 { print } /^test result: / { on = 0 }' "$1"
    else
        tail -n 40 "$1"
    fi
    say "───"
}
