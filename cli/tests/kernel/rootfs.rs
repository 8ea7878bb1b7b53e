//! Real root filesystems, formatted and signed by the command, which the kernel mounts through the
//! mapped device and reads whole.
//!
//! What must be read, and whose it must be, is what another program finds in the same image
//! (`unpacked.rs`). The machine boots on its own, beside that of the other cases.

use std::collections::BTreeSet;

use verity::table::{KeyDescription, TableOptions};
use verity::{BlockRef, Params, Salt};
use verity_testdata::kernel::{Case, Kernel, Key, KeyState, Node, Owner, Tree, Verdict};
use verity_testdata::{files, image};

use super::image::{Image, Shape, invert};
use super::keys::certificate;
use super::unpacked;
use crate::common::Dir;

const BLOCK: usize = 4096;
const DESCRIPTION: &str = "verity:rootfs";
/// Parity bytes a codeword, where there is parity.
const ROOTS: u32 = 2;
/// The images, who signs each, and how.
const SIGNED: [(&str, &str, &str); 3] = [
    ("squashfs", "p256", ""),
    ("erofs", "rsa2048", "--embed-certificate"),
    ("ext4", "rsa4096", ""),
];
/// A root filesystem has at least that many files, and that many bytes in them.
const LEAST: (usize, usize) = (1000, 50_000_000);
/// And at least that many that are set-user-ID or the like.
const SPECIAL: usize = 8;

/// What should come of a file system.
enum Expected {
    /// It is mounted, and this is read. Blocks that cannot be read make the status `C`.
    Mounted(Tree),
    /// The first block, which is corrupt, cannot be read: it is not mounted.
    Refused,
}

struct Trial {
    case: Case,
    expected: Expected,
}

/// Every file of three file systems; of one with a corrupt block every other block of every file;
/// and with parity all of it again.
#[test]
fn the_kernel_mounts_root_filesystems() {
    let Some(kernel) = Kernel::find() else { return };
    let Some(mut trials) = trials() else { return };
    if let Some(part) = super::wanted() {
        trials.retain(|trial| trial.case.name.contains(&part));
    }
    if trials.is_empty() {
        return;
    }
    let cases: Vec<_> = trials.iter().map(|trial| trial.case.clone()).collect();
    let certificates = SIGNED.map(|(_, key, _)| certificate(key));
    let Some(judgement) = kernel.judge("rootfs", &cases, &certificates) else { return };
    for (Trial { case, expected }, verdict) in trials.iter().zip(&judgement.verdicts) {
        let (files, bytes) = verdict.tree.as_ref().map_or((0, 0), Tree::size);
        println!("{}: {files} files, {bytes} bytes", case.name);
        if let Err(wrong) = expected.check(verdict) {
            panic!("{}: {wrong}\n{}\n{}", case.name, case.table, verdict.log.join("\n"));
        }
        for (what, wrong) in expected.wrong_ones() {
            assert!(
                wrong.check(verdict).is_err(),
                "{}: an expectation with {what} is met",
                case.name
            );
        }
    }
}

impl Expected {
    fn check(&self, verdict: &Verdict) -> Result<(), String> {
        if verdict.table != 0 {
            return Err(format!("errno {} for the table", verdict.table));
        }
        let (tree, corrupt) = match self {
            Expected::Mounted(tree) => {
                (Some(tree), tree.0.values().any(|node| !node.unreadable.is_empty()))
            }
            Expected::Refused => (None, true),
        };
        let differences = match (tree, &verdict.tree) {
            (Some(expected), Some(actual)) => expected.differences(actual),
            (None, None) => Vec::new(),
            _ => vec![format!("errno {} for the mount", verdict.mount)],
        };
        let status = if corrupt { "C" } else { "V" };
        if !differences.is_empty() {
            // Where one file is wrong all can be.
            let some = &differences[..differences.len().min(20)];
            Err(format!("{} paths:\n{}", differences.len(), some.join("\n")))
        } else if verdict.status != status {
            Err(format!("status {} instead of {status}", verdict.status))
        } else {
            Ok(())
        }
    }

    /// What differs in one thing.
    fn wrong_ones(&self) -> Vec<(&'static str, Expected)> {
        let Expected::Mounted(tree) = self else {
            return vec![("an empty file system", Expected::Mounted(Tree::default()))];
        };
        let changed = |change: &dyn Fn(&mut Tree, &str)| {
            let (mut tree, path) = (tree.clone(), largest(tree).to_owned());
            change(&mut tree, &path);
            Expected::Mounted(tree)
        };
        vec![
            ("no file system", Expected::Refused),
            (
                "another byte",
                changed(&|tree, path| *node(tree, path).bytes_mut().last_mut().unwrap() ^= 1),
            ),
            ("another mode", changed(&|tree, path| node(tree, path).mode ^= 1)),
            (
                "a file that is not set-user-ID",
                changed(&|tree, _| set_user_id(tree).mode ^= 0o4000),
            ),
            ("another user", changed(&|tree, _| owner(set_user_id(tree)).user += 1)),
            ("another group", changed(&|tree, _| owner(set_user_id(tree)).group += 1)),
            ("a file less", changed(&|tree, path| drop(tree.0.remove(path)))),
            (
                "another block that cannot be read",
                changed(&|tree, path| {
                    let unreadable = &mut node(tree, path).unreadable;
                    *unreadable = BTreeSet::from([unreadable.len().try_into().unwrap()]);
                }),
            ),
        ]
    }
}

fn node<'a>(tree: &'a mut Tree, path: &str) -> &'a mut Node {
    tree.0.get_mut(path).unwrap()
}

fn set_user_id(tree: &mut Tree) -> &mut Node {
    tree.0.values_mut().find(|node| node.mode & 0o4000 != 0).unwrap()
}

fn owner(node: &mut Node) -> &mut Owner {
    node.owner.as_mut().unwrap()
}

fn largest(tree: &Tree) -> &str {
    tree.0.iter().max_by_key(|(_, node)| node.bytes.len()).unwrap().0
}

/// None where an image or a program that unpacks one is missing, by the rule of
/// [`oracle::require`].
fn trials() -> Option<Vec<Trial>> {
    let mut trials = Vec::new();
    for (kind, key, options) in SIGNED {
        let path = image::rootfs(kind)?;
        let tree = unpacked::tree(kind, &path.canonicalize().unwrap())?;
        let (count, bytes) = tree.size();
        assert!(count >= LEAST.0 && bytes >= LEAST.1, "{kind}: {count} files, {bytes} bytes");
        let special = tree.0.values().filter(|node| node.is_special() && node.owner.is_some());
        assert!(special.count() >= SPECIAL, "{kind}: set-user-ID files");
        if kind == "ext4" {
            let root = Some(Owner::default());
            assert!(tree.0.values().any(|node| node.owner != root), "{kind}: another owner");
        }
        let image = formatted(kind, files::read(&path));
        trials.push(signed(kind, &image, tree.clone(), key, options));
        match kind {
            "squashfs" => trials.push(without_its_first_block(kind, image)),
            "ext4" => trials.extend(with_a_corrupt_block(kind, image, tree)),
            _ => {}
        }
    }
    Some(trials)
}

fn formatted(kind: &str, data: Vec<u8>) -> Image {
    assert!(data.len().is_multiple_of(BLOCK), "{kind}: whole blocks");
    let blocks = u64::try_from(data.len() / BLOCK).unwrap();
    let salt = Salt::new(&[0x5a; 32]).unwrap();
    let params = Params::builder().data_blocks(blocks).salt(salt).build().unwrap();
    let fec = (kind == "ext4").then_some((ROOTS, 0));
    Image::format(&Shape { fec, ..Shape::plain(params) }, data)
}

fn trial(
    what: &str,
    kind: &'static str,
    image: &Image,
    table: &impl ToString,
    expected: Expected,
) -> Trial {
    let mut case = image.case(&format!("rootfs: {kind}, {what}"), table);
    case.mount = Some(kind);
    Trial { case, expected }
}

fn signed(kind: &'static str, image: &Image, tree: Tree, key: &str, options: &str) -> Trial {
    let dir = Dir::new();
    dir.key(key);
    dir.ok(&format!(
        "sign {} --key {key}.key --certificate {key}.cert --output sig {options}",
        image.root_hash
    ));
    let description = Some(KeyDescription::new(DESCRIPTION).unwrap());
    let options = TableOptions { root_hash_sig_key_desc: description, ..TableOptions::default() };
    let mut trial =
        trial("signed", kind, image, &image.table_with(options), Expected::Mounted(tree));
    trial.case.key = Some(Key {
        description: DESCRIPTION.to_owned(),
        payload: dir.read("sig"),
        state: KeyState::Valid,
    });
    trial
}

fn without_its_first_block(kind: &'static str, mut image: Image) -> Trial {
    invert(image.block(BlockRef::Data { block: 0 }));
    trial("its first block corrupt", kind, &image, &image.table(), Expected::Refused)
}

/// One block of a file: lost, and repaired.
fn with_a_corrupt_block(kind: &'static str, mut image: Image, tree: Tree) -> [Trial; 2] {
    let path = largest(&tree).to_owned();
    let (number, block) = unique_block(&tree.0[&path].bytes, &image.data);
    invert(image.block(BlockRef::Data { block }));
    let mut without = tree.clone();
    node(&mut without, &path).unreadable.insert(number);
    let alone = image.table_with(TableOptions::default());
    let what = format!("block {number} of {path} corrupt");
    [
        trial(&what, kind, &image, &alone, Expected::Mounted(without)),
        trial(
            &format!("{what}, with parity"),
            kind,
            &image,
            &image.table(),
            Expected::Mounted(tree),
        ),
    ]
}

/// A block from the middle of a file, and the only one of the image that holds the same.
fn unique_block(file: &[u8], image: &[u8]) -> (u64, u64) {
    let blocks: Vec<_> = (0..).zip(file.chunks_exact(BLOCK)).collect();
    let place = |&(number, bytes): &(u64, &[u8])| {
        let mut places = (0..).zip(image.chunks_exact(BLOCK)).filter(|(_, block)| *block == bytes);
        let (place, _) = places.next()?;
        places.next().is_none().then_some((number, place))
    };
    blocks[blocks.len() / 2..].iter().find_map(place).expect("a block that is there once")
}
