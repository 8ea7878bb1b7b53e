/* SPDX-License-Identifier: Apache-2.0 OR MIT
 *
 * verity.h: make, sign, verify, read and repair dm-verity images.
 *
 * Rules that hold for every function:
 *
 * - Any thread may call it. A handle may be used by many threads at once, but by none while it is
 *   being freed; a verity_stream by one thread at a time.
 * - It prints nothing, never exits, and leaves signal handlers, locale and environment alone.
 *   Threads that it starts block all signals and are gone when it returns.
 * - A process may fork at any time between calls, and go on in the child.
 * - What returns an int returns VERITY_OK or a negative VERITY_E_ number, and takes a
 *   `verity_error **err` last. That may be NULL. Otherwise *err is NULL after success, and after a
 *   failure an error that is to be freed.
 * - Pointers must not be NULL, unless it is said that they may; a NULL is then VERITY_E_ARGUMENT,
 *   never a crash. A buffer of size 0 may be NULL. What is pointed to is read or written during the
 *   call only, unless it is said that it is kept.
 * - Texts are UTF-8 that ends with a NUL byte.
 * - Who allocates frees: what the library has returned goes back to its own _free or _close, which
 *   take NULL too. On failure nothing is returned through the other pointers, unless it is said.
 * - Structs that begin with `size` are given with their size in it; their macro or _init function
 *   sets it. Reserved members must be 0. So programs go on to work with later libraries, whose
 *   structs are larger, and with earlier ones as long as they use nothing new.
 */
#ifndef VERITY_H
#define VERITY_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Raised only when a program that was compiled earlier would go wrong. */
#define VERITY_ABI 1u

/* What a call came to. A number never gets another meaning; treat unknown ones as VERITY_E_OTHER. */
#define VERITY_OK 0
#define VERITY_E_ARGUMENT (-1)    /* what was asked for cannot be */
#define VERITY_E_IO (-2)          /* the storage failed; no word about corruption */
#define VERITY_E_CORRUPT (-3)     /* a block, or the parity, is not what it must be */
#define VERITY_E_CANCELLED (-4)   /* the caller has stopped it */
#define VERITY_E_FORMAT (-5)      /* the bytes are not what they claim to be */
#define VERITY_E_SIZE (-6)        /* data or a device is shorter or longer than it must be */
#define VERITY_E_SIGNATURE (-7)   /* the signature does not hold for this content */
#define VERITY_E_UNTRUSTED (-8)   /* nobody who is trusted has signed, or nothing vouches for it */
#define VERITY_E_POLICY (-9)      /* well signed, and forbidden: expired, or another image */
#define VERITY_E_KEY (-10)        /* a key or certificate is unfit, or they do not go together */
#define VERITY_E_NO_ROOM (-11)    /* it does not fit */
#define VERITY_E_UNREPAIRED (-12) /* blocks are left that parity cannot recover */
#define VERITY_E_UNSUPPORTED (-13)/* well formed, and not supported here */
#define VERITY_E_OTHER (-14)      /* anything else, such as threads that the system refused */
#define VERITY_E_PANIC (-99)      /* a fault of the library, caught; the handle is of no more use */

/* Flags; each function says which of them it takes. */
#define VERITY_NO_SUPERBLOCK 1u       /* params: the hash area has no superblock */
#define VERITY_FROM_SUPERBLOCK 2u     /* params: read from one, so that nothing vouches for them */
#define VERITY_ALL 1u                 /* verify: look on after the first corrupt block */
#define VERITY_IGNORE_ZERO_BLOCKS 2u  /* verify, reader: as the kernel's option ignore_zero_blocks */
#define VERITY_CHECK_AT_MOST_ONCE 4u  /* reader: as the kernel's option check_at_most_once */
#define VERITY_EMBED_CERTIFICATE 1u   /* sign: the signature carries the certificate */
#define VERITY_SUBJECT_KEY_ID 2u      /* sign: name the signer by subject key identifier */
#define VERITY_SIGNATURE_PARTITION 4u /* sidecars: systemd's signature partition as well */

/* The level of a data block. Hash levels count from 0, the lowest. */
#define VERITY_DATA (-1)

/* Who vouches for parameters. */
#define VERITY_BY_NOBODY 1    /* a superblock, or assumptions */
#define VERITY_BY_CALLER 2    /* the caller stated every one of them */
#define VERITY_BY_MANIFEST 3  /* a manifest whose signature was verified */

/* What was found of blocks. */
#define VERITY_FOUND_CORRUPT 1
#define VERITY_FOUND_UNREADABLE 2
#define VERITY_FOUND_UNCHECKED 3  /* data under a corrupt hash block, of which nothing can be said */
#define VERITY_FOUND_REPAIRED 4

/* What lies beside an image, numbered in the order in which it is to appear. */
#define VERITY_PART_ROOT_HASH 1            /* the root hash as text */
#define VERITY_PART_ROOT_HASH_SIGNATURE 2  /* for the kernel and systemd */
#define VERITY_PART_SIGNATURE_PARTITION 3  /* what systemd's signature partition holds */
#define VERITY_PART_MANIFEST 4
#define VERITY_PART_MANIFEST_SIGNATURE 5   /* without it no verifier takes the image */

typedef struct verity_error verity_error;             /* code, message, culprit */
typedef struct verity_cancel verity_cancel;           /* a switch that stops work */
typedef struct verity_stream verity_stream;           /* builds from data that is pushed */
typedef struct verity_trusted verity_trusted;         /* what is verified against, and who vouches */
typedef struct verity_reader verity_reader;           /* reads proved bytes */
typedef struct verity_certificate verity_certificate;
typedef struct verity_key verity_key;                 /* a private key */
typedef struct verity_sidecars verity_sidecars;       /* what lies beside an image */

/* Bytes of the library; give them back with verity_blob_free. Behind the last one lies a NUL byte. Where
 * there are none, `data` is NULL. */
typedef struct verity_blob {
    uint8_t *data;
    size_t size;
} verity_blob;

/* A digest or root hash: the first `size` of its bytes, the others are 0. */
typedef struct verity_digest {
    uint8_t bytes[64];
    uint32_t size;
} verity_digest;

/* The parameters of an image: begin with verity_params_init. */
typedef struct verity_params {
    uint32_t size;
    uint32_t hash_type;         /* 1, or 0 for Chrome OS */
    char algorithm[32];         /* "sha256", as the kernel names it */
    uint32_t data_block_size;   /* bytes: a power of two from 512 to 524288 */
    uint32_t hash_block_size;
    uint64_t data_blocks;       /* how many there are */
    uint8_t uuid[16];           /* of the superblock; nothing depends on it */
    uint8_t salt[256];
    uint32_t salt_size;
    uint32_t flags;             /* VERITY_NO_SUPERBLOCK, VERITY_FROM_SUPERBLOCK */
    uint64_t hash_offset;       /* where superblock, or else tree, begins on the hash device, bytes */
    uint32_t fec_roots;         /* parity bytes a codeword, 2 to 24; 0: no parity */
    uint32_t reserved0;
    uint64_t fec_offset;        /* where parity begins on the FEC device, bytes */
    uint64_t fec_blocks;        /* how many blocks it covers; 0: data and tree */
    uint64_t reserved[8];
} verity_params;

/* What follows from parameters. All in bytes, but `hash_start` and `levels`. */
typedef struct verity_places {
    uint64_t data_size;
    uint64_t superblock_offset; /* where it is, or would be */
    uint64_t hash_start;        /* the first hash block of the tree, as device-mapper counts */
    uint64_t tree_offset;
    uint64_t tree_size;
    uint64_t hash_end;          /* where the hash area ends: how long the hash device is at least */
    uint64_t fec_offset;        /* all 0 without parity */
    uint64_t fec_size;
    uint64_t fec_end;
    uint64_t fec_blocks;
    uint64_t levels;            /* hash levels: 0 for a single data block */
    uint64_t reserved[5];
} verity_places;

/* A file or block device by its descriptor, or callbacks; then `fd` is -1.
 *
 * A descriptor is used by a duplicate of its own, so that it may be closed after the call, also
 * where it is a reader that was opened. Its position may move. Nothing is truncated.
 *
 * Callbacks come from several threads at once, unless `one_at_a_time` is not 0, and never from
 * outside a call; a reader or stream keeps them, so `user` must live as long. `read` and `write`
 * return how many bytes, at least 1 and at most `count`, or -errno; `read` 0 at the end. Callbacks
 * may not call back with the same handle, and may not throw or longjmp. `read` may be NULL for what
 * is only written, and `write` for what is only read. */
typedef struct verity_device {
    uint32_t size;
    int fd;
    uint64_t length;            /* of callbacks: bytes that can be read; UINT64_MAX if it grows */
    void *user;
    uint32_t one_at_a_time;
    uint32_t reserved0;
    ptrdiff_t (*read)(void *user, void *buf, size_t count, uint64_t offset);
    ptrdiff_t (*write)(void *user, const void *buf, size_t count, uint64_t offset);
    int (*next_extent)(void *user, uint64_t offset, uint64_t *end); /* 1: a hole up to *end; 0: data up
                                                                     * to *end. May be NULL */
    int (*flush)(void *user);                                       /* 0 or -errno. May be NULL */
    void *reserved[4];
} verity_device;

#define VERITY_DEVICE_FD(descriptor) \
    { (uint32_t)sizeof(verity_device), (descriptor), 0, NULL, 0, 0, NULL, NULL, NULL, NULL, { NULL, NULL, NULL, NULL } }

/* How long work runs; where it is NULL, as many threads as CPUs and nobody listens.
 *
 * `progress` is called first with 0 and then at most ten times a second, by one thread at a time but
 * not always the same; if it returns anything but 0, the work ends with VERITY_E_CANCELLED. `cancel`
 * does the same from outside. Either way it ends within a buffer of 256 KiB for each thread. */
typedef struct verity_run {
    uint32_t size;
    uint32_t threads;           /* 0: as many as CPUs; 1: the calling thread alone */
    int (*progress)(void *user, uint64_t done, uint64_t total); /* bytes. May be NULL */
    void *user;
    verity_cancel *cancel;      /* may be NULL */
    void *reserved[4];
} verity_run;

#define VERITY_RUN_INIT { (uint32_t)sizeof(verity_run), 0, NULL, NULL, NULL, { NULL, NULL, NULL, NULL } }

typedef struct verity_error_info {
    int32_t code;               /* VERITY_E_ */
    int32_t os_errno;           /* of the storage, or 0 */
    int32_t has_block;          /* whether a block is to blame, the first if there are several */
    int32_t level;              /* VERITY_DATA, or the hash level */
    uint64_t block;             /* its number in the data or the level */
    const char *message;        /* lives as long as the error */
    const char *class_name;     /* "corrupt", "io", ...: words that stay; static */
    uint64_t reserved[4];
} verity_error_info;

/* What verification and repair have found, in blocks. */
typedef struct verity_summary {
    uint64_t data_blocks;       /* verified; 0 unless all was right */
    uint64_t hash_blocks;
    uint64_t corrupt;           /* corrupt and unreadable ones */
    uint64_t unreadable;
    uint64_t unchecked;         /* data blocks under corrupt hash blocks */
    uint64_t repaired;
    uint64_t reserved[4];
} verity_summary;

typedef struct verity_counters {
    uint64_t data_blocks_read;
    uint64_t hash_blocks_read;
    uint64_t cache_hits;
    uint64_t corruptions;       /* every time that a block was found corrupt */
    uint64_t read_errors;
    uint64_t repairs;
    uint64_t reserved[4];
} verity_counters;

/* Which image a manifest is about. */
typedef struct verity_image {
    uint32_t size;
    uint32_t reserved0;
    const char *name;           /* 1 to 128 bytes */
    const char *label;          /* for people, up to 256 bytes; may be NULL */
    uint64_t version;           /* orders the releases of one name */
    uint64_t size_bytes;        /* of the image file */
    uint64_t not_after;         /* the last second in which it counts, unix seconds; 0: for ever */
    uint64_t reserved[4];
} verity_image;

#define VERITY_IMAGE_INIT { (uint32_t)sizeof(verity_image), 0, NULL, NULL, 0, 0, 0, { 0, 0, 0, 0 } }

/* Told of blocks in a row: VERITY_FOUND_, level, first block, how many. From the calling thread, in
 * order: higher hash levels first, data last. After an answer that is not 0 it is not called again. */
typedef int (*verity_found)(void *user, int32_t what, int32_t level, uint64_t first, uint64_t blocks);

/* ---- the library ---- */

/* VERITY_ABI of the library that runs; compare it where the library is loaded at run time. */
uint32_t verity_abi(void);

/* Its version, "0.1.0"; static. */
const char *verity_version(void);

/* How many bytes a digest of this algorithm has; VERITY_E_UNSUPPORTED if it is none. */
int verity_algorithm(const char *name, uint32_t *digest_size, verity_error **err);

/* ---- errors, memory, cancelling ---- */

/* Describes an error. Of NULL it makes a description of success. */
void verity_error_get(const verity_error *error, verity_error_info *info);

void verity_error_free(verity_error *error);

/* Frees the bytes, and leaves an empty blob. */
void verity_blob_free(verity_blob *blob);

/* A switch; NULL only if there is no memory. */
verity_cancel *verity_cancel_new(void);

/* Stops all work that was given the switch, now and later. Also from a signal handler. */
void verity_cancel_set(verity_cancel *cancel);

void verity_cancel_free(verity_cancel *cancel);

/* A digest from hex of either case. */
int verity_digest_parse(const char *hex, verity_digest *digest, verity_error **err);

/* Lower-case hex with a NUL byte: of a root hash, the text that its signature covers. */
int verity_digest_text(const verity_digest *digest, char out[129], verity_error **err);

/* ---- parameters ---- */

/* sha256, type 1, blocks of 4096 bytes, no salt, no parity. `size` is sizeof(verity_params). */
int verity_params_init(verity_params *params, size_t size, verity_error **err);

/* Salt and UUID that follow from a text, so that the same build makes the same bytes. */
int verity_params_seed(verity_params *params, const char *seed, verity_error **err);

/* What follows from parameters as they are. */
int verity_plan(const verity_params *params, verity_places *places, verity_error **err);

/* An image of that many bytes: sets data_blocks, hash_offset (0, or behind the data if data and hash
 * device are one) and, with roots, fec_offset behind the tree on the hash device. */
int verity_plan_image(verity_params *params, uint64_t image_size, int one_device, verity_places *places,
                      verity_error **err);

/* The largest image that fits one partition together with its tree and parity. */
int verity_plan_partition(verity_params *params, uint64_t partition_size, verity_places *places,
                          verity_error **err);

/* Reads a superblock. Nothing vouches for what it says: VERITY_FROM_SUPERBLOCK is set. Parity is not
 * among it. */
int verity_superblock_read(const verity_device *hash, uint64_t offset, verity_params *params,
                           verity_error **err);

/* The superblock as bytes. */
int verity_superblock_bytes(const verity_params *params, uint8_t out[512], verity_error **err);

/* ---- building ---- */

/* Makes the hash area, step by step in the order that is safe: a file gets its size, an old superblock
 * goes, tree and parity are written, all is flushed, superblock and zeros up to the tree are written,
 * all is flushed. So whatever interrupts it, nothing is left that looks whole. One device may be given
 * several times; what would overlap is refused, as far as that can be known. `fec` may be NULL without
 * roots. With roots `hash` and `fec` are also read. */
int verity_build(const verity_params *params, const verity_device *data, const verity_device *hash,
                 const verity_device *fec, const verity_run *run, verity_digest *root, verity_error **err);

/* Begins to build from data that is pushed, in the same order: an old superblock goes at once. With
 * data_blocks 0 the length of the data is known only in the end; then, and with roots, `hash` is also
 * read. `run` may be NULL; its switch and callbacks are kept. */
int verity_stream_new(const verity_params *params, const verity_device *hash, const verity_run *run,
                      verity_stream **out, verity_error **err);

/* Takes the next bytes, all of them. After an error the stream can only be freed. */
int verity_stream_write(verity_stream *stream, const void *bytes, size_t count, verity_error **err);

/* Ends the data: flushes, writes the superblock, flushes. `params` gets data_blocks, and may be NULL. The
 * stream is still to be freed. */
int verity_stream_finish(verity_stream *stream, verity_params *params, verity_digest *root,
                         verity_error **err);

/* The same for a stream with roots. Blocks that share parity lie far apart, so that it takes the data once
 * more: `data` is where that was kept, and VERITY_E_CORRUPT says that it is other data. The parity comes
 * before the superblock, to the fec_offset of `fec` or, if that is NULL, behind the hash area. `params` gets
 * its place too. */
int verity_stream_finish_fec(verity_stream *stream, const verity_device *data, const verity_device *fec,
                             verity_params *params, verity_digest *root, verity_error **err);

void verity_stream_free(verity_stream *stream);

/* ---- trust ---- */

/* Parameters that the caller knows by itself, every one of them. VERITY_E_UNTRUSTED if they were read
 * from a superblock: who controls it can pass off hash blocks as data under the right root hash. */
int verity_trusted_pinned(const verity_params *params, const verity_digest *root, verity_trusted **out,
                          verity_error **err);

/* Parameters that nothing vouches for, as those of a superblock. */
int verity_trusted_unauthenticated(const verity_params *params, const verity_digest *root,
                                   verity_trusted **out, verity_error **err);

/* What is trusted: `params`, `root` and `vouched_by` (VERITY_BY_) may be NULL. */
int verity_trusted_get(const verity_trusted *trusted, verity_params *params, verity_digest *root,
                       int *vouched_by, verity_error **err);

/* The image of a manifest; VERITY_E_ARGUMENT if there was none. Texts live as long as `trusted`. */
int verity_trusted_image(const verity_trusted *trusted, verity_image *image, verity_error **err);

void verity_trusted_free(verity_trusted *trusted);

/* ---- verifying, repairing ---- */

/* Verifies everything that the tree covers. VERITY_OK alone means that the image is intact. Flags:
 * VERITY_ALL, VERITY_IGNORE_ZERO_BLOCKS. `run`, `found` and `summary` may be NULL; both of the latter
 * are also told when the image is corrupt. */
int verity_verify(const verity_trusted *trusted, const verity_device *data, const verity_device *hash,
                  uint32_t flags, const verity_run *run, verity_found found, void *user,
                  verity_summary *summary, verity_error **err);

/* Recovers corrupt blocks and writes those that then hash right to `data_out` and `hash_out`, which may
 * be the devices themselves, or both NULL to see what would be repaired. VERITY_E_UNREPAIRED if blocks
 * are left; what could be repaired was then written too. */
int verity_repair(const verity_trusted *trusted, const verity_device *data, const verity_device *hash,
                  const verity_device *fec, const verity_device *data_out, const verity_device *hash_out,
                  const verity_run *run, verity_found found, void *user, verity_summary *summary,
                  verity_error **err);

/* Compares stored parity with that of an image that was verified. VERITY_E_CORRUPT if it differs. */
int verity_parity_check(const verity_trusted *trusted, const verity_device *data, const verity_device *hash,
                        const verity_device *fec, const verity_run *run, verity_error **err);

/* ---- reading ---- */

/* Opens a reader, which reads nothing yet. `fec` may be NULL; otherwise corrupt blocks are recovered
 * while they are read. `cache_bytes` bounds the verified hash blocks in memory; 0 is 64 MiB. Flags:
 * VERITY_IGNORE_ZERO_BLOCKS, VERITY_CHECK_AT_MOST_ONCE. */
int verity_reader_open(const verity_trusted *trusted, const verity_device *data, const verity_device *hash,
                       const verity_device *fec, uint64_t cache_bytes, uint32_t flags, verity_reader **out,
                       verity_error **err);

/* Reads proved bytes. *got tells how many, also after a failure: these are proved and everything behind
 * them in `buf` is as it was. Fewer than `count` with VERITY_OK only where the data ends. */
int verity_reader_read(const verity_reader *reader, void *buf, size_t count, uint64_t offset, size_t *got,
                       verity_error **err);

/* How many bytes of data there are; 0 of NULL. */
uint64_t verity_reader_size(const verity_reader *reader);

void verity_reader_counters(const verity_reader *reader, verity_counters *counters);

void verity_reader_close(verity_reader *reader);

/* ---- signatures ----
 *
 * A signature is a detached PKCS#7 message as the kernel and systemd take it. The content of a root
 * hash signature is the text of verity_digest_text, that of a manifest signature all its bytes. */

/* One certificate, PEM or DER. */
int verity_certificate_parse(const void *bytes, size_t size, verity_certificate **out, verity_error **err);

void verity_certificate_free(verity_certificate *certificate);

/* One private key, PEM or DER. `passphrase` may be NULL; it must be given exactly if the key is
 * encrypted. */
int verity_key_parse(const void *bytes, size_t size, const char *passphrase, verity_key **out,
                     verity_error **err);

void verity_key_free(verity_key *key);

/* Signs. Flags: VERITY_EMBED_CERTIFICATE, VERITY_SUBJECT_KEY_ID. */
int verity_sign(const verity_key *key, const verity_certificate *certificate, uint32_t flags,
                const void *content, size_t size, verity_blob *out, verity_error **err);

/* The first half for a key elsewhere: the digest that it has to sign, by PKCS#1 v1.5 for RSA.
 * `digest_name`, "sha256" and so on, is static and may be NULL. */
int verity_sign_digest(const verity_certificate *certificate, const void *content, size_t size,
                       verity_digest *digest, const char **digest_name, verity_error **err);

/* The other half: a checked signature around the raw one. Flags as verity_sign. */
int verity_sign_attach(const verity_certificate *certificate, uint32_t flags, const void *content,
                       size_t size, const void *raw, size_t raw_size, verity_blob *out, verity_error **err);

/* Whether one of the pinned certificates has signed the content. */
int verity_signature_check(const void *signature, size_t signature_size, const void *content, size_t size,
                           const verity_certificate *const *pinned, size_t count, verity_error **err);

/* ---- manifests ---- */

/* The manifest of an image that verity_build has made with these parameters. */
int verity_manifest(const verity_image *image, const verity_params *params, const verity_digest *root,
                    verity_blob *out, verity_error **err);

/* Everything that lies beside an image that verity_build or a stream has made with these parameters, not
 * signed yet. A manifest of what was not built first vouches for something that may never be there. */
int verity_sidecars_new(const verity_image *image, const verity_params *params, const verity_digest *root,
                        verity_sidecars **out, verity_error **err);

/* Signs root hash and manifest. Flags: those of verity_sign, and VERITY_SIGNATURE_PARTITION. What was signed
 * before is replaced; after a failure all is as it was. */
int verity_sidecars_sign(verity_sidecars *sidecars, const verity_key *key,
                         const verity_certificate *certificate, uint32_t flags, verity_error **err);

/* The same by a key elsewhere, which has signed the digests that verity_sign_digest makes of the parts
 * VERITY_PART_ROOT_HASH and VERITY_PART_MANIFEST. */
int verity_sidecars_attach(verity_sidecars *sidecars, const verity_certificate *certificate, uint32_t flags,
                           const void *root_raw, size_t root_raw_size, const void *manifest_raw,
                           size_t manifest_raw_size, verity_error **err);

/* The content of a part (VERITY_PART_); an empty blob if there is to be none. Write, flush and rename them
 * in the order of their numbers: the last one makes the image one that a verifier takes, so an interrupted
 * run leaves nothing that passes for the new one. */
int verity_sidecars_part(const verity_sidecars *sidecars, uint32_t part, verity_blob *out,
                         verity_error **err);

void verity_sidecars_free(verity_sidecars *sidecars);

/* Checks a manifest: its signature by one of the pinned certificates, that it is about the image
 * `name`, that it has not expired at `now` (unix seconds), and that it binds the superblock on `hash`,
 * which may be NULL only if there is none. A `name` of NULL takes any image of the signer, a `now` of 0
 * an expired one. */
int verity_manifest_verify(const void *manifest, size_t size, const void *signature, size_t signature_size,
                           const verity_certificate *const *pinned, size_t count, const char *name,
                           uint64_t now, const verity_device *hash, verity_trusted **out, verity_error **err);

/* ---- the kernel ---- */

/* The table of a verity device as `dmsetup` takes it. With parity and a `fec_name`, parity is used.
 * `options` are dm-verity's words with spaces between. `fec_name` and `options` may be NULL. */
int verity_table(const verity_trusted *trusted, const char *data_name, const char *hash_name,
                 const char *fec_name, const char *options, verity_blob *out, verity_error **err);

#ifdef __cplusplus
}
#endif

#endif
