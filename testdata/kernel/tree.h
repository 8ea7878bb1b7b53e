// A tree of files, written down as what can be read of it.
//
// The contents of all files come first, each from the beginning of a sector, and then the list of everything in the
// tree: for each name a record of eight fields with a NUL behind each, which are
//
//   PATH        relative to the top, which has the path `.`
//   MODE        st_mode, octal
//   USER        st_uid
//   GROUP       st_gid
//   SIZE        of a file, in bytes; else 0
//   START       the sector of the disk where its contents begin; blocks that gave EIO are left out
//   UNREADABLE  the numbers of those blocks, of 4096 bytes, with a blank behind each
//   TARGET      of a symbolic link
//
// A part of judge.c, which has `fail` and `SECTOR`.

#include <dirent.h>

#define FILE_BLOCK 4096
#define FILE_CHUNK (128 * 1024)

// Where it goes.
struct saved {
    int disk;
    uint64_t end; // of what is written there, in bytes
    FILE *list;
};

static int to_disk(struct saved *saved, const void *bytes, size_t size, uint64_t at)
{
    return pwrite(saved->disk, bytes, size, at) == (ssize_t)size;
}

// Copies some bytes of a file; 0 if they could not all be read.
static int save_part(struct saved *saved, int fd, uint64_t from, size_t size)
{
    static char buffer[FILE_CHUNK];
    size_t have = 0;
    while (have < size) {
        ssize_t got = pread(fd, buffer + have, size - have, from + have);
        if (got < 0 && errno != EIO)
            fail("read a file");
        if (got <= 0)
            return 0;
        have += got;
    }
    if (!to_disk(saved, buffer, size, saved->end + from))
        fail("write a file");
    return 1;
}

// From here on the file is read block by block from the device: some file systems keep many blocks in one piece of the
// page cache, all of which cannot be read when one of them cannot.
static void forget_pieces(int fd)
{
    if (posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM) || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED))
        fail("advise on a file");
}

// The contents of a file, and in the list the blocks that gave EIO.
static void save_file(struct saved *saved, int fd, uint64_t size)
{
    for (uint64_t from = 0; from < size; from += FILE_CHUNK) {
        uint64_t end = from + FILE_CHUNK < size ? from + FILE_CHUNK : size;
        if (save_part(saved, fd, from, end - from))
            continue;
        forget_pieces(fd);
        for (uint64_t at = from; at < end; at += FILE_BLOCK)
            if (!save_part(saved, fd, at, at + FILE_BLOCK < end ? FILE_BLOCK : end - at))
                fprintf(saved->list, "%llu ", (unsigned long long)at / FILE_BLOCK);
    }
    saved->end = (saved->end + size + SECTOR - 1) / SECTOR * SECTOR;
}

static void save_directory(struct saved *saved, int fd, const char *path);

static void save_name(struct saved *saved, int directory, const char *name, const char *path)
{
    struct stat facts;
    char target[4096] = "";
    if (fstatat(directory, name, &facts, AT_SYMLINK_NOFOLLOW))
        fail(path);
    int is_file = S_ISREG(facts.st_mode), is_directory = S_ISDIR(facts.st_mode);
    uint64_t size = is_file ? facts.st_size : 0;
    fprintf(saved->list, "%s%c%o%c%u%c%u%c%llu%c%llu%c", path, 0, facts.st_mode, 0, facts.st_uid, 0, facts.st_gid, 0,
            (unsigned long long)size, 0, (unsigned long long)(saved->end / SECTOR), 0);
    int fd = is_file || is_directory ? openat(directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) : -1;
    if (fd < 0 && (is_file || is_directory))
        fail(path);
    if (is_file)
        save_file(saved, fd, size);
    if (S_ISLNK(facts.st_mode) && readlinkat(directory, name, target, sizeof target - 1) < 0)
        fail(path);
    fprintf(saved->list, "%c%s%c", 0, target, 0);
    if (is_directory)
        save_directory(saved, fd, path);
    else if (is_file)
        close(fd);
}

// Everything in a directory, which it closes.
static void save_directory(struct saved *saved, int fd, const char *path)
{
    char below[4096];
    struct dirent *entry;
    DIR *directory = fdopendir(fd);
    if (!directory)
        fail(path);
    while (errno = 0, entry = readdir(directory)) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        if ((size_t)snprintf(below, sizeof below, "%s/%s", path, entry->d_name) >= sizeof below)
            fail("a long path");
        save_name(saved, fd, entry->d_name, below);
    }
    if (errno)
        fail(path);
    closedir(directory);
}

// Writes down a tree behind the first `*end` bytes of a disk, and returns where the list begins, in bytes.
static uint64_t save_tree(const char *top, int disk, uint64_t *end)
{
    char *text;
    size_t size;
    struct saved saved = {disk, *end, open_memstream(&text, &size)};
    int fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (!saved.list || fd < 0)
        fail(top);
    save_name(&saved, fd, ".", ".");
    close(fd);
    if (fclose(saved.list) || !to_disk(&saved, text, size, saved.end))
        fail("the list of files");
    free(text);
    *end = saved.end + size;
    return saved.end;
}
