/* fuzz_target.h: what a fuzz target defines: libFuzzer's entry point. Without libFuzzer replay.c
 * calls it with the corpus. */
#pragma once

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
