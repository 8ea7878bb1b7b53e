/* What a proved read of 4 KiB costs from C: nanoseconds of CPU time, with all hash blocks cached. read_cost.rs beside it is the
 * same from Rust; docs/PERFORMANCE.md has both.
 *
 *   cc -O2 read_cost.c $(pkg-config --cflags --libs verity) -o read_cost && ./read_cost FILE
 *
 * FILE is made, 64 MiB of data and the tree behind it, best in memory (/dev/shm).
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <verity.h>

#define SIZE (64u << 20)
#define READS 200000

static verity_error *err;

static void check(int code)
{
    verity_error_info info;
    if (code == VERITY_OK)
        return;
    verity_error_get(err, &info);
    fprintf(stderr, "%s\n", info.message);
    exit(1);
}

int main(int argc, char **argv)
{
    static unsigned char data[SIZE], buf[4096];
    unsigned long long state = 1;
    if (argc != 2)
        return 2;
    int fd = open(argv[1], O_RDWR | O_CREAT | O_TRUNC, 0600);
    for (size_t i = 0; i < SIZE; i++)
        data[i] = (unsigned char)(state = state * 6364136223846793005u + 1442695040888963407u, state >> 56);
    if (fd < 0 || write(fd, data, SIZE) != SIZE) {
        perror(argv[1]);
        return 1;
    }
    verity_params params;
    verity_places places;
    verity_digest root;
    verity_trusted *trusted;
    verity_reader *reader;
    verity_device device = VERITY_DEVICE_FD(fd);
    size_t got;
    check(verity_params_init(&params, sizeof params, &err));
    check(verity_plan_image(&params, SIZE, 1, &places, &err));
    check(verity_build(&params, &device, &device, NULL, NULL, &root, &err));
    check(verity_trusted_pinned(&params, &root, &trusted, &err));
    check(verity_reader_open(trusted, &device, &device, NULL, 0, 0, &reader, &err));
    for (unsigned long long at = 0; at < SIZE; at += 4096)
        check(verity_reader_read(reader, buf, sizeof buf, at, &got, &err));
    for (int turn = 0; turn < 5; turn++) {
        clock_t start = clock();
        for (int i = 0; i < READS; i++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            check(verity_reader_read(reader, buf, sizeof buf, (state >> 40) % (SIZE / 4096) * 4096, &got, &err));
        }
        printf("%.0f\n", (double)(clock() - start) / CLOCKS_PER_SEC / READS * 1e9);
    }
    verity_reader_close(reader);
    verity_trusted_free(trusted);
    return 0;
}
