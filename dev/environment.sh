# shellcheck shell=bash disable=SC2034 # the variables are for those who source this
# Sourced by the scripts beside it: where things are kept, how a script speaks, how a process is waited for.
# Written for the bash 3.2 that macOS has, too: no associative arrays, no empty array under `set -u`.

# The tree, and what outlives a checkout: Kafka's jars, cargo's target directory, the tools of `make check`.
tree=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/quell
tools=$cache/tools
# The version is that of kafka-pom.xml and docker-compose.yml.
kafka_version=4.3.1
kafka_jars=$cache/kafka-$kafka_version
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$cache/target}
binaries=$CARGO_TARGET_DIR/release

# rustup's own place, for a shell that was opened before Rust was installed.
case :$PATH: in *":$HOME/.cargo/bin:"*) ;; *) PATH=$PATH:$HOME/.cargo/bin ;; esac
export PATH

say() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; }

die() {
  say "$*"
  exit 1
}

# Prints the command of a Java of 17 or later; fails if there is none.
find_java() {
  local candidate version
  for candidate in "${JAVA_HOME:+$JAVA_HOME/bin/java}" java "$(macos_java)"; do
    command -v "${candidate:-/nowhere}" >/dev/null || continue
    # macOS has a stub named java that only says where to get one; it fails here.
    version=$("$candidate" -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)
    if [ "${version:-0}" -ge 17 ]; then
      command -v "$candidate"
      return
    fi
  done
  return 1
}

# Homebrew links no Java into the PATH.
macos_java() {
  command -v brew >/dev/null || return 0
  printf '%s/bin/java\n' "$(brew --prefix openjdk 2>/dev/null)"
}

# Whether something listens on a port of this machine.
listens() { (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Prints a port that is free, and whose next one is free too. Below the range that systems give to clients.
free_port() {
  local port attempts=0
  while [ "$attempts" -lt 100 ]; do
    attempts=$((attempts + 1))
    port=$((20000 + RANDOM % 6000 * 2))
    if ! listens "$port" && ! listens $((port + 1)); then
      echo "$port"
      return
    fi
  done
  die "found no free port between 20000 and 32000"
}

# Whether the process in a pid file still runs, and is the one that was started: its command line has `$2` in it.
# (A number alone may have gone to a stranger since.)
runs() {
  local pid
  pid=$(cat "$1" 2>/dev/null) && [ -n "$pid" ] || return 1
  command_line "$pid" 2>/dev/null | grep -F -- "$2" >/dev/null
}

# A small Debian has /proc but no ps, macOS the other way round.
command_line() {
  if [ -d /proc/self ]; then
    tr '\0' ' ' <"/proc/$1/cmdline"
  else
    ps -o command= -p "$1"
  fi
}

# Ends the process in a pid file: asks, waits up to `$3` seconds, then insists. No process is no error.
end_process() {
  local pid tenths=0
  if ! runs "$1" "$2"; then
    rm -f "$1"
    return
  fi
  pid=$(cat "$1")
  kill "$pid" 2>/dev/null || true
  while kill -0 "$pid" 2>/dev/null; do
    if [ "$tenths" -ge $(($3 * 10)) ]; then
      say "process $pid did not end within $3 s and is killed"
      kill -9 "$pid" 2>/dev/null || true
      break
    fi
    tenths=$((tenths + 1))
    sleep 0.1
  done
  rm -f "$1"
}
