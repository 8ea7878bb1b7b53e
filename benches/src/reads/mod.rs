//! Ways to read an image at any place: ours, whose bytes are proved, and what they are measured
//! against.
//!
//! `image` is the image with its tree, `walk` says in which order it is read and takes the time.

mod image;
mod walk;

use std::io;
use std::ops::ControlFlow;

use ring::digest::Context;
use verity::VerifiedReader;
use verity::internals::{BlockHasher, to_len, to_u64};
use verity::io::ReadAt;

use crate::kernels::VERITY;

pub use self::image::KnownImage;
pub use self::walk::{Walk, run};

/// The size of data and hash blocks, in bytes.
pub const BLOCK_SIZE: usize = 4096;
/// The size of a digest, in bytes.
pub const DIGEST_SIZE: usize = 32;

/// Our reader, the image a slice in memory.
pub const VERITY_SLICE: &str = "verity of a slice";
/// Our reader of the file, which hands out the memory that it hashed.
pub const VERITY_NO_COPY: &str = "verity, no copy";
/// Our reader, which has checked all blocks before and checks no block twice.
pub const VERITY_ONCE: &str = "verity, at most once";
/// Reads whose blocks are hashed by the crate `ring`, one after the other.
pub const PREAD_RING: &str = "pread + ring";
/// Reads whose bytes nobody checks.
pub const PREAD: &str = "pread";
/// No reads: our kernels hash what lies in memory.
pub const HASHING: &str = "hashing alone";

/// How many bytes at the beginning of a read are looked at after it.
const FIRST_BYTES: usize = 8;

/// One way to read.
pub struct Contender<'a> {
    /// The name of the contender.
    pub name: &'static str,
    leaves: Leaves,
    read: Read<'a>,
}

/// Fills the buffer from an offset on.
type Read<'a> = Box<dyn Fn(&mut [u8], u64) -> io::Result<()> + Send + Sync + 'a>;

/// What is in the buffer afterwards.
#[derive(Clone, Copy)]
enum Leaves {
    /// The bytes.
    Bytes,
    /// As many of the bytes as are looked at afterwards, at its beginning.
    FirstBytes,
    /// The digests of the blocks, at its beginning.
    Digests,
}

impl<'a> Contender<'a> {
    /// Our reader of the file, its cache holding the whole tree.
    ///
    /// # Errors
    /// If the reader refuses the image.
    pub fn verity(image: &'a KnownImage) -> Result<Contender<'a>, String> {
        Ok(Self::ours(VERITY, preloaded(image, &image.file)?))
    }

    /// Our reader of the image in memory, its cache holding the whole tree.
    ///
    /// # Errors
    /// As [`Contender::verity`].
    pub fn verity_slice(image: &'a KnownImage, memory: &'a [u8]) -> Result<Contender<'a>, String> {
        Ok(Self::ours(VERITY_SLICE, preloaded(image, memory)?))
    }

    /// Our reader as in [`Contender::verity`], whose bytes are not copied into the buffer. Whoever
    /// takes them looks at the first ones of each read.
    ///
    /// # Errors
    /// As [`Contender::verity`].
    pub fn verity_no_copy(image: &'a KnownImage) -> Result<Contender<'a>, String> {
        let reader = preloaded(image, &image.file)?;
        let read = move |buf: &mut [u8], offset: u64| {
            let mut left = buf.len();
            let done = reader.read_with(offset..offset + to_u64(left), |bytes| {
                if left == buf.len() {
                    let first = FIRST_BYTES.min(bytes.len());
                    buf[..first].copy_from_slice(&bytes[..first]);
                }
                left -= std::hint::black_box(bytes).len();
                ControlFlow::Continue(())
            });
            match (done, left) {
                (Ok(()), 0) => Ok(()),
                (Ok(()), _) => Err(io::ErrorKind::UnexpectedEof.into()),
                (Err(error), _) => Err(io::Error::other(error)),
            }
        };
        Ok(Contender { name: VERITY_NO_COPY, leaves: Leaves::FirstBytes, read: Box::new(read) })
    }

    /// Our reader as in [`Contender::verity`], which checks each block at its first read only. All
    /// first reads are done when this returns.
    ///
    /// # Errors
    /// As [`Contender::verity`], and if a block is not what it must be.
    pub fn verity_once(image: &'a KnownImage) -> Result<Contender<'a>, String> {
        let reader = preloaded(image, &image.file)?.check_at_most_once(true);
        let contender = Self::ours(VERITY_ONCE, reader);
        run(&contender, image, &[Walk::sequential(0..image.size(), BLOCK_SIZE)])?;
        Ok(contender)
    }

    fn ours<D: ReadAt + 'a, H: ReadAt + 'a>(
        name: &'static str,
        reader: VerifiedReader<D, H>,
    ) -> Contender<'a> {
        let read = move |buf: &mut [u8], offset: u64| match reader.read_at(buf, offset)? {
            all if all == buf.len() => Ok(()),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        };
        Contender { name, leaves: Leaves::Bytes, read: Box::new(read) }
    }

    /// What a program would do that has the digests of all blocks in memory, as well as it can be
    /// done: whole blocks are read to where they are wanted, the state behind the salt is kept.
    ///
    /// Reads are of whole blocks, or lie within one.
    pub fn pread_ring(image: &'a KnownImage) -> Contender<'a> {
        let salted = image.salted();
        let read = move |buf: &mut [u8], offset: u64| {
            let inside = offset % BLOCK_SIZE as u64;
            if inside == 0 && buf.len().is_multiple_of(BLOCK_SIZE) {
                image.file.read_exact_at(buf, offset)?;
                return compare(&salted, image.digests(offset, buf.len()), buf);
            }
            let mut block = [0; BLOCK_SIZE];
            image.file.read_exact_at(&mut block, offset - inside)?;
            compare(&salted, image.digests(offset, BLOCK_SIZE), &block)?;
            let start = to_len(inside);
            let bytes = block.get(start..start + buf.len());
            buf.copy_from_slice(bytes.ok_or(io::ErrorKind::InvalidInput)?);
            Ok(())
        };
        Contender { name: PREAD_RING, leaves: Leaves::Bytes, read: Box::new(read) }
    }

    /// Reads alone.
    pub fn pread(image: &'a KnownImage) -> Contender<'a> {
        let read = |buf: &mut [u8], offset: u64| image.file.read_exact_at(buf, offset);
        Contender { name: PREAD, leaves: Leaves::Bytes, read: Box::new(read) }
    }

    /// Hashes what lies in memory, as much at once as a read asks for, by the kernels that our
    /// reader takes.
    pub fn hashing(image: &'a KnownImage, memory: &'a [u8]) -> Contender<'a> {
        let hasher = BlockHasher::new(&image.params);
        let read = move |buf: &mut [u8], offset: u64| {
            let start = usize::try_from(offset).map_err(io::Error::other)?;
            let blocks = memory.get(start..).and_then(|rest| rest.get(..buf.len()));
            let blocks = blocks.ok_or(io::ErrorKind::UnexpectedEof)?;
            let digests = &mut buf[..blocks.len() / BLOCK_SIZE * DIGEST_SIZE];
            hasher.hash_many(blocks, BLOCK_SIZE, digests);
            Ok(())
        };
        Contender { name: HASHING, leaves: Leaves::Digests, read: Box::new(read) }
    }

    /// Fills `buf` from `offset` bytes on.
    ///
    /// # Errors
    /// If the read fails, or a block is not what it must be.
    pub fn read(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        (self.read)(buf, offset)
    }

    /// Reads the first hundred places of a walk and compares every byte.
    ///
    /// # Errors
    /// If a byte is not what it must be.
    pub fn check(&self, image: &KnownImage, walk: &Walk) -> Result<(), String> {
        let mut buf = vec![0xff; walk.read_len()];
        for &offset in walk.offsets().iter().take(100) {
            self.read(&mut buf, offset).map_err(|error| format!("{}: {error}", self.name))?;
            if !buf.starts_with(&self.expected(image, offset, buf.len())) {
                return Err(format!("{}: other bytes at {offset}", self.name));
            }
        }
        Ok(())
    }

    /// What the buffer begins with after a read.
    fn expected(&self, image: &KnownImage, offset: u64, len: usize) -> Vec<u8> {
        match self.leaves {
            Leaves::Bytes => image.bytes_at(offset, len),
            Leaves::FirstBytes => image.bytes_at(offset, len.min(FIRST_BYTES)),
            Leaves::Digests => image.digests(offset, len).to_vec(),
        }
    }
}

fn preloaded<D: ReadAt>(image: &KnownImage, data: D) -> Result<VerifiedReader<D, &[u8]>, String> {
    let reader = VerifiedReader::new(image.trusted()?, data, image.tree.as_slice());
    let reader = reader.map_err(|error| error.to_string())?;
    let whole_tree = VerifiedReader::<D, &[u8]>::cache_size_for(&image.params);
    let reader = reader.cache_size(whole_tree);
    reader.preload().map_err(|error| error.to_string())?;
    Ok(reader)
}

/// Whether blocks have these digests, by ring.
fn compare(salted: &Context, digests: &[u8], blocks: &[u8]) -> io::Result<()> {
    let digests = digests.chunks_exact(DIGEST_SIZE);
    for (block, digest) in blocks.chunks_exact(BLOCK_SIZE).zip(digests) {
        let mut context = salted.clone();
        context.update(block);
        if context.finish().as_ref() != digest {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use verity::io::WriteAt;

    use super::*;

    fn everyone<'a>(image: &'a KnownImage, memory: &'a [u8]) -> Vec<Contender<'a>> {
        vec![
            Contender::verity(image).unwrap(),
            Contender::verity_no_copy(image).unwrap(),
            Contender::verity_slice(image, memory).unwrap(),
            Contender::pread_ring(image),
            Contender::hashing(image, memory),
            Contender::pread(image),
        ]
    }

    #[test]
    fn everyone_reads_what_is_there_and_another_byte_is_noticed() {
        let image = KnownImage::small();
        let mut memory = image.bytes_at(0, 1 << 20);
        let walks = [Walk::sequential(0..1 << 20, 64 << 10)];
        for contender in everyone(&image, &memory) {
            contender.check(&image, &walks[0]).unwrap();
            run(&contender, &image, &walks).unwrap();
        }
        memory[4096 * 16] ^= 1;
        image.file.write_all_at(&memory[4096 * 16..][..1], 4096 * 16).unwrap();
        for contender in everyone(&image, &memory) {
            assert!(contender.check(&image, &walks[0]).is_err(), "{}", contender.name);
            assert!(run(&contender, &image, &walks).is_err(), "{}", contender.name);
        }
    }

    #[test]
    fn reads_within_a_block_and_of_several_are_those_bytes() {
        let image = KnownImage::small();
        let once = Contender::verity_once(&image).unwrap();
        for contender in [once, Contender::pread_ring(&image), Contender::pread(&image)] {
            for len in [512, 1024, 4096, 16_384] {
                contender.check(&image, &Walk::random(1, &image, len, 300)).unwrap();
            }
        }
    }
}
