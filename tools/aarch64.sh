#!/bin/sh
# Compiles the layers below the plugins for aarch64, to see that they can be; makes no program.
set -eu
include=$(mktemp -d)
trap 'rm -rf "$include"' EXIT
# Headers that are the same on every CPU, without those of this machine's C library beside them.
for library in boost fftw3.h fmt hwy nlohmann spdlog; do ln -s "/usr/include/$library" "$include/"; done
for file in $(git ls-files 'operators/*.cc' 'modalities/*.cc' 'pipeline/*.cc'); do
  aarch64-linux-gnu-g++ -std=c++20 -fsyntax-only -Wall -Wextra -Werror -ffp-contract=off -I. -isystem "$include" \
    -DHWY_COMPILE_ALL_ATTAINABLE '-DHWY_DISABLED_TARGETS=(HWY_SVE|HWY_SVE2|HWY_SVE_256|HWY_SVE2_128)' \
    '-DRILL_SOURCE_MODELS=""' '-DRILL_INSTALLED_MODELS=""' "$file"
done
