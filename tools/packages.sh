# SPDX-License-Identifier: MIT
# Sourced by tools/quickstart and tools/test: which Debian packages each needs, and how the missing
# ones are installed.  Nothing is installed that is there already; what will be installed is said first.

BUILD_PACKAGES=(gcc libc6-dev cmake ninja-build pkg-config libuv1-dev libmicrohttpd-dev libsqlite3-dev
  libcurl4-openssl-dev libjansson-dev libinih-dev libpcre2-dev libssl-dev libarchive-dev libgmsh-dev libocct-modeling-algorithms-dev
  libocct-modeling-data-dev libocct-visualization-dev g++ libcgns-dev libcgal-dev libhdf5-dev libpng-dev zlib1g-dev)
RUN_PACKAGES=(python3-minimal curl)
TEST_PACKAGES=(clang clang-format clang-tidy libclang-rt-14-dev libcmocka-dev python3 python3-pytest python3-venv
  dpkg-dev adduser iproute2 mandoc openssh-client
  procps make python3-gmsh json-schema-test-suite)
# sshd would be started where a service manager runs, which nobody asked for; there it is for the developer to install.
SSHD_PACKAGES=(openssh-server)
# Tests that need these say so and are skipped where they cannot be installed (20 s and 350 MB each line).
BROWSER_PACKAGES=(chromium)
SOLVER_PACKAGES=(calculix-ccx openfoam)

# The names of those packages that are not installed.
missing_packages() {
  local name
  for name in "$@"; do
    dpkg-query -W -f '${db:Status-Abbrev}' "$name" 2>/dev/null | grep -q '^ii' || printf '%s\n' "$name"
  done
}

install_packages() {
  local missing as_root=()
  mapfile -t missing < <(missing_packages "$@")
  if [ ${#missing[@]} -eq 0 ]; then
    echo "Packages: all that is needed is installed."
    return 0
  fi
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
      echo "Packages are missing and there is no sudo. As root, run:" >&2
      echo "  apt-get update && apt-get install --no-install-recommends ${missing[*]}" >&2
      return 1
    fi
    as_root=(sudo)
  fi
  echo "Packages: installing with apt-get: ${missing[*]}"
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
    --no-install-recommends "${missing[@]}" >"${TMPDIR:-/tmp}/lathe-apt.$$.log" 2>&1 || {
    tail -n 20 "${TMPDIR:-/tmp}/lathe-apt.$$.log" >&2
    echo "apt-get failed; its output is above." >&2
    return 1
  }
  rm -f "${TMPDIR:-/tmp}/lathe-apt.$$.log"
  echo "Packages: installed."
}

# configure_and_build FOLDER [CMAKE OPTION...]; quiet unless it fails.
configure_and_build() {
  local folder=$1 log
  shift
  mkdir -p "$folder"
  log=$folder/build.log
  echo "Building in $folder (its output: $log)"
  if ! { cmake -S "$top" -B "$folder" -G Ninja "$@" && cmake --build "$folder"; } >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    echo "The build failed; the end of its output is above." >&2
    return 1
  fi
  grep -E '^-- .*(skipped|left out)' "$log" | grep -v 'Check for working' || true
}

# Programs that tests use and whose packages would start a server: the package is unpacked beside the
# build instead of being installed.  fetch_program PROGRAM PACKAGE
fetch_program() {
  local folder=$top/build/tools
  PATH=$PATH:$folder/usr/bin:$folder/usr/sbin
  command -v "$1" >/dev/null && return 0
  mkdir -p "$folder"
  (cd "$folder" && apt-get download -qq "$2" >/dev/null 2>&1 && dpkg -x "$2"_*.deb . && rm -f "$2"_*.deb) ||
    echo "$1 could not be fetched; its check is skipped."
}

fetch_test_programs() {
  fetch_program promtool prometheus # checks /metrics
  fetch_program nginx nginx         # stands before the daemon
}
