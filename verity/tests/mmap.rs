//! Feature `mmap`: a mapped file is a source of the builder, and of nothing else.

use std::fs::File;
use std::marker::PhantomData;
use std::sync::Mutex;

use memmap2::{Mmap, MmapMut};
use verity::io::{ReadAt, Source};
use verity::publish::{Input, PublishError};
use verity::{Builder, Error, HashArea, Params};
use verity_testdata::files;
use verity_testdata::pattern::painted;
use verity_testdata::reference::{self, Scheme};

#[expect(unsafe_code, reason = "mapping a file is the caller's promise, and this test is one")]
fn map(file: &File) -> Mmap {
    // SAFETY: the file is in a directory of this test alone, and nothing writes it while it is
    // mapped.
    unsafe { Mmap::map(file) }.expect("a mapping")
}

#[expect(unsafe_code, reason = "mapping a file is the caller's promise, and this test is one")]
fn map_to_write(file: &File) -> MmapMut {
    // SAFETY: the file is in a directory of this test alone, and nothing else maps it.
    unsafe { MmapMut::map_mut(file) }.expect("a mapping")
}

/// What is documented to be seen. A second store into the same page is documented to go unseen.
#[test]
fn a16_a_store_through_a_mapping_is_seen_when_it_makes_a_page_dirty() {
    let directory = files::tempdir();
    let path = directory.path().join("image");
    files::write(&path, &painted(8 * 4096));
    let file = File::options().read(true).write(true).open(&path).unwrap();
    file.sync_all().unwrap();
    let input = Input::open(&path).unwrap();
    // Longer than a tick of the file system's clock.
    std::thread::sleep(std::time::Duration::from_millis(50));
    let mut map = map_to_write(&file);
    input.check().unwrap();
    map[5000] ^= 1;
    let changed = input.check();
    assert!(matches!(changed, Err(PublishError::Changed { .. })), "{changed:?}");
}

#[test]
fn a_mapped_image_makes_the_same_tree() {
    let directory = files::tempdir();
    let path = directory.path().join("image");
    for data_blocks in [1, 2, 129, 1000] {
        let data = painted(data_blocks * 4096);
        files::write(&path, &data);
        let file = File::open(&path).unwrap();
        let params = Params::builder().data_size(data.len() as u64).build().unwrap();
        let area = HashArea::new(&params, 0, false).unwrap();
        let (mapped, read) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
        let builder = Builder::new(&params);
        let root_hash = builder.build(&map(&file), &mapped, &area).unwrap();
        assert_eq!(root_hash, builder.build(&file, &read, &area).unwrap());
        let slow = reference::format(&data, &Scheme::default());
        assert_eq!(root_hash.to_string(), hex::encode(slow.root_hash));
        assert!(mapped.into_inner().unwrap() == slow.tree);
        assert!(read.into_inner().unwrap() == slow.tree);
    }
}

#[test]
fn a_mapped_image_that_is_too_short_is_refused() {
    let directory = files::tempdir();
    let path = directory.path().join("image");
    files::write(&path, &painted(8 * 4096));
    let params = Params::builder().data_blocks(9).build().unwrap();
    let area = HashArea::new(&params, 0, false).unwrap();
    let map = map(&File::open(&path).unwrap());
    let result = Builder::new(&params).build(&map, &Mutex::new(Vec::new()), &area);
    assert!(
        matches!(result, Err(Error::ShortData { needed: 36_864, actual: 32_768 })),
        "{result:?}"
    );
}

/// Mapped bytes can change, or vanish with a signal, between the check and the use: the verifier
/// takes [`ReadAt`], and a map is none.
#[test]
fn d07_a_mapped_file_is_a_source_of_the_builder_alone() {
    /// Asks whether a type is [`ReadAt`]: a constant of its own hides that of the trait, if there
    /// is one.
    struct Type<T>(PhantomData<T>);

    impl<T: ReadAt> Type<T> {
        const IS_READ_AT: bool = true;
    }

    trait Otherwise {
        const IS_READ_AT: bool = false;
    }

    impl<T> Otherwise for Type<T> {}

    fn is_source<T: Source>() {}

    is_source::<Mmap>();
    const { assert!(Type::<File>::IS_READ_AT) };
    const { assert!(!Type::<Mmap>::IS_READ_AT) };
}
