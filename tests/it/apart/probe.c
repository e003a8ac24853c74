/* What a process of one user tries on another's: one line an attempt, its name and the error it met (0: it worked).
   Usage: probe PID SOCKET */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

static pid_t pid;

static void tell(const char *name, long result) { printf("%s %d\n", name, result < 0 ? errno : 0); }

static void try_open(const char *name, int flags) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    int fd = open(path, flags);
    char byte;
    /* Where opening is allowed, reading may not be. At address 0 nothing is mapped: EIO. */
    long result = fd < 0 ? -1 : read(fd, &byte, 1);
    if (fd >= 0 && result < 0 && errno == EIO) result = 0;
    tell(name, result);
    if (fd >= 0) close(fd);
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    pid = atoi(argv[1]);
    tell("kill-0", kill(pid, 0));
    tell("kill-stop", kill(pid, SIGSTOP));
    try_open("environ", O_RDONLY);
    try_open("mem", O_RDWR);
    try_open("maps", O_RDONLY);
    char fds[64];
    snprintf(fds, sizeof fds, "/proc/%d/fd/0", pid);
    tell("fd", readlink(fds, fds, sizeof fds));
    char byte;
    struct iovec here = {&byte, 1}, there = {&byte, 1};
    tell("vm-read", process_vm_readv(pid, &here, 1, &there, 1, 0));
    long attached = ptrace(PTRACE_SEIZE, pid, 0, 0);
    tell("ptrace", attached);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, argv[2], sizeof address.sun_path - 1);
    int connection = socket(AF_UNIX, SOCK_STREAM, 0);
    tell("connect", connect(connection, (struct sockaddr *)&address, sizeof address));
    kill(pid, SIGCONT);
    return 0;
}
