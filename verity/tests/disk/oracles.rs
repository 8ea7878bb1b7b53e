//! Byte for byte what sfdisk and sgdisk write, and what they say of what we write.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use verity::disk::{Attributes, NewPartition, SectorSize, Table};
use verity_testdata::loop_device::LoopDevice;
use verity_testdata::oracle;

use super::support::{BOOT, DISK, ROOT, partition, read, written};

const SECTORS: u64 = 8192;

fn partitions() -> Vec<Option<NewPartition>> {
    let mut boot = partition(BOOT, [2048, 2055], "BOTTLEROCKET-BOOT-A");
    boot.attributes = Attributes::new(1 << 48 | 1 << 56);
    let mut verity = partition(ROOT, [3000, 4001], "debian_13_verity");
    verity.attributes = Attributes::new(1 << 60 | 1 << 2);
    vec![Some(boot), None, Some(verity), Some(partition(ROOT, [34, 35], "Ä"))]
}

fn ours(size: SectorSize, sectors: u64, partitions: &[Option<NewPartition>]) -> Vec<u8> {
    let table = Table::new(size, sectors, DISK, partitions).unwrap();
    let len = usize::try_from(sectors * size.bytes()).unwrap();
    written(&table, vec![0; len])
}

fn present(partitions: &[Option<NewPartition>]) -> impl Iterator<Item = (usize, &NewPartition)> {
    (1..).zip(partitions).filter_map(|(number, one)| Some((number, one.as_ref()?)))
}

fn sfdisk(sfdisk: &Path, disk: &Path, partitions: &[Option<NewPartition>], first_lba: u64) {
    let mut script = format!("label: gpt\nlabel-id: {DISK}\nfirst-lba: {first_lba}\n");
    for (number, one) in present(partitions) {
        let bits = (0..64).filter(|bit| one.attributes.is_set(*bit)).map(|bit| match bit {
            2 => "LegacyBIOSBootable".to_owned(),
            bit => format!("GUID:{bit}"),
        });
        script += &format!(
            "{number}: start={}, size={}, type={}, uuid={}, name=\"{}\", attrs=\"{}\"\n",
            one.first_lba,
            one.last_lba - one.first_lba + 1,
            one.type_guid,
            one.uuid,
            one.label,
            bits.collect::<Vec<_>>().join(" ")
        );
    }
    let mut command = Command::new(sfdisk);
    command.env("LC_ALL", "C.UTF-8").args(["--no-reread", "--no-tell-kernel", "--quiet"]).arg(disk);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "{script}");
}

fn sgdisk(sgdisk: &Path, disk: &Path, partitions: &[Option<NewPartition>]) {
    let mut command = Command::new(sgdisk);
    command.env("LC_ALL", "C.UTF-8").args(["-o", "-U", &DISK.to_string(), "-a", "1"]);
    for (number, one) in present(partitions) {
        command.args(["-n", &format!("{number}:{}:{}", one.first_lba, one.last_lba)]);
        command.args(["-t", &format!("{number}:{}", one.type_guid)]);
        command.args(["-u", &format!("{number}:{}", one.uuid)]);
        command.args(["-c", &format!("{number}:{}", one.label)]);
        for bit in (0..64).filter(|bit| one.attributes.is_set(*bit)) {
            command.args(["-A", &format!("{number}:set:{bit}")]);
        }
    }
    oracle::run_ok(command.arg(disk));
}

/// The two ends of a disk, from LBA 1 on.
fn ends(disk: &[u8], size: SectorSize) -> (&[u8], &[u8]) {
    let sector = usize::try_from(size.bytes()).unwrap();
    let end = sector + 16384;
    (&disk[sector..sector + end], &disk[disk.len() - end..])
}

#[test]
fn tables_are_those_of_sfdisk_to_the_byte() {
    let Some(program) = oracle::require("sfdisk") else { return };
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(SECTORS * 512).unwrap();
    sfdisk(&program, file.path(), &partitions(), 34);
    let theirs = std::fs::read(file.path()).unwrap();
    let ours = ours(SectorSize::S512, SECTORS, &partitions());
    assert_eq!(ends(&ours, SectorSize::S512), ends(&theirs, SectorSize::S512));
    assert_eq!(ours[..512], theirs[..512], "LBA 0");
    assert!(ours == theirs);
}

#[test]
fn tables_for_sectors_of_4096_bytes_are_those_of_sfdisk_too() {
    let Some(program) = oracle::require("sfdisk") else { return };
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(2048 * 4096).unwrap();
    let Some(device) = LoopDevice::attach(file.path(), 4096) else { return };
    let partitions =
        [Some(partition(BOOT, [256, 300], "boot")), Some(partition(ROOT, [6, 6], "root"))];
    sfdisk(&program, device.path(), &partitions, 6);
    drop(device);
    let theirs = std::fs::read(file.path()).unwrap();
    let ours = ours(SectorSize::S4096, 2048, &partitions);
    assert_eq!(ends(&ours, SectorSize::S4096), ends(&theirs, SectorSize::S4096));
    assert!(ours == theirs);
}

#[test]
fn headers_and_arrays_are_those_of_sgdisk_to_the_byte() {
    let Some(program) = oracle::require("sgdisk") else { return };
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(SECTORS * 512).unwrap();
    sgdisk(&program, file.path(), &partitions());
    let theirs = std::fs::read(file.path()).unwrap();
    let ours = ours(SectorSize::S512, SECTORS, &partitions());
    assert_eq!(ends(&ours, SectorSize::S512), ends(&theirs, SectorSize::S512));
}

#[test]
fn changed_attributes_are_those_of_sgdisk_and_its_check_finds_nothing() {
    let Some(program) = oracle::require("sgdisk") else { return };
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), ours(SectorSize::S512, SECTORS, &partitions())).unwrap();
    let disk = File::options().read(true).write(true).open(file.path()).unwrap();
    let mut table = Table::read(&disk, None).unwrap();
    assert!(table.faults().is_empty());
    let bits = Attributes::new(0xfeed_0000_0000_0005);
    table.set_attributes(3, bits).unwrap();
    table.set_label(3, &"new label".parse().unwrap()).unwrap();
    table.update().unwrap().apply(&disk).unwrap();
    let said = oracle::run_ok(Command::new(&program).args(["-i", "3"]).arg(file.path()));
    assert!(said.contains("Attribute flags: FEED000000000005"), "{said}");
    assert!(said.contains("'new label'"), "{said}");
    let said = oracle::run_ok(Command::new(&program).arg("-v").arg(file.path()));
    // It says "No problems found" also after it has silently used the backup.
    assert!(said.contains("No problems found"), "{said}");
    for word in ["Caution", "Warning", "ERROR", "Problem"] {
        assert!(!said.contains(word), "{said}");
    }
}

/// A disk that has grown, after another program and after us.
fn grown(program: &Path, options: &[&str]) -> [Vec<u8>; 2] {
    let mut disk = ours(SectorSize::S512, SECTORS, &partitions());
    disk.resize(disk.len() + 5000 * 512, 0);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &disk).unwrap();
    let mut command = Command::new(program);
    oracle::run_ok(command.env("LC_ALL", "C.UTF-8").args(options).arg(file.path()));
    let mut table = read(&disk);
    table.move_backup_to_end().unwrap();
    [std::fs::read(file.path()).unwrap(), written(&table, disk)]
}

#[test]
fn a_table_that_takes_in_all_of_its_disk_is_that_of_sgdisk_to_the_byte() {
    let Some(program) = oracle::require("sgdisk") else { return };
    let [theirs, ours] = grown(&program, &["-e"]);
    assert_eq!(ends(&ours, SectorSize::S512), ends(&theirs, SectorSize::S512));
    // LBA 0 has other numbers of cylinders, heads and sectors there, which nobody reads.
    let end = usize::try_from(SECTORS * 512).unwrap();
    assert!(ours[512..] == theirs[512..], "the rest, and the old backup");
    assert!(ours[end - 512..].starts_with(b"EFI PART"), "which stays");
}

#[test]
fn a_disk_that_takes_in_all_of_its_room_is_that_of_sfdisk_to_the_byte() {
    let Some(program) = oracle::require("sfdisk") else { return };
    let [theirs, ours] = grown(&program, &["--quiet", "--relocate", "gpt-bak-std"]);
    assert!(ours == theirs);
}
