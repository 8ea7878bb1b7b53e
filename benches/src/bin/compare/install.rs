//! A release that is put into a slot which holds an older one, and read back there.
//!
//! The slot is a loop device, so that it is read back past the page cache. Before each turn it
//! holds the old image, and neither that nor the slot is in the page cache. Beside the command
//! stands what it cannot do without, by plain system calls: the old content and the slot are read
//! once; what changed is written and synced; the slot is read by direct reads. The two phases are
//! apart: the command's own report on standard error says how long it read back.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{Advice, OFlags, fadvise};
use verity_benches::kernels::VERITY;
use verity_benches::probe::Place;
use verity_benches::record::{DIRECT_READ, Row, SLOT_READ, SLOT_WRITE, Task};
use verity_testdata::loop_device::LoopDevice;
use verity_testdata::{oracle, path};

use super::image::Image;
use super::rounds::{Pace, Rounds};

const BLOCK: usize = 4096;
/// One block in so many is another one in the new release, in runs of this many blocks.
const CHANGED: usize = 20;
const RUN: usize = 16;
/// What a plain reader takes at a time.
const PIECE: usize = 1 << 20;
const KEY: &str = "keys/TEST_KEY_DO_NOT_USE.rsa2048";

/// A slot, and two releases.
pub(crate) struct Install<'a> {
    verity: &'a Path,
    image: &'a Image,
    threads: &'a [NonZeroUsize],
    new: PathBuf,
    changed: Vec<u64>,
    slot: LoopDevice,
    tree: LoopDevice,
}

/// What a turn took until everything was synced, and then.
#[derive(Clone, Copy)]
struct Phases {
    write: Duration,
    read_back: Duration,
}

impl<'a> Install<'a> {
    /// Makes the new release and the slot; an error where there are no loop devices.
    pub(crate) fn new(
        verity: &'a Path,
        image: &'a Image,
        threads: &'a [NonZeroUsize],
    ) -> Result<Install<'a>, String> {
        let directory = image.path().parent().map(Path::to_owned).unwrap_or_default();
        let new = directory.join("new.raw");
        let changed = make_new(&image.path(), &new).map_err(|error| error.to_string())?;
        let key = |part: &str| path(&format!("{KEY}.{part}.pem"));
        let mut build = Command::new(verity);
        build.arg("build").arg(&new).args(["--seed", "compare", "-q"]);
        build.arg("--key").arg(key("key")).arg("--certificate").arg(key("cert"));
        oracle::run_ok(&mut build);
        let hash = fs::metadata(directory.join("new.verity")).map_err(|error| error.to_string())?;
        let device = |name: &str, bytes: u64| {
            let file = directory.join(name);
            verity_testdata::files::sparse(&file, bytes);
            LoopDevice::attach(&file, 512).ok_or("a slot takes root and loop devices".to_owned())
        };
        let slot = device("slot", image.bytes)?;
        let tree = device("slot.hash", hash.len().next_multiple_of(1 << 20))?;
        Ok(Install { verity, image, threads, new, changed, slot, tree })
    }

    /// Measures both phases.
    pub(crate) fn run(&self, pace: Pace) -> Result<Vec<Row>, String> {
        let limits = [SLOT_READ, SLOT_WRITE, DIRECT_READ].map(|name| (name, NonZeroUsize::MIN));
        let ours = self.threads.iter().map(|&threads| (VERITY, threads));
        let contenders: Vec<_> = limits.into_iter().chain(ours).collect();
        let mut read_back = vec![Vec::new(); contenders.len()];
        let each = vec![pace.rounds; contenders.len()];
        let rounds = Rounds {
            name: Task::Install.title(),
            each: &each,
            pairs: &[],
            budget: pace.budget,
            place: pace.place(Place::AnyCpu),
        };
        let samples = rounds.run(|round, index| {
            let (name, threads) = contenders[index];
            let phases = self.turn(name, threads)?;
            if round > 0 {
                read_back[index].push(phases.read_back.as_secs_f64());
            }
            Ok(phases.write)
        })?;
        let mut rows = Vec::new();
        for (((name, threads), samples), read_back) in
            contenders.into_iter().zip(samples).zip(read_back)
        {
            let row =
                |task, samples| Row::new(task, name, threads.get(), self.image.bytes, samples);
            let mut proof = samples.clone();
            proof.seconds = read_back;
            if name != DIRECT_READ {
                rows.push(row(Task::Install, samples));
            }
            if [DIRECT_READ, VERITY].contains(&name) {
                rows.push(row(Task::InstallReadBack, proof));
            }
        }
        Ok(rows)
    }

    fn turn(&self, name: &str, threads: NonZeroUsize) -> Result<Phases, String> {
        let plain = |phases: io::Result<Phases>| phases.map_err(|error| error.to_string());
        plain(self.refill().map(|()| Phases::ZERO))?;
        match name {
            VERITY => self.install(threads),
            SLOT_READ => plain(self.read().map(Phases::before)),
            SLOT_WRITE => plain(self.write().map(Phases::before)),
            _ => plain(direct_read(self.slot.path()).map(Phases::after)),
        }
    }

    /// The old release in the slot, and neither in the page cache.
    fn refill(&self) -> io::Result<()> {
        let mut slot = OpenOptions::new().write(true).open(self.slot.path())?;
        io::copy(&mut File::open(self.image.path())?, &mut slot)?;
        slot.sync_all()?;
        let tree = OpenOptions::new().write(true).open(self.tree.path())?;
        tree.write_all_at(&[0; BLOCK], 0)?;
        tree.sync_all()?;
        let directory = self.new.parent().unwrap_or(Path::new(""));
        for place in [self.slot.path(), &directory.join("slot"), &self.image.path()] {
            fadvise(File::open(place)?, 0, None, Advice::DontNeed)?;
        }
        Ok(())
    }

    fn install(&self, threads: NonZeroUsize) -> Result<Phases, String> {
        let mut command = Command::new(self.verity);
        command.env("LC_ALL", "C").stdin(Stdio::null()).arg("install").arg(&self.new);
        command.arg("--certificate").arg(path(&format!("{KEY}.cert.pem")));
        command.arg("--data-device").arg(self.slot.path());
        command.arg("--hash-device").arg(self.tree.path());
        command.arg("--reuse").arg(self.image.path()).arg(format!("--threads={threads}"));
        let start = Instant::now();
        let output = oracle::run(command.args(["--json", "--verbose"]));
        let whole = start.elapsed();
        let said = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            return Err(oracle::failure(&command, &output));
        }
        if !String::from_utf8_lossy(&output.stdout).contains(r#""read_back":"direct""#) {
            return Err("the slot was not read back by direct reads".to_owned());
        }
        let steps = said.lines().filter(|line| line.contains("verifying: "));
        let read_back = steps.filter_map(seconds).sum();
        if read_back == Duration::ZERO {
            return Err(format!("nothing is said of reading back:\n{said}"));
        }
        Ok(Phases { write: whole.saturating_sub(read_back), read_back })
    }

    /// All of the old image and of the slot, one after the other.
    fn read(&self) -> io::Result<Duration> {
        let start = Instant::now();
        let mut piece = vec![0; PIECE];
        for place in [&self.image.path(), self.slot.path()] {
            let mut file = File::open(place)?;
            while file.read(&mut piece)? > 0 {}
        }
        Ok(start.elapsed())
    }

    /// The blocks that changed, and the tree.
    fn write(&self) -> io::Result<Duration> {
        let new = fs::read(&self.new)?;
        let tree = fs::read(self.new.with_extension("verity"))?;
        let start = Instant::now();
        let slot = OpenOptions::new().write(true).open(self.slot.path())?;
        for &at in &self.changed {
            let from = usize::try_from(at).map_err(io::Error::other)?;
            slot.write_all_at(&new[from..(from + RUN * BLOCK).min(new.len())], at)?;
        }
        slot.sync_all()?;
        let device = OpenOptions::new().write(true).open(self.tree.path())?;
        device.write_all_at(&tree, 0)?;
        device.sync_all()?;
        Ok(start.elapsed())
    }
}

impl Phases {
    const ZERO: Phases = Phases { write: Duration::ZERO, read_back: Duration::ZERO };

    fn before(write: Duration) -> Phases {
        Phases { write, ..Phases::ZERO }
    }

    fn after(read_back: Duration) -> Phases {
        Phases { read_back, ..Phases::ZERO }
    }
}

/// Writes the new release, and returns where the runs of other blocks begin.
fn make_new(old: &Path, new: &Path) -> io::Result<Vec<u64>> {
    let mut bytes = fs::read(old)?;
    let mut changed = Vec::new();
    for (run, piece) in bytes.chunks_mut(RUN * BLOCK).enumerate() {
        if run % CHANGED == CHANGED / 2 {
            changed.push((run * RUN * BLOCK) as u64);
            piece.iter_mut().step_by(BLOCK / 2).for_each(|byte| *byte ^= 0x5a);
        }
    }
    fs::write(new, bytes)?;
    File::open(new)?.sync_all()?;
    Ok(changed)
}

/// All of a device, past the page cache.
fn direct_read(place: &Path) -> io::Result<Duration> {
    let flags = i32::try_from(OFlags::DIRECT.bits()).map_err(io::Error::other)?;
    let mut file = OpenOptions::new().read(true).custom_flags(flags).open(place)?;
    let mut piece = vec![0; PIECE + BLOCK];
    let start = piece.as_ptr().align_offset(BLOCK);
    let piece = &mut piece[start..start + PIECE];
    let begun = Instant::now();
    while file.read(piece)? > 0 {}
    Ok(begun.elapsed())
}

/// The time at the end of a line, such as `in 12.34ms`.
fn seconds(line: &str) -> Option<Duration> {
    let text = line.rsplit_once(" in ")?.1;
    let (number, unit) = text.split_at(text.find(|it: char| !it.is_ascii_digit() && it != '.')?);
    let scale = match unit.trim() {
        "s" => 1.0,
        "ms" => 1e-3,
        "µs" => 1e-6,
        _ => return None,
    };
    Some(Duration::from_secs_f64(number.parse::<f64>().ok()? * scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_the_command_says_them() {
        let line = "verity: verifying: 4096 of 4096 bytes in ";
        for (text, milliseconds) in [("1.50s", 1500), ("12.00ms", 12), ("9000.00µs", 9)] {
            let expected = Duration::from_millis(milliseconds);
            assert_eq!(seconds(&format!("{line}{text}")), Some(expected), "{text}");
        }
        assert_eq!(seconds("verity: verifying"), None);
    }
}
