//! A real Linux kernel as judge: cases in, one verdict each out of one boot of a virtual machine.
//!
//! `testdata/kernel/` holds the other half: how the machine is made (`make.sh`) and started (`boot.sh`), and the
//! program in it (`judge.c`), which also describes the two texts that pass between the halves. What a case
//! should come to is for the caller to say, as an [`Expectation`].

mod firmware;
mod verdict;

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

pub use self::verdict::{
    E2BIG, EBADMSG, EINVAL, EKEYREJECTED, ENOENT, ENOKEY, ENOPKG, Expectation, Verdict,
};
use crate::{files, oracle};

const SECTOR: usize = 512;
/// How long the machine may be silent: far longer than a case or a boot takes.
const PATIENCE: Duration = Duration::from_secs(300);

/// The machine, as `testdata/kernel/make.sh` makes it.
#[derive(Clone, Debug)]
pub struct Kernel {
    directory: PathBuf,
}

/// What the kernel is asked to activate and to read.
#[derive(Clone, Debug, Default)]
pub struct Case {
    /// What messages call it.
    pub name: String,
    /// Block devices, as `/dev/mapper/NAME`, and what they hold: whole sectors of 512 bytes.
    pub devices: Vec<(&'static str, Vec<u8>)>,
    /// The table. Its devices are those above.
    pub table: String,
    /// The data block size, in bytes.
    pub block_size: u32,
    /// A key of type `user`, by its description, for `root_hash_sig_key_desc`. If the kernel refuses the key,
    /// that is the verdict.
    pub key: Option<(String, Vec<u8>)>,
    /// Whether dm-verity is loaded with `require_signatures=1`.
    pub require_signatures: bool,
}

/// All that the kernel answered.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// Its release, such as `6.12.117+deb12-cloud-amd64`.
    pub release: String,
    /// The hash algorithms that it knows.
    pub algorithms: BTreeSet<String>,
    /// One for each case, in order.
    pub verdicts: Vec<Verdict>,
}

impl Kernel {
    /// Finds the machine in `$VERITY_KERNEL`, else in `target/kernel`, and what runs it, by the rule of
    /// [`oracle::require`]. On other processors than x86-64 there is none, and nothing is missing.
    #[must_use]
    pub fn find() -> Option<Kernel> {
        if !cfg!(target_arch = "x86_64") {
            eprintln!("SKIPPED: the kernel that judges is one for x86-64");
            return None;
        }
        oracle::require("qemu-system-x86_64")?;
        let directory = std::env::var_os("VERITY_KERNEL")
            .map_or_else(|| crate::workspace().join("target/kernel"), PathBuf::from);
        if !directory.join("initramfs").is_file() {
            oracle::skip(&format!(
                "{} (made by testdata/kernel/make.sh)",
                directory.join("initramfs").display()
            ));
            return None;
        }
        Some(Kernel { directory })
    }

    /// Boots the machine once and has it judge all cases.
    ///
    /// If there are `certificates` (DER), the machine boots with a UEFI firmware that has them in `db`, and the
    /// kernel trusts signatures by their keys. `None` if that firmware is missing, by the rule of
    /// [`oracle::require`].
    ///
    /// With `VERITY_KERNEL_DIR` set, what the machine is given and what it writes stays there, in the directory
    /// `name`.
    ///
    /// # Panics
    /// If it does not come to an end, with the last words of its console.
    #[must_use]
    pub fn judge(&self, name: &str, cases: &[Case], certificates: &[Vec<u8>]) -> Option<Judgement> {
        let temporary = files::tempdir();
        let directory = match std::env::var_os("VERITY_KERNEL_DIR") {
            Some(kept) => Path::new(&kept).join(name),
            None => temporary.path().to_owned(),
        };
        std::fs::create_dir_all(&directory).expect("a directory for the machine's disks");
        if !certificates.is_empty() {
            files::write(&directory.join("variables"), &firmware::variables(certificates)?);
        }
        let disks = Disks::write(&directory, cases);
        let answers = self.boot(&directory).unwrap_or_else(|error| {
            let console = std::fs::read(directory.join("console")).unwrap_or_default();
            panic!("{error}; the end of the console:\n{}", tail(&console));
        });
        let output = File::open(directory.join("output")).expect("open the disk of what was read");
        Some(Answers::parse(&answers).judgement(cases, &disks, &output))
    }

    /// Runs the machine to its end.
    fn boot(&self, directory: &Path) -> Result<String, String> {
        let verdicts = directory.join("verdicts");
        files::write(&verdicts, b"");
        let child = Command::new(crate::path("kernel/boot.sh"))
            .arg(directory)
            .env("VERITY_KERNEL", &self.directory)
            .env("VERITY_FIRMWARE", firmware::CODE)
            .stdin(Stdio::null())
            .spawn();
        let mut machine = Machine(child.expect("start the virtual machine"));
        machine.wait(&verdicts)?;
        let text = String::from_utf8_lossy(&files::read(&verdicts)).replace('\r', "");
        match text.lines().last() {
            Some("done") => Ok(text),
            last => Err(format!("the machine ended after {last:?}")),
        }
    }
}

/// The running machine; it does not outlive the value.
struct Machine(Child);

impl Machine {
    /// Waits until it ends, as long as it goes on writing.
    fn wait(&mut self, verdicts: &Path) -> Result<(), String> {
        let mut size = 0;
        let mut heard = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().expect("look after the virtual machine") {
                return if status.success() { Ok(()) } else { Err(format!("QEMU: {status}")) };
            }
            let now = std::fs::metadata(verdicts).map_or(0, |metadata| metadata.len());
            if now != size {
                (size, heard) = (now, Instant::now());
            } else if heard.elapsed() > PATIENCE {
                return Err(format!("the machine is silent for {} seconds", PATIENCE.as_secs()));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // One that has ended already is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The last lines.
fn tail(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(&text[text.len().saturating_sub(4096)..]).replace('\r', "");
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

/// Where on the third disk the machine puts what it reads for each case, in bytes.
struct Disks {
    outputs: Vec<Range<u64>>,
}

impl Disks {
    /// Writes the list of cases and the disk of images, and makes an empty disk for what is read.
    fn write(directory: &Path, cases: &[Case]) -> Disks {
        let mut images = Images {
            file: File::create(directory.join("images")).expect("make the disk of images"),
            end: 0,
        };
        let (mut list, mut disks, mut output) =
            (String::new(), Disks { outputs: Vec::new() }, 0_u64);
        let mut required = false;
        for case in cases {
            if case.require_signatures != required {
                required = case.require_signatures;
                list += &format!("module require_signatures={}\n", u8::from(required));
            }
            let size = case.size();
            case.write(&mut list, &mut images, output / 512).expect("write the disk of images");
            disks.outputs.push(output..output + size);
            output += size.next_multiple_of(512);
        }
        let length = list.len().next_multiple_of(SECTOR).max(SECTOR);
        let mut list = list.into_bytes();
        // The end of the list is a NUL.
        list.resize(length + SECTOR, 0);
        files::write(&directory.join("cases"), &list);
        images.file.set_len(images.end.max(512)).expect("end the disk of images");
        files::sparse(&directory.join("output"), output.max(512));
        disks
    }
}

/// The disk of images, and where it ends.
struct Images {
    file: File,
    end: u64,
}

impl Images {
    /// Appends, and says at which sector that begins.
    fn append(&mut self, bytes: &[u8]) -> io::Result<u64> {
        let start = self.end;
        self.file.write_all_at(bytes, start)?;
        self.end = (start + to_u64(bytes.len())).next_multiple_of(512);
        Ok(start / 512)
    }
}

impl Case {
    /// The size of the device, as the table says.
    fn size(&self) -> u64 {
        let sectors = self.table.split(' ').nth(1).and_then(|word| word.parse::<u64>().ok());
        sectors.unwrap_or_else(|| panic!("{}: no table: {}", self.name, self.table)) * 512
    }

    fn write(&self, list: &mut String, images: &mut Images, output: u64) -> io::Result<()> {
        let mut line = |text: &str| {
            assert!(!text.contains(['\n', '\0']), "one line: {text:?}");
            list.push_str(text);
            list.push('\n');
        };
        line(&format!("case {}", self.name));
        for (name, bytes) in &self.devices {
            assert!(bytes.len().is_multiple_of(SECTOR), "{}: sectors of {name}", self.name);
            let start = images.append(bytes)?;
            line(&format!("device {name} {start} {}", bytes.len() / SECTOR));
        }
        if let Some((description, payload)) = &self.key {
            let start = images.append(payload)?;
            line(&format!("key {description} {start} {}", payload.len()));
        }
        line(&format!("table {}", self.table));
        line(&format!("read {} {output}", self.block_size));
        line("end");
        Ok(())
    }
}

/// What the machine wrote, before it is known which bytes were read.
#[derive(Debug, Default)]
struct Answers {
    release: String,
    algorithms: BTreeSet<String>,
    cases: Vec<(String, Verdict)>,
}

impl Answers {
    fn parse(text: &str) -> Answers {
        let mut answers = Answers::default();
        // The firmware speaks on this port too, before.
        for line in text.lines().skip_while(|line| !line.starts_with("kernel ")) {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            match word {
                "kernel" => rest.clone_into(&mut answers.release),
                "algorithm" => drop(answers.algorithms.insert(rest.to_owned())),
                "case" => answers.cases.push((rest.to_owned(), Verdict::default())),
                "done" => {}
                _ => {
                    let last = answers.cases.last_mut();
                    last.and_then(|(_, verdict)| verdict.note(word, rest))
                        .unwrap_or_else(|| panic!("the machine says {line:?}"));
                }
            }
        }
        answers
    }

    fn judgement(self, cases: &[Case], disks: &Disks, output: &File) -> Judgement {
        assert_eq!(self.cases.len(), cases.len(), "as many verdicts as cases");
        let mut verdicts = Vec::new();
        for ((case, place), (name, mut verdict)) in cases.iter().zip(&disks.outputs).zip(self.cases)
        {
            assert_eq!(name, case.name, "the verdicts are in order");
            if verdict.table == 0 {
                verdict.data = vec![0; to_index(place.end - place.start)];
                output.read_exact_at(&mut verdict.data, place.start).expect("read what was read");
            }
            verdicts.push(verdict);
        }
        Judgement { release: self.release, algorithms: self.algorithms, verdicts }
    }
}

fn to_u64(size: usize) -> u64 {
    u64::try_from(size).expect("a size fits 64 bits")
}

fn to_index(size: u64) -> usize {
    usize::try_from(size).expect("a size in memory")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_words_are_read() {
        let text = "\u{1b}[2J\nkernel 6.12\nalgorithm sha1\ncase a b\ntable 0\nunreadable 3 2\nunreadable 9 1\nread 10\n\
                    status C\nlog device-mapper: x\nend\ncase c\ntable 2\nend\ndone\n";
        let answers = Answers::parse(text);
        assert_eq!(answers.release, "6.12");
        assert!(answers.algorithms.contains("sha1"));
        let [(first, verdict), (_, refused)] = &answers.cases[..] else { panic!("{answers:?}") };
        assert_eq!((first.as_str(), verdict.table, refused.table), ("a b", 0, 2));
        assert_eq!(verdict.unreadable, BTreeSet::from([3, 4, 9]));
        assert_eq!(
            (verdict.status.as_str(), &*verdict.log),
            ("C", &["device-mapper: x".to_owned()][..])
        );
    }

    #[test]
    #[should_panic(expected = "the machine says \"failed mknod")]
    fn a_machine_that_fails_is_heard() {
        Answers::parse("kernel 6.12\ncase a\nfailed mknod: No space left on device\n");
    }
}
