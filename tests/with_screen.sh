#!/usr/bin/env bash
# Run a command on a screen: the one there is, else a virtual one, which is installed if it must be,
# with dciodvfy, by which tests check DICOM files, and PostgreSQL, of which tests run a server.
set -euo pipefail

packages=(
  xvfb xauth libegl1 libgl1 libgl1-mesa-dri libopengl0 libglib2.0-0 libfontconfig1 libdbus-1-3
  libxkbcommon0 libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1
  libxcb-randr0 libxcb-render-util0 libxcb-shape0 libxcb-xinerama0 libxcb-xfixes0 libxcb-xkb1
  dicom3tools postgresql
)

if [[ "$(uname)" != Linux || -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]]; then
  exec "$@"
fi
if ! dpkg -s "${packages[@]}" >/dev/null 2>&1; then
  install="apt-get install -y --no-install-recommends ${packages[*]}"
  if [[ "$(id -u)" != 0 ]]; then
    echo "The tests open windows and need a virtual screen: sudo $install" >&2
    exit 1
  fi
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive $install -qq >/dev/null
fi
exec xvfb-run -a -s "-screen 0 1366x768x24" "$@"
