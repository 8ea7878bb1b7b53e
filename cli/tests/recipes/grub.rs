//! GRUB: a disk by the recipe, which firmware boots.

use std::fs;
use std::path::Path;

use verity_testdata::machine::Machine;
use verity_testdata::oracle;

use crate::common::Dir;
use crate::common::disk::json;
use crate::readme::{all_commands, shell};

/// A file of GRUB for firmware of x86-64.
const GRUB: &str = "/usr/lib/grub/x86_64-efi/moddep.lst";
const WORDS: &str = "read from the root that GRUB named";

/// The firmware starts GRUB from the disk, GRUB the kernel, and the initramfs opens the partitions
/// that the kernel's command line names: by the commands of the document, as they stand.
#[test]
fn firmware_boots_a_disk_with_grub_and_its_root_is_opened() {
    let Some(mut machine) = Machine::find() else { return };
    for tool in ["grub-mkstandalone", GRUB, "mkfs.vfat", "mcopy", "mkfs.erofs"] {
        if oracle::require(tool).is_none() {
            return;
        }
    }
    let blocks = all_commands("docs/IMAGES.md", "**GRUB.**");
    let [on_the_host, in_the_initramfs] = &*blocks else { panic!("{blocks:?}") };

    let dir = Dir::new();
    fs::create_dir(dir.path("tree")).unwrap();
    dir.write("tree/words", WORDS.as_bytes());
    oracle::run_ok(dir.tool("mkfs.erofs").args(["root.erofs", "tree"]));
    machine.add_program(Path::new(env!("CARGO_BIN_EXE_verity")), "usr/sbin/verity");
    let script = format!(
        "set -e\ncat /proc/cmdline\n{in_the_initramfs}\ncat /mnt/words\necho\n\
         grep ' /mnt ' /proc/mounts\n"
    );
    let names = ["vmlinuz", "initramfs"];
    for (from, to) in machine.boot_files(&script).iter().zip(names) {
        fs::copy(from, dir.path(to)).unwrap();
    }
    let run = shell(&dir, on_the_host);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stdout.contains("root hash of root in 1 place"), "{}", run.stdout);

    let Some(said) = machine.run_from_disk(&dir.path("os.raw")) else { return };
    let plan = "image create os.raw --root root.erofs --partition esp=esp.vfat --seed 1234 --plan";
    let root = json(&dir.ok(&format!("{plan} --json")))["images"][0]["root_hash"].clone();
    let line = format!(
        "BOOT_IMAGE=(hd0,gpt1)/EFI/BOOT/vmlinuz console=ttyS0 quiet roothash={}\n",
        root.as_str().unwrap()
    );
    for words in [&*line, "opened: /dev/mapper/root", WORDS, "/dev/mapper/root /mnt erofs ro,"] {
        assert!(said.contains(words), "no {words:?} in:\n{said}");
    }
}
