// The guest's half of the kernel judge: does with device-mapper what a list of cases says, and writes down what
// the kernel answered. It knows nothing of what is right; that is for the host (testdata/src/kernel.rs).
//
// The list is text on the first virtio disk, one command a line, with NULs behind its end. Numbers of sectors
// (512 bytes) are those of the second disk, which holds all images, or of the third, which takes what was read.
//
//   module PARAMETERS              loads dm-verity anew, with these parameters
//   devices                        takes the devices away that earlier cases have left
//   case NAME
//   device NAME START SECTORS      /dev/mapper/NAME is that part of the second disk, until `devices`
//   key STATE DESCRIPTION START BYTES
//                                  a user key with what stands there, `valid`, `expired`, `revoked` or `closed` (none
//                                  may search for it); if it is refused, so is the table
//   table TABLE                    makes the verity device, read-only
//   read BLOCK_SIZE START          reads all of it, and writes what there is to the third disk
//   mount TYPE START               mounts it, and writes every file that is there to the third disk (tree.h)
//   end                            takes the case's verity device and keys away
//
// Answers go to the second serial port, where the firmware may have been before, a line each: `kernel RELEASE`,
// `algorithm NAME` for each hash the kernel has, `log TEXT` for what it said while it booted, and for a case `case NAME`, `table ERRNO` (0: loaded),
// `unreadable FIRST COUNT` for blocks that gave EIO, `read BLOCKS`, `mount ERRNO` (0: mounted), `tree START BYTES` for
// where the list of files is, `status V` or `status C`, `log TEXT` for what the kernel said, `end`. `done` comes last.
// After `failed WHAT`, which is for what should not happen, nothing follows.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <linux/keyctl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#define SECTOR 512ull
#define CHUNK (128 * 1024)
#define MAX_LINE (16 * 1024)
#define MAX_DEVICES 4
#define JUDGED "judged"
#define MOUNT_POINT "/mnt"

static int port, control, images, output, kernel_log;

// The linear devices, and whether there is a verity device over them, which goes when the case ends.
static char devices[MAX_DEVICES][DM_NAME_LEN];
static int device_count;
static int is_loaded;
static int refused_key; // an errno
static uint64_t judged_sectors;

static void say(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vdprintf(port, format, arguments);
    va_end(arguments);
}

// For what no case is about. The host sees that `done` is missing.
static void fail(const char *what)
{
    say("failed %s: %s\n", what, strerror(errno));
    sync();
    exit(1);
}

#include "tree.h"

static int must_open(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC);
    if (fd < 0)
        fail(path);
    return fd;
}

// ---- device-mapper ----

// A request and its answer, in one buffer as the ioctl wants it.
struct request {
    struct dm_ioctl head;
    char rest[MAX_LINE];
};

static struct request request;

static void begin_request(const char *name, uint32_t flags)
{
    memset(&request, 0, sizeof request);
    request.head.version[0] = DM_VERSION_MAJOR;
    request.head.data_size = sizeof request;
    request.head.data_start = sizeof request.head;
    request.head.flags = flags;
    snprintf(request.head.name, sizeof request.head.name, "%s", name);
}

static int dm_call(unsigned long command, const char *name, uint32_t flags)
{
    begin_request(name, flags);
    return ioctl(control, command, &request) < 0 ? errno : 0;
}

// Loads one target; an errno, or 0.
static int load_table(const char *name, uint64_t sectors, const char *type, const char *parameters, uint32_t flags)
{
    struct dm_target_spec *target = (struct dm_target_spec *)request.rest;
    begin_request(name, flags);
    request.head.target_count = 1;
    target->length = sectors;
    snprintf(target->target_type, sizeof target->target_type, "%s", type);
    char *text = (char *)(target + 1);
    size_t room = request.rest + sizeof request.rest - text;
    if ((size_t)snprintf(text, room, "%s", parameters) >= room)
        return E2BIG;
    return ioctl(control, DM_TABLE_LOAD, &request) < 0 ? errno : 0;
}

static void node_path(char *path, const char *name)
{
    snprintf(path, DM_NAME_LEN + 16, "/dev/mapper/%s", name);
}

// Makes a device with one target and its node. Where the table is refused the device goes again.
static int make_device(const char *name, uint64_t sectors, const char *type, const char *parameters, uint32_t flags)
{
    char path[DM_NAME_LEN + 16];
    if (dm_call(DM_DEV_CREATE, name, 0))
        fail("DM_DEV_CREATE");
    dev_t number = request.head.dev;
    int refused = load_table(name, sectors, type, parameters, flags);
    if (!refused)
        refused = dm_call(DM_DEV_SUSPEND, name, flags); // without DM_SUSPEND_FLAG this resumes
    if (refused) {
        if (dm_call(DM_DEV_REMOVE, name, 0))
            fail("DM_DEV_REMOVE");
        return refused;
    }
    node_path(path, name);
    if (mknod(path, S_IFBLK | 0600, number))
        fail("mknod");
    return 0;
}

static void remove_device(const char *name)
{
    char path[DM_NAME_LEN + 16];
    node_path(path, name);
    unlink(path);
    if (dm_call(DM_DEV_REMOVE, name, 0))
        fail("DM_DEV_REMOVE");
}

static void say_status(void)
{
    if (dm_call(DM_TABLE_STATUS, JUDGED, 0))
        fail("DM_TABLE_STATUS");
    char *answer = (char *)&request + request.head.data_start;
    say("status %s\n", answer + sizeof(struct dm_target_spec));
}

// ---- the commands of the list ----

static void do_module(const char *parameters)
{
    int fd = must_open("/modules/dm-verity.ko", O_RDONLY);
    if (syscall(SYS_delete_module, "dm_verity", 0))
        fail("delete_module");
    if (syscall(SYS_finit_module, fd, parameters, 0))
        fail("finit_module");
    close(fd);
}

static void do_devices(void)
{
    while (device_count)
        remove_device(devices[--device_count]);
}

static void do_device(const char *name, uint64_t start, uint64_t sectors)
{
    char parameters[64];
    if (device_count == MAX_DEVICES)
        fail("too many devices");
    snprintf(parameters, sizeof parameters, "/dev/vdb %llu", (unsigned long long)start);
    errno = make_device(name, sectors, "linear", parameters, 0);
    if (errno)
        fail("linear");
    snprintf(devices[device_count++], DM_NAME_LEN, "%s", name);
}

static void do_key(const char *state, const char *description, uint64_t start, uint64_t bytes)
{
    static char payload[32 * 1024];
    if (bytes > sizeof payload || pread(images, payload, bytes, start * SECTOR) != (ssize_t)bytes)
        fail("key");
    long key = syscall(SYS_add_key, "user", description, payload, bytes, KEY_SPEC_USER_KEYRING);
    long done = 0;
    if (key < 0)
        refused_key = errno;
    else if (!strcmp(state, "revoked"))
        done = syscall(SYS_keyctl, KEYCTL_REVOKE, key);
    else if (!strcmp(state, "closed"))
        done = syscall(SYS_keyctl, KEYCTL_SETPERM, key, 0);
    else if (!strcmp(state, "expired") && !(done = syscall(SYS_keyctl, KEYCTL_SET_TIMEOUT, key, 1)))
        sleep(2);
    if (done)
        fail(state);
}

static void do_table(const char *line)
{
    char type[DM_MAX_TYPE_NAME];
    unsigned long long start, sectors;
    int parameters;
    if (sscanf(line, "%llu %llu %15s %n", &start, &sectors, type, &parameters) != 3)
        fail("no table");
    int refused = refused_key;
    if (!refused)
        refused = make_device(JUDGED, sectors, type, line + parameters, DM_READONLY_FLAG);
    is_loaded = !refused;
    judged_sectors = sectors;
    say("table %d\n", refused);
}

// Blocks that gave EIO, reported as runs.
static uint64_t run_first, run_count;

static void end_run(void)
{
    if (run_count)
        say("unreadable %llu %llu\n", (unsigned long long)run_first, (unsigned long long)run_count);
    run_count = 0;
}

static void is_unreadable(uint64_t block)
{
    if (run_first + run_count != block)
        end_run();
    if (!run_count)
        run_first = block;
    run_count++;
}

// Copies some blocks to the third disk; not 0 if they could not be read.
static int copy(int fd, uint64_t from, size_t size, uint64_t to)
{
    static char buffer[CHUNK] __attribute__((aligned(4096)));
    ssize_t got = pread(fd, buffer, size, from);
    if (got < 0 && errno != EIO)
        fail("read");
    if (got != (ssize_t)size)
        return -1;
    if (pwrite(output, buffer, size, to + from) != (ssize_t)size)
        fail("write");
    return 0;
}

// Reads in chunks, and once more block by block where a chunk fails; without the page cache.
static void do_read(uint64_t block_size, uint64_t start)
{
    char path[DM_NAME_LEN + 16];
    if (!is_loaded)
        return;
    node_path(path, JUDGED);
    int fd = must_open(path, O_RDONLY | O_DIRECT);
    uint64_t size = judged_sectors * SECTOR, to = start * SECTOR;
    for (uint64_t from = 0; from < size; from += CHUNK) {
        uint64_t end = from + CHUNK < size ? from + CHUNK : size;
        if (!copy(fd, from, end - from, to))
            continue;
        for (uint64_t at = from; at < end; at += block_size)
            if (copy(fd, at, block_size, to))
                is_unreadable(at / block_size);
    }
    end_run();
    close(fd);
    say("read %llu\n", (unsigned long long)(size / block_size));
}

static void do_mount(const char *type, uint64_t start)
{
    char path[DM_NAME_LEN + 16];
    if (!is_loaded)
        return;
    node_path(path, JUDGED);
    int refused = mount(path, MOUNT_POINT, type, MS_RDONLY, NULL) ? errno : 0;
    say("mount %d\n", refused);
    if (refused)
        return;
    uint64_t size = start * SECTOR;
    uint64_t list = save_tree(MOUNT_POINT, output, &size);
    if (umount(MOUNT_POINT))
        fail("umount");
    say("tree %llu %llu\n", (unsigned long long)list / SECTOR, (unsigned long long)(size - list));
}

// What the kernel has said since the last call.
static void say_log(void)
{
    char record[4096];
    ssize_t size;
    while ((size = read(kernel_log, record, sizeof record - 1)) > 0) {
        record[size] = 0;
        char *text = strchr(record, ';');
        if (text)
            say("log %.*s\n", (int)strcspn(text + 1, "\n"), text + 1);
    }
    if (errno != EAGAIN)
        fail("the kernel's log"); // EPIPE: some of it was overwritten
}

static void do_end(void)
{
    if (is_loaded) {
        say_status();
        remove_device(JUDGED);
    }
    is_loaded = refused_key = 0;
    syscall(SYS_keyctl, KEYCTL_CLEAR, KEY_SPEC_USER_KEYRING);
    say_log();
    say("end\n");
}

static void obey(const char *line)
{
    char name[DM_NAME_LEN], word[16];
    unsigned long long a, b;
    if (!strncmp(line, "module ", 7))
        do_module(line + 7);
    else if (!strcmp(line, "devices"))
        do_devices();
    else if (!strncmp(line, "case ", 5))
        say("%s\n", line);
    else if (sscanf(line, "device %127s %llu %llu", name, &a, &b) == 3)
        do_device(name, a, b);
    else if (sscanf(line, "key %15s %127s %llu %llu", word, name, &a, &b) == 4)
        do_key(word, name, a, b);
    else if (!strncmp(line, "table ", 6))
        do_table(line + 6);
    else if (sscanf(line, "read %llu %llu", &a, &b) == 2)
        do_read(a, b);
    else if (sscanf(line, "mount %15s %llu", word, &a) == 2)
        do_mount(word, a);
    else if (!strcmp(line, "end"))
        do_end();
    else
        fail(line);
}

// ---- before and after ----

static void say_kernel(void)
{
    char line[256], name[256] = "", kind[256];
    struct utsname system;
    uname(&system);
    say("\nkernel %s\n", system.release);
    FILE *list = fopen("/proc/crypto", "r");
    while (list && fgets(line, sizeof line, list)) {
        sscanf(line, "name : %255s", name);
        if (sscanf(line, "type : %255s", kind) == 1 && !strcmp(kind, "shash"))
            say("algorithm %s\n", name);
    }
    if (!list || fclose(list))
        fail("/proc/crypto");
}

int main(void)
{
    char line[MAX_LINE];
    port = must_open("/dev/ttyS1", O_WRONLY);
    control = must_open("/dev/mapper/control", O_RDWR);
    images = must_open("/dev/vdb", O_RDONLY);
    output = must_open("/dev/vdc", O_WRONLY);
    kernel_log = must_open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
    FILE *cases = fopen("/dev/vda", "r");
    if (!cases)
        fail("/dev/vda");
    say_kernel();
    say_log();
    while (fgets(line, sizeof line, cases) && line[0]) {
        line[strcspn(line, "\n")] = 0;
        obey(line);
    }
    if (fsync(output))
        fail("fsync");
    say("done\n");
    fsync(port);
    return 0;
}
