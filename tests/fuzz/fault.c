/* Preloaded, it makes one call of the system fail: GPTC_FAULT=read:3 the third read. GPTC_FAULT_COUNT=FILE gets the
   number of calls of each kind at the end, a line each. Standard output and error are left alone. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum kind { OPEN, READ, WRITE, FSYNC, RENAME, MKDIR, UNLINK, MMAP, THREAD, KINDS };
static const char *const names[KINDS] = {"open", "read", "write", "fsync", "rename", "mkdir", "unlink", "mmap", "thread"};
static const int errors[KINDS] = {EACCES, EIO, ENOSPC, EIO, EIO, ENOSPC, EIO, ENOMEM, EAGAIN};
static atomic_long calls[KINDS];
static int failing = -1;
static long place;

__attribute__((constructor)) static void begin(void) {
  const char *fault = getenv("GPTC_FAULT"), *colon = fault ? strchr(fault, ':') : NULL;
  for (int kind = 0; colon && kind < KINDS; ++kind)
    if (strlen(names[kind]) == (size_t)(colon - fault) && strncmp(names[kind], fault, (size_t)(colon - fault)) == 0) {
      failing = kind;
      place = atol(colon + 1);
    }
}

__attribute__((destructor)) static void end(void) {
  const char *path = getenv("GPTC_FAULT_COUNT");
  int descriptor = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, 0666) : -1;
  for (int kind = 0; descriptor >= 0 && kind < KINDS; ++kind)
    dprintf(descriptor, "%s %ld\n", names[kind], atomic_load(&calls[kind]));
  if (descriptor >= 0)
    syscall(SYS_close, descriptor);
}

/* Counts a call; true, with errno set, where it is the one that fails. */
static int fails(enum kind kind) {
  long number = atomic_fetch_add(&calls[kind], 1) + 1;
  if ((int)kind != failing || number != place)
    return 0;
  errno = errors[kind];
  return 1;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int needsMode(int flags) { return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE; }
#define MODE(flags)                                                                                                     \
  mode_t mode = 0;                                                                                                      \
  if (needsMode(flags)) {                                                                                               \
    va_list arguments;                                                                                                  \
    va_start(arguments, flags);                                                                                         \
    mode = (mode_t)va_arg(arguments, unsigned);                                                                         \
    va_end(arguments);                                                                                                  \
  }

int open(const char *path, int flags, ...) {
  MODE(flags)
  return fails(OPEN) ? -1 : NEXT(open)(path, flags, mode);
}
int open64(const char *path, int flags, ...) {
  MODE(flags)
  return fails(OPEN) ? -1 : NEXT(open64)(path, flags, mode);
}
int openat(int directory, const char *path, int flags, ...) {
  MODE(flags)
  return fails(OPEN) ? -1 : NEXT(openat)(directory, path, flags, mode);
}
ssize_t read(int descriptor, void *to, size_t bytes) {
  return fails(READ) ? -1 : NEXT(read)(descriptor, to, bytes);
}
ssize_t pread(int descriptor, void *to, size_t bytes, off_t at) {
  return fails(READ) ? -1 : NEXT(pread)(descriptor, to, bytes, at);
}
ssize_t write(int descriptor, const void *from, size_t bytes) {
  return descriptor > 2 && fails(WRITE) ? -1 : NEXT(write)(descriptor, from, bytes);
}
int fsync(int descriptor) { return fails(FSYNC) ? -1 : NEXT(fsync)(descriptor); }
int rename(const char *from, const char *to) { return fails(RENAME) ? -1 : NEXT(rename)(from, to); }
int mkdir(const char *path, mode_t mode) { return fails(MKDIR) ? -1 : NEXT(mkdir)(path, mode); }
int unlink(const char *path) { return fails(UNLINK) ? -1 : NEXT(unlink)(path); }
void *mmap(void *at, size_t bytes, int protection, int flags, int descriptor, off_t offset) {
  return fails(MMAP) ? MAP_FAILED : NEXT(mmap)(at, bytes, protection, flags, descriptor, offset);
}
void *mmap64(void *at, size_t bytes, int protection, int flags, int descriptor, off64_t offset) {
  return fails(MMAP) ? MAP_FAILED : NEXT(mmap64)(at, bytes, protection, flags, descriptor, offset);
}
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument) {
  return fails(THREAD) ? EAGAIN : NEXT(pthread_create)(thread, attributes, start, argument);
}
