#!/usr/bin/env bash
# Lines of passes/fuse, passes/grad and passes/codegen that random models reach.
# coverage.sh PROGRAMS [FIRST_SEED]: builds into build/coverage with clang, runs, prints a table; the lines that no
# program reaches are in build/coverage/missed.txt.
set -euo pipefail
cd "$(dirname "$0")/../.."
programs=${1:-2000} first=${2:-1}
build=build/coverage llvm=22
cmake -S . -B $build -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_C_COMPILER=clang-$llvm \
  -DCMAKE_CXX_COMPILER=clang++-$llvm -DCMAKE_CXX_FLAGS="-fprofile-instr-generate -fcoverage-mapping" >/dev/null
ninja -C $build gptc-differential >&2
rm -rf $build/profiles
mkdir -p $build/profiles
LLVM_PROFILE_FILE="$PWD/$build/profiles/%m.profraw" $build/bin/gptc-differential --no-shrink \
  --seeds "$first:$((first + programs))" tests/differential/corpus/*.gpt >$build/differential.log || true
llvm-profdata-$llvm merge -o $build/all.profdata $build/profiles/*.profraw
llvm-cov-$llvm report $build/bin/gptc-differential -instr-profile=$build/all.profdata \
  passes/fuse passes/grad passes/codegen
llvm-cov-$llvm show $build/bin/gptc-differential -instr-profile=$build/all.profdata \
  passes/fuse passes/grad passes/codegen | grep -E '^/|^ +[0-9]+\| +0\|' >$build/missed.txt || true
