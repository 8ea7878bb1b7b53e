/* A host that does everything wrong gets errors. The first argument says with how many threads. */
#include "support.h"

static verity_error *err;

static int refuse(void *user, uint64_t done, uint64_t total)
{
    uint64_t *after = user;
    (void)total;
    return done >= *after;
}

static void structs(void)
{
    verity_params params;
    verity_places places;
    uint32_t size;
    FAILS(VERITY_E_ARGUMENT, "NULL", verity_params_init(NULL, sizeof params, &err));
    FAILS(VERITY_E_ARGUMENT, "size", verity_params_init(&params, sizeof params - 1, &err));
    FAILS(VERITY_E_ARGUMENT, "size", verity_params_init(&params, (size_t)1 << 40, &err));
    OK(verity_params_init(&params, sizeof params, &err));
    FAILS(VERITY_E_ARGUMENT, "places", verity_plan_image(&params, 4096, 0, NULL, &err));
    FAILS(VERITY_E_ARGUMENT, "no data blocks", verity_plan(&params, &places, &err));
    FAILS(VERITY_E_ARGUMENT, "904 bytes", verity_plan_image(&params, 5000, 0, &places, &err));
    FAILS(VERITY_E_NO_ROOM, "partition", verity_plan_partition(&params, 5000, &places, &err));
    OK(verity_plan_partition(&params, 64 << 20, &places, &err));
    CHECK(params.data_blocks == 16255);
    FAILS(VERITY_E_ARGUMENT, "seed", verity_params_seed(&params, NULL, &err));
    FAILS(VERITY_E_ARGUMENT, "UTF-8", verity_params_seed(&params, "\xff", &err));
    verity_params wrong = params;
    wrong.size = 8;
    FAILS(VERITY_E_ARGUMENT, "size", verity_plan(&wrong, &places, &err));
    wrong = params;
    wrong.reserved[7] = 1;
    FAILS(VERITY_E_ARGUMENT, "reserved", verity_plan(&wrong, &places, &err));
    wrong = params;
    wrong.flags = 64;
    FAILS(VERITY_E_ARGUMENT, "flags", verity_plan(&wrong, &places, &err));
    wrong = params;
    strcpy(wrong.algorithm, "md5");
    FAILS(VERITY_E_UNSUPPORTED, "known ones", verity_plan(&wrong, &places, &err));
    wrong = params;
    memset(wrong.algorithm, 'a', sizeof wrong.algorithm);
    FAILS(VERITY_E_ARGUMENT, "algorithm", verity_plan(&wrong, &places, &err));
    wrong = params;
    wrong.salt_size = 257;
    FAILS(VERITY_E_ARGUMENT, "salt", verity_plan(&wrong, &places, &err));
    wrong = params;
    wrong.data_block_size = 4095;
    FAILS(VERITY_E_ARGUMENT, "power of two", verity_plan(&wrong, &places, &err));
    wrong = params;
    wrong.hash_type = 2;
    FAILS(VERITY_E_ARGUMENT, "hash type", verity_plan(&wrong, &places, &err));
    wrong = params;
    wrong.data_blocks = UINT64_MAX;
    FAILS(VERITY_E_ARGUMENT, "2^64", verity_plan(&wrong, &places, &err));
    wrong = params;
    wrong.fec_roots = 1;
    FAILS(VERITY_E_ARGUMENT, "roots", verity_plan(&wrong, &places, &err));
    wrong = params;
    wrong.hash_offset = 7;
    FAILS(VERITY_E_ARGUMENT, "multiple", verity_plan(&wrong, &places, &err));
    wrong = params;
    wrong.flags = VERITY_NO_SUPERBLOCK;
    wrong.hash_offset = 0;
    OK(verity_plan(&wrong, &places, &err));
    CHECK(places.hash_start == 0);
    uint8_t superblock[512];
    FAILS(VERITY_E_ARGUMENT, "superblock", verity_superblock_bytes(&wrong, superblock, &err));
    /* A later program with members that are not used is served, one that uses them is not. */
    struct {
        verity_params params;
        uint64_t more[4];
    } later;
    memset(&later, 0xff, sizeof later);
    OK(verity_params_init(&later.params, sizeof later, &err));
    CHECK(later.params.size == sizeof later && later.more[0] == 0 && later.more[3] == 0);
    OK(verity_plan_image(&later.params, 1 << 20, 0, &places, &err));
    CHECK(later.params.size == sizeof later);
    later.more[3] = 1;
    FAILS(VERITY_E_ARGUMENT, "not know", verity_plan(&later.params, &places, &err));
    FAILS(VERITY_E_ARGUMENT, "name", verity_algorithm(NULL, &size, &err));
    FAILS(VERITY_E_UNSUPPORTED, "sha256", verity_algorithm("sha-256", &size, &err));
    OK(verity_algorithm("sha512", &size, &err));
    CHECK(size == 64);
    /* Without a place for the error. */
    CHECK(verity_algorithm("sha-256", &size, NULL) == VERITY_E_UNSUPPORTED);
    CHECK(verity_plan(NULL, NULL, NULL) == VERITY_E_ARGUMENT);
    verity_digest digest;
    char text[129];
    FAILS(VERITY_E_ARGUMENT, "hex", verity_digest_parse("zz", &digest, &err));
    FAILS(VERITY_E_ARGUMENT, "", verity_digest_parse("abcd", &digest, &err));
    memset(&digest, 0, sizeof digest);
    FAILS(VERITY_E_ARGUMENT, "digest", verity_digest_text(&digest, text, &err));
    digest.size = 65;
    FAILS(VERITY_E_ARGUMENT, "many bytes", verity_digest_text(&digest, text, &err));
}

static void nothing(void)
{
    verity_error_info info;
    verity_error_get(NULL, &info);
    CHECK(info.code == 0 && info.message != NULL && info.has_block == 0);
    verity_error_get(NULL, NULL);
    verity_error_free(NULL);
    verity_blob_free(NULL);
    verity_cancel_set(NULL);
    verity_cancel_free(NULL);
    verity_stream_free(NULL);
    verity_trusted_free(NULL);
    verity_reader_close(NULL);
    verity_certificate_free(NULL);
    verity_key_free(NULL);
    verity_sidecars_free(NULL);
    verity_counters counters;
    verity_reader_counters(NULL, &counters);
    verity_reader_counters(NULL, NULL);
    CHECK(verity_reader_size(NULL) == 0 && counters.repairs == 0);
    size_t got = 7;
    uint8_t buf[16];
    FAILS(VERITY_E_ARGUMENT, "reader", verity_reader_read(NULL, buf, 16, 0, &got, &err));
    FAILS(VERITY_E_ARGUMENT, "stream", verity_stream_write(NULL, buf, 16, &err));
    FAILS(VERITY_E_ARGUMENT, "NULL", verity_stream_finish(NULL, NULL, NULL, &err));
    FAILS(VERITY_E_ARGUMENT, "NULL", verity_stream_finish_fec(NULL, NULL, NULL, NULL, NULL, &err));
    FAILS(VERITY_E_ARGUMENT, "NULL", verity_build(NULL, NULL, NULL, NULL, NULL, NULL, &err));
    FAILS(VERITY_E_ARGUMENT, "NULL", verity_verify(NULL, NULL, NULL, 0, NULL, NULL, NULL, NULL, &err));
    FAILS(VERITY_E_ARGUMENT, "NULL", verity_repair(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, &err));
    FAILS(VERITY_E_ARGUMENT, "NULL", verity_parity_check(NULL, NULL, NULL, NULL, NULL, &err));
    FAILS(VERITY_E_ARGUMENT, "NULL", verity_reader_open(NULL, NULL, NULL, NULL, 0, 0, NULL, &err));
    FAILS(VERITY_E_ARGUMENT, "NULL", verity_superblock_read(NULL, 0, NULL, &err));
    FAILS(VERITY_E_ARGUMENT, "NULL", verity_superblock_bytes(NULL, NULL, &err));
    FAILS(VERITY_E_ARGUMENT, "NULL", verity_trusted_pinned(NULL, NULL, NULL, &err));
    FAILS(VERITY_E_ARGUMENT, "NULL", verity_trusted_unauthenticated(NULL, NULL, NULL, &err));
    FAILS(VERITY_E_ARGUMENT, "NULL", verity_trusted_get(NULL, NULL, NULL, NULL, &err));
    FAILS(VERITY_E_ARGUMENT, "NULL", verity_trusted_image(NULL, NULL, &err));
    FAILS(VERITY_E_ARGUMENT, "NULL", verity_stream_new(NULL, NULL, NULL, NULL, &err));
    verity_certificate *certificate;
    verity_key *key;
    verity_blob blob;
    FAILS(VERITY_E_ARGUMENT, "NULL", verity_certificate_parse(NULL, 5, &certificate, &err));
    FAILS(VERITY_E_KEY, "empty", verity_certificate_parse(NULL, 0, &certificate, &err));
    FAILS(VERITY_E_KEY, "", verity_key_parse("nonsense", 8, NULL, &key, &err));
    FAILS(VERITY_E_ARGUMENT, "NULL", verity_key_parse("nonsense", 8, NULL, NULL, &err));
    FAILS(VERITY_E_ARGUMENT, "more than there can be", verity_key_parse("nonsense", SIZE_MAX, NULL, &key, &err));
    FAILS(VERITY_E_ARGUMENT, "NULL", verity_sign(NULL, NULL, 0, NULL, 0, &blob, &err));
    FAILS(VERITY_E_ARGUMENT, "NULL", verity_sign(NULL, NULL, 0, NULL, 0, NULL, &err));
    FAILS(VERITY_E_ARGUMENT, "NULL", verity_sign_digest(NULL, NULL, 0, NULL, NULL, &err));
    FAILS(VERITY_E_ARGUMENT, "NULL", verity_sign_attach(NULL, 0, NULL, 0, NULL, 0, &blob, &err));
    FAILS(VERITY_E_ARGUMENT, "pinned", verity_signature_check("x", 1, "y", 1, NULL, 1, &err));
    const verity_certificate *pinned[1] = { NULL };
    FAILS(VERITY_E_ARGUMENT, "pinned", verity_signature_check("x", 1, "y", 1, pinned, 1, &err));
    FAILS(VERITY_E_ARGUMENT, "pinned", verity_signature_check("x", 1, "y", 1, pinned, SIZE_MAX, &err));
    CHECK(verity_signature_check("x", 1, "y", 1, NULL, 0, &err) < 0);
    verity_error_free(err);
    err = NULL;
    FAILS(VERITY_E_ARGUMENT, "NULL", verity_manifest(NULL, NULL, NULL, NULL, &err));
    FAILS(VERITY_E_ARGUMENT, "NULL", verity_sidecars_new(NULL, NULL, NULL, NULL, &err));
    FAILS(VERITY_E_ARGUMENT, "NULL", verity_sidecars_sign(NULL, NULL, NULL, 0, &err));
    FAILS(VERITY_E_ARGUMENT, "NULL", verity_sidecars_attach(NULL, NULL, 0, NULL, 0, NULL, 0, &err));
    FAILS(VERITY_E_ARGUMENT, "NULL", verity_sidecars_part(NULL, 1, &blob, &err));
    FAILS(VERITY_E_ARGUMENT, "NULL", verity_sidecars_part(NULL, 1, NULL, &err));
    FAILS(VERITY_E_ARGUMENT, "NULL", verity_manifest_verify(NULL, 0, NULL, 0, NULL, 0, NULL, 0, NULL, NULL, &err));
    FAILS(VERITY_E_ARGUMENT, "NULL", verity_table(NULL, NULL, NULL, NULL, NULL, NULL, &err));
}

static void devices(uint32_t threads)
{
    verity_params params;
    verity_places places;
    verity_digest root;
    verity_trusted *trusted;
    verity_summary summary;
    verity_run run = VERITY_RUN_INIT;
    run.threads = threads;
    OK(verity_params_init(&params, sizeof params, &err));
    params.fec_roots = 2;
    OK(verity_plan_image(&params, 4u << 20, 0, &places, &err));
    struct memory data_bytes = memory_new(4u << 20), hash_bytes = memory_new(1 << 20);
    paint(data_bytes.bytes, data_bytes.size);
    verity_device data = memory_device(&data_bytes), hash = memory_device(&hash_bytes);

    verity_run odd = run;
    odd.reserved[0] = &odd;
    FAILS(VERITY_E_ARGUMENT, "run", verity_build(&params, &data, &hash, &hash, &odd, &root, &err));
    odd = run;
    odd.threads = 1000000;
    FAILS(VERITY_E_ARGUMENT, "threads", verity_build(&params, &data, &hash, &hash, &odd, &root, &err));
    verity_device wrong = data;
    wrong.size = 4;
    FAILS(VERITY_E_ARGUMENT, "data: its size", verity_build(&params, &wrong, &hash, &hash, &run, &root, &err));
    wrong = data;
    wrong.reserved0 = 1;
    FAILS(VERITY_E_ARGUMENT, "reserved", verity_build(&params, &wrong, &hash, &hash, &run, &root, &err));
    wrong = data;
    wrong.fd = -2;
    FAILS(VERITY_E_ARGUMENT, "descriptor", verity_build(&params, &wrong, &hash, &hash, &run, &root, &err));
    int closed = dup(0);
    CHECK(closed >= 0 && close(closed) == 0);
    wrong.fd = closed;
    FAILS(VERITY_E_IO, "descriptor", verity_build(&params, &wrong, &hash, &hash, &run, &root, &err));
    wrong = data;
    wrong.read = NULL;
    FAILS(VERITY_E_ARGUMENT, "callbacks", verity_build(&params, &wrong, &hash, &hash, &run, &root, &err));
    wrong = hash;
    wrong.read = NULL;
    FAILS(VERITY_E_ARGUMENT, "callbacks", verity_build(&params, &data, &wrong, &hash, &run, &root, &err));
    FAILS(VERITY_E_ARGUMENT, "fec", verity_build(&params, &data, &hash, NULL, &run, &root, &err));
    FAILS(VERITY_E_ARGUMENT, "overlap", verity_build(&params, &data, &data, &hash, &run, &root, &err));
    wrong = data;
    wrong.length -= 1;
    FAILS(VERITY_E_SIZE, "4194303 bytes", verity_build(&params, &wrong, &hash, &hash, &run, &root, &err));

    /* Callbacks that fail, answer too much, end early, take nothing. */
    data_bytes.fail_at = 77 * 4096 + 5;
    int code = verity_build(&params, &data, &hash, &hash, &run, &root, &err);
    verity_error_info info;
    verity_error_get(err, &info);
    CHECK(code == VERITY_E_IO && info.os_errno == EIO && info.has_block && info.block == 77);
    CHECK(strstr(info.message, "Input/output error") != NULL);
    verity_error_free(err);
    err = NULL;
    data_bytes.fail_at = UINT64_MAX;
    for (data_bytes.odd = 1; data_bytes.odd < 3; data_bytes.odd++)
        FAILS(VERITY_E_IO, "data block 0", verity_build(&params, &data, &hash, &hash, &run, &root, &err));
    data_bytes.odd = 0;
    hash_bytes.odd = 3;
    FAILS(VERITY_E_IO, "cannot write", verity_build(&params, &data, &hash, &hash, &run, &root, &err));
    hash_bytes.odd = 0;

    /* Stopped before, and in the middle, of each kind of work. */
    uint64_t after = 0;
    verity_run stopped = run, cancelled = run;
    stopped.progress = refuse;
    stopped.user = &after;
    cancelled.cancel = verity_cancel_new();
    verity_cancel_set(cancelled.cancel);
    const verity_run *ways[2] = { &stopped, &cancelled };
    for (int i = 0; i < 2; i++) {
        verity_stream *stream;
        verity_params plain = params;
        plain.fec_roots = 0;
        FAILS(VERITY_E_CANCELLED, "cancelled", verity_build(&params, &data, &hash, &hash, ways[i], &root, &err));
        FAILS(VERITY_E_CANCELLED, "cancelled", verity_build(&plain, &data, &hash, NULL, ways[i], &root, &err));
        plain.data_blocks = 0;
        OK(verity_stream_new(&plain, &hash, ways[i], &stream, &err));
        code = VERITY_OK;
        for (int turn = 0; turn < 8 && code == VERITY_OK; turn++)
            code = verity_stream_write(stream, data_bytes.bytes, data_bytes.size, &err);
        CHECK(code == VERITY_E_CANCELLED);
        verity_error_free(err);
        err = NULL;
        verity_stream_free(stream);
    }
    OK(verity_build(&params, &data, &hash, &hash, &run, &root, &err));
    OK(verity_trusted_pinned(&params, &root, &trusted, &err));
    for (int i = 0; i < 2; i++) {
        FAILS(VERITY_E_CANCELLED, "", verity_verify(trusted, &data, &hash, 0, ways[i], NULL, NULL, &summary, &err));
        FAILS(VERITY_E_CANCELLED, "", verity_repair(trusted, &data, &hash, &hash, NULL, NULL, ways[i], NULL, NULL, &summary, &err));
        FAILS(VERITY_E_CANCELLED, "", verity_parity_check(trusted, &data, &hash, &hash, ways[i], &err));
    }
    verity_cancel_free(cancelled.cancel);

    FAILS(VERITY_E_ARGUMENT, "flags", verity_verify(trusted, &data, &hash, 8, &run, NULL, NULL, NULL, &err));
    FAILS(VERITY_E_ARGUMENT, "both", verity_repair(trusted, &data, &hash, &hash, &data, NULL, &run, NULL, NULL, NULL, &err));
    verity_reader *reader;
    FAILS(VERITY_E_ARGUMENT, "flags", verity_reader_open(trusted, &data, &hash, NULL, 0, 1, &reader, &err));
    wrong = data;
    wrong.length = 5;
    FAILS(VERITY_E_SIZE, "5 bytes", verity_reader_open(trusted, &wrong, &hash, NULL, 0, 0, &reader, &err));
    OK(verity_reader_open(trusted, &data, &hash, NULL, 1, VERITY_CHECK_AT_MOST_ONCE, &reader, &err));
    size_t got;
    uint8_t buf[100];
    FAILS(VERITY_E_ARGUMENT, "got", verity_reader_read(reader, buf, 100, 0, NULL, &err));
    FAILS(VERITY_E_ARGUMENT, "buf", verity_reader_read(reader, NULL, 100, 0, &got, &err));
    OK(verity_reader_read(reader, buf, 100, UINT64_MAX, &got, &err));
    CHECK(got == 0);
    data_bytes.fail_at = 0;
    FAILS(VERITY_E_IO, "data block 0", verity_reader_read(reader, buf, 100, 0, &got, &err));
    data_bytes.fail_at = UINT64_MAX;
    OK(verity_reader_read(reader, buf, 100, 0, &got, &err));
    verity_reader_close(reader);
    verity_image about = VERITY_IMAGE_INIT;
    verity_sidecars *sidecars;
    verity_blob part;
    about.name = "misuse";
    about.size_bytes = 1;
    FAILS(VERITY_E_FORMAT, "size", verity_sidecars_new(&about, &params, &root, &sidecars, &err));
    about.size_bytes = data_bytes.size;
    OK(verity_sidecars_new(&about, &params, &root, &sidecars, &err));
    FAILS(VERITY_E_ARGUMENT, "number 0", verity_sidecars_part(sidecars, 0, &part, &err));
    FAILS(VERITY_E_ARGUMENT, "number 6", verity_sidecars_part(sidecars, 6, &part, &err));
    FAILS(VERITY_E_ARGUMENT, "NULL", verity_sidecars_sign(sidecars, NULL, NULL, 0, &err));
    verity_sidecars_free(sidecars);
    root.size = 20;
    verity_trusted *none;
    FAILS(VERITY_E_ARGUMENT, "root hash", verity_trusted_pinned(&params, &root, &none, &err));
    verity_trusted_free(trusted);

    /* Streams that end badly. */
    verity_stream *stream;
    verity_params plain = params;
    plain.fec_roots = 0;
    OK(verity_stream_new(&plain, &hash, &run, &stream, &err));
    OK(verity_stream_write(stream, NULL, 0, &err));
    FAILS(VERITY_E_ARGUMENT, "bytes", verity_stream_write(stream, NULL, 1, &err));
    OK(verity_stream_write(stream, data_bytes.bytes, data_bytes.size, &err));
    FAILS(VERITY_E_SIZE, "more data", verity_stream_write(stream, data_bytes.bytes, 1, &err));
    FAILS(VERITY_E_ARGUMENT, "cannot be finished", verity_stream_finish(stream, NULL, &root, &err));
    verity_stream_free(stream);
    OK(verity_stream_new(&plain, &hash, &run, &stream, &err));
    OK(verity_stream_write(stream, data_bytes.bytes, 4096, &err));
    FAILS(VERITY_E_SIZE, "4096 bytes", verity_stream_finish(stream, NULL, &root, &err));
    verity_stream_free(stream);
    /* With and without parity, by the call of the other one. */
    verity_params few = params;
    few.fec_roots = 1;
    FAILS(VERITY_E_ARGUMENT, "roots", verity_stream_new(&few, &hash, &run, &stream, &err));
    OK(verity_stream_new(&plain, &hash, &run, &stream, &err));
    OK(verity_stream_write(stream, data_bytes.bytes, data_bytes.size, &err));
    FAILS(VERITY_E_ARGUMENT, "parity", verity_stream_finish_fec(stream, &data, NULL, NULL, &root, &err));
    OK(verity_stream_finish(stream, NULL, &root, &err));
    verity_stream_free(stream);
    OK(verity_stream_new(&params, &hash, &run, &stream, &err));
    OK(verity_stream_write(stream, data_bytes.bytes, data_bytes.size, &err));
    FAILS(VERITY_E_ARGUMENT, "NULL", verity_stream_finish_fec(stream, NULL, NULL, NULL, &root, &err));
    data_bytes.fail_at = 5;
    FAILS(VERITY_E_IO, "data block 0", verity_stream_finish_fec(stream, &data, NULL, NULL, &root, &err));
    data_bytes.fail_at = UINT64_MAX;
    verity_stream_free(stream);
    /* Freed in the middle. */
    OK(verity_stream_new(&plain, &hash, &run, &stream, &err));
    OK(verity_stream_write(stream, data_bytes.bytes, 4097, &err));
    verity_stream_free(stream);
    free(data_bytes.bytes);
    free(hash_bytes.bytes);
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    structs();
    nothing();
    devices((uint32_t)atoi(argv[1]));
    return 0;
}
