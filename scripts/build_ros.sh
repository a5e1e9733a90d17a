#!/usr/bin/env bash
# Build the messages of this package into a virtual environment that holds the ROS 2 wheels.
# Usage: scripts/build_ros.sh VENV. On a machine with ROS installed use `colcon build` instead.
set -euo pipefail
venv=$(cd "$1" && pwd)
root=$(cd "$(dirname "$0")/.." && pwd)
python="$venv/bin/python"

# The wheels' CMake files name the include folders of the machine that built them.
python_include=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
numpy_include=$("$python" -c 'import numpy; print(numpy.get_include())')
{ grep -rlE '/opt/python/cp3[0-9]+' "$venv/share" --include='*.cmake' || true; } | while read -r file; do
  sed -i -E \
    -e "s#/opt/python/cp3[0-9]+-cp3[0-9]+/lib/[^;\" ]*numpy/_core/include#$numpy_include#g" \
    -e "s#/opt/python/cp3[0-9]+-cp3[0-9]+/include/python3\.[0-9]+#$python_include#g" "$file"
done

paths=("$root")
# A real interbotix_xs_msgs, where installed, must not be shadowed by the stand-in.
if [ -z "${INTERBOTIX_XS_MSGS_INSTALLED:-}" ]; then
  paths=("$root/cosmos_policy_ros/simulation/assets/interbotix_xs_msgs" "${paths[@]}")
fi

# The installed package of messages finds the modules of this tree through its __path__.
site=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
echo "$root" > "$site/cosmos_policy_ros_tree.pth"

export PATH="$venv/bin:$PATH"
export CMAKE_PREFIX_PATH="$venv" AMENT_PREFIX_PATH="$venv"
colcon --log-base "$root/log" build --paths "${paths[@]}" --build-base "$root/build" \
  --install-base "$venv" --merge-install --executor sequential \
  --event-handlers console_cohesion- console_direct- \
  --cmake-args -DPython3_EXECUTABLE="$python" -DBUILD_TESTING=OFF -DMESSAGES_ONLY=ON \
    -DCMAKE_BUILD_TYPE=Release --no-warn-unused-cli
