/* Makes a process meet failing disks and clocks that are set back, as the files in $FAULTS say: `sync` and `write` hold an
   errno, met by every file of the store's database; `clock` holds the seconds by which the time of day is off. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long told(const char *name) {
    char path[4096], text[32];
    const char *folder = getenv("FAULTS");
    if (!folder || snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path) return 0;
    int fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    long n = syscall(SYS_read, fd, text, sizeof text - 1);
    syscall(SYS_close, fd);
    if (n <= 0) return 0;
    text[n] = 0;
    return atol(text);
}

static int meets(const char *name, int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n <= 0) return 0;
    path[n] = 0;
    if (!strstr(path, "/mollyguard.db")) return 0;
    long error = told(name);
    if (!error) return 0;
    errno = (int)error;
    return 1;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int fsync(int fd) { return meets("sync", fd) ? -1 : NEXT(fsync)(fd); }
int fdatasync(int fd) { return meets("sync", fd) ? -1 : NEXT(fdatasync)(fd); }
ssize_t write(int fd, const void *data, size_t size) { return meets("write", fd) ? -1 : NEXT(write)(fd, data, size); }
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) {
    return meets("write", fd) ? -1 : NEXT(pwrite)(fd, data, size, at);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
    return meets("write", fd) ? -1 : NEXT(pwrite64)(fd, data, size, at);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int done = (int)syscall(SYS_clock_gettime, clock, now);
    if (done == 0 && clock == CLOCK_REALTIME) now->tv_sec += told("clock");
    return done;
}
