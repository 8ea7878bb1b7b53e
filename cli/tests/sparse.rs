//! Holes of an image, on their way through `read`, `repair` and `serve`.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use verity::io::{Extent, ReadAt};
use verity_testdata::loop_device::LoopDevice;
use verity_testdata::nbd::Client;
use verity_testdata::oracle;
use verity_testdata::pattern::{Prng, sha256_stream};

use crate::common::{Dir, same_file};
use crate::serve::server::Server;

/// What file systems make holes of, in bytes.
const GRAIN: u64 = 4096;
const GRAINS: u64 = 400;
const SIZE: u64 = GRAINS * GRAIN;

/// A sparse image, and what is known of it without asking the file system.
struct SparseImage {
    dir: Dir,
    bytes: Vec<u8>,
    /// The grains that were written, some of them with zeros.
    written: Vec<bool>,
}

impl SparseImage {
    /// Runs of data, of zeros and of nothing, which begin and end anywhere.
    fn new(random: &mut Prng) -> SparseImage {
        let dir = Dir::new();
        let file = File::create_new(dir.path("data")).unwrap();
        file.set_len(SIZE).unwrap();
        let noise = sha256_stream(64 << 10);
        let mut bytes = vec![0; index(SIZE)];
        let mut written = vec![false; index(GRAINS)];
        let mut start = random.below(100_000);
        while start < SIZE {
            let length = (1 + random.below(60_000)).min(SIZE - start);
            let run = match random.below(3) {
                0 => vec![0; index(length)],
                _ => noise[..index(length)].to_vec(),
            };
            file.write_all_at(&run, start).unwrap();
            bytes[index(start)..index(start + length)].copy_from_slice(&run);
            written[index(start / GRAIN)..index((start + length).div_ceil(GRAIN))].fill(true);
            start += length + random.below(100_000);
        }
        SparseImage { dir, bytes, written }
    }

    /// Whether all of these bytes lie in grains that were never written.
    fn is_hole(&self, start: u64, end: u64) -> bool {
        self.written[index(start / GRAIN)..index(end.div_ceil(GRAIN))]
            .iter()
            .all(|written| !written)
    }
}

fn index(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap()
}

fn allocated(path: &Path) -> u64 {
    fs::metadata(path).unwrap().blocks() * 512
}

/// For each grain of a file, whether it is in a hole.
fn holes(path: &Path) -> Vec<bool> {
    let file = File::open(path).unwrap();
    let size = ReadAt::len(&file).unwrap();
    let (mut holes, mut offset) = (Vec::new(), 0);
    while offset < size {
        let extent = file.extent_at(offset);
        let end = extent.end().min(size);
        let count = index(end.div_ceil(GRAIN) - offset.div_ceil(GRAIN));
        holes.extend(std::iter::repeat_n(matches!(extent, Extent::Hole { .. }), count));
        offset = end;
    }
    holes
}

#[test]
fn a_read_file_has_the_holes_of_its_source_at_every_alignment() {
    let mut random = Prng::new(4);
    for round in 0..24 {
        let image = SparseImage::new(&mut random);
        let dir = &image.dir;
        let size = ["512", "4096", "16384"][round % 3];
        let root = dir.format(&format!("--data-block-size {size}"));
        let offset = match round % 4 {
            0 => 0,
            1 => GRAIN * random.below(GRAINS),
            2 => 512 * random.below(SIZE / 512),
            _ => random.below(SIZE),
        };
        let length = if round % 2 == 0 { SIZE - offset } else { random.below(SIZE - offset) };
        let threads = round % 3 + 1;
        let line = format!(
            "read data hash {root} --offset {offset} --length {length} --threads {threads}"
        );
        dir.ok(&format!("{line} --output out"));
        let expected = &image.bytes[index(offset)..index(offset + length)];
        assert!(dir.read("out") == expected, "{line}");
        // Each grain of the output that comes from a hole alone is one.
        let grains = (0..length).step_by(index(GRAIN)).map(|start| {
            let end = (start + GRAIN).min(length);
            image.is_hole(offset + start, offset + end)
        });
        let expected: Vec<bool> = grains.collect();
        assert_eq!(holes(&dir.path("out")), expected, "{line}");
        let written = expected.iter().filter(|hole| !**hole).count() as u64;
        assert!(allocated(&dir.path("out")) <= written * GRAIN + (64 << 10), "{line}");
        // A pipe gets zeros for holes.
        assert!(dir.run_bytes(&line).1 == image.bytes[index(offset)..index(offset + length)]);
    }
}

#[test]
fn the_end_of_a_read_file_may_be_a_hole_and_so_may_all_of_it() {
    let dir = Dir::new();
    verity_testdata::files::sparse(&dir.path("data"), 8 << 20);
    let file = File::options().write(true).open(dir.path("data")).unwrap();
    for (write, most) in [(false, 0), (true, 64 << 10)] {
        if write {
            file.write_all_at(b"x", 1 << 20).unwrap();
        }
        let root = dir.format("");
        // Over a file that was longer and full.
        dir.write("out", &vec![7; 9 << 20]);
        dir.ok(&format!("read data hash {root} --output out"));
        assert!(same_file(&dir.path("data"), &dir.path("out")));
        assert!(allocated(&dir.path("out")) <= most, "{}", allocated(&dir.path("out")));
    }
    // Nothing at all.
    let root = dir.format("");
    dir.ok(&format!("read data hash {root} --length 0 --output out"));
    assert_eq!(dir.read("out"), b"");
}

/// Where data became a hole, the copy is refused, not zero.
#[test]
fn d13_a_hole_where_data_was_is_corrupt() {
    let dir = Dir::with_data(100);
    let root = dir.format("");
    let file = File::options().write(true).open(dir.path("data")).unwrap();
    let flags = rustix::fs::FallocateFlags::PUNCH_HOLE | rustix::fs::FallocateFlags::KEEP_SIZE;
    rustix::fs::fallocate(&file, flags, 40 * 4096, 2 * 4096).unwrap();
    assert!(holes(&dir.path("data"))[40]);
    let run = dir.fails(&format!("read data hash {root} --output out"), 1, "data block 40 ");
    assert!(!dir.exists("out"), "{run:?}");
}

/// What was on a block device before shows through where nothing is written.
#[test]
fn a_block_device_gets_zeros_where_the_source_has_holes() {
    let dir = Dir::new();
    verity_testdata::files::sparse(&dir.path("data"), 4 << 20);
    let file = File::options().write(true).open(dir.path("data")).unwrap();
    file.write_all_at(&sha256_stream(100_000), 1 << 20).unwrap();
    let root = dir.format("");
    verity_testdata::files::dense(&dir.path("disk"), 4 << 20);
    let Some(device) = LoopDevice::attach(&dir.path("disk"), 512) else { return };
    let script = format!(
        "{} read data hash {root} > {}",
        env!("CARGO_BIN_EXE_verity"),
        device.path().display()
    );
    oracle::run_ok(dir.tool("sh").args(["-c", &script]));
    assert!(same_file(&dir.path("data"), device.path()));
}

#[test]
fn a_repaired_copy_has_the_holes_of_its_source_at_every_alignment() {
    let mut random = Prng::new(9);
    for round in 0..12 {
        let image = SparseImage::new(&mut random);
        let dir = &image.dir;
        let size = ["512", "4096", "16384"][round % 3];
        let fec = "--fec-device fec --fec-roots 4";
        let root = dir.format(&format!("--data-block-size {size} --hash-block-size {size} {fec}"));
        // Written over one sector: what was data, or a hole.
        let broken = random.below(SIZE / 512) * 512;
        let file = File::options().read(true).write(true).open(dir.path("data")).unwrap();
        file.write_all_at(&[0xee; 512], broken).unwrap();
        let source = holes(&dir.path("data"));
        dir.ok(&format!("repair data hash {root} {fec} --output copy"));
        assert!(dir.read("copy") == image.bytes, "block size {size}, byte {broken}");
        assert_eq!(holes(&dir.path("copy")), source, "block size {size}, byte {broken}");
        let (copy, source) = (allocated(&dir.path("copy")), allocated(&dir.path("data")));
        assert!(copy <= source + (64 << 10), "{copy} {source}");
    }
}

/// The programs that people use see zeros and holes, and make sparse copies of what is served.
#[test]
fn real_clients_are_told_of_holes() {
    let dir = Dir::new();
    let file = File::create_new(dir.path("data")).unwrap();
    file.set_len(16 << 20).unwrap();
    file.write_all_at(&sha256_stream(1 << 20), 2 << 20).unwrap();
    file.write_all_at(&vec![0; 1 << 20], 3 << 20).unwrap();
    file.write_all_at(b"x", 9 << 20).unwrap();
    let root = dir.format("");
    let server = Server::start(&dir, &format!("serve data hash {root} --socket s"));
    // Offset, length, whether it is a hole, whether it is zero.
    let expected: [(u64, u64, bool, bool); 6] = [
        (0, 2 << 20, true, true),
        (2 << 20, 1 << 20, false, false),
        (3 << 20, 1 << 20, false, true),
        (4 << 20, 5 << 20, true, true),
        (9 << 20, 4096, false, false),
        ((9 << 20) + 4096, (7 << 20) - 4096, true, true),
    ];
    if let Some(qemu_img) = oracle::require("qemu-img") {
        let line = ["map", "--output=json", "-f", "raw", &server.uri];
        let map = oracle::run_ok(dir.tool(&qemu_img).args(line));
        let map: serde_json::Value = serde_json::from_str(&map).unwrap();
        let told = map.as_array().unwrap().iter().map(|extent| {
            let number = |key: &str| extent[key].as_u64().unwrap();
            let flag = |key: &str| extent[key].as_bool().unwrap();
            (number("start"), number("length"), !flag("data"), flag("zero"))
        });
        assert!(told.eq(expected), "{map}");
        let line = ["convert", "-f", "raw", "-O", "raw", "-S", "0", &server.uri, "convert"];
        oracle::run_ok(dir.tool(&qemu_img).args(line));
        assert!(same_file(&dir.path("data"), &dir.path("convert")));
    }
    if let Some(nbdinfo) = oracle::require("nbdinfo") {
        let line = ["--map", "--json", &server.uri];
        let map = oracle::run_ok(dir.tool(&nbdinfo).args(line));
        let map: serde_json::Value = serde_json::from_str(&map).unwrap();
        let told = map.as_array().unwrap().iter().map(|extent| {
            let number = |key: &str| extent[key].as_u64().unwrap();
            let flags = number("type");
            (number("offset"), number("length"), flags & 1 != 0, flags & 2 != 0)
        });
        assert!(told.eq(expected), "{map}");
        let list = oracle::run_ok(dir.tool(&nbdinfo).args(["--list", &server.uri]));
        assert!(list.contains("base:allocation"), "{list}");
    }
    if let Some(nbdcopy) = oracle::require("nbdcopy") {
        oracle::run_ok(dir.tool(&nbdcopy).args([&server.uri, "copy"]));
        assert!(same_file(&dir.path("data"), &dir.path("copy")));
        let size = allocated(&dir.path("copy"));
        assert!(size < 4 << 20, "{size} bytes");
    }
    assert_eq!(server.stop("TERM").code, 0);
}

/// A file system that lost data says that there is a hole. The tree says that there is none.
#[test]
fn d13_a_lost_extent_is_not_served_as_a_hole() {
    let dir = Dir::with_data(300);
    dir.patch("data", 200 * 4096, &[0; 10 * 4096]);
    let root = dir.format("");
    let file = File::options().write(true).open(dir.path("data")).unwrap();
    let flags = rustix::fs::FallocateFlags::PUNCH_HOLE | rustix::fs::FallocateFlags::KEEP_SIZE;
    for start in [40, 200] {
        rustix::fs::fallocate(&file, flags, start * 4096, 5 * 4096).unwrap();
    }
    let server = Server::start(&dir, &format!("serve data hash {root} --socket s"));
    let mut client = Client::connect_for_status(server.connect()).unwrap();
    let extents = client.status(0, 0, 300 * 4096).unwrap().unwrap();
    let expected = [(200, 0), (5, 3), (5, 2), (90, 0)];
    assert_eq!(extents, expected.map(|(blocks, flags)| (blocks * 4096, flags)));
    assert_eq!(client.read(40 * 4096, 4096).unwrap(), Err(5));
    drop(client);
    let run = server.stop("TERM");
    assert!(run.code == 0 && run.stderr.contains("data block 40 is corrupt"), "{run:?}");
}
