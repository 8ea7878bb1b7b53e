//! In which order an image is read, and how long that takes.

use std::ops::Range;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use verity::internals::ReadBuffer;
use verity_testdata::pattern::Prng;

use super::{Contender, KnownImage};

/// The reads of one thread, one after the other, all of one length.
#[derive(Clone, Debug)]
pub struct Walk {
    offsets: Vec<u64>,
    len: usize,
}

impl Walk {
    /// Goes to places that are uniform over the image, at multiples of the length.
    pub fn random(seed: u64, image: &KnownImage, len: usize, count: usize) -> Walk {
        let mut prng = Prng::new(seed);
        let bytes = len as u64;
        let places = (image.size() / bytes).max(1);
        Walk { offsets: (0..count).map(|_| prng.below(places) * bytes).collect(), len }
    }

    /// Goes from start to end, in whole reads only.
    pub fn sequential(bytes: Range<u64>, len: usize) -> Walk {
        let count = (bytes.end - bytes.start) / len as u64;
        Walk { offsets: (0..count).map(|number| bytes.start + number * len as u64).collect(), len }
    }

    /// The offsets of the reads.
    pub fn offsets(&self) -> &[u64] {
        &self.offsets
    }

    /// The length of each read, in bytes.
    pub fn read_len(&self) -> usize {
        self.len
    }

    /// How many bytes are read.
    pub fn bytes(&self) -> u64 {
        self.offsets.len() as u64 * self.len as u64
    }

    /// Returns the sum over what each read began with.
    fn go(&self, contender: &Contender<'_>, buf: &mut [u8]) -> Result<u64, String> {
        let mut sum = 0;
        for &offset in &self.offsets {
            contender.read(buf, offset).map_err(|error| format!("{}: {error}", contender.name))?;
            sum = add(sum, buf);
        }
        Ok(sum)
    }

    fn expected(&self, contender: &Contender<'_>, image: &KnownImage) -> u64 {
        let words = self
            .offsets
            .iter()
            .map(|&offset| contender.expected(image, offset, super::FIRST_BYTES));
        words.fold(0, |sum, word| add(sum, &word))
    }
}

/// Takes the first eight bytes into a sum in which order counts.
fn add(sum: u64, bytes: &[u8]) -> u64 {
    sum.rotate_left(1) ^ bytes.first_chunk().map_or(0, |word| u64::from_le_bytes(*word))
}

/// Goes all walks at once, each on a thread of its own. The time is from the first one's start to
/// the last one's end; the beginning of every read is checked when it has stopped.
///
/// # Errors
/// If a read fails or gives other bytes.
pub fn run(
    contender: &Contender<'_>,
    image: &KnownImage,
    walks: &[Walk],
) -> Result<Duration, String> {
    let barrier = Barrier::new(walks.len());
    let done: Vec<_> = std::thread::scope(|scope| {
        let threads = walks.iter().map(|walk| scope.spawn(|| timed(walk, contender, &barrier)));
        let threads: Vec<_> = threads.collect();
        threads.into_iter().map(|thread| thread.join()).collect()
    });
    let mut times = Vec::new();
    for (thread, walk) in done.into_iter().zip(walks) {
        let (time, sum) = thread.map_err(|_| "a thread ended early")?;
        if sum? != walk.expected(contender, image) {
            return Err(format!("{}: other bytes", contender.name));
        }
        times.push(time);
    }
    let first = times.iter().map(|time| time.start).min();
    let last = times.iter().map(|time| time.end).max();
    Ok(first.zip(last).map_or(Duration::ZERO, |(first, last)| last - first))
}

fn timed(
    walk: &Walk,
    contender: &Contender<'_>,
    barrier: &Barrier,
) -> (Range<Instant>, Result<u64, String>) {
    // Where reads are fast, for everyone alike; touched before the clock starts, so that no page
    // has to be found meanwhile.
    let mut buf = ReadBuffer::with_len(walk.len);
    buf.fill(0xff);
    barrier.wait();
    let start = Instant::now();
    let sum = walk.go(contender, &mut buf);
    (start..Instant::now(), sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequential_walk_reads_every_byte_once() {
        let walk = Walk::sequential(8192..8192 + 4 * 512, 512);
        assert_eq!(walk.offsets(), [8192, 8704, 9216, 9728]);
        assert_eq!(walk.bytes(), 2048);
    }

    #[test]
    fn a_random_walk_stays_inside_and_depends_on_its_seed() {
        let image = KnownImage::small();
        let walk = Walk::random(1, &image, 16_384, 1000);
        assert!(walk.offsets().iter().all(|offset| offset + 16_384 <= image.size()));
        let places: std::collections::BTreeSet<_> = walk.offsets().iter().collect();
        assert_eq!(places.len(), 64);
        assert_ne!(walk.offsets(), Walk::random(2, &image, 16_384, 1000).offsets());
    }
}
