# shellcheck shell=bash
# What this host is, what it lacks for a part of the bench (packages.txt), and the one step that installs it on Debian and its relatives.

POLICY=/usr/sbin/policy-rc.d
POLICY_MARK="# written by cowbench"

# package_family OS_RELEASE: debian, fedora, arch, suse, alpine or other.
package_family() {
  local words word
  words=$(sed -n 's/^ID=//p; s/^ID_LIKE=//p' "$1" 2>/dev/null | tr -d "\"'" | tr '\n' ' ')
  for word in $words; do
    case $word in
      debian | ubuntu) echo debian && return ;;
      fedora | rhel | centos) echo fedora && return ;;
      arch) echo arch && return ;;
      suse | opensuse*) echo suse && return ;;
      alpine) echo alpine && return ;;
    esac
  done
  echo other
}

install_command() {
  case $1 in
    debian) echo "apt-get install" ;;
    fedora) echo "dnf install" ;;
    arch) echo "pacman -S" ;;
    suse) echo "zypper install" ;;
    alpine) echo "apk add" ;;
    *) echo "your package manager with" ;;
  esac
}

# missing_commands [PART]: those of packages.txt that this host lacks for it, one per line.
missing_commands() {
  local part tool _
  while read -r part tool _; do
    [ "$part" = "${1:-local}" ] || continue
    command -v "$tool" >/dev/null || [ -f "$tool" ] || echo "$tool"
  done <"$ROOT/tools/packages.txt"
}

# packages_for FAMILY COMMAND...: the packages that bring them, each once, on one line.
packages_for() {
  local family=$1 column
  shift
  case $family in fedora) column=4 ;; arch) column=5 ;; suse) column=6 ;; alpine) column=7 ;; *) column=3 ;; esac
  printf '%s\n' "$@" | awk -v column="$column" '
    NR == FNR { wanted[$1]; next }
    ($2 in wanted) && $column != "-" && !seen[$column]++ { printf "%s%s", (n++ ? " " : ""), $column }' - "$ROOT/tools/packages.txt"
}

# as_root COMMAND...: runs it as root, never asking for a password.
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }

can_be_root() { [ "$(id -u)" = 0 ] || { command -v sudo >/dev/null && sudo -n true 2>/dev/null; }; }

# local_cloud_problem: why this host cannot run engines of its own, and what to do; empty when it can.
local_cloud_problem() {
  local missing family
  if [ "$(uname -s)" != Linux ]; then
    echo "storage drivers are Linux's own, and this is $(uname -s): use a Linux host, or a VM with one"
  elif ! can_be_root; then
    echo "it mounts filesystems and starts engines, so it needs root or a sudo that asks for no password: run as root"
  else
    missing=$(missing_commands)
    [ -z "$missing" ] && return
    family=$(package_family /etc/os-release)
    # shellcheck disable=SC2086 # one word per command
    echo "some tools are missing: $(install_command "$family") $(packages_for "$family" $missing)"
  fi
}

# wanted_packages: what the step below would install here; empty where there is nothing to do or no way to do it.
wanted_packages() {
  local missing packages=""
  [ "$(uname -s)" = Linux ] && [ "$(package_family /etc/os-release)" = debian ] && can_be_root || return 0
  missing=$(missing_commands)
  # shellcheck disable=SC2086 # one word per command
  [ -z "$missing" ] || packages=$(packages_for debian $missing)
  uv_at_hand >/dev/null || host_python_makes_environments || packages="$packages python3-venv"
  can_download || packages="$packages curl"
  [ -e /etc/ssl/certs/ca-certificates.crt ] || packages="$packages ca-certificates"
  echo "${packages# }"
}

# vms_packages: what VMs on this host need and it lacks, on one line; of the family that it belongs to.
vms_packages() {
  local missing
  missing=$(missing_commands vms)
  # shellcheck disable=SC2086 # one word per command
  [ -z "$missing" ] || packages_for "$(package_family /etc/os-release)" $missing
}

# Step. Interrupted while downloading it stops; once dpkg runs it finishes, because a half-configured system helps nobody.
install_packages() {
  local apt="env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 --no-install-recommends --no-remove"
  local services="docker.service docker.socket"
  command -v containerd || services="$services containerd.service" # one that is here already belongs to the host
  # shellcheck disable=SC2086 # a command with its options
  {
    as_root dpkg --configure -a
    as_root $apt update || echo "the lists could not be renewed; trying with the old ones"
    as_root $apt install --download-only "$@" || fail "Debian packages could not be downloaded: $*" "check apt's sources and the network, or install them by hand"
    trap '' INT TERM HUP
    keep_services_from_starting
    as_root $apt install "$@" || fail "Debian packages could not be installed: $*" "run 'apt-get install $*' by hand and see what it says"
    case " $* " in *" docker.io "*) leave_off $services ;; esac
  }
  say "Debian packages: $*"
}

# Debian starts what it installs; this bench must not start a host's own Docker. See /usr/share/doc/sysv-rc/README.policy-rc.d.
keep_services_from_starting() {
  if grep -qs "$POLICY_MARK" "$POLICY"; then as_root rm -f "$POLICY"; fi # left by a call that was killed
  trap give_back_policy EXIT
  if [ -e "$POLICY" ]; then as_root mv "$POLICY" "$POLICY.before-cowbench"; fi
  printf '#!/bin/sh\n%s\nexit 101\n' "$POLICY_MARK" | as_root tee "$POLICY" >/dev/null
  as_root chmod 755 "$POLICY"
}

give_back_policy() {
  if grep -qs "$POLICY_MARK" "$POLICY"; then as_root rm -f "$POLICY"; fi
  if [ -e "$POLICY.before-cowbench" ]; then as_root mv "$POLICY.before-cowbench" "$POLICY"; fi
}

# The package also enables its services for the next boot, under systemd and SysV; only the user may want that.
leave_off() {
  ! command -v systemctl >/dev/null || as_root systemctl disable "$@" || true
  as_root update-rc.d docker disable || true
  echo "docker.service was installed, neither started nor enabled; 'systemctl enable --now docker' does both"
}
