/* Record what a program asks of the disk: writes, flushes, names. Loaded by LD_PRELOAD.

   Each record is: letter, then the fields that power_cut.py reads, in native order. Only files
   below the folder in RECORD_BELOW are recorded, into the file in RECORD_TO. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int out = -1;
static const char *below;

static ssize_t (*real_write)(int, const void *, size_t);

__attribute__((constructor)) static void begin(void) {
  real_write = dlsym(RTLD_NEXT, "write");
  below = getenv("RECORD_BELOW");
  const char *to = getenv("RECORD_TO");
  int (*real_open)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
  if (below && to) out = real_open(to, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
}

static int name_of(int fd, char *name) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, name, 4095);
  if (n < 0) return 0;
  name[n] = 0;
  return out >= 0 && strncmp(name, below, strlen(below)) == 0;
}

static void absolute(int dir, const char *path, char *name) {
  if (path[0] == '/') { snprintf(name, 4096, "%s", path); return; }
  char base[4096];
  if (dir == AT_FDCWD) { if (!getcwd(base, sizeof base)) base[0] = 0; }
  else {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", dir);
    ssize_t n = readlink(link, base, 4095);
    base[n < 0 ? 0 : n] = 0;
  }
  snprintf(name, 4096, "%.2000s/%.2000s", base, path);
}

static void note(char kind, const char *name, const char *other, int64_t at, int64_t size,
                 const void *data) {
  struct { char kind; char pad[7]; int64_t name, other, at, size; } head = {
      kind, {0}, (int64_t)strlen(name), (int64_t)strlen(other), at, size};
  pthread_mutex_lock(&lock);
  real_write(out, &head, sizeof head);
  real_write(out, name, head.name);
  real_write(out, other, head.other);
  if (data) real_write(out, data, size);
  pthread_mutex_unlock(&lock);
}

#define REAL(name, type) static __typeof__(type) real; if (!real) real = dlsym(RTLD_NEXT, name)

ssize_t write(int fd, const void *data, size_t size) {
  char name[4096];
  if (!real_write) real_write = dlsym(RTLD_NEXT, "write");
  int64_t at = lseek(fd, 0, SEEK_CUR);
  if (at >= 0 && (fcntl(fd, F_GETFL) & O_APPEND)) {
    struct stat found;
    if (!fstat(fd, &found)) at = found.st_size;
  }
  ssize_t done = real_write(fd, data, size);
  if (done > 0 && at >= 0 && fd != out && name_of(fd, name)) note('w', name, "", at, done, data);
  return done;
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
  REAL("pwrite64", ssize_t (*)(int, const void *, size_t, off64_t));
  char name[4096];
  ssize_t done = real(fd, data, size, at);
  if (done > 0 && name_of(fd, name)) note('w', name, "", at, done, data);
  return done;
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
  return pwrite64(fd, data, size, at);
}

static void flushed(int fd) {
  char name[4096];
  if (name_of(fd, name)) note('s', name, "", 0, 0, NULL);
}

int fsync(int fd) {
  REAL("fsync", int (*)(int));
  int done = real(fd);
  if (!done) flushed(fd);
  return done;
}

int fdatasync(int fd) {
  REAL("fdatasync", int (*)(int));
  int done = real(fd);
  if (!done) flushed(fd);
  return done;
}

int ftruncate64(int fd, off64_t size) {
  REAL("ftruncate64", int (*)(int, off64_t));
  char name[4096];
  int done = real(fd, size);
  if (!done && name_of(fd, name)) note('t', name, "", size, 0, NULL);
  return done;
}

int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

static int is_below(const char *name) {
  return out >= 0 && strncmp(name, below, strlen(below)) == 0;
}

static void opened(int dir, const char *path, int flags, int fd) {
  char name[4096];
  if (fd < 0 || !(flags & (O_CREAT | O_TRUNC))) return;
  absolute(dir, path, name);
  if (is_below(name)) note('o', name, "", flags & O_TRUNC ? 1 : 0, 0, NULL);
}

#define OPEN(called, type)                                      \
  int called(const char *path, int flags, ...) {                \
    REAL(#called, int (*)(const char *, int, ...));             \
    va_list more;                                               \
    va_start(more, flags);                                      \
    int mode = flags & O_CREAT ? va_arg(more, int) : 0;         \
    va_end(more);                                               \
    int fd = real(path, flags, mode);                           \
    opened(AT_FDCWD, path, flags, fd);                          \
    return fd;                                                  \
  }
OPEN(open, int)
OPEN(open64, int)

int rename(const char *from, const char *to) {
  REAL("rename", int (*)(const char *, const char *));
  char old[4096], new[4096];
  int done = real(from, to);
  absolute(AT_FDCWD, from, old);
  absolute(AT_FDCWD, to, new);
  if (!done && is_below(new)) note('r', old, new, 0, 0, NULL);
  return done;
}

int unlink(const char *path) {
  REAL("unlink", int (*)(const char *));
  char name[4096];
  int done = real(path);
  absolute(AT_FDCWD, path, name);
  if (!done && is_below(name)) note('u', name, "", 0, 0, NULL);
  return done;
}

int mkdir(const char *path, mode_t mode) {
  REAL("mkdir", int (*)(const char *, mode_t));
  char name[4096];
  int done = real(path, mode);
  absolute(AT_FDCWD, path, name);
  if (!done && is_below(name)) note('d', name, "", 0, 0, NULL);
  return done;
}
