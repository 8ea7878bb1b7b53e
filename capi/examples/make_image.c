/* Makes an image of one file out of data: appends superblock, tree and parity to it, and writes root hash, manifest and both
 * signatures beside it, as `verity build` does.
 *
 *   cc make_image.c $(pkg-config --cflags --libs verity) -o make_image
 *   ./make_image IMAGE NAME KEY.pem CERTIFICATE.pem
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <verity.h>

static verity_error *err;

/* Says what went wrong, and ends. */
static void check(int code, const char *what)
{
    verity_error_info info;
    if (code == VERITY_OK)
        return;
    verity_error_get(err, &info);
    fprintf(stderr, "%s: %s\n", what, info.message);
    exit(1);
}

static verity_blob read_file(const char *path)
{
    verity_blob file = { NULL, 0 };
    FILE *stream = fopen(path, "rb");
    if (stream == NULL || (file.data = malloc(1 << 20)) == NULL) {
        perror(path);
        exit(1);
    }
    file.size = fread(file.data, 1, 1 << 20, stream);
    fclose(stream);
    return file;
}

/* A file appears with all its bytes, or not at all. */
static void write_file(const char *image, const char *suffix, const verity_blob *content)
{
    char path[4096], temporary[4096];
    snprintf(path, sizeof path, "%s%s", image, suffix);
    snprintf(temporary, sizeof temporary, "%s%s.new", image, suffix);
    FILE *stream = fopen(temporary, "wb");
    if (stream == NULL || fwrite(content->data, 1, content->size, stream) != content->size || fflush(stream) != 0 ||
        fsync(fileno(stream)) != 0 || fclose(stream) != 0 || rename(temporary, path) != 0) {
        perror(path);
        exit(1);
    }
}

/* The parts that lie beside an image, as they are numbered. */
static const char *const SUFFIXES[] = {
    [VERITY_PART_ROOT_HASH] = ".roothash",
    [VERITY_PART_ROOT_HASH_SIGNATURE] = ".roothash.p7s",
    [VERITY_PART_SIGNATURE_PARTITION] = ".verity-sig",
    [VERITY_PART_MANIFEST] = ".manifest.json",
    [VERITY_PART_MANIFEST_SIGNATURE] = ".manifest.json.p7s",
};

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: %s IMAGE NAME KEY CERTIFICATE\n", argv[0]);
        return 2;
    }
    const char *path = argv[1];
    int fd = open(path, O_RDWR);
    off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
    if (size < 0) {
        perror(path);
        return 1;
    }

    /* Where everything will lie: superblock, tree and parity behind the data. Salt and UUID follow from
     * the name, so that the same image is made of the same data. */
    verity_params params;
    verity_places places;
    check(verity_params_init(&params, sizeof params, &err), "parameters");
    check(verity_params_seed(&params, argv[2], &err), "seed");
    params.fec_roots = 2;
    check(verity_plan_image(&params, (uint64_t)size, 1, &places, &err), path);

    /* One pass over the data. The three devices are one file. */
    verity_device image = VERITY_DEVICE_FD(fd);
    verity_digest root;
    check(verity_build(&params, &image, &image, &image, NULL, &root, &err), path);

    /* Sign the root hash for the kernel, and a manifest for everybody else. */
    verity_blob key_file = read_file(argv[3]), certificate_file = read_file(argv[4]);
    verity_key *key;
    verity_certificate *certificate;
    verity_sidecars *sidecars;
    check(verity_key_parse(key_file.data, key_file.size, NULL, &key, &err), argv[3]);
    check(verity_certificate_parse(certificate_file.data, certificate_file.size, &certificate, &err), argv[4]);
    verity_image about = VERITY_IMAGE_INIT;
    about.name = argv[2];
    about.size_bytes = places.fec_end;
    check(verity_sidecars_new(&about, &params, &root, &sidecars, &err), "manifest");
    check(verity_sidecars_sign(sidecars, key, certificate, 0, &err), "signing");

    /* In this order: what makes a verifier take the image comes last. */
    for (uint32_t part = 1; part <= VERITY_PART_MANIFEST_SIGNATURE; part++) {
        verity_blob content;
        check(verity_sidecars_part(sidecars, part, &content, &err), "part");
        if (content.data != NULL)
            write_file(path, SUFFIXES[part], &content);
        verity_blob_free(&content);
    }

    char text[129];
    check(verity_digest_text(&root, text, &err), "root hash");
    verity_sidecars_free(sidecars);
    verity_certificate_free(certificate);
    verity_key_free(key);
    free(key_file.data);
    free(certificate_file.data);
    close(fd);
    puts(text);
    return 0;
}
