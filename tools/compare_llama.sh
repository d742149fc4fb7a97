#!/bin/sh
# compare_llama.sh LLAMA_BENCH MODEL [PROMPT [GEN [DEPTH]]]: the same file in llama.cpp and in rill, in turn, two threads.
#
# LLAMA_BENCH is a driver of llama.cpp that takes "bench MODEL THREADS PROMPT GEN DEPTH" and prints a line of JSON. It wants
# an idle machine; so does this.
set -eu
peer=$1 model=$2 prompt=${3:-512} generated=${4:-32} depth=${5:-0}
"$peer" bench "$model" 2 "$prompt" "$generated" "$depth" --reps 3 --cap 30
"${RILL:-rill}" bench generate -m "$model" --prompt "$prompt" --gen "$generated" --depth "$depth" --threads 2 --json
