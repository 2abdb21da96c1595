# shellcheck shell=bash
# Runs steps side by side and prints one line with its time for each; a step is a shell function in a process group of its own.
#
#   start NAME LABEL FUNCTION   begins it
#   finish_all                  waits for all; the first failure stops the others
# Inside a step: `await NAME...` before it needs what others make, `say TEXT` for its line, `fail WHAT NEXT` to give up.

STEPS=() PIDS=() LABELS=() REPORTED=()
TICK_S=0.2
QUIET_TICK_S=${COWBENCH_TICK_S:-30} # between signs of life where there is no terminal

# Tenths of a second; whole ones where bash is old (macOS).
now() {
  if [ -n "${EPOCHREALTIME:-}" ]; then
    local whole=${EPOCHREALTIME%[.,]*} part=${EPOCHREALTIME#*[.,]}
    echo $((whole * 10 + 10#${part:0:1}))
  else
    echo $(($(date +%s) * 10))
  fi
}

seconds_since() {
  local tenths=$(($(now) - $1))
  printf '%d.%d s' $((tenths / 10)) $((tenths % 10))
}

line() { printf '%s%-4s %-58s %9s\n' "$CLEAR" "$1" "$2" "$3"; }

start() {
  local name=$1 label=$2
  shift 2
  now >"$STEP_DIR/$name.begun"
  set -m # a process group each, so that stopping a step stops what it started
  run_step "$name" "$@" </dev/null >"$CACHE/logs/$name.log" 2>&1 &
  PIDS+=($!)
  set +m
  STEPS+=("$name") LABELS+=("$label") REPORTED+=("")
}

run_step() {
  STEP=$1
  shift
  trap - EXIT
  trap : INT TERM HUP # this shell outlives a step that is told to stop, or that chooses to finish first
  local status
  set +e # not `|| status=$?`: that would switch `set -e` off inside, too
  (
    set -e
    "$@"
  )
  status=$?
  echo "$status" >"$STEP_DIR/$STEP.draft"
  now >"$STEP_DIR/$STEP.ended"
  mv "$STEP_DIR/$STEP.draft" "$STEP_DIR/$STEP.status"
}

say() { echo "$*" >"$STEP_DIR/$STEP.said"; }

fail() {
  say "$1"
  echo "$2" >"$STEP_DIR/$STEP.next"
  exit 1
}

await() {
  local name
  : >"$STEP_DIR/$STEP.waiting"
  for name in "$@"; do
    while [ ! -e "$STEP_DIR/$name.status" ]; do sleep "$TICK_S"; done
    [ "$(cat "$STEP_DIR/$name.status")" = 0 ] || exit 1
  done
  now >"$STEP_DIR/$STEP.begun" # its own time starts here
  rm "$STEP_DIR/$STEP.waiting"
}

finish_all() {
  local left=1 failed="" last_sign
  last_sign=$(now)
  while [ "$left" -gt 0 ] && [ -z "$failed" ]; do
    left=0
    report_ended || failed=1
    if [ "$left" -gt 0 ] && [ -z "$failed" ]; then
      show_progress
      sleep "$TICK_S"
    fi
  done
  printf '%s' "$CLEAR"
  [ -z "$failed" ]
}

# Prints a line for every step that ended since; counts those `left` of the caller.
report_ended() {
  local i name
  for i in "${!STEPS[@]}"; do
    name=${STEPS[$i]}
    [ -z "${REPORTED[$i]}" ] || continue
    if [ -e "$STEP_DIR/$name.status" ]; then
      REPORTED[i]=1
      report "$name" "${LABELS[$i]}" || return 1
    elif ! kill -0 "${PIDS[$i]}" 2>/dev/null; then
      [ -e "$STEP_DIR/$name.status" ] && continue # it ended between the two looks
      explain "$name" "${LABELS[$i]} was killed" "run it again: what was finished is kept"
      return 1
    else
      left=$((left + 1))
    fi
  done
}

report() {
  local name=$1 said=$2 begun ended
  [ -e "$STEP_DIR/$name.said" ] && said=$(cat "$STEP_DIR/$name.said")
  begun=$(cat "$STEP_DIR/$name.begun") ended=$(cat "$STEP_DIR/$name.ended")
  if [ "$(cat "$STEP_DIR/$name.status")" = 0 ]; then
    line ok "$said" "$(printf '%d.%d s' $(((ended - begun) / 10)) $(((ended - begun) % 10)))"
    return 0
  fi
  explain "$name" "$said" "$(cat "$STEP_DIR/$name.next" 2>/dev/null || echo "look into its log, above")"
  return 1
}

explain() {
  local name=$1 what=$2 next=$3
  line FAIL "$what" ""
  tail -n 15 "$CACHE/logs/$name.log" | sed 's/^/       | /'
  printf '       log: %s\n      next: %s\n' "$CACHE/logs/$name.log" "$next"
}

show_progress() {
  local i name running="" tail_of
  for i in "${!STEPS[@]}"; do
    name=${STEPS[$i]}
    if [ -n "${REPORTED[$i]}" ] || [ -e "$STEP_DIR/$name.waiting" ]; then continue; fi
    running="$running${running:+, }${LABELS[$i]} $(seconds_since "$(cat "$STEP_DIR/$name.begun")")"
  done
  [ -n "$running" ] || return 0
  if [ -n "$CLEAR" ]; then
    tail_of="...  $running"
    printf '%s%s' "$CLEAR" "${tail_of:0:$((COLUMNS - 1))}"
  elif [ $(($(now) - last_sign)) -ge $((QUIET_TICK_S * 10)) ]; then
    line ... "$running" ""
    last_sign=$(now)
  fi
}

# Stops every step and waits until it is gone. A package installation in its last phase finishes first, by its own choice.
stop_all() {
  local pid
  for pid in "${PIDS[@]}"; do kill -TERM -- "-$pid" 2>/dev/null || true; done
  for pid in "${PIDS[@]}"; do wait "$pid" 2>/dev/null || true; done
}

# begin_steps: a fresh place for the steps' words; what a killed call left is removed (the caller holds the lock).
begin_steps() {
  mkdir -p "$CACHE/logs"
  rm -rf "$CACHE"/steps.*
  STEP_DIR=$(mktemp -d "$CACHE/steps.XXXXXX")
  CLEAR="" COLUMNS=$(tput cols 2>/dev/null || echo 80)
  if [ -t 1 ] && [ "${TERM:-dumb}" != dumb ]; then CLEAR=$'\r\033[K'; fi
  trap 'printf "%s" "$CLEAR"; echo "stopping: what was finished is kept" >&2; stop_all; rm -rf "$STEP_DIR"; exit 130' INT TERM HUP
}

end_steps() {
  stop_all
  rm -rf "$STEP_DIR"
}
