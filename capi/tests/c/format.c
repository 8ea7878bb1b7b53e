/* Formats as veritysetup does: DATA HASH SALT UUID ALGORITHM DATA_BLOCK HASH_BLOCK ROOTS [FEC]; prints the root hash. A DATA of
 * - is pushed from standard input. */
#include "support.h"

static void hex(const char *text, uint8_t *out, size_t most, uint32_t *size)
{
    size_t count = 0;
    for (; *text != '\0'; text++) {
        unsigned value;
        if (*text == '-')
            continue;
        CHECK(count < most && sscanf(text, "%2x", &value) == 1);
        out[count++] = (uint8_t)value;
        text++;
    }
    if (size != NULL)
        *size = (uint32_t)count;
}

int main(int argc, char **argv)
{
    verity_error *err = NULL;
    verity_params params;
    verity_places places;
    verity_digest root;
    char text[129];
    CHECK(argc >= 9);
    OK(verity_params_init(&params, sizeof params, &err));
    hex(argv[3], params.salt, sizeof params.salt, &params.salt_size);
    hex(argv[4], params.uuid, sizeof params.uuid, NULL);
    snprintf(params.algorithm, sizeof params.algorithm, "%s", argv[5]);
    params.data_block_size = (uint32_t)atoi(argv[6]);
    params.hash_block_size = (uint32_t)atoi(argv[7]);
    params.fec_roots = (uint32_t)atoi(argv[8]);
    int hash_fd = open(argv[2], O_RDWR | O_CREAT | O_TRUNC, 0644);
    CHECK(hash_fd >= 0);
    verity_device hash = VERITY_DEVICE_FD(hash_fd);
    if (strcmp(argv[1], "-") == 0) {
        static char buf[70000];
        verity_stream *stream;
        OK(verity_stream_new(&params, &hash, NULL, &stream, &err));
        for (ssize_t count; (count = read(0, buf, sizeof buf)) > 0;)
            OK(verity_stream_write(stream, buf, (size_t)count, &err));
        OK(verity_stream_finish(stream, NULL, &root, &err));
        verity_stream_free(stream);
    } else {
        int data_fd = open(argv[1], O_RDONLY), fec_fd = -1;
        CHECK(data_fd >= 0);
        OK(verity_plan_image(&params, (uint64_t)lseek(data_fd, 0, SEEK_END), 0, &places, &err));
        if (params.fec_roots != 0) {
            params.fec_offset = 0;
            fec_fd = open(argv[9], O_RDWR | O_CREAT | O_TRUNC, 0644);
            CHECK(fec_fd >= 0);
        }
        verity_device data = VERITY_DEVICE_FD(data_fd), fec = VERITY_DEVICE_FD(fec_fd);
        OK(verity_build(&params, &data, &hash, params.fec_roots != 0 ? &fec : NULL, NULL, &root, &err));
        /* The descriptors are still ours. */
        CHECK(close(data_fd) == 0 && (fec_fd < 0 || close(fec_fd) == 0));
    }
    CHECK(close(hash_fd) == 0);
    OK(verity_digest_text(&root, text, &err));
    puts(text);
    return 0;
}
