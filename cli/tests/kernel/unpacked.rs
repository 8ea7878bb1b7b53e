//! What other programs find in the image of a root filesystem.
//!
//! What is in the files, and where links lead, is what they unpack. Modes and owners are what they
//! list: who unpacks a set-user-ID file for another owner loses that bit. What is listed:
//!
//! - of squashfs, everything (`unsquashfs -lln`);
//! - of ext4, everything (`ls -p` of debugfs);
//! - of erofs, nothing by its directory. `fsck.erofs` unpacks every mode, if it leaves the owners
//!   alone. `dump.erofs` tells the owner of one file a run, so of the set-user-ID files and every
//!   hundredth other one.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use verity_testdata::kernel::{Owner, Tree};
use verity_testdata::{files, oracle};

/// One in so many files of an erofs image tells its owner.
const ASKED: usize = 100;

/// The mode, with the type, and the owner, by path.
type Listing = BTreeMap<String, (u32, Owner)>;

/// The files of an image. None where a program is missing, by the rule of [`oracle::require`].
pub(crate) fn tree(kind: &str, image: &Path) -> Option<Tree> {
    match kind {
        "squashfs" => squashfs(image),
        "erofs" => erofs(image),
        _ => ext4(image),
    }
}

fn squashfs(image: &Path) -> Option<Tree> {
    let program = oracle::require("unsquashfs")?;
    let options = ["-quiet", "-no-progress", "-no-xattrs", "-force", "-dest", "."];
    let tree = unpacked(Command::new(&program).args(options).arg(image));
    let text = oracle::run_ok(Command::new(&program).arg("-lln").arg(image));
    Some(listed(tree, &text.lines().filter_map(squashfs_line).collect()))
}

/// `MODE UID/GID SIZE DATE TIME squashfs-root/PATH`, and of a link where it leads; none of other
/// lines.
fn squashfs_line(line: &str) -> Option<(String, (u32, Owner))> {
    let (facts, place) = line.split_once(" squashfs-root")?;
    let mut facts = facts.split_whitespace();
    let mode = mode(facts.next()?);
    let (user, group) = facts.next()?.split_once('/')?;
    let path = place.split_once(" -> ").map_or(place, |(path, _)| path);
    Some((format!(".{path}"), (mode, owner(user, group))))
}

/// `-rwsr-xr-x` as a number.
fn mode(text: &str) -> u32 {
    let kinds = BTreeMap::from([('-', 0o100_000), ('d', 0o40_000), ('l', 0o120_000)]);
    let mut letters = text.chars();
    let kind = letters.next().and_then(|letter| kinds.get(&letter));
    let mut mode = *kind.unwrap_or_else(|| panic!("a type: {text}"));
    for (index, letter) in (0..9).zip(letters) {
        let (bit, special) = (0o400 >> index, 0o4000 >> (index / 3));
        mode |= match letter {
            '-' => 0,
            'S' | 'T' => special,
            's' | 't' => special | bit,
            _ => bit,
        };
    }
    mode
}

fn owner(user: &str, group: &str) -> Owner {
    let number = |text: &str| text.parse().unwrap_or_else(|_| panic!("a number: {text:?}"));
    Owner { user: number(user), group: number(group) }
}

fn erofs(image: &Path) -> Option<Tree> {
    let [check, dump] = ["fsck.erofs", "dump.erofs"].map(oracle::require);
    let (check, dump) = (check?, dump?);
    let options = ["--extract=.", "--preserve-perms", "--no-preserve-owner"];
    let mut tree = unpacked(Command::new(check).args(options).arg(image));
    let mut others = 0..;
    for (path, node) in &mut tree.0 {
        if node.is_special() || others.next().unwrap() % ASKED == 0 {
            // From the top, which is `/` there and `.` here.
            let path = if path == "." { "/" } else { &path[1..] };
            let text = oracle::run_ok(Command::new(&dump).arg(format!("--path={path}")).arg(image));
            node.owner = Some(erofs_owner(&text));
        }
    }
    Some(tree)
}

/// Somewhere `Uid: USER   Gid: GROUP `.
fn erofs_owner(text: &str) -> Owner {
    let words: Vec<_> = text.split_whitespace().collect();
    let after = |name: &str| {
        let place = words.iter().position(|word| *word == name);
        words[place.unwrap_or_else(|| panic!("{name} in {text}")) + 1]
    };
    owner(after("Uid:"), after("Gid:"))
}

fn ext4(image: &Path) -> Option<Tree> {
    let program = oracle::require("debugfs")?;
    let dir = files::tempdir();
    let tree = unpacked(Command::new(&program).args(["-R", "rdump / ."]).arg(image));
    let directories = tree.0.iter().filter(|(_, node)| node.is_directory());
    let lines: String = directories.map(|(path, _)| format!("ls -p \"{path}/\"\n")).collect();
    let commands = dir.path().join("commands");
    files::write(&commands, lines.as_bytes());
    let text = oracle::run_ok(Command::new(&program).arg("-f").arg(&commands).arg(image));
    Some(listed(tree, &ext4_listing(&text)))
}

/// `debugfs: COMMAND`, and then for each name `/INODE/MODE/UID/GID/NAME/SIZE/`. Inode 0 has no
/// name.
fn ext4_listing(text: &str) -> Listing {
    let (mut listing, mut directory) = (Listing::new(), "");
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("debugfs: ls -p \"") {
            directory = rest.strip_suffix("/\"").expect("a command");
            continue;
        }
        let fields: Vec<_> = line.split('/').collect();
        let ["", inode, mode, user, group, name, ..] = fields[..] else { continue };
        let path = match name {
            _ if inode == "0" => continue,
            ".." => continue,
            "." => directory.to_owned(),
            _ => format!("{directory}/{name}"),
        };
        let mode = u32::from_str_radix(mode, 8).expect("a mode");
        listing.insert(path, (mode, owner(user, group)));
    }
    listing
}

/// Runs a program that unpacks into the directory in which it is.
fn unpacked(command: &mut Command) -> Tree {
    let dir = files::tempdir();
    oracle::run_ok(command.current_dir(dir.path()));
    Tree::of(dir.path())
}

/// The tree with modes and owners from a listing of all of it.
fn listed(mut tree: Tree, listing: &Listing) -> Tree {
    assert!(tree.0.keys().eq(listing.keys()), "what is unpacked is listed, and nothing else");
    for (node, &(mode, owner)) in tree.0.values_mut().zip(listing.values()) {
        (node.mode, node.owner) = (mode, Some(owner));
    }
    tree
}

#[test]
fn listings_are_read() {
    let su = "-rwsr-xr-x 0/42                  72000 2022-09-20 15:27 squashfs-root/a b/su";
    let of = |user, group| Owner { user, group };
    assert_eq!(squashfs_line(su), Some(("./a b/su".to_owned(), (0o104_755, of(0, 42)))));
    let link = "lrwxrwxrwx 7/0 4 2022-09-20 15:27 squashfs-root/l -> a";
    assert_eq!(squashfs_line(link), Some(("./l".to_owned(), (0o120_777, of(7, 0)))));
    let top = squashfs_line("drwxrwsr-T 0/0 4 2022-09-20 15:27 squashfs-root");
    assert_eq!(top, Some((".".to_owned(), (0o43_774, of(0, 0)))));
    let text = "debugfs: ls -p \"./\"\n/2/040755/0/0/.//\n/2/040755/0/0/..//\n\
                /12/104755/1/2/su/9/\n\n\
                debugfs: ls -p \"./d/\"\n/0/000000/0/0//0/\n/13/041777/0/3/.//\n";
    let expected = [
        (".", (0o40_755, of(0, 0))),
        ("./d", (0o41_777, of(0, 3))),
        ("./su", (0o104_755, of(1, 2))),
    ];
    assert_eq!(ext4_listing(text), expected.map(|(path, facts)| (path.to_owned(), facts)).into());
    assert_eq!(erofs_owner("NID: 3\nUid: 5   Gid: 6  Access: 0755/rwxr-xr-x\n"), of(5, 6));
}
