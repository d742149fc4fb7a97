#!/bin/sh
# clang-tidy on the sources changed since a commit (default: the one before the last), or on all with --all.
set -eu
if [ "${1:-}" = --all ]; then
  files=$(git ls-files '*.cc')
else
  base=${1:-$(git rev-parse --quiet --verify HEAD~1 || git rev-parse HEAD)}
  files=$(git diff --name-only --diff-filter=d "$base" -- '*.cc')
fi
known=""
for file in $files; do
  grep -qF "/$file\"" build/compile_commands.json && known="$known $file"
done
[ -z "$known" ] || clang-tidy -p build --quiet $known 2>/dev/null
