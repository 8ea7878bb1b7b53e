//! A virtual machine in which whole programs run over a real Linux kernel: that of [`kernel`], with
//! programs of the host and a script of the caller; it boots that kernel at once, or what a boot
//! loader on a disk names.
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

/// As testdata/kernel/boot.sh, which says why.
const CPU: &str =
    "max,avx2=off,avx=off,sse4.2=off,sse4.1=off,ssse3=off,aes=off,pclmulqdq=off,erms=off,fsrm=off";

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
    disks: Vec<Disk>,
    has_firmware: bool,
    has_network: bool,
}

#[derive(Debug)]
struct Disk {
    image: PathBuf,
    /// Whether what the machine writes to it is there afterwards.
    is_kept: bool,
}

/// A machine that runs, until this is dropped.
#[derive(Debug)]
pub struct Booted {
    child: Child,
    said: PathBuf,
    console: PathBuf,
}

/// Where the machine finds what it boots.
#[derive(Clone, Copy, Debug)]
enum Boot<'a> {
    /// The host gives it kernel and initramfs, and these arguments beside others.
    Direct(&'a str),
    /// The firmware looks for a boot loader on the first disk.
    Disk,
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
        let (dir, disks) = (files::tempdir(), Vec::new());
        let machine = Machine { kernel, dir, disks, has_firmware: false, has_network: false };
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

    /// Adds a program of the host as `/usr/sbin/NAME`, with loader and libraries of its own: for a
    /// machine whose libraries are those of another system.
    ///
    /// # Panics
    /// When it is no program that is linked.
    pub fn add_program_apart(&self, program: &Path, name: &str) {
        let place = format!("apart/{name}");
        self.add(program, &format!("{place}/{name}"));
        oracle::run_ok(Command::new("strip").arg(self.root().join(&place).join(name)));
        let libraries = libraries(program, None);
        for (path, name) in &libraries {
            self.add(path, &format!("{place}/{name}"));
        }
        let loader = libraries.iter().map(|(_, name)| name).find(|name| is_loader(name));
        let loader = loader.expect("a loader");
        let script = format!(
            "#!/bin/sh\nexec /{place}/{loader} --library-path /{place} /{place}/{name} \"$@\"\n"
        );
        self.add_text(&script, &format!("usr/sbin/{name}"));
    }

    /// Adds the libraries that a program is linked with: those of these unpacked packages, where
    /// they have them.
    ///
    /// # Panics
    /// When it is no program that is linked.
    pub fn add_libraries(&self, program: &Path, packages: Option<&Path>) {
        for (path, name) in libraries(program, packages) {
            let place = if is_loader(&name) { "lib64" } else { "lib/x86_64-linux-gnu" };
            self.add(&path, &format!("{place}/{name}"));
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

    /// Adds all that lies in a folder, with its links.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn add_tree(&self, from: &Path) {
        oracle::run_ok(Command::new("cp").arg("-a").arg(from.join(".")).arg(self.root()));
    }

    /// Adds a disk, `/dev/vda` if it is the first one. What the machine writes to it is lost.
    pub fn add_disk(&mut self, image: &Path) {
        self.disks.push(Disk { image: image.to_owned(), is_kept: false });
    }

    /// Adds a disk, to which the machine writes.
    pub fn add_kept_disk(&mut self, image: &Path) {
        self.disks.push(Disk { image: image.to_owned(), is_kept: true });
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
        self.pack();
        self.run_booted(Boot::Direct(""))
    }

    /// Kernel and initramfs that run this script, for a disk that the machine boots from
    /// ([`Machine::run_from_disk`]).
    ///
    /// # Panics
    /// When they cannot be written.
    #[must_use]
    pub fn boot_files(&self, script: &str) -> [PathBuf; 2] {
        self.add_text(script, "script");
        self.pack();
        [self.kernel.join("vmlinuz"), self.initramfs()]
    }

    /// Lets the firmware boot from this disk, and returns what the script prints that lies there;
    /// `None` without firmware by the rule of [`oracle::require`].
    ///
    /// # Panics
    /// As [`Machine::run`].
    #[must_use]
    pub fn run_from_disk(&mut self, image: &Path) -> Option<String> {
        if !self.has_firmware {
            self.trust(&[])?;
        }
        self.disks.insert(0, Disk { image: image.to_owned(), is_kept: false });
        Some(self.run_booted(Boot::Disk))
    }

    /// Boots the machine, with these arguments of the kernel beside its own.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(&self, arguments: &str) -> Booted {
        self.pack();
        self.boot(Boot::Direct(arguments))
    }

    fn boot(&self, boot: Boot<'_>) -> Booted {
        let [said, console] = ["said", "console"].map(|name| self.dir.path().join(name));
        for file in [&said, &console] {
            files::write(file, b"");
        }
        let mut command = self.command(&said, &console, boot);
        let child = command.spawn().expect("start the virtual machine");
        Booted { child, said, console }
    }

    fn run_booted(&self, boot: Boot<'_>) -> String {
        let mut booted = self.boot(boot);
        let said = booted.wait();
        match said.strip_suffix("the script has ended\n") {
            Some(said) => said.to_owned(),
            None => panic!("the machine ended early:\n{said}\n{}", booted.console()),
        }
    }

    fn initramfs(&self) -> PathBuf {
        self.dir.path().join("initramfs")
    }

    /// The machine's initramfs, and behind it what is added: the kernel unpacks both.
    fn pack(&self) {
        let busybox = self.kernel.join("packages/bin/busybox");
        let mut initramfs = files::read(&self.kernel.join("initramfs"));
        initramfs.resize(initramfs.len().next_multiple_of(4), 0);
        let script = format!("find . | {0} cpio -o -H newc 2>/dev/null", busybox.display());
        let packed = Command::new("sh").args(["-c", &script]).current_dir(self.root()).output();
        initramfs.extend(packed.expect("cpio").stdout);
        files::write(&self.initramfs(), &initramfs);
    }

    fn command(&self, said: &Path, console: &Path, boot: Boot<'_>) -> Command {
        let mut command = Command::new("qemu-system-x86_64");
        let options = "-machine pc -accel tcg,thread=single -smp 1 -m 1024 \
                       -nodefaults -no-reboot -display none -cpu";
        command.args(options.split_ascii_whitespace()).arg(CPU).stdin(Stdio::null());
        // Who waits for somebody else must not have waited for hours at once.
        let sleep = if self.has_network { "on" } else { "off" };
        command.arg("-icount").arg(format!("shift=3,sleep={sleep}"));
        command.arg("-serial").arg(format!("file:{}", console.display()));
        command.arg("-serial").arg(format!("file:{}", said.display()));
        if let Boot::Direct(more) = boot {
            command.arg("-kernel").arg(self.kernel.join("vmlinuz"));
            command.arg("-initrd").arg(self.initramfs());
            let arguments = format!("console=ttyS0 panic=-1 oops=panic quiet loglevel=5 {more}");
            command.arg("-append").arg(arguments.trim_end());
        }
        for Disk { image, is_kept } in &self.disks {
            let how = if *is_kept { "cache=unsafe" } else { "snapshot=on" };
            let disk = format!("if=virtio,format=raw,{how},file={}", image.display());
            command.args(["-drive", &disk]);
        }
        if self.has_network {
            let card = "virtio-net-pci,netdev=net,romfile=";
            command.args(["-netdev", "user,id=net", "-device", card]);
        }
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

/// The libraries that a program is linked with, and the loader, with their names.
fn libraries(program: &Path, packages: Option<&Path>) -> Vec<(PathBuf, String)> {
    let mut command = Command::new("ldd");
    if let Some(packages) = packages {
        let places = ["lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu"];
        let places = places.map(|place| packages.join(place).display().to_string());
        command.env("LD_LIBRARY_PATH", places.join(":"));
    }
    let listed = oracle::run_ok(command.arg(program));
    let paths = listed.lines().filter_map(|line| line.split(' ').find(|word| word.contains('/')));
    let named = paths.map(|path| {
        let path = PathBuf::from(path.trim());
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
        (path, name)
    });
    named.collect()
}

fn is_loader(name: &str) -> bool {
    name.starts_with("ld-linux")
}

fn text(path: &Path) -> String {
    String::from_utf8_lossy(&files::read(path)).replace('\r', "")
}
