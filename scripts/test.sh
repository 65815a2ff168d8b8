#!/usr/bin/env bash
# Every check and test there is, one after the other, whatever fails: test.sh all|fast. Set-up is setup.sh's work.
# A line when a step starts, a line when it ends, the end of its log when it fails; at the end a table of what ran.
# Invariant: the last line is "N passed, N failed" alone (CI reads it): each test counts, and each check without tests.
# shellcheck source=scripts/say.sh
source "$(dirname "$0")/say.sh"
# shellcheck source=scripts/counts.sh
source scripts/counts.sh

export CARGO_TERM_COLOR=never NO_COLOR=1
# One feature set for clippy, build and tests, so that no dependency is compiled twice; the window's page is embedded.
features=(--locked --features wick-studio/custom-protocol)

logs=target/checks
rows=()
passed=0
failed=0

# step NAME WHAT_COUNTS COMMAND…
step() {
    local name=$1 counter=$2 started=$SECONDS log outcome=passed
    shift 2
    log="$logs/${name// /-}.log"
    say "· $name …"
    "$@" >"$log" 2>&1 </dev/null || outcome=FAILED
    record "$name" "$outcome" "$((SECONDS - started))" "$("$counter" "$log")"
    if [ "$outcome" = FAILED ]; then excerpt "$log"; fi
}

# record NAME OUTCOME SECONDS "PASSED FAILED": a step with a failure of its own (it did not compile) counts as one.
record() {
    local yes no took
    read -r yes no <<<"$4"
    if [ "$2" = passed ] && [ "$yes" = 0 ]; then yes=1; fi
    if [ "$2" = FAILED ] && [ "$no" = 0 ]; then no=1; fi
    passed=$((passed + yes))
    failed=$((failed + no))
    took=$(printf '%d:%02d' $(($3 / 60)) $(($3 % 60)))
    rows+=("$(printf '%-26s %-7s %7s %6d passed %4d failed' "$1" "$2" "$took" "$yes" "$no")")
    say "  $2 in $took"
}

skip() {
    rows+=("$(printf '%-26s %-7s %s' "$1" skipped "$2")")
    say "· $1: skipped, $2"
}

check_format() {
    step "cargo fmt" count_none cargo fmt --all --check -- --color never
    step "ui format" count_none npm --prefix ui run format
}

check_ui() {
    step "ui lint" count_none npm --prefix ui run lint
    step "ui types" count_none npm --prefix ui run check
    step "ui tests" count_vitest npm --prefix ui test
}

check_lints() { step "clippy" count_none cargo clippy --workspace --all-targets "${features[@]}" -- -D warnings; }

# The kernels for GPUs, warnings as errors, and what launches them. Their tests run without a GPU, with all the others.
check_kernels() { step "kernels" count_none scripts/cuda.sh check; }

check_dependencies() {
    local databases=${CARGO_HOME:-${HOME:-}/.cargo}/advisory-dbs
    step "bans licences sources" count_none .tools/cargo-deny --locked check bans licenses sources
    if [ -n "$(ls -A "$databases" 2>/dev/null)" ]; then
        step "advisories" count_none .tools/cargo-deny --locked check --disable-fetch advisories
    else
        skip "advisories" "there is no advisory database on this machine and none is fetched"
    fi
}

# --tests brings the development dependencies' features along: what is built here is what the tests run.
check_rust() {
    step "cargo build" count_none cargo build --workspace --bins --tests "${features[@]}"
    step "cargo test" count_libtest cargo test --workspace --no-fail-fast "${features[@]}"
}

report() {
    say "" "What ran (logs in $logs):"
    printf '  %s\n' "${rows[@]}"
    if grep -qs '^test result' "$logs/cargo-test.log"; then
        say "" "Rust tests by program:"
        list_programs "$logs/cargo-test.log"
    fi
    say "" && say "$passed passed, $failed failed"
    [ "$failed" = 0 ]
}

rm -rf "$logs" && mkdir -p "$logs"
case ${1:-} in
    fast) check_format && check_ui && check_lints ;;
    all)
        check_format && check_ui
        step "ui build" count_none npm --prefix ui run build
        check_lints && check_kernels && check_dependencies && check_rust
        ;;
    *) die "test.sh knows no selection \"${1:-}\"" "test.sh all|fast" ;;
esac
report
