#!/bin/sh
# Installs a build into a temporary prefix, builds the consumer with CMake and with pkg-config, runs both.
# run.sh BUILD_FOLDER MODEL
set -eu
here=$(cd "$(dirname "$0")" && pwd)
prefix=$(mktemp -d)
trap 'rm -rf "$prefix"' EXIT
cmake --install "$1" --prefix "$prefix" >/dev/null
cmake -S "$here" -B "$prefix/build" -DCMAKE_PREFIX_PATH="$prefix" >/dev/null
cmake --build "$prefix/build" >/dev/null
with_cmake=$("$prefix/build/consumer" "$2")
pc=$(dirname "$(find "$prefix" -name rill.pc)")
flags=$(PKG_CONFIG_PATH=$pc pkg-config --define-variable=prefix="$prefix" --static --cflags --libs rill)
# shellcheck disable=SC2086
g++ "$here/consumer.cc" -o "$prefix/consumer" $flags
with_pkgconfig=$("$prefix/consumer" "$2")
echo "$with_cmake"
[ "$with_cmake" = "$with_pkgconfig" ] && [ "$(echo "$with_cmake" | wc -l)" = 3 ]
