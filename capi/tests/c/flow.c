/* From data to a signed image and back: everything once, as the first argument says with how many threads.
 * Further arguments: a key and its certificate, and those of somebody else. */
#include "support.h"

static int told;
static int tell(void *user, uint64_t done, uint64_t total)
{
    CHECK(user == &told && done <= total);
    CHECK(told > 0 || done == 0);
    told++;
    return 0;
}

struct found {
    int calls;
    int32_t what, level;
    uint64_t first, blocks;
};

static int find(void *user, int32_t what, int32_t level, uint64_t first, uint64_t blocks)
{
    struct found *found = user;
    if (found->calls++ == 0) {
        found->what = what;
        found->level = level;
        found->first = first;
        found->blocks = blocks;
    }
    return 0;
}

int main(int argc, char **argv)
{
    verity_error *err = NULL;
    CHECK(argc == 6);
    CHECK(verity_abi() == VERITY_ABI && strchr(verity_version(), '.') != NULL);

    /* Data, tree and parity in one piece of memory. */
    verity_params params;
    verity_places places;
    const uint64_t data_size = 5u << 20;
    OK(verity_params_init(&params, sizeof params, &err));
    OK(verity_params_seed(&params, "flow", &err));
    params.fec_roots = 2;
    OK(verity_plan_image(&params, data_size, 1, &places, &err));
    CHECK(params.data_blocks == 1280 && params.hash_offset == data_size);
    CHECK(places.data_size == data_size && places.levels == 2 && places.tree_size == 11 * 4096);
    CHECK(places.tree_offset == data_size + 4096 && places.hash_start == 1281);
    CHECK(places.fec_offset == places.hash_end && places.fec_end == places.fec_offset + places.fec_size);
    struct memory image = memory_new(places.fec_end);
    paint(image.bytes, data_size);
    verity_device device = memory_device(&image);

    verity_run run = VERITY_RUN_INIT;
    run.threads = (uint32_t)atoi(argv[1]);
    run.progress = tell;
    run.user = &told;
    run.cancel = verity_cancel_new();
    verity_digest root, again;
    OK(verity_build(&params, &device, &device, &device, &run, &root, &err));
    CHECK(root.size == 32 && told >= 2 && image.flushed >= 2);
    CHECK(memcmp(image.bytes + data_size, "verity\0", 8) == 0);
    char text[129];
    OK(verity_digest_text(&root, text, &err));
    OK(verity_digest_parse(text, &again, &err));
    CHECK(strlen(text) == 64 && memcmp(&root, &again, sizeof root) == 0);

    /* The same tree from data that is pushed, of a length that is known or not. */
    for (int known = 0; known < 2; known++) {
        verity_params pushed = params;
        verity_stream *stream;
        struct memory hash = memory_new(64 << 10);
        verity_device hash_device = memory_device(&hash);
        pushed.hash_offset = 0;
        pushed.fec_roots = 0;
        pushed.data_blocks = known ? params.data_blocks : 0;
        told = 0;
        OK(verity_stream_new(&pushed, &hash_device, &run, &stream, &err));
        for (uint64_t at = 0; at < data_size; at += 100001) {
            size_t count = data_size - at < 100001 ? (size_t)(data_size - at) : 100001;
            OK(verity_stream_write(stream, image.bytes + at, count, &err));
        }
        OK(verity_stream_finish(stream, &pushed, &again, &err));
        CHECK(memcmp(&root, &again, sizeof root) == 0 && pushed.data_blocks == 1280);
        FAILS(VERITY_E_ARGUMENT, "ended", verity_stream_finish(stream, NULL, &again, &err));
        verity_stream_free(stream);
        CHECK(memcmp(hash.bytes, image.bytes + data_size, 12 * 4096) == 0);
        free(hash.bytes);
    }

    /* With parity, of data that was kept, over an older hash area; the parity on either device. */
    for (int apart = 0; apart < 2; apart++) {
        verity_params pushed = params;
        verity_stream *stream;
        const size_t hash_size = places.fec_offset - data_size, fec_size = places.fec_size;
        struct memory hash = memory_new(hash_size + fec_size), fec = memory_new(fec_size);
        verity_device hash_device = memory_device(&hash), fec_device = memory_device(&fec);
        memcpy(hash.bytes, image.bytes + data_size, hash.size);
        pushed.hash_offset = pushed.data_blocks = pushed.fec_offset = 0;
        told = 0;
        OK(verity_stream_new(&pushed, &hash_device, &run, &stream, &err));
        for (int i = 0; i < 512; i++)
            CHECK(hash.bytes[i] == 0);
        CHECK(hash.flushed == 1);
        OK(verity_stream_write(stream, image.bytes, data_size, &err));
        FAILS(VERITY_E_ARGUMENT, "finish_fec", verity_stream_finish(stream, &pushed, &again, &err));
        OK(verity_stream_finish_fec(stream, &device, apart ? &fec_device : NULL, &pushed, &again, &err));
        FAILS(VERITY_E_ARGUMENT, "ended", verity_stream_finish_fec(stream, &device, NULL, NULL, &again, &err));
        verity_stream_free(stream);
        CHECK(memcmp(&root, &again, sizeof root) == 0 && pushed.data_blocks == 1280 && pushed.fec_roots == 2);
        CHECK(pushed.fec_offset == (apart ? 0 : hash_size) && pushed.fec_blocks == 1280 + 11);
        CHECK(memcmp(hash.bytes, image.bytes + data_size, hash_size) == 0);
        CHECK(memcmp(apart ? fec.bytes : hash.bytes + hash_size, image.bytes + places.fec_offset, fec_size) == 0);
        CHECK(apart ? fec.flushed == 1 && hash.flushed == 3 : hash.flushed == 4);

        /* What was kept is something else. */
        OK(verity_stream_new(&pushed, &hash_device, &run, &stream, &err));
        image.bytes[5] ^= 1;
        OK(verity_stream_write(stream, image.bytes, data_size, &err));
        image.bytes[5] ^= 1;
        FAILS(VERITY_E_CORRUPT, "", verity_stream_finish_fec(stream, &device, apart ? &fec_device : NULL, NULL, &again, &err));
        CHECK(hash.bytes[0] == 0);
        verity_stream_free(stream);
        free(hash.bytes);
        free(fec.bytes);
    }

    /* Signatures: in one step, and in two. */
    verity_blob key_file = read_file(argv[2]), certificate_file = read_file(argv[3]);
    verity_blob other_file = read_file(argv[5]);
    verity_key *key;
    verity_certificate *certificate, *other;
    OK(verity_key_parse(key_file.data, key_file.size, NULL, &key, &err));
    OK(verity_certificate_parse(certificate_file.data, certificate_file.size, &certificate, &err));
    OK(verity_certificate_parse(other_file.data, other_file.size, &other, &err));
    verity_blob signature;
    OK(verity_sign(key, certificate, VERITY_EMBED_CERTIFICATE, text, 64, &signature, &err));
    const verity_certificate *pinned[2] = { other, certificate };
    OK(verity_signature_check(signature.data, signature.size, text, 64, pinned, 2, &err));
    FAILS(VERITY_E_UNTRUSTED, "signed",
          verity_signature_check(signature.data, signature.size, text, 64, pinned, 1, &err));
    FAILS(VERITY_E_SIGNATURE, "", verity_signature_check(signature.data, signature.size, text, 63, pinned, 2, &err));
    FAILS(VERITY_E_KEY, "", verity_sign(key, other, 0, text, 64, &signature, &err));
    verity_digest digest;
    const char *digest_name;
    OK(verity_sign_digest(certificate, text, 64, &digest, &digest_name, &err));
    CHECK(digest.size == 32 && strcmp(digest_name, "sha256") == 0);
    verity_blob attached;
    FAILS(VERITY_E_KEY, "", verity_sign_attach(certificate, 0, text, 64, digest.bytes, 32, &attached, &err));
    verity_blob_free(&signature);
    CHECK(signature.data == NULL && signature.size == 0);

    /* A manifest, and what comes of it. */
    verity_image about = VERITY_IMAGE_INIT, stated = VERITY_IMAGE_INIT;
    verity_blob manifest;
    about.name = "flow";
    about.version = 7;
    about.size_bytes = image.size;
    about.not_after = 2000000000;
    OK(verity_manifest(&about, &params, &root, &manifest, &err));
    CHECK(manifest.data[manifest.size] == 0 && strstr((char *)manifest.data, "flow") != NULL);
    OK(verity_sign(key, certificate, 0, manifest.data, manifest.size, &signature, &err));

    /* All of it at once, in order, is the same. */
    verity_sidecars *sidecars;
    verity_blob part, root_signature;
    OK(verity_sign(key, certificate, 0, text, 64, &root_signature, &err));
    OK(verity_sidecars_new(&about, &params, &root, &sidecars, &err));
    for (uint32_t number = 1; number <= VERITY_PART_MANIFEST_SIGNATURE; number++) {
        int is_there = number == VERITY_PART_ROOT_HASH || number == VERITY_PART_MANIFEST;
        OK(verity_sidecars_part(sidecars, number, &part, &err));
        CHECK((part.data != NULL) == is_there && (part.size != 0) == is_there);
        verity_blob_free(&part);
    }
    FAILS(VERITY_E_KEY, "", verity_sidecars_sign(sidecars, key, other, 0, &err));
    OK(verity_sidecars_sign(sidecars, key, certificate, VERITY_SIGNATURE_PARTITION, &err));
    FAILS(VERITY_E_KEY, "", verity_sidecars_attach(sidecars, certificate, 0, digest.bytes, 32, digest.bytes, 32, &err));
    const verity_blob *wanted[] = { NULL, NULL, &root_signature, NULL, &manifest, &signature };
    for (uint32_t number = 1; number <= VERITY_PART_MANIFEST_SIGNATURE; number++) {
        OK(verity_sidecars_part(sidecars, number, &part, &err));
        if (wanted[number] != NULL)
            CHECK(part.size == wanted[number]->size && memcmp(part.data, wanted[number]->data, part.size) == 0);
        if (number == VERITY_PART_ROOT_HASH)
            CHECK(part.size == 64 && memcmp(part.data, text, 65) == 0);
        if (number == VERITY_PART_SIGNATURE_PARTITION)
            CHECK(part.size >= 4096 && strstr((char *)part.data, text) != NULL);
        verity_blob_free(&part);
    }
    /* Signed once more, without the partition. */
    OK(verity_sidecars_sign(sidecars, key, certificate, VERITY_EMBED_CERTIFICATE, &err));
    OK(verity_sidecars_part(sidecars, VERITY_PART_SIGNATURE_PARTITION, &part, &err));
    CHECK(part.data == NULL);
    OK(verity_sidecars_part(sidecars, VERITY_PART_MANIFEST_SIGNATURE, &part, &err));
    CHECK(part.size > signature.size);
    verity_blob_free(&part);
    verity_blob_free(&root_signature);
    verity_sidecars_free(sidecars);
    verity_trusted *trusted;
    FAILS(VERITY_E_POLICY, "other", verity_manifest_verify(manifest.data, manifest.size, signature.data, signature.size, pinned, 2,
                                                    "other", 1, &device, &trusted, &err));
    FAILS(VERITY_E_POLICY, "", verity_manifest_verify(manifest.data, manifest.size, signature.data, signature.size, pinned, 2,
                                                    "flow", 2000000001, &device, &trusted, &err));
    FAILS(VERITY_E_ARGUMENT, "superblock", verity_manifest_verify(manifest.data, manifest.size, signature.data, signature.size,
                                                    pinned, 2, "flow", 1, NULL, &trusted, &err));
    image.bytes[data_size + 600] ^= 1;
    FAILS(VERITY_E_SIGNATURE, "superblock", verity_manifest_verify(manifest.data, manifest.size, signature.data, signature.size, pinned, 2,
                                                    "flow", 1, &device, &trusted, &err));
    image.bytes[data_size + 600] ^= 1;
    OK(verity_manifest_verify(manifest.data, manifest.size, signature.data, signature.size, pinned, 2, "flow", 1, &device, &trusted,
                              &err));
    OK(verity_trusted_image(trusted, &stated, &err));
    CHECK(strcmp(stated.name, "flow") == 0 && strcmp(stated.label, "") == 0 && stated.version == 7);
    verity_params back;
    int vouched_by;
    OK(verity_params_init(&back, sizeof back, &err));
    OK(verity_trusted_get(trusted, &back, &again, &vouched_by, &err));
    CHECK(vouched_by == VERITY_BY_MANIFEST && back.data_blocks == 1280 && back.fec_roots == 2);
    CHECK(back.fec_offset == places.fec_offset && memcmp(&again, &root, sizeof root) == 0);
    verity_trusted_free(trusted);

    /* A superblock vouches for nothing. */
    OK(verity_superblock_read(&device, data_size, &back, &err));
    CHECK(back.flags == VERITY_FROM_SUPERBLOCK && memcmp(back.uuid, params.uuid, 16) == 0);
    FAILS(VERITY_E_UNTRUSTED, "superblock", verity_trusted_pinned(&back, &root, &trusted, &err));
    OK(verity_trusted_unauthenticated(&back, &root, &trusted, &err));
    OK(verity_trusted_get(trusted, NULL, NULL, &vouched_by, &err));
    CHECK(vouched_by == VERITY_BY_NOBODY);
    FAILS(VERITY_E_ARGUMENT, "manifest", verity_trusted_image(trusted, &stated, &err));
    FAILS(VERITY_E_ARGUMENT, "parity", verity_parity_check(trusted, &device, &device, &device, &run, &err));
    verity_trusted_free(trusted);
    uint8_t superblock[512];
    OK(verity_superblock_bytes(&params, superblock, &err));
    CHECK(memcmp(superblock, image.bytes + data_size, 512) == 0);

    /* Verifying, reading, repairing. */
    OK(verity_trusted_pinned(&params, &root, &trusted, &err));
    verity_summary summary;
    told = 0;
    OK(verity_verify(trusted, &device, &device, 0, &run, NULL, NULL, &summary, &err));
    CHECK(summary.data_blocks == 1280 && summary.hash_blocks == 11 && summary.corrupt == 0 && told >= 2);
    told = 0;
    OK(verity_parity_check(trusted, &device, &device, &device, &run, &err));

    uint8_t *right = malloc(data_size);
    CHECK(right != NULL);
    memcpy(right, image.bytes, data_size);
    memset(image.bytes + 100 * 4096 + 9, 0x5a, 2 * 4096);
    struct found found = { 0, 0, 0, 0, 0 };
    told = 0;
    FAILS(VERITY_E_CORRUPT, "expected digest",
          verity_verify(trusted, &device, &device, VERITY_ALL, &run, find, &found, &summary, &err));
    CHECK(found.calls == 1 && found.what == VERITY_FOUND_CORRUPT && found.level == VERITY_DATA);
    CHECK(found.first == 100 && found.blocks == 3 && summary.corrupt == 3 && summary.data_blocks == 0);

    verity_reader *reader, *repairing;
    verity_counters counters;
    size_t got = 99;
    uint8_t buf[8192];
    OK(verity_reader_open(trusted, &device, &device, NULL, 0, 0, &reader, &err));
    OK(verity_reader_open(trusted, &device, &device, &device, 1 << 20, VERITY_IGNORE_ZERO_BLOCKS, &repairing, &err));
    CHECK(verity_reader_size(reader) == data_size);
    OK(verity_reader_read(reader, buf, 5000, 12345, &got, &err));
    CHECK(got == 5000 && memcmp(buf, image.bytes + 12345, 5000) == 0);
    memset(buf, 0xcc, sizeof buf);
    CHECK(verity_reader_read(reader, buf, 8192, 99 * 4096 + 1, &got, &err) == VERITY_E_CORRUPT);
    verity_error_info info;
    verity_error_get(err, &info);
    CHECK(info.has_block && info.level == VERITY_DATA && info.block == 100 && strcmp(info.class_name, "corrupt") == 0);
    verity_error_free(err);
    err = NULL;
    CHECK(got == 4095 && buf[4094] == image.bytes[100 * 4096 - 1] && buf[4095] == 0xcc);
    OK(verity_reader_read(repairing, buf, 8192, 99 * 4096 + 1, &got, &err));
    CHECK(got == 8192 && memcmp(buf, right + 99 * 4096 + 1, 8192) == 0);
    OK(verity_reader_read(reader, buf, 100, data_size - 10, &got, &err));
    CHECK(got == 10);
    OK(verity_reader_read(reader, NULL, 0, 0, &got, &err));
    CHECK(got == 0);
    verity_reader_counters(repairing, &counters);
    CHECK(counters.repairs >= 1 && counters.corruptions >= 1 && counters.data_blocks_read >= 2);
    verity_reader_close(repairing);
    verity_reader_close(reader);

    told = 0;
    found.calls = 0;
    OK(verity_repair(trusted, &device, &device, &device, NULL, NULL, &run, find, &found, &summary, &err));
    CHECK(summary.repaired == 3 && found.what == VERITY_FOUND_REPAIRED && found.first == 100);
    CHECK(memcmp(right, image.bytes, data_size) != 0);
    told = 0;
    OK(verity_repair(trusted, &device, &device, &device, &device, &device, &run, NULL, NULL, &summary, &err));
    CHECK(summary.repaired == 3 && memcmp(right, image.bytes, data_size) == 0);
    /* More than two blocks of a round: there are six rounds of 253 blocks. */
    for (int i = 0; i < 3; i++)
        memset(image.bytes + (7 + 6 * i) * 4096, 0x11, 4096);
    told = 0;
    found.calls = 0;
    FAILS(VERITY_E_UNREPAIRED, "data block 7",
          verity_repair(trusted, &device, &device, &device, &device, &device, &run, find, &found, &summary, &err));
    CHECK(summary.corrupt == 3 && summary.repaired == 0 && found.calls == 3);
    memcpy(image.bytes, right, data_size);
    memset(image.bytes + places.fec_offset, 1, 100);
    told = 0;
    FAILS(VERITY_E_CORRUPT, "parity", verity_parity_check(trusted, &device, &device, &device, &run, &err));

    /* What the kernel is told. */
    verity_blob table;
    OK(verity_table(trusted, "/dev/a", "/dev/a", "/dev/a", "restart_on_corruption", &table, &err));
    CHECK(strncmp((char *)table.data, "0 10240 verity 1 /dev/a /dev/a 4096 4096 1280 1281 sha256 ", 58) == 0);
    CHECK(strstr((char *)table.data, " 9 restart_on_corruption use_fec_from_device /dev/a fec_start 1292 ") != NULL);
    verity_blob_free(&table);
    FAILS(VERITY_E_ARGUMENT, "no_such", verity_table(trusted, "/dev/a", "/dev/a", NULL, "no_such", &table, &err));

    /* A hole counts as zeros, also through callbacks; one at a time if asked for. */
    verity_trusted_free(trusted);
    verity_blob_free(&signature);
    verity_blob_free(&manifest);
    verity_certificate_free(certificate);
    verity_certificate_free(other);
    verity_key_free(key);
    verity_cancel_free(run.cancel);
    free(key_file.data);
    free(certificate_file.data);
    free(other_file.data);
    free(right);
    free(image.bytes);
    return 0;
}
