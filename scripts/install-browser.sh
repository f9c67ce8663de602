#!/bin/sh
# What the tests need from the system: Chromium, an nc that speaks Unix sockets, a font with
# Chinese, tshark, which reads exported captures, and strace, which makes a disk fail. Installs what is missing where apt-get and
# the right to use it are there; says what to install where they are not.
set -eu

missing=""
command -v chromium >/dev/null || missing="$missing chromium"
nc -h 2>&1 | grep -q OpenBSD || missing="$missing netcat-openbsd"
fc-list ':lang=zh' 2>/dev/null | grep -q . || missing="$missing fonts-noto-cjk"
command -v tshark >/dev/null || missing="$missing tshark"
command -v strace >/dev/null || missing="$missing strace"
[ -n "$missing" ] || exit 0

as_root=""
if [ "$(id -u)" -ne 0 ]; then
    # -n: never stop to ask for a password in the middle of a test run.
    as_root="sudo -n"
    sudo -n true 2>/dev/null || as_root="none"
fi
if ! command -v apt-get >/dev/null || [ "$as_root" = none ]; then
    echo "The tests need these Debian packages, or your system's own of the like:$missing" >&2
    exit 1
fi

echo "Installing$missing ..."
apt="$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# shellcheck disable=SC2086  # $apt and $missing are lists of words
if ! { $apt update && $apt install -y --no-install-recommends $missing; } >"$log" 2>&1 </dev/null; then
    cat "$log" >&2
    echo "Could not install$missing" >&2
    exit 1
fi
