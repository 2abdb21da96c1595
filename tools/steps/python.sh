# shellcheck shell=bash
# uv, and with it the locked Python environment in .venv.

uv_version() { "$1" --version 2>/dev/null | awk '{print $2}'; }

# The uv to use: a new enough one on PATH, else the one in the cache. Fails when there is neither.
uv_at_hand() {
  local uv
  for uv in "$(command -v uv || true)" "$CACHE/bin/uv"; do
    [ -x "$uv" ] && version_at_least "$(uv_version "$uv")" "$UV_MINIMUM" && echo "$uv" && return 0
  done
  return 1
}

host_python_makes_environments() { python3 -c 'import ensurepip, venv' 2>/dev/null; }

# Step.
install_uv() {
  local uv draft="$CACHE/.uv.$$"
  if uv=$(uv_at_hand); then
    say "uv $(uv_version "$uv")"
    return
  fi
  if [ -e "$STEP_DIR/packages.begun" ] && ! host_python_makes_environments; then await packages; fi
  host_python_makes_environments ||
    fail "there is neither uv nor a Python that could fetch it" "install uv (https://docs.astral.sh/uv) or python3 with its venv module"
  rm -rf "$CACHE"/.uv.* "$CACHE/uv"
  if ! { python3 -m venv "$draft" && "$draft/bin/python" -m pip install --quiet --disable-pip-version-check "uv==$UV_MINIMUM"; }; then
    fail "uv $UV_MINIMUM could not be installed with pip" "install uv by hand (https://docs.astral.sh/uv), or give pip an index that it reaches"
  fi
  mv "$draft" "$CACHE/uv" # the binary knows nothing of its place, so the folder may move
  link "$CACHE/uv/bin/uv" uv
  say "uv $UV_MINIMUM from PyPI"
}

# Step.
sync_environment() {
  await uv
  cd "$ROOT" || exit 1
  unset VIRTUAL_ENV
  # Inexact: the SDKs of clouds that somebody added stay. Compiled: where Python may not keep bytecode, an SDK takes seconds each time.
  UV_PROJECT_ENVIRONMENT=.venv "$(uv_at_hand)" sync --locked --inexact --compile-bytecode --no-progress "$@" ||
    fail "the locked Python environment could not be made" "if uv.lock is said to be outdated, run 'uv lock'; else check the network and Python >= 3.11"
  say "Python $(.venv/bin/python -c 'import platform; print(platform.python_version())') with the packages of uv.lock"
}

# link TARGET NAME: bin/NAME in the cache, replaced in one move.
link() {
  mkdir -p "$CACHE/bin"
  ln -s "$1" "$CACHE/bin/.$2.$$"
  mv -f "$CACHE/bin/.$2.$$" "$CACHE/bin/$2"
}
