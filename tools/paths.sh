# shellcheck shell=bash
# shellcheck disable=SC2034 # the scripts that source this use the variables
# Where things are, and which version is new enough. Sourced by every script of this folder; works with bash 3.2.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CACHE=${COWBENCH_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/cowbench}
case $CACHE in /*) ;; *) CACHE=$PWD/$CACHE ;; esac

UV_MINIMUM=0.13.9 # wrote uv.lock

# Tools that make and mount filesystems lie in sbin, which an ordinary user's PATH leaves out.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

# uv trusts a list of its own otherwise, and fails in networks whose owner the system trusts; apt, curl and Go ask the system.
export UV_SYSTEM_CERTS=${UV_SYSTEM_CERTS:-true}

# version_at_least HAVE WANT: compares dotted numbers; what follows a dash or plus is ignored.
version_at_least() {
  local have want part _
  have=${1#v} want=${2#v}
  have=${have%%[-+]*} want=${want%%[-+]*}
  for _ in 1 2 3 4; do
    part=${want%%.*}
    [[ ${have%%.*} =~ ^[0-9]+$ ]] || return 1
    ((10#${have%%.*} > 10#$part)) && return 0
    ((10#${have%%.*} < 10#$part)) && return 1
    case $want in *.*) want=${want#*.} ;; *) return 0 ;; esac
    case $have in *.*) have=${have#*.} ;; *) have=0 ;; esac
  done
}

# within SECONDS COMMAND...: a limit where the system has one to give.
within() {
  local limit_s=$1
  shift
  if command -v timeout >/dev/null; then timeout "$limit_s" "$@"; else "$@"; fi
}

# hash_of FILE...: one short hash over the files' contents, in the order given.
hash_of() {
  if command -v sha256sum >/dev/null; then cat "$@" | sha256sum; else cat "$@" | shasum -a 256; fi | cut -c1-12
}
