//! Verified reading over a real web server: what is fetched, and what a bad server cannot do.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Mutex;
use std::thread;

use verity::io::ReadAt;
use verity::io::http::{HttpError, HttpSource};
use verity::{
    BlockRef, BlockSize, Builder, Error, HashArea, Params, Salt, TrustedParams, VerifiedReader,
};
use verity_testdata::files;
use verity_testdata::nginx::Nginx;
use verity_testdata::pattern::sha256_stream;

use super::cause;

/// Lays an image and its hash area out for the server, as `data` and `hash`.
fn publish(nginx: &Nginx, image: &(impl ReadAt + ?Sized), hash_block: u32) -> TrustedParams {
    let params = Params::builder()
        .data_size(ReadAt::len(image).unwrap())
        .hash_block_size(BlockSize::new(hash_block).unwrap())
        .salt(Salt::from_seed("http"))
        .build()
        .unwrap();
    let area = HashArea::new(&params, 0, true).unwrap();
    let hash = Mutex::new(Vec::new());
    let root_hash = Builder::new(&params).build(image, &hash, &area).unwrap();
    files::write(&nginx.file("hash"), &hash.into_inner().unwrap());
    TrustedParams::pinned(params, root_hash, area).unwrap()
}

fn published(nginx: &Nginx, blocks: usize) -> (Vec<u8>, TrustedParams) {
    let image = sha256_stream(blocks * 4096);
    files::write(&nginx.file("data"), &image);
    let trusted = publish(nginx, image.as_slice(), 4096);
    (image, trusted)
}

fn open(nginx: &Nginx, name: &str) -> HttpSource {
    HttpSource::options().retries(0).open(&nginx.url(name)).unwrap()
}

fn reader(nginx: &Nginx, trusted: TrustedParams) -> VerifiedReader<HttpSource, HttpSource> {
    VerifiedReader::new(trusted, open(nginx, "data"), open(nginx, "hash")).unwrap()
}

#[test]
fn a_cold_read_fetches_the_blocks_of_the_path_and_nothing_else() {
    let Some(nginx) = Nginx::start() else { return };
    files::sparse(&nginx.file("data"), 4 << 30);
    let image = File::options().read(true).write(true).open(nginx.file("data")).unwrap();
    let block = 700_000;
    image.write_all_at(&sha256_stream(4096), block * 4096).unwrap();
    // 32 digests in a hash block: four levels.
    let trusted = publish(&nginx, &image, 1024);
    assert_eq!(trusted.params().geometry().levels().len(), 4);
    let (data, hash) = (open(&nginx, "data"), open(&nginx, "hash"));
    let reader = VerifiedReader::new(trusted, &data, &hash).unwrap();
    let mut bytes = [0; 4096];
    assert_eq!(reader.read_at(&mut bytes, block * 4096).unwrap(), 4096);
    assert_eq!(bytes, *sha256_stream(4096));

    // One byte each to learn the length.
    assert_eq!((data.traffic().requests, data.traffic().bytes), (1 + 1, 1 + 4096));
    assert_eq!((hash.traffic().requests, hash.traffic().bytes), (1 + 4, 1 + 4 * 1024));
    let log = nginx.requests(2 + 5);
    assert!(log.iter().all(|request| request.status == 206), "{log:?}");
    let sent = |uri| -> u64 {
        log.iter().filter(|request| request.uri == uri).map(|request| request.bytes).sum()
    };
    assert_eq!((sent("/data"), sent("/hash")), (data.traffic().bytes, hash.traffic().bytes));

    // A neighbour: the path is in the cache.
    reader.read_at(&mut bytes, (block + 1) * 4096).unwrap();
    assert_eq!(bytes, [0; 4096]);
    assert_eq!((data.traffic().requests, hash.traffic().requests), (3, 5));
    assert_eq!(nginx.requests(8)[7].bytes, 4096);
}

#[test]
fn whole_images_are_read_by_several_threads() {
    let Some(nginx) = Nginx::start() else { return };
    let (image, trusted) = published(&nginx, 3001);
    let reader = reader(&nginx, trusted);
    let part = image.len().div_ceil(4);
    thread::scope(|scope| {
        for (index, expected) in image.chunks(part).enumerate() {
            let reader = &reader;
            scope.spawn(move || {
                let mut bytes = vec![0; expected.len()];
                let offset = u64::try_from(index * part).unwrap();
                assert_eq!(reader.read_at(&mut bytes, offset).unwrap(), expected.len());
                assert!(bytes == expected);
            });
        }
    });
    let mut past = [1; 10];
    let end = u64::try_from(image.len()).unwrap();
    assert_eq!(reader.read_at(&mut past, end - 4).unwrap(), 4);
    assert_eq!(reader.read_at(&mut past, end).unwrap(), 0);
}

/// X: a server that has other bytes gets none of them across.
#[test]
fn a_tampering_server_gives_errors_and_no_bytes() {
    let Some(nginx) = Nginx::start() else { return };
    let (image, trusted) = published(&nginx, 300);
    files::flip_bit(&nginx.file("data"), 77 * 4096 + 5, 3);
    let tampered = reader(&nginx, trusted.clone());
    let mut bytes = vec![0xee; 10 * 4096];
    let error = tampered.read_at(&mut bytes, 70 * 4096).unwrap_err();
    let Error::Corrupt(report) = &error.error else { panic!("{error:?}") };
    assert_eq!(report.corruptions[0].first, BlockRef::Data { block: 77 });
    assert_eq!(error.verified, 7 * 4096);
    assert!(bytes[..7 * 4096] == image[70 * 4096..77 * 4096]);
    assert!(bytes[7 * 4096..].iter().all(|&byte| byte == 0xee), "untouched");

    // Superblock, level 1, then level 0 from byte 8192: all data under its first block is out of
    // reach.
    files::write(&nginx.file("data"), &image);
    files::flip_bit(&nginx.file("hash"), 8192 + 4000, 0);
    let tampered = reader(&nginx, trusted.clone());
    let error = tampered.read_at(&mut bytes, 0).unwrap_err();
    assert!(matches!(&error.error, Error::Corrupt(_)) && error.verified == 0, "{error:?}");
    assert_eq!(tampered.read_at(&mut bytes, 128 * 4096).unwrap(), bytes.len());
    assert!(bytes == image[128 * 4096..138 * 4096]);

    // One file in the place of the other.
    let swapped = VerifiedReader::new(trusted, open(&nginx, "data"), open(&nginx, "data")).unwrap();
    let error = swapped.read_at(&mut bytes, 0).unwrap_err();
    assert!(matches!(&error.error, Error::Corrupt(_)) && error.verified == 0, "{error:?}");
}

/// What a read of the source says after the file was changed under it.
fn after(nginx: &Nginx, change: impl FnOnce()) -> String {
    let source = open(nginx, "data");
    source.read_exact_at(&mut [0; 4096], 8192).unwrap();
    change();
    let error = source.read_exact_at(&mut [0; 4096], 8192).unwrap_err();
    cause(&error).to_string()
}

#[test]
fn files_that_change_during_the_reads_are_told() {
    let Some(nginx) = Nginx::start() else { return };
    let (image, trusted) = published(&nginx, 300);
    let path = nginx.file("data");
    for len in [4096, 10_000, 0, 400 * 4096] {
        files::write(&path, &image);
        let said = after(&nginx, || {
            File::options().write(true).open(&path).unwrap().set_len(len).unwrap()
        });
        assert!(said.contains("length was 1228800") || said.contains("does not answer"), "{said}");
    }
    files::write(&path, &image);
    let said = after(&nginx, || {
        let later = std::time::SystemTime::now() + std::time::Duration::from_secs(100);
        files::write(&nginx.file("new"), &vec![0; image.len()]);
        File::options().write(true).open(nginx.file("new")).unwrap().set_modified(later).unwrap();
        std::fs::rename(nginx.file("new"), &path).unwrap();
    });
    assert!(said.contains("ETag was"), "{said}");
    let said = after(&nginx, || std::fs::remove_file(&path).unwrap());
    assert_eq!(said, "the server answers with status 404");

    // Through a verified reader it is an error of reading, not corruption.
    files::write(&path, &image);
    let reader = reader(&nginx, trusted);
    File::options().write(true).open(&path).unwrap().set_len(4096).unwrap();
    let error = reader.read_at(&mut [0; 4096], 0).unwrap_err();
    let Error::Read { block: BlockRef::Data { block: 0 }, source } = &error.error else {
        panic!("{error:?}");
    };
    assert!(matches!(cause(source), HttpError::Changed { .. }), "{source:?}");
}

#[test]
fn a_server_that_stops_is_an_error_and_one_that_comes_back_is_read_on() {
    let Some(mut nginx) = Nginx::start() else { return };
    let (image, trusted) = published(&nginx, 300);
    let reader = reader(&nginx, trusted);
    let mut bytes = [0; 4096];
    reader.read_at(&mut bytes, 0).unwrap();
    nginx.stop();
    let error = reader.read_at(&mut bytes, 4096).unwrap_err();
    let Error::Read { block: BlockRef::Data { block: 1 }, source } = &error.error else {
        panic!("{error:?}");
    };
    assert!(matches!(cause(source), HttpError::Io(_)), "{source:?}");
    nginx.restart();
    reader.read_at(&mut bytes, 4096).unwrap();
    assert!(bytes == image[4096..8192]);
}

#[test]
fn empty_missing_and_forbidden_files() {
    let Some(nginx) = Nginx::start() else { return };
    files::write(&nginx.file("empty"), b"");
    files::write(&nginx.file("one"), b"1");
    std::fs::create_dir(nginx.file("directory")).unwrap();
    let one = open(&nginx, "one");
    assert_eq!((one.size(), ReadAt::read_at(&one, &mut [0; 9], 0).unwrap()), (1, 1));
    let refused = |name: &str| HttpSource::open(&nginx.url(name)).unwrap_err().to_string();
    assert_eq!(refused("missing"), "the server answers with status 404");
    assert_eq!(refused("directory/"), "the server answers with status 403");
    // To the name with a slash.
    assert_eq!(refused("directory"), "the server answers with status 403");
    match HttpSource::open(&nginx.url("empty")) {
        Ok(empty) => assert_eq!(ReadAt::read_at(&empty, &mut [0; 9], 0).unwrap(), 0),
        // By RFC 9110 a server may ignore a range of nothing.
        Err(error) => assert!(matches!(error, HttpError::NoRanges), "{error}"),
    }
}
