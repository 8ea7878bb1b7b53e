//! A real Linux kernel as judge: it takes cases and gives a verdict on each, in one boot of a
//! virtual machine.
//!
//! A case is a table, and what is read through its device: every block, or every file of the file
//! system on it. `testdata/kernel/` holds the other half: how the machine is made (`make.sh`) and
//! started (`boot.sh`), and the program in it (`judge.c`), which also describes the two texts that
//! pass between the halves. What a case should come to is for the caller to say, as an
//! [`Expectation`].

mod case;
mod firmware;
mod tree;
mod verdict;

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use self::case::Disks;
pub use self::case::{Case, Key, KeyState};
pub use self::firmware::{CODE as FIRMWARE, variables as firmware_variables};
pub use self::tree::{Node, Owner, Tree};
pub use self::verdict::{
    E2BIG, EACCES, EBADMSG, EINVAL, EKEYREJECTED, EKEYREVOKED, ENOENT, ENOKEY, ENOPKG, Expectation,
    Verdict,
};
use crate::number::to_len;
use crate::{files, oracle};

/// How long the machine may be silent: far longer than a case or a boot takes.
const PATIENCE: Duration = Duration::from_secs(300);

/// The machine, as `testdata/kernel/make.sh` makes it.
#[derive(Clone, Debug)]
pub struct Kernel {
    directory: PathBuf,
}

/// All that the kernel answered.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// The kernel's release, such as `6.12.117+deb12-cloud-amd64`.
    pub release: String,
    /// The hash algorithms that the kernel knows.
    pub algorithms: BTreeSet<String>,
    /// What the kernel logged before the first case.
    pub boot: Vec<String>,
    /// The verdict on each case, in order.
    pub verdicts: Vec<Verdict>,
}

impl Kernel {
    /// Finds the machine in `$VERITY_KERNEL`, else in `target/kernel`, and the program that runs
    /// it, by the rule of [`oracle::require`]. On other processors than x86-64 there is no such
    /// machine, and no test fails for it.
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
    /// If there are `certificates` (DER), the machine boots with a UEFI firmware that has them in
    /// `db`, and the kernel trusts signatures by their keys. `None` if that firmware is missing, by
    /// the rule of [`oracle::require`].
    ///
    /// If `VERITY_KERNEL_DIR` is set, the machine's disks stay there, in the directory `name`.
    ///
    /// # Panics
    /// If the machine does not come to an end. The message shows the last lines of its console.
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
        // These fail only if it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The last lines of a text.
fn tail(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(&text[text.len().saturating_sub(4096)..]).replace('\r', "");
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

/// What the machine wrote, before it is known which bytes were read.
#[derive(Debug, Default)]
struct Answers {
    release: String,
    algorithms: BTreeSet<String>,
    boot: Vec<String>,
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
                "log" if answers.cases.is_empty() => answers.boot.push(rest.to_owned()),
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
            if let Some(list) = verdict.list.clone() {
                verdict.tree = Some(Tree::parse(list, output));
            } else if verdict.table == 0 && case.mount.is_none() {
                verdict.data = vec![0; to_len(place.end - place.start)];
                output.read_exact_at(&mut verdict.data, place.start).expect("read what was read");
            }
            verdicts.push(verdict);
        }
        let Answers { release, algorithms, boot, .. } = self;
        Judgement { release, algorithms, boot, verdicts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_words_are_read() {
        let text = "\u{1b}[2J\nkernel 6.12\nalgorithm sha1\nlog early\n\
                    case a b\ntable 0\nunreadable 3 2\nunreadable 9 1\nread 10\nstatus C\n\
                    log device-mapper: x\nend\ncase c\ntable 2\nend\ndone\n";
        let answers = Answers::parse(text);
        assert_eq!(answers.release, "6.12");
        assert!(answers.algorithms.contains("sha1"));
        assert_eq!(answers.boot, ["early"]);
        let [(first, verdict), (_, refused)] = &answers.cases[..] else { panic!("{answers:?}") };
        assert_eq!((first.as_str(), verdict.table, refused.table), ("a b", 0, 2));
        assert_eq!(verdict.unreadable, BTreeSet::from([3, 4, 9]));
        assert_eq!(
            (verdict.status.as_str(), &*verdict.log),
            ("C", &["device-mapper: x".to_owned()][..])
        );
    }

    #[test]
    fn a_list_of_files_is_found() {
        let answers = Answers::parse(
            "kernel 6.12\ncase a\ntable 0\nmount 5\nend\ncase b\nmount 0\ntree 3 70\n",
        );
        let [(_, refused), (_, mounted)] = &answers.cases[..] else { panic!("{answers:?}") };
        assert_eq!((refused.mount, refused.list.clone()), (5, None));
        assert_eq!((mounted.mount, mounted.list.clone()), (0, Some(1536..1606)));
    }

    #[test]
    #[should_panic(expected = "the machine says \"failed mknod")]
    fn a_machine_that_fails_is_heard() {
        Answers::parse("kernel 6.12\ncase a\nfailed mknod: No space left on device\n");
    }
}
