//! In this process: verified reads beside reads alone and what else could prove them, the image in
//! the page cache; and what they cost in bytes.

use std::fs::{self, File};
use std::io;
use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::atomic::{AtomicU64, Ordering};

use verity::VerifiedReader;
use verity::internals::to_len;
use verity::io::ReadAt;
use verity_benches::machine;
use verity_benches::probe::Place;
use verity_benches::reads::{BLOCK_SIZE, Contender, KnownImage, Walk, run};
use verity_benches::record::{FirstRead, Input, Memory, Reads, Row, Task};

use super::image::Image;
use super::options::Options;
use super::reader;
use super::rounds::Rounds;

/// Random reads of a round, by all threads together: half a second of them.
const RANDOM_READS: usize = 160_000;
/// Of a quick run.
const QUICK_RANDOM_READS: usize = 40_000;
/// The length of sequential reads, in bytes.
const SEQUENTIAL: usize = 128 << 10;
/// Over how much of the image they go, in bytes: so much must fit into memory.
const SEQUENTIAL_BYTES: u64 = 1 << 30;
/// How many readers read for the first time.
const FIRST_READERS: u64 = 100;
/// The bound of a cache in which hardly anything is found.
const SMALL_CACHE: u64 = 4 << 20;

/// Measures everything, one after the other.
pub(crate) fn measure(options: &Options, input: &Input) -> Result<(Vec<Row>, Reads), String> {
    let input = Input { bytes: affordable(options.reads_bytes()), ..input.clone() };
    let file = Image::write(&options.directory()?, &input)?;
    let open = || File::open(file.path()).map_err(|error| error.to_string());
    let image = KnownImage::of(open()?, input.bytes, input.seed)?;
    fs::write(file.hash(), &image.tree).map_err(|error| error.to_string())?;
    let first_read = first_reads(&image, input.seed)?;
    let memory = memory(options, &file, &image)?;
    let mut rows = random(options, &image, input.seed)?;
    let part = input.bytes.min(SEQUENTIAL_BYTES);
    rows.extend(sequential(options, &KnownImage::of(open()?, part, input.seed)?)?);
    Ok((rows, Reads { image: input.bytes, first_read, memory }))
}

/// The size of an image that stays in the page cache, with room for everything else.
fn affordable(asked: NonZeroU64) -> u64 {
    let mut bytes = asked.get();
    let available = machine::available_memory().unwrap_or(u64::MAX);
    while bytes > available / 2 && bytes > 1 << 20 {
        bytes /= 2;
    }
    // Whole reads.
    bytes = bytes.next_multiple_of(SEQUENTIAL as u64);
    if bytes < asked.get() {
        eprintln!(
            "compare: {} MiB of memory are available: reads of an image of {} MiB",
            available >> 20,
            bytes >> 20
        );
    }
    bytes
}

/// Measures reads at random, uniform over the image. In a round all contenders read at the same
/// places.
fn random(options: &Options, image: &KnownImage, seed: u64) -> Result<Vec<Row>, String> {
    let contenders =
        [Contender::verity(image)?, Contender::pread_ring(image), Contender::pread(image)];
    let reads = if options.quick { QUICK_RANDOM_READS } else { RANDOM_READS };
    contest(options, Task::ReadRandom, image, &contenders, |round, threads| {
        let seed = |thread| seed ^ (round << 32 | thread);
        let count = reads / threads;
        let walk = |thread| Walk::random(seed(thread), image, BLOCK_SIZE, count);
        (0..).take(threads).map(walk).collect()
    })
}

/// Measures reads in order; each thread has a part of the image.
fn sequential(options: &Options, image: &KnownImage) -> Result<Vec<Row>, String> {
    let size = usize::try_from(image.size()).map_err(|error| error.to_string())?;
    let memory = image.bytes_at(0, size);
    let contenders = [
        Contender::verity(image)?,
        Contender::verity_no_copy(image)?,
        Contender::verity_slice(image, &memory)?,
        Contender::hashing(image, &memory),
        Contender::pread(image),
    ];
    contest(options, Task::ReadSequential, image, &contenders, |_, threads| {
        let part = image.size() / threads as u64 / SEQUENTIAL as u64 * SEQUENTIAL as u64;
        let walk = |number| Walk::sequential(number * part..(number + 1) * part, SEQUENTIAL);
        (0..).take(threads).map(walk).collect()
    })
}

fn contest(
    options: &Options,
    task: Task,
    image: &KnownImage,
    contenders: &[Contender<'_>],
    walks: impl Fn(u64, usize) -> Vec<Walk>,
) -> Result<Vec<Row>, String> {
    let pairs = contenders.iter().flat_map(|contender| {
        options.threads.iter().map(move |threads| (contender, threads.get()))
    });
    let pairs: Vec<_> = pairs.collect();
    for (contender, threads) in &pairs {
        walks(0, *threads).iter().try_for_each(|walk| contender.check(image, walk))?;
    }
    let pace = options.pace();
    let each = vec![pace.rounds; pairs.len()];
    let (name, budget) = (task.title(), pace.budget);
    let rounds = Rounds { name, each: &each, pairs: &[], budget, place: pace.place(Place::AnyCpu) };
    let samples = rounds.run(|round, index| {
        let (contender, threads) = pairs[index];
        run(contender, image, &walks(round as u64, threads))
    })?;
    let row = |((contender, threads), samples): (&(&Contender<'_>, usize), _)| {
        let bytes = walks(0, *threads).iter().map(Walk::bytes).sum();
        Row::new(task, contender.name, *threads, bytes, samples)
    };
    Ok(pairs.iter().zip(samples).map(row).collect())
}

/// A source that counts what is read from it.
struct Counted<R> {
    source: R,
    bytes: AtomicU64,
}

impl<R: ReadAt> ReadAt for Counted<R> {
    fn len(&self) -> io::Result<u64> {
        self.source.len()
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let size = self.source.read_at(buf, offset)?;
        self.bytes.fetch_add(size as u64, Ordering::Relaxed);
        Ok(size)
    }
}

/// Counts what readers that have read nothing before read for one block, anywhere.
fn first_reads(image: &KnownImage, seed: u64) -> Result<FirstRead, String> {
    let walk = Walk::random(seed, image, BLOCK_SIZE, to_len(FIRST_READERS));
    let bytes = walk.offsets().iter().map(|&offset| first_read(image, offset));
    let bytes = bytes.collect::<Result<Vec<_>, _>>()?;
    let (least, most) = (bytes.iter().min(), bytes.iter().max());
    let levels = image.params.geometry().levels().len() as u64;
    Ok(FirstRead {
        readers: FIRST_READERS,
        least: least.copied().unwrap_or_default(),
        most: most.copied().unwrap_or_default(),
        path: (1 + levels) * BLOCK_SIZE as u64,
    })
}

/// How many bytes a reader reads for its first block.
fn first_read(image: &KnownImage, offset: u64) -> Result<u64, String> {
    let data = Counted { source: &image.file, bytes: AtomicU64::new(0) };
    let hash = Counted { source: &image.tree, bytes: AtomicU64::new(0) };
    let reader = VerifiedReader::new(image.trusted()?, &data, &hash);
    let reader = reader.map_err(|error| error.to_string())?;
    let mut buf = [0; BLOCK_SIZE];
    reader.read_at(&mut buf, offset).map_err(|error| error.to_string())?;
    if image.bytes_at(offset, BLOCK_SIZE) != buf {
        return Err(format!("other bytes at {offset}"));
    }
    Ok(data.bytes.into_inner() + hash.bytes.into_inner())
}

/// Measures memory with a cache in which hardly anything is found, and with one for the whole tree,
/// each in a process of its own.
fn memory(options: &Options, file: &Image, image: &KnownImage) -> Result<Vec<Memory>, String> {
    let whole_tree = VerifiedReader::<&File, &File>::cache_size_for(&image.params);
    let threads = options.threads.iter().max().copied().unwrap_or(NonZeroUsize::MIN);
    let memory = |cache| {
        eprintln!("compare: memory of a reader with a cache of {cache} bytes");
        let peak = reader::peak(file, &image.root_hash, cache, threads)?;
        Ok(Memory { cache, threads: threads.get(), peak })
    };
    [SMALL_CACHE, whole_tree].into_iter().map(memory).collect()
}
