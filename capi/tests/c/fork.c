/* A build, a fork, and builds in the child: nothing waits for threads that it does not have. */
#include <sys/wait.h>

#include "support.h"

static void build(struct memory *data, uint32_t threads, verity_digest *root)
{
    verity_error *err = NULL;
    verity_params params;
    verity_places places;
    verity_run run = VERITY_RUN_INIT;
    run.threads = threads;
    OK(verity_params_init(&params, sizeof params, &err));
    OK(verity_plan_image(&params, data->size, 0, &places, &err));
    struct memory hash = memory_new(places.hash_end);
    verity_device data_device = memory_device(data), hash_device = memory_device(&hash);
    OK(verity_build(&params, &data_device, &hash_device, NULL, &run, root, &err));
    verity_stream *stream;
    verity_digest pushed;
    params.data_blocks = 0;
    OK(verity_stream_new(&params, &hash_device, &run, &stream, &err));
    OK(verity_stream_write(stream, data->bytes, data->size, &err));
    OK(verity_stream_finish(stream, NULL, &pushed, &err));
    verity_stream_free(stream);
    CHECK(memcmp(&pushed, root, sizeof pushed) == 0);
    free(hash.bytes);
}

int main(void)
{
    struct memory data = memory_new(32 << 20);
    paint(data.bytes, data.size);
    verity_digest root, again;
    build(&data, 0, &root);
    build(&data, 3, &again);
    CHECK(memcmp(&root, &again, sizeof root) == 0);
    for (uint32_t threads = 0; threads < 4; threads++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            /* Ends a child that waits for ever. */
            alarm(120);
            build(&data, threads, &again);
            _exit(memcmp(&root, &again, sizeof root) == 0 ? 0 : 1);
        }
        int status;
        CHECK(waitpid(child, &status, 0) == child);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    build(&data, 2, &again);
    free(data.bytes);
    return 0;
}
