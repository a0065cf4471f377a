/* What stands between the product and the disk: built by cc, loaded by LD_PRELOAD, off until faults_arm is called.
 *
 * RECORD  writes every change below a folder, with its data, to a log that disk.py replays.
 * KILL    ends this process by SIGKILL before the n-th change, TORN in the middle of it.
 * FULL    has no free space from the n-th write on that would make a file larger; what is removed becomes free.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

enum { OFF, RECORD, KILL, TORN, FULL };
#define FILES 1024
#define BLOCK 4096

static int mode = OFF, log_fd = -1, is_full = 0;
static long at = 0, seen = 0, free_bytes = 0;
static char root[PATH_MAX];
static char *names[FILES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Begin: `folder` absolute; `n` counts from 1; `log` of RECORD. */
void faults_arm(const char *folder, int how, long n, const char *log) {
    snprintf(root, sizeof root, "%s/", folder);
    at = n; seen = 0; is_full = 0; free_bytes = 0;
    if (how == RECORD) log_fd = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    mode = how;
}

/* End, and say how many changes there were. */
long faults_disarm(void) { mode = OFF; if (log_fd >= 0) syscall(SYS_close, log_fd); log_fd = -1; return seen; }

static const char *below(int dir, const char *path, char *out) {
    if (mode == OFF || !path) return NULL;
    char base[PATH_MAX];
    if (path[0] == '/') snprintf(out, PATH_MAX, "%s", path);
    else {
        if (dir == AT_FDCWD) { if (!getcwd(base, sizeof base)) return NULL; }
        else {
            char link[64]; snprintf(link, sizeof link, "/proc/self/fd/%d", dir);
            ssize_t n = readlink(link, base, sizeof base - 1);
            if (n < 0) return NULL;
            base[n] = 0;
        }
        if (snprintf(out, PATH_MAX, "%s/%s", base, path) >= PATH_MAX) return NULL;
    }
    size_t n = strlen(root);
    if (!strncmp(out, root, n)) return out + n;
    return !strncmp(out, root, n - 1) && strlen(out) == n - 1 ? "" : NULL;
}

static const char *name_of(int fd) { return mode != OFF && fd >= 0 && fd < FILES ? names[fd] : NULL; }

static void put(char op, uint64_t inode, const char *one, const char *two, uint64_t offset, const void *data, uint64_t n) {
    struct __attribute__((packed)) { char op; uint64_t inode, offset, bytes; uint32_t one, two; } head =
        { op, inode, offset, n, (uint32_t)strlen(one), (uint32_t)strlen(two) };
    pthread_mutex_lock(&lock);
    syscall(SYS_write, log_fd, &head, sizeof head);
    syscall(SYS_write, log_fd, one, head.one);
    syscall(SYS_write, log_fd, two, head.two);
    if (n) syscall(SYS_write, log_fd, data, n);
    pthread_mutex_unlock(&lock);
}

/* Note in the log what the product has acknowledged. */
void faults_note(const char *text) { if (mode == RECORD) put('a', 0, text, "", 0, NULL, 0); }

/* One more change; true where the process is to die in the middle of it. */
static int count(void) {
    if (mode != KILL && mode != TORN) { if (mode == RECORD) seen++; return 0; }
    if (++seen != at) return 0;
    if (mode == TORN) return 1;
    kill(getpid(), SIGKILL);
    pause();
    return 0;
}

static void die(void) { kill(getpid(), SIGKILL); pause(); }

static uint64_t inode_at(const char *path) { struct stat s; return lstat(path, &s) ? 0 : s.st_ino; }
static long up(off_t size) { return (long)((size + BLOCK - 1) / BLOCK * BLOCK); }
static void given_back(const char *path) {
    struct stat s;
    if (mode == FULL && !lstat(path, &s) && S_ISREG(s.st_mode) && s.st_nlink == 1) free_bytes += up(s.st_size);
}

/* True where a file may grow so far. */
static int may_grow(int fd, off_t end) {
    struct stat s;
    if (mode != FULL || fstat(fd, &s)) return 1;
    long need = up(end) - up(s.st_size);
    if (need <= 0) return 1;
    if (++seen >= at && !is_full) { is_full = 1; free_bytes = 0; }
    if (!is_full) return 1;
    if (need > free_bytes) return 0;
    free_bytes -= need;
    return 1;
}

static int opened(int dir, const char *path, int flags, int fd, int was_there) {
    char full[PATH_MAX]; const char *name;
    if (fd < 0 || fd >= FILES) return fd;
    free(names[fd]); names[fd] = NULL;
    if (!(name = below(dir, path, full))) return fd;
    names[fd] = strdup(name);
    struct stat s;
    if (mode == RECORD && !fstat(fd, &s)) {
        if (!was_there) put('c', s.st_ino, name, "", 0, NULL, 0);
        else if (flags & O_TRUNC) put('t', s.st_ino, name, "", 0, NULL, 0);
    }
    return fd;
}

static int open_any(int dir, const char *path, int flags, mode_t rights) {
    char full[PATH_MAX]; const char *name = below(dir, path, full);
    struct stat s;
    int was_there = !name || !(flags & O_CREAT) || !lstat(full, &s);
    if (name && (!was_there || flags & O_TRUNC)) if (count()) die();
    if (name && was_there && flags & O_TRUNC && flags & (O_WRONLY | O_RDWR)) given_back(full);
    return opened(dir, path, flags, (int)syscall(SYS_openat, dir, path, flags, rights), was_there);
}

#define OPEN(name) int name(const char *path, int flags, ...) { \
    va_list more; va_start(more, flags); mode_t rights = va_arg(more, mode_t); va_end(more); \
    return open_any(AT_FDCWD, path, flags, flags & (O_CREAT | O_TMPFILE) ? rights : 0); }
OPEN(open)
OPEN(open64)
#define OPENAT(name) int name(int dir, const char *path, int flags, ...) { \
    va_list more; va_start(more, flags); mode_t rights = va_arg(more, mode_t); va_end(more); \
    return open_any(dir, path, flags, flags & (O_CREAT | O_TMPFILE) ? rights : 0); }
OPENAT(openat)
OPENAT(openat64)

int close(int fd) {
    if (fd >= 0 && fd < FILES) { free(names[fd]); names[fd] = NULL; }
    return (int)syscall(SYS_close, fd);
}

static ssize_t written(int fd, const void *data, size_t n, off_t offset) {
    const char *name = name_of(fd);
    if (name) {
        struct stat s;
        off_t where = offset;
        if (offset < 0) {
            where = lseek(fd, 0, SEEK_CUR);
            if (fcntl(fd, F_GETFL) & O_APPEND && !fstat(fd, &s)) where = s.st_size;
        }
        if (count()) { n /= 2; if (offset < 0) syscall(SYS_write, fd, data, n); else syscall(SYS_pwrite64, fd, data, n, offset); die(); }
        if (!may_grow(fd, where + (off_t)n)) { errno = ENOSPC; return -1; }
        if (mode == RECORD && !fstat(fd, &s)) put('w', s.st_ino, name, "", (uint64_t)where, data, n);
    }
    return offset < 0 ? syscall(SYS_write, fd, data, n) : syscall(SYS_pwrite64, fd, data, n, offset);
}
ssize_t write(int fd, const void *data, size_t n) { return written(fd, data, n, -1); }
ssize_t pwrite(int fd, const void *data, size_t n, off_t offset) { return written(fd, data, n, offset); }
ssize_t pwrite64(int fd, const void *data, size_t n, off64_t offset) { return written(fd, data, n, offset); }

/* Copies inside the kernel have no data to record: whoever asks falls back to read and write. */
ssize_t sendfile(int out, int in, off_t *offset, size_t n) {
    if (name_of(out)) { errno = ENOSYS; return -1; }
    return syscall(SYS_sendfile, out, in, offset, n);
}
ssize_t sendfile64(int out, int in, off64_t *offset, size_t n) { return sendfile(out, in, (off_t *)offset, n); }
ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t n, unsigned flags) {
    if (name_of(out)) { errno = ENOSYS; return -1; }
    return syscall(SYS_copy_file_range, in, from, out, to, n, flags);
}

static int sized(int fd, off_t size) {
    const char *name = name_of(fd);
    struct stat s;
    if (name && !fstat(fd, &s)) {
        if (count()) die();
        if (mode == FULL && size < s.st_size) free_bytes += up(s.st_size) - up(size);
        if (mode == RECORD) put('t', s.st_ino, name, "", (uint64_t)size, NULL, 0);
    }
    return (int)syscall(SYS_ftruncate, fd, size);
}
int ftruncate(int fd, off_t size) { return sized(fd, size); }
int ftruncate64(int fd, off64_t size) { return sized(fd, size); }

static int sized_at(const char *path, off_t size) {
    char full[PATH_MAX]; const char *name = below(AT_FDCWD, path, full);
    struct stat s;
    if (name && !stat(full, &s)) {
        if (count()) die();
        if (mode == FULL && size < s.st_size) free_bytes += up(s.st_size) - up(size);
        if (mode == RECORD) put('t', s.st_ino, name, "", (uint64_t)size, NULL, 0);
    }
    return (int)syscall(SYS_truncate, path, size);
}
int truncate(const char *path, off_t size) { return sized_at(path, size); }
int truncate64(const char *path, off64_t size) { return sized_at(path, size); }

static int reserved(int fd, off_t offset, off_t n) {
    const char *name = name_of(fd);
    struct stat s;
    if (name && !fstat(fd, &s)) {
        if (count()) die();
        if (!may_grow(fd, offset + n)) return ENOSPC;
        if (mode == RECORD && offset + n > s.st_size) put('t', s.st_ino, name, "", (uint64_t)(offset + n), NULL, 0);
    }
    return syscall(SYS_fallocate, fd, 0, offset, n) ? errno : 0;
}
int posix_fallocate(int fd, off_t offset, off_t n) { return reserved(fd, offset, n); }
int posix_fallocate64(int fd, off64_t offset, off64_t n) { return reserved(fd, offset, n); }

static void synced(int fd) {
    const char *name = name_of(fd);
    struct stat s;
    if (!name || fstat(fd, &s)) return;
    if (count()) die();
    if (mode == RECORD) put(S_ISDIR(s.st_mode) ? 'd' : 's', s.st_ino, name, "", 0, NULL, 0);
}
int fsync(int fd) { synced(fd); return (int)syscall(SYS_fsync, fd); }
int fdatasync(int fd) { synced(fd); return (int)syscall(SYS_fdatasync, fd); }

static int named(char op, int from_dir, const char *from, int to_dir, const char *to, int flags) {
    char one[PATH_MAX], two[PATH_MAX];
    const char *old = below(from_dir, from, one), *new = below(to_dir, to, two);
    uint64_t inode = 0;
    if (old && new) { if (count()) die(); inode = inode_at(one); if (op == 'r') given_back(two); }
    long done = op == 'r' ? syscall(SYS_renameat, from_dir, from, to_dir, to)
                          : syscall(SYS_linkat, from_dir, from, to_dir, to, flags);
    int error = errno;
    if (old && new && !done && mode == RECORD) put(op, inode, old, new, 0, NULL, 0);
    errno = error;
    return (int)done;
}
int rename(const char *from, const char *to) { return named('r', AT_FDCWD, from, AT_FDCWD, to, 0); }
int renameat(int a, const char *from, int b, const char *to) { return named('r', a, from, b, to, 0); }
int link(const char *from, const char *to) { return named('l', AT_FDCWD, from, AT_FDCWD, to, 0); }
int linkat(int a, const char *from, int b, const char *to, int flags) { return named('l', a, from, b, to, flags); }

static int gone(int dir, const char *path, int flags) {
    char full[PATH_MAX]; const char *name = below(dir, path, full);
    struct stat s;
    int was_there = name && !lstat(full, &s);
    if (was_there) { if (count()) die(); given_back(full); }
    long done = syscall(SYS_unlinkat, dir, path, flags);
    int error = errno;
    if (was_there && !done && mode == RECORD) put('u', s.st_ino, name, "", 0, NULL, 0);
    errno = error;
    return (int)done;
}
int unlink(const char *path) { return gone(AT_FDCWD, path, 0); }
int unlinkat(int dir, const char *path, int flags) { return gone(dir, path, flags); }
int rmdir(const char *path) { return gone(AT_FDCWD, path, AT_REMOVEDIR); }

static int made(int dir, const char *path, mode_t rights) {
    char full[PATH_MAX]; const char *name = below(dir, path, full);
    if (name && count()) die();
    long done = syscall(SYS_mkdirat, dir, path, rights);
    int error = errno;
    if (name && !done && mode == RECORD) put('m', inode_at(full), name, "", 0, NULL, 0);
    errno = error;
    return (int)done;
}
int mkdir(const char *path, mode_t rights) { return made(AT_FDCWD, path, rights); }
int mkdirat(int dir, const char *path, mode_t rights) { return made(dir, path, rights); }

/* How much room there is, as whoever wants to warn in time asks. */
int statvfs(const char *path, struct statvfs *out) {
    struct statfs s;
    if (syscall(SYS_statfs, path, &s)) return -1;
    memset(out, 0, sizeof *out);
    out->f_bsize = out->f_frsize = (unsigned long)s.f_bsize;
    out->f_blocks = s.f_blocks; out->f_bfree = s.f_bfree; out->f_bavail = s.f_bavail;
    out->f_files = s.f_files; out->f_ffree = out->f_favail = s.f_ffree; out->f_namemax = (unsigned long)s.f_namelen;
    char full[PATH_MAX];
    if (mode == FULL && is_full && below(AT_FDCWD, path, full))
        out->f_bfree = out->f_bavail = (fsblkcnt_t)free_bytes / out->f_frsize;
    return 0;
}
int statvfs64(const char *path, struct statvfs64 *out) { return statvfs(path, (struct statvfs *)out); }
