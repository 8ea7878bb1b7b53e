/* What the test programs share: checks, a device in memory, files. */
#ifndef SUPPORT_H
#define SUPPORT_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <verity.h>

#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            exit(1); \
        } \
    } while (0)

/* A call that must succeed. */
#define OK(call) \
    do { \
        int code_ = (call); \
        if (code_ != VERITY_OK) { \
            verity_error_info info_; \
            verity_error_get(err, &info_); \
            fprintf(stderr, "%s:%d: %s: %d %s\n", __FILE__, __LINE__, #call, code_, info_.message); \
            exit(1); \
        } \
        CHECK(err == NULL); \
    } while (0)

/* A call that must fail with this number, and say so with a word of this text. */
#define FAILS(number, word, call) \
    do { \
        int code_ = (call); \
        verity_error_info info_; \
        verity_error_get(err, &info_); \
        if (code_ != (number) || info_.code != code_ || strstr(info_.message, (word)) == NULL) { \
            fprintf(stderr, "%s:%d: %s: %d %s\n", __FILE__, __LINE__, #call, code_, info_.message); \
            exit(1); \
        } \
        verity_error_free(err); \
        err = NULL; \
    } while (0)

/* Bytes in memory as a device; `fail_at`: reads there fail. */
struct memory {
    uint8_t *bytes;
    size_t size;
    uint64_t fail_at;
    int flushed;
    int odd; /* 1: answers too much, 2: ends early, 3: nothing is taken */
};

static ptrdiff_t memory_read(void *user, void *buf, size_t count, uint64_t offset)
{
    struct memory *memory = user;
    if (memory->fail_at >= offset && memory->fail_at < offset + count)
        return -EIO;
    if (memory->odd == 1)
        return (ptrdiff_t)count + 1;
    if (memory->odd == 2 || offset >= memory->size)
        return 0;
    if (count > memory->size - offset)
        count = memory->size - offset;
    /* Short reads are allowed. */
    if (count > 100000)
        count = 100000;
    memcpy(buf, memory->bytes + offset, count);
    return (ptrdiff_t)count;
}

static ptrdiff_t memory_write(void *user, const void *buf, size_t count, uint64_t offset)
{
    struct memory *memory = user;
    if (memory->odd == 3)
        return 0;
    if (offset + count > memory->size)
        return -ENOSPC;
    memcpy(memory->bytes + offset, buf, count);
    return (ptrdiff_t)count;
}

static int memory_flush(void *user)
{
    ((struct memory *)user)->flushed++;
    return 0;
}

static inline verity_device memory_device(struct memory *memory)
{
    verity_device device;
    memset(&device, 0, sizeof device);
    device.size = sizeof device;
    device.fd = -1;
    device.length = memory->size;
    device.user = memory;
    device.read = memory_read;
    device.write = memory_write;
    device.flush = memory_flush;
    return device;
}

static inline struct memory memory_new(size_t size)
{
    struct memory memory = { NULL, 0, UINT64_MAX, 0, 0 };
    memory.bytes = (uint8_t *)calloc(1, size);
    memory.size = size;
    CHECK(memory.bytes != NULL);
    return memory;
}

static inline void paint(uint8_t *bytes, size_t size)
{
    uint64_t state = 88172645463325252u;
    for (size_t i = 0; i + 8 <= size; i += 8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        memcpy(bytes + i, &state, 8);
    }
}

static inline verity_blob read_file(const char *path)
{
    verity_blob blob = { NULL, 0 };
    FILE *file = fopen(path, "rb");
    CHECK(file != NULL);
    CHECK(fseek(file, 0, SEEK_END) == 0);
    long size = ftell(file);
    CHECK(size >= 0);
    rewind(file);
    blob.size = (size_t)size;
    blob.data = (uint8_t *)malloc(blob.size + 1);
    CHECK(blob.data != NULL && fread(blob.data, 1, blob.size, file) == blob.size);
    fclose(file);
    return blob;
}

#endif
