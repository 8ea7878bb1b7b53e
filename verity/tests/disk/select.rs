//! Names of partitions.

use verity::Uuid;
use verity::disk::types::{Architecture, Content, MountPoint, PartitionType};
use verity::disk::{SectorSize, Selector, Table};

use super::support::{BOOT, DISK, partition, read, table};

fn number(table: &Table, name: &str) -> Result<u32, Vec<u32>> {
    let selector: Selector = name.parse().unwrap();
    let found = table.select(&selector);
    found
        .map(|found| found.number())
        .map_err(|error| error.matches.iter().map(|found| found.number()).collect())
}

#[test]
fn a_partition_is_named_by_number_uuid_label_or_type() {
    let table = table(SectorSize::S512, 160);
    let uuid = table.partition(4).unwrap().uuid();
    assert_eq!(number(&table, "4"), Ok(4));
    assert_eq!(number(&table, "04"), Ok(4));
    assert_eq!(number(&table, "3"), Err(vec![]));
    assert_eq!(number(&table, "99999999999999"), Err(vec![]));
    assert_eq!(number(&table, &format!("PARTUUID={uuid}")), Ok(4));
    assert_eq!(number(&table, &format!("PARTUUID={}", uuid.to_string().to_uppercase())), Ok(4));
    assert_eq!(number(&table, "BOOT-A"), Ok(1));
    assert_eq!(number(&table, "boot-b"), Ok(4));
    assert_eq!(number(&table, "PARTLABEL=boot-b"), Err(vec![]));
    assert_eq!(number(&table, "PARTLABEL=BOOT-B"), Ok(4));
    assert_eq!(number(&table, "root"), Ok(2));
    assert_eq!(number(&table, "root-x86-64"), Err(vec![2, 30]));
    assert_eq!(number(&table, "usr"), Err(vec![]));
    assert_eq!(number(&table, "ROOT-Ä𝄞"), Ok(30));
}

#[test]
fn sets_of_bottlerocket_are_named_by_their_letter() {
    let kind = |bits| Uuid::from_u128(bits);
    let root = kind(0x5526016a_1a97_4ea4_b39a_b7c8c6ca4502);
    let hash = kind(0x598f10af_c955_4456_6a99_7720068a6cea);
    let usr = PartitionType::new(MountPoint::Usr, Architecture::Arm64, Content::Verity).guid();
    let partitions = [
        partition(BOOT, [40, 40], "BOTTLEROCKET-BOOT-A"),
        partition(root, [41, 41], "BOTTLEROCKET-ROOT-A"),
        partition(hash, [42, 42], "BOTTLEROCKET-HASH-A"),
        partition(BOOT, [43, 43], "BOTTLEROCKET-BOOT-B"),
        partition(root, [44, 44], "BOTTLEROCKET-ROOT-B"),
        partition(hash, [45, 45], "7"),
        partition(usr, [46, 46], "x_1_verity"),
    ]
    .map(Some);
    let table = Table::new(SectorSize::S512, 160, DISK, &partitions).unwrap();
    for (name, wanted) in [
        ("boot-a", Ok(1)),
        ("root-a", Ok(2)),
        ("hash-a", Ok(3)),
        ("ROOT-B", Ok(5)),
        ("hash-b", Ok(6)),
        ("hash-c", Err(vec![])),
        ("hash-", Err(vec![])),
        ("7", Ok(7)),
        ("PARTLABEL=7", Ok(6)),
        ("usr-verity", Ok(7)),
        ("usr-arm64-verity", Ok(7)),
    ] {
        assert_eq!(number(&table, name), wanted, "{name}");
    }
    assert_eq!(read(&super::support::written(&table, vec![0; 160 * 512])).partitions().count(), 7);
}
