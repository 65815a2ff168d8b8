#!/usr/bin/env bash
# cargo, found where rustup puts it even if PATH does not know.
# shellcheck source=scripts/say.sh
source "$(dirname "$0")/say.sh"
exec cargo "$@"
