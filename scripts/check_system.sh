#!/usr/bin/env bash
# Check what pip cannot bring. Usage: scripts/check_system.sh PYTHON
# Prints one apt-get line with everything that is missing, and then fails.
set -u
python=$1
missing=()

command -v cc >/dev/null && command -v c++ >/dev/null || missing+=(build-essential)
command -v "$python" >/dev/null || missing+=(python3)
if command -v "$python" >/dev/null; then
  version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  case $version in
    3.11|3.12|3.13) ;;
    *) echo "Python $version is not supported: the pinned wheels exist for 3.11 to 3.13." \
            "Choose another: make PYTHON=python3.11 ..." >&2; exit 1 ;;
  esac
  "$python" -c 'import ensurepip, venv' 2>/dev/null || missing+=("python$version-venv")
  "$python" -c 'import os, sys, sysconfig
sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))' \
    || missing+=("python$version-dev")
fi
# The simulated cameras are rendered off screen.
libraries=$(/sbin/ldconfig -p 2>/dev/null)
case $libraries in *libEGL.so.1*) ;; *) missing+=(libegl1) ;; esac
case $libraries in *libEGL_mesa.so.0*) ;; *) missing+=(libgl1-mesa-dri) ;; esac

if [ "${#missing[@]}" -gt 0 ]; then
  echo "Missing system packages. Install them with:" >&2
  echo "  sudo apt-get install ${missing[*]}" >&2
  exit 1
fi
