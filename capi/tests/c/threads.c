/* Many threads on one reader; threads of the library take no signals and end with the call; work is stopped from another
 * thread, and from a signal handler. */
#include <dirent.h>
#include <pthread.h>
#include <signal.h>

#include "support.h"

static verity_reader *reader;
static struct memory data;
static pthread_t main_thread;
static verity_cancel *cancel;
static int blocked, entered, overlaps;

static int look(void *user, uint64_t done, uint64_t total)
{
    (void)user, (void)done, (void)total;
    sigset_t mask;
    CHECK(pthread_sigmask(SIG_SETMASK, NULL, &mask) == 0);
    if (!pthread_equal(pthread_self(), main_thread)) {
        CHECK(sigismember(&mask, SIGINT) == 1 && sigismember(&mask, SIGUSR1) == 1);
        blocked++;
    }
    return 0;
}

static ptrdiff_t alone(void *user, void *buf, size_t count, uint64_t offset)
{
    if (__atomic_fetch_add(&entered, 1, __ATOMIC_SEQ_CST) != 0)
        overlaps++;
    ptrdiff_t read = memory_read(user, buf, count, offset);
    __atomic_fetch_sub(&entered, 1, __ATOMIC_SEQ_CST);
    return read;
}

static void *read_all(void *argument)
{
    unsigned seed = (unsigned)(uintptr_t)argument;
    verity_error *err = NULL;
    static _Thread_local uint8_t buf[70000];
    for (int i = 0; i < 200; i++) {
        seed = seed * 1103515245u + 12345u;
        uint64_t offset = seed % data.size;
        size_t got;
        OK(verity_reader_read(reader, buf, sizeof buf, offset, &got, &err));
        CHECK(got == (data.size - offset < sizeof buf ? data.size - offset : sizeof buf));
        CHECK(memcmp(buf, data.bytes + offset, got) == 0);
    }
    return NULL;
}

static void *stop(void *argument)
{
    (void)argument;
    usleep(1000);
    verity_cancel_set(cancel);
    return NULL;
}

static void handle(int number)
{
    (void)number;
    CHECK(pthread_equal(pthread_self(), main_thread));
    verity_cancel_set(cancel);
}

static int thread_count(void)
{
    int count = 0;
    DIR *directory = opendir("/proc/self/task");
    CHECK(directory != NULL);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

/* Endless data: zeros for as long as anybody reads. */
static ptrdiff_t endless(void *user, void *buf, size_t count, uint64_t offset)
{
    (void)user, (void)offset;
    memset(buf, 0, count);
    return (ptrdiff_t)count;
}

static ptrdiff_t swallow(void *user, const void *buf, size_t count, uint64_t offset)
{
    (void)user, (void)buf, (void)offset;
    return (ptrdiff_t)count;
}

int main(void)
{
    verity_error *err = NULL;
    verity_params params;
    verity_places places;
    verity_digest root;
    verity_trusted *trusted;
    main_thread = pthread_self();
    data = memory_new(32 << 20);
    paint(data.bytes, data.size);
    OK(verity_params_init(&params, sizeof params, &err));
    OK(verity_plan_image(&params, data.size, 0, &places, &err));
    struct memory hash = memory_new(places.hash_end);
    verity_device data_device = memory_device(&data), hash_device = memory_device(&hash);
    verity_run run = VERITY_RUN_INIT;
    run.threads = 3;
    run.progress = look;
    data_device.one_at_a_time = 1;
    data_device.read = alone;
    OK(verity_build(&params, &data_device, &hash_device, NULL, &run, &root, &err));
    CHECK(blocked > 0 && overlaps == 0);
    data_device.one_at_a_time = 0;
    data_device.read = memory_read;
    sigset_t mask;
    CHECK(pthread_sigmask(SIG_SETMASK, NULL, &mask) == 0 && sigismember(&mask, SIGINT) == 0);
    /* What has ended may take the system a moment to clear away. */
    for (int i = 0; i < 1000 && thread_count() > 1; i++)
        usleep(10000);
    CHECK(thread_count() == 1);

    OK(verity_trusted_pinned(&params, &root, &trusted, &err));
    OK(verity_reader_open(trusted, &data_device, &hash_device, NULL, 0, 0, &reader, &err));
    pthread_t threads[8];
    for (uintptr_t i = 0; i < 8; i++)
        CHECK(pthread_create(&threads[i], NULL, read_all, (void *)(i + 1)) == 0);
    for (int i = 0; i < 8; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    verity_reader_close(reader);

    /* Work without an end is stopped. */
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handle;
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    verity_device sink = memory_device(&hash);
    for (int way = 0; way < 2; way++) {
        verity_params huge = params;
        verity_device zeros = memory_device(&data);
        huge.data_blocks = (uint64_t)1 << 40;
        zeros.length = UINT64_MAX;
        zeros.read = endless;
        sink.write = NULL;
        cancel = verity_cancel_new();
        run.progress = NULL;
        run.cancel = cancel;
        FAILS(VERITY_E_ARGUMENT, "callbacks", verity_build(&huge, &zeros, &sink, NULL, &run, &root, &err));
        sink.write = swallow;
        pthread_t stopper;
        if (way == 0) {
            CHECK(pthread_create(&stopper, NULL, stop, NULL) == 0);
        } else {
            ualarm(2000, 0);
        }
        int code = verity_build(&huge, &zeros, &sink, NULL, &run, &root, &err);
        CHECK(code == VERITY_E_CANCELLED);
        verity_error_free(err);
        err = NULL;
        if (way == 0)
            CHECK(pthread_join(stopper, NULL) == 0);
        verity_cancel_free(cancel);
    }
    verity_trusted_free(trusted);
    free(data.bytes);
    free(hash.bytes);
    return 0;
}
