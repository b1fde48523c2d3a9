/* The seam between generated code and the runtime: plain C, one source. */
#pragma once
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a program sees while it runs. Field order is known to passes/codegen. */
typedef struct gptc_context {
  char *arena;               /* 64-byte aligned, Program::arenaBytes */
  char *const *variables;    /* one a gpt.variable, in the module's order, 64-byte aligned */
  const char *const *inputs; /* one an argument of the program */
  const int64_t *extents;    /* one a name of gpt.extents */
  void *pool;                /* the runtime's thread pool */
} gptc_context;

/* A program (@main of a module) and one piece of a kernel. */
typedef void (*gptc_program)(const gptc_context *context);
typedef void (*gptc_kernel)(const gptc_context *context, void *const *arguments, char *scratch,
                            int64_t piece);

/* Runs pieces first .. end-1 of the kernel on the pool and returns when all are
   done. Each thread passes scratch of its own, at least scratch_bytes. */
void gptc_launch(const gptc_context *context, gptc_kernel kernel, void *const *arguments, int64_t first,
                 int64_t end, int64_t scratch_bytes);

#ifdef __cplusplus
}
#endif
