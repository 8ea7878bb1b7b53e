/* An nbdkit plugin that serves a signed image: every byte that a client gets is proved when it is read, and corrupt blocks are
 * recovered if there is parity.
 *
 *   cc -shared -fPIC nbdkit_verity.c $(pkg-config --cflags --libs verity nbdkit) -o nbdkit-verity-plugin.so
 *   nbdkit -r ./nbdkit-verity-plugin.so image=IMAGE certificate=CERTIFICATE.pem name=NAME
 *
 * Beside IMAGE lie IMAGE.manifest.json and its signature, IMAGE.manifest.json.p7s; data, tree and parity are in IMAGE.
 */
#define NBDKIT_API_VERSION 2
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <nbdkit-plugin.h>
#include <verity.h>

static char *image, *certificate_path, *name;
static verity_reader *reader;

/* Tells nbdkit what went wrong. */
static int failed(const char *what, verity_error *err)
{
    verity_error_info info;
    verity_error_get(err, &info);
    nbdkit_error("%s: %s", what, info.message);
    nbdkit_set_error(EIO);
    verity_error_free(err);
    return -1;
}

static int verity_config(const char *key, const char *value)
{
    char **place = strcmp(key, "image") == 0 ? &image
                 : strcmp(key, "certificate") == 0 ? &certificate_path
                 : strcmp(key, "name") == 0 ? &name : NULL;
    if (place == NULL) {
        nbdkit_error("unknown parameter %s", key);
        return -1;
    }
    free(*place);
    *place = strcmp(key, "name") == 0 ? strdup(value) : nbdkit_absolute_path(value);
    return *place == NULL ? -1 : 0;
}

static int verity_config_complete(void)
{
    if (image != NULL && certificate_path != NULL && name != NULL)
        return 0;
    nbdkit_error("image, certificate and name must be given");
    return -1;
}

/* Reads a small file: PATH and SUFFIX. */
static int load(const char *path, const char *suffix, verity_blob *file)
{
    char whole[4096];
    snprintf(whole, sizeof whole, "%s%s", path, suffix);
    FILE *stream = fopen(whole, "rb");
    file->data = malloc(1 << 20);
    if (stream == NULL || file->data == NULL) {
        nbdkit_error("%s: %s", whole, strerror(errno));
        return -1;
    }
    file->size = fread(file->data, 1, 1 << 20, stream);
    fclose(stream);
    return 0;
}

/* Once, before there are clients. */
static int verity_get_ready(void)
{
    verity_blob manifest, signature, file;
    verity_certificate *certificate;
    verity_trusted *trusted;
    verity_error *err;
    verity_params params;
    if (load(image, ".manifest.json", &manifest) < 0 || load(image, ".manifest.json.p7s", &signature) < 0 ||
        load(certificate_path, "", &file) < 0)
        return -1;
    if (verity_certificate_parse(file.data, file.size, &certificate, &err) < 0)
        return failed(certificate_path, err);
    int fd = open(image, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        nbdkit_error("%s: %s", image, strerror(errno));
        return -1;
    }
    verity_device device = VERITY_DEVICE_FD(fd);
    const verity_certificate *pinned[1] = { certificate };
    if (verity_manifest_verify(manifest.data, manifest.size, signature.data, signature.size, pinned, 1, name,
                               (uint64_t)time(NULL), &device, &trusted, &err) < 0)
        return failed(image, err);
    if (verity_params_init(&params, sizeof params, &err) < 0 ||
        verity_trusted_get(trusted, &params, NULL, NULL, &err) < 0)
        return failed(image, err);
    if (verity_reader_open(trusted, &device, &device, params.fec_roots != 0 ? &device : NULL, 0, 0, &reader, &err) < 0)
        return failed(image, err);
    /* The reader keeps what it needs. */
    close(fd);
    verity_trusted_free(trusted);
    verity_certificate_free(certificate);
    free(manifest.data);
    free(signature.data);
    free(file.data);
    return 0;
}

static void verity_unload(void)
{
    verity_reader_close(reader);
    free(image);
    free(certificate_path);
    free(name);
}

/* All clients share the reader. */
static void *verity_open(int readonly)
{
    (void)readonly;
    return NBDKIT_HANDLE_NOT_NEEDED;
}

static int64_t verity_get_size(void *handle)
{
    (void)handle;
    return (int64_t)verity_reader_size(reader);
}

static int verity_pread(void *handle, void *buf, uint32_t count, uint64_t offset, uint32_t flags)
{
    (void)handle, (void)flags;
    verity_error *err;
    size_t got;
    if (verity_reader_read(reader, buf, count, offset, &got, &err) < 0)
        return failed(image, err);
    return got == count ? 0 : -1;
}

static int verity_can_multi_conn(void *handle)
{
    (void)handle;
    return 1;
}

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL

static struct nbdkit_plugin plugin = {
    .name = "verity",
    .description = "a dm-verity image, proved as it is read",
    .config = verity_config,
    .config_complete = verity_config_complete,
    .config_help = "image=IMAGE certificate=CERTIFICATE name=NAME",
    .get_ready = verity_get_ready,
    .unload = verity_unload,
    .open = verity_open,
    .get_size = verity_get_size,
    .can_multi_conn = verity_can_multi_conn,
    .pread = verity_pread,
};

NBDKIT_REGISTER_PLUGIN(plugin)
