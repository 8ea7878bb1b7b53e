//! A virtual machine in which whole programs run over a real Linux kernel: that of [`kernel`], with
//! programs of the host and a script of the caller.
//!
//! The script is run by the first process, after the modules are loaded; what it prints is what the
//! caller gets. Time there is counted by instructions, so that a busy host fails no test.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::{files, kernel, oracle};

/// How long the machine may be silent.
const PATIENCE: Duration = Duration::from_secs(600);

/// What the first process does before and after the script.
const INIT: &str = r#"#!/bin/busybox sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/ LANG=C
busybox mount -t devtmpfs dev /dev
busybox mount -t proc proc /proc
busybox mount -t sysfs sys /sys
busybox mkdir -p /tmp /run /mnt /dev/pts
busybox mount -t tmpfs tmp /tmp
busybox mount -t tmpfs run /run
busybox --install -s /bin
for module in $(cat /modules/order) loop; do
    insmod "/modules/$module.ko" || echo "init: no module $module"
done
sh /script >/dev/ttyS1 2>&1
echo "the script has ended" >/dev/ttyS1
poweroff -f
"#;

/// A machine in the making.
#[derive(Debug)]
pub struct Machine {
    kernel: PathBuf,
    dir: TempDir,
    has_firmware: bool,
    disks: Vec<PathBuf>,
    has_network: bool,
}

/// A machine that runs, until this is dropped.
#[derive(Debug)]
pub struct Booted {
    child: Child,
    said: PathBuf,
    console: PathBuf,
}

/// What a network card takes, in this order.
const NETWORK: [&str; 3] = ["failover", "net_failover", "virtio_net"];

impl Machine {
    /// A machine with nothing but the kernel's modules and busybox, by the rule of
    /// [`oracle::require`].
    ///
    /// # Panics
    /// When what it is made of cannot be read.
    #[must_use]
    pub fn find() -> Option<Machine> {
        kernel::Kernel::find()?;
        let kernel = std::env::var_os("VERITY_KERNEL")
            .map_or_else(|| crate::workspace().join("target/kernel"), PathBuf::from);
        let dir = files::tempdir();
        let machine =
            Machine { kernel, dir, has_firmware: false, disks: Vec::new(), has_network: false };
        machine.add_text(INIT, "init");
        machine.add_module("loop");
        symlink("usr/sbin", machine.root().join("sbin")).expect("a link");
        Some(machine)
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    /// Copies a file, whose place is relative to the machine's root.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn add(&self, from: &Path, to: &str) {
        let to = self.room_for(to);
        fs::copy(from, &to).unwrap_or_else(|error| panic!("copy {}: {error}", from.display()));
    }

    fn room_for(&self, to: &str) -> PathBuf {
        let path = self.root().join(to);
        fs::create_dir_all(path.parent().expect("a directory")).expect("make a directory");
        path
    }

    /// Adds a program of the host, without what debuggers want, and the libraries that it is linked
    /// with.
    ///
    /// # Panics
    /// When it is no program that is linked.
    pub fn add_program(&self, program: &Path, to: &str) {
        self.add(program, to);
        oracle::run_ok(Command::new("strip").arg(self.root().join(to)));
        self.add_libraries(program, None);
    }

    /// Adds the libraries that a program is linked with: those of these unpacked packages, where
    /// they have them.
    ///
    /// # Panics
    /// When it is no program that is linked.
    pub fn add_libraries(&self, program: &Path, packages: Option<&Path>) {
        let mut command = Command::new("ldd");
        if let Some(packages) = packages {
            let places = ["lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu"];
            let places = places.map(|place| packages.join(place).display().to_string());
            command.env("LD_LIBRARY_PATH", places.join(":"));
        }
        for line in oracle::run_ok(command.arg(program)).lines() {
            let path = line.split(' ').find(|word| word.contains('/')).map(str::trim);
            let Some(path) = path else { continue };
            let name = Path::new(path).file_name().and_then(|name| name.to_str()).expect("a name");
            let place = if name.starts_with("ld-linux") { "lib64" } else { "lib/x86_64-linux-gnu" };
            self.add(Path::new(path), &format!("{place}/{name}"));
        }
    }

    /// Adds a tool that the host must have, as `/usr/sbin/NAME`; `None` by the rule of
    /// [`oracle::require`].
    #[must_use]
    pub fn add_tool(&self, name: &str) -> Option<()> {
        self.add_program(&oracle::require(name)?, &format!("usr/sbin/{name}"));
        Some(())
    }

    /// Adds a file with this text.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn add_text(&self, text: &str, to: &str) {
        let path = self.room_for(to);
        files::write(&path, text.as_bytes());
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&path, executable).expect("set the mode");
    }

    /// Adds a file system that can be mounted, as `/ext4`; `None` by the rule of
    /// [`oracle::require`].
    #[must_use]
    pub fn add_file_system(&self) -> Option<()> {
        let path = self.room_for("ext4");
        files::sparse(&path, 4 << 20);
        let mkfs = oracle::require("mkfs.ext4")?;
        oracle::run_ok(
            Command::new(mkfs).args(["-q", "-b", "4096", "-O", "^has_journal"]).arg(&path),
        );
        Some(())
    }

    /// Another name of a file in the machine.
    ///
    /// # Panics
    /// When the name is taken.
    pub fn link(&self, to: &str, name: &str) {
        symlink(to, self.room_for(name)).expect("a link");
    }

    /// The release of its kernel, as `uname -r` says it there.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn release(&self) -> String {
        let mut modules = fs::read_dir(self.modules()).expect("modules");
        let release = modules.next().expect("a kernel").expect("a kernel");
        release.file_name().into_string().expect("UTF-8")
    }

    fn modules(&self) -> PathBuf {
        self.kernel.join("packages/lib/modules")
    }

    /// Adds a module of its kernel as `/modules/NAME.ko`.
    ///
    /// # Panics
    /// When there is none of this name.
    pub fn add_module(&self, name: &str) {
        let path = find(&self.modules(), &format!("{name}.ko.xz"));
        let path = path.unwrap_or_else(|| panic!("the kernel has no module {name}"));
        let busybox = self.kernel.join("packages/bin/busybox");
        let module = Command::new(busybox).args(["xz", "-dc"]).arg(path).output().expect("xz");
        files::write(&self.room_for(&format!("modules/{name}.ko")), &module.stdout);
    }

    /// A disk, which the machine writes to: `/dev/vda`, then `/dev/vdb`. It outlives the machine.
    pub fn add_disk(&mut self, path: &Path) {
        self.disks.push(path.to_owned());
    }

    /// A network card, and its modules: `10.0.2.2` is the loopback interface of the host, and
    /// nothing else is reached. The machine's time is then no count of instructions alone.
    pub fn add_network(&mut self) {
        NETWORK.iter().for_each(|module| self.add_module(module));
        self.has_network = true;
    }

    /// Has the kernel trust these certificates (X.509 in DER), which the firmware gives it; `None`
    /// by the rule of [`oracle::require`].
    #[must_use]
    pub fn trust(&mut self, certificates: &[Vec<u8>]) -> Option<()> {
        let variables = kernel::firmware_variables(certificates)?;
        files::write(&self.dir.path().join("variables"), &variables);
        self.has_firmware = true;
        Some(())
    }

    /// Runs the script to its end, and returns what it prints.
    ///
    /// # Panics
    /// When the machine ends before the script does, or is silent for ten minutes.
    #[must_use]
    pub fn run(&self, script: &str) -> String {
        self.add_text(script, "script");
        let mut booted = self.start("");
        let said = booted.wait();
        match said.strip_suffix("the script has ended\n") {
            Some(said) => said.to_owned(),
            None => panic!("the machine ended early:\n{said}\n{}", booted.console()),
        }
    }

    /// Boots the machine, with these arguments of the kernel beside its own.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(&self, arguments: &str) -> Booted {
        self.pack();
        let [said, console] = ["said", "console"].map(|name| self.dir.path().join(name));
        files::write(&said, b"");
        let mut command = self.command(&said, &console, arguments);
        let child = command.spawn().expect("start the virtual machine");
        Booted { child, said, console }
    }

    /// The machine's initramfs, and behind it what is added: the kernel unpacks both.
    fn pack(&self) {
        let busybox = self.kernel.join("packages/bin/busybox");
        let mut initramfs = files::read(&self.kernel.join("initramfs"));
        initramfs.resize(initramfs.len().next_multiple_of(4), 0);
        let script = format!("find . | {0} cpio -o -H newc 2>/dev/null", busybox.display());
        let packed = Command::new("sh").args(["-c", &script]).current_dir(self.root()).output();
        initramfs.extend(packed.expect("cpio").stdout);
        files::write(&self.dir.path().join("initramfs"), &initramfs);
    }

    fn command(&self, said: &Path, console: &Path, more: &str) -> Command {
        let mut command = Command::new("qemu-system-x86_64");
        // As testdata/kernel/boot.sh, which says why.
        let options = "-machine pc -accel tcg,thread=single -cpu max \
                       -smp 1 -m 1024 -nodefaults -no-reboot -display none";
        command.args(options.split_ascii_whitespace());
        // Who waits for somebody else must not have waited for hours at once.
        let sleep = if self.has_network { "on" } else { "off" };
        command.arg("-icount").arg(format!("shift=3,sleep={sleep}"));
        if self.has_network {
            command.args([
                "-netdev",
                "user,id=net",
                "-device",
                "virtio-net-pci,netdev=net,romfile=",
            ]);
        }
        for disk in &self.disks {
            let disk = format!("file={},format=raw,if=virtio,cache=unsafe", disk.display());
            command.arg("-drive").arg(disk);
        }
        command.arg("-serial").arg(format!("file:{}", console.display()));
        command.arg("-serial").arg(format!("file:{}", said.display()));
        command.arg("-kernel").arg(self.kernel.join("vmlinuz"));
        command.arg("-initrd").arg(self.dir.path().join("initramfs"));
        let arguments = format!("console=ttyS0 panic=-1 oops=panic quiet loglevel=5 {more}");
        command.args(["-append", arguments.trim_end()]).stdin(Stdio::null());
        if self.has_firmware {
            let code = format!("if=pflash,format=raw,readonly=on,file={}", kernel::FIRMWARE);
            let variables = self.dir.path().join("variables");
            let variables = format!("if=pflash,format=raw,file={}", variables.display());
            command.args(["-drive", &code, "-drive", &variables]);
        }
        command
    }
}

impl Booted {
    /// Waits until the machine has ended, and returns what was printed there.
    ///
    /// # Panics
    /// When it is silent for ten minutes.
    pub fn wait(&mut self) -> String {
        let (mut size, mut heard) = (0, Instant::now());
        while self.is_running() {
            let now = fs::metadata(&self.said).map_or(0, |metadata| metadata.len());
            if now != size {
                (size, heard) = (now, Instant::now());
            }
            if heard.elapsed() > PATIENCE {
                panic!("the machine is silent:\n{}\n{}", self.said(), self.console());
            }
            thread::sleep(Duration::from_millis(50));
        }
        self.said()
    }

    /// Whether it has not ended.
    ///
    /// # Panics
    /// When the system does not tell.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("look after the virtual machine").is_none()
    }

    /// What was printed there so far.
    #[must_use]
    pub fn said(&self) -> String {
        text(&self.said)
    }

    /// What its kernel has printed.
    #[must_use]
    pub fn console(&self) -> String {
        text(&self.console)
    }
}

impl Drop for Booted {
    fn drop(&mut self) {
        // These fail if it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The file of this name somewhere below a folder.
fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    fs::read_dir(folder).ok()?.flatten().find_map(|entry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => find(&entry.path(), name),
        _ => (entry.file_name() == name).then(|| entry.path()),
    })
}

fn text(path: &Path) -> String {
    String::from_utf8_lossy(&files::read(path)).replace('\r', "")
}
