# shellcheck shell=bash
# The Pulumi command line: from PATH, from its makers, or built here from Go modules, and linked into the cache's bin/.

MODULES="$ROOT/tools/pulumi"
LANGUAGE_MODULES="$ROOT/tools/pulumi-language-python"
PARTS="pulumi-language-python pulumi-language-python-exec pulumi-resource-pulumi-python"

pinned_pulumi() { awk '$2 == "github.com/pulumi/pulumi/pkg/v3" { print $3 } $1 == "github.com/pulumi/pulumi/pkg/v3" { print $2 }' "$MODULES/go.mod"; }

pulumi_version() { PULUMI_SKIP_UPDATE_CHECK=true within 20 "$1" version 2>/dev/null; }

# Step.
install_pulumi() {
  local pinned built official found
  pinned=$(pinned_pulumi)
  official="$CACHE/pulumi/$pinned-official"
  built="$CACHE/pulumi/$pinned-built-$(hash_of "$MODULES"/go.* "$LANGUAGE_MODULES"/go.* "$ROOT/tools/steps/pulumi.sh")"
  if found=$(pulumi_on_path "$pinned"); then
    use "$found" "from PATH"
  elif [ -d "$official" ]; then
    use "$official/bin/pulumi" "official release, kept from before"
  elif [ -d "$built" ]; then
    use "$built/bin/pulumi" "kept from before"
  elif official_answers "$pinned" && get_official "$pinned" "$official"; then
    use "$official/bin/pulumi" "official release"
  else
    "$ROOT/tools/go" version || await uv # without a Go of the host's, uv fetches one
    build_pulumi "$pinned" "$built"
    use "$built/bin/pulumi" "built from Go modules"
  fi
}

# A new enough one of the same major version that the user brought along.
pulumi_on_path() {
  local found version
  found=$(command -v pulumi) || return 1
  [ "$found" -ef "$CACHE/bin/pulumi" ] && return 1
  version=$(pulumi_version "$found")
  case $version in v3.*) version_at_least "$version" "$1" && echo "$found" ;; *) return 1 ;; esac
}

can_download() { command -v curl || command -v wget; } >/dev/null # the makers' own script needs one of the two

# Fails within seconds where there is no way out.
official_answers() {
  local url="https://get.pulumi.com/install.sh" # what the Automation API fetches
  echo "asking for the official release $1"
  if ! can_download && [ -e "$STEP_DIR/packages.begun" ]; then await packages; fi
  if command -v curl >/dev/null; then
    curl -fsSIL --max-time 5 "$url" >/dev/null
  else
    can_download && wget -q --spider --tries=1 --timeout=5 "$url"
  fi
}

get_official() {
  local draft="$CACHE/pulumi/.official.$$"
  await environment
  mkdir -p "$CACHE/pulumi"
  rm -rf "$CACHE"/pulumi/.official.*
  within 600 "$ROOT/.venv/bin/python" - "$draft" "${1#v}" <<'PYTHON' && mv "$draft" "$2"
import sys
from pulumi.automation import PulumiCommand
from semver import VersionInfo
PulumiCommand.install(root=sys.argv[1], version=VersionInfo.parse(sys.argv[2]))
PYTHON
}

# build_pulumi VERSION FOLDER: both commands with what must lie beside them; the folder appears when all of it works.
build_pulumi() {
  local draft="$CACHE/pulumi/.built.$$" path="github.com/pulumi/pulumi/sdk/v3/go/common/version.Version"
  rm -rf "$CACHE"/pulumi/.built.*
  mkdir -p "$draft/bin"
  # Without its version set, the Automation API refuses the command line.
  (cd "$MODULES" && "$ROOT/tools/go" build -v -tags osusergo,grpcnotrace -ldflags "-w -s -X $path=$1" \
    -o "$draft/bin/pulumi" github.com/pulumi/pulumi/pkg/v3/cmd/pulumi) || cannot_build "$1"
  build_language_host "$draft/bin" || cannot_build "$1"
  [ "$(pulumi_version "$draft/bin/pulumi")" = "$1" ] || fail "the Pulumi just built does not say that it is $1" "see its log, and report it as a defect"
  mv "$draft" "$2"
}

cannot_build() {
  fail "no Pulumi $1: not on PATH, the official release cannot be had, and it does not build here" \
    "install it from https://www.pulumi.com/docs/iac/download-install, or set GOPROXY to a proxy that this host reaches"
}

# build_language_host FOLDER: what plain 'pulumi up' and dynamic providers need, where the official release is not there to bring it.
build_language_host() {
  local module
  (cd "$LANGUAGE_MODULES" && "$ROOT/tools/go" build -v -ldflags "-w -s" -o "$1/pulumi-language-python" \
    github.com/pulumi/pulumi/sdk/v3/python/cmd/pulumi-language-python) || return 1
  (cd "$MODULES" && "$ROOT/tools/go" mod download github.com/pulumi/pulumi/sdk/v3) || return 1
  module=$(cd "$MODULES" && "$ROOT/tools/go" list -m -f '{{.Dir}}' github.com/pulumi/pulumi/sdk/v3) || return 1
  install -m 755 "$module/python/cmd/pulumi-language-python-exec" "$1/" || return 1
  # shellcheck disable=SC2016 # for the launcher's own shell
  printf '#!/bin/sh\n# Starts the dynamic providers of a Pulumi program in Python.\nexec "${PULUMI_PYTHON_CMD:-python3}" -u -m pulumi.dynamic "$@"\n' \
    >"$1/pulumi-resource-pulumi-python"
  chmod 755 "$1/pulumi-resource-pulumi-python"
}

# use PULUMI HOW: links it and the parts beside it; builds those if they are missing there.
use() {
  local pulumi=$1 beside part
  beside=$(dirname "$(readlink -f "$pulumi")")
  if ! has_parts "$beside"; then
    beside="$CACHE/pulumi/language-host-$(hash_of "$MODULES"/go.* "$LANGUAGE_MODULES"/go.* "$ROOT/tools/steps/pulumi.sh")"
    if ! has_parts "$beside"; then
      rm -rf "$CACHE"/pulumi/.language-host.*
      mkdir -p "$CACHE/pulumi/.language-host.$$"
      build_language_host "$CACHE/pulumi/.language-host.$$" || cannot_build "language host"
      mv "$CACHE/pulumi/.language-host.$$" "$beside"
    fi
  fi
  for part in $PARTS; do link "$beside/$part" "$part"; done
  link "$pulumi" pulumi
  say "Pulumi $(pulumi_version "$pulumi") $2"
}

has_parts() {
  local part
  for part in $PARTS; do [ -x "$1/$part" ] || return 1; done
}
