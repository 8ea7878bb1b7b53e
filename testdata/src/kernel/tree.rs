//! The files of a file system: as the kernel in the machine read them, and as they lie in a
//! directory here.
//!
//! The text in which the machine writes them down is described in `testdata/kernel/tree.h`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::ops::Range;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;

use crate::files;
use crate::number::to_len;

/// The size of the blocks in which the machine reads a file that it cannot read whole, in bytes.
const BLOCK: usize = 4096;
/// How many fields a record has.
const FIELDS: usize = 8;

/// A directory and everything below it, by the path from there, which begins with `.`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree(pub BTreeMap<String, Node>);

/// A file, a directory, a symbolic link or anything else that has a name.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Node {
    /// `st_mode`, with the type.
    pub mode: u32,
    /// The owner, if that is known.
    pub owner: Option<Owner>,
    /// The content of a file. The bytes in the place of a block that cannot be read do not matter.
    pub bytes: Arc<Vec<u8>>,
    /// The blocks of 4096 bytes of a file for which a read gives `EIO`.
    pub unreadable: BTreeSet<u64>,
    /// Where a symbolic link leads.
    pub target: String,
}

/// The owner of a file, by numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// `st_uid`.
    pub user: u32,
    /// `st_gid`.
    pub group: u32,
}

impl Tree {
    /// Reads a directory here. The owners are left out: they say nothing about those in the image.
    ///
    /// # Panics
    /// If it cannot be read, or a name in it is not UTF-8.
    #[must_use]
    pub fn of(directory: &Path) -> Tree {
        let mut tree = Tree::default();
        tree.add(directory, ".".to_owned());
        tree
    }

    fn add(&mut self, place: &Path, path: String) {
        let facts = fs::symlink_metadata(place).expect("look at a file");
        let mut node = Node { mode: facts.mode(), ..Node::default() };
        if facts.is_file() {
            node.bytes = files::read(place).into();
        } else if facts.is_symlink() {
            let target = fs::read_link(place).expect("read a link");
            node.target = text(target.into_os_string().into_vec());
        } else if facts.is_dir() {
            for entry in fs::read_dir(place).expect("read a directory") {
                let name = text(entry.expect("read a directory").file_name().into_vec());
                self.add(&place.join(&name), format!("{path}/{name}"));
            }
        }
        assert!(self.0.insert(path, node).is_none(), "one file of a name");
    }

    /// Reads the list that the machine has written into these bytes of the disk.
    pub(super) fn parse(list: Range<u64>, disk: &File) -> Tree {
        let read = |start, size| {
            let mut bytes = vec![0; to_len(size)];
            disk.read_exact_at(&mut bytes, start).expect("read what was read");
            bytes
        };
        let records = text(read(list.start, list.end - list.start));
        let mut tree = Tree::default();
        let fields: Vec<_> = records.split_terminator('\0').collect();
        assert!(fields.len().is_multiple_of(FIELDS), "whole records");
        for record in fields.chunks(FIELDS) {
            let [path, mode, user, group, size, start, unreadable, target] = record else {
                unreachable!()
            };
            let number = |digits: &str| digits.parse::<u64>().expect("a number");
            let [user, group] = [user, group].map(|digits| digits.parse().expect("a number"));
            let node = Node {
                mode: u32::from_str_radix(mode, 8).expect("a mode"),
                owner: Some(Owner { user, group }),
                bytes: read(number(start) * 512, number(size)).into(),
                unreadable: unreadable.split_terminator(' ').map(number).collect(),
                target: (*target).to_owned(),
            };
            assert!(tree.0.insert((*path).to_owned(), node).is_none(), "{path} comes twice");
        }
        tree
    }

    /// How many files there are, and how many bytes in them.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        let files = self.0.values().filter(|node| node.is_file());
        files.fold((0, 0), |(count, bytes), node| (count + 1, bytes + node.bytes.len()))
    }

    /// What differs in another tree, in words: a line for each path. Owners are compared if both
    /// trees know them.
    #[must_use]
    pub fn differences(&self, other: &Tree) -> Vec<String> {
        let paths: BTreeSet<_> = self.0.keys().chain(other.0.keys()).collect();
        let difference = |path: &String| match (self.0.get(path), other.0.get(path)) {
            (Some(node), Some(other)) => {
                node.difference(other).map(|what| format!("{path}: {what}"))
            }
            (None, _) => Some(format!("{path} is there")),
            (_, None) => Some(format!("{path} is not there")),
        };
        paths.into_iter().filter_map(difference).collect()
    }
}

impl Node {
    /// Whether it is a regular file.
    #[must_use]
    pub fn is_file(&self) -> bool {
        self.mode & 0o170_000 == 0o100_000
    }

    /// Whether it is a directory.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        self.mode & 0o170_000 == 0o40_000
    }

    /// Whether it is set-user-ID or set-group-ID, or a directory as `/tmp` is.
    #[must_use]
    pub fn is_special(&self) -> bool {
        self.mode & 0o7000 != 0
    }

    /// The content of a file, to be changed. Clones of the node keep it as it was.
    pub fn bytes_mut(&mut self) -> &mut Vec<u8> {
        Arc::make_mut(&mut self.bytes)
    }

    fn difference(&self, other: &Node) -> Option<String> {
        if self.mode != other.mode {
            return Some(format!("mode {:o} instead of {:o}", other.mode, self.mode));
        }
        if let (Some(owner), Some(other)) = (self.owner, other.owner)
            && owner != other
        {
            return Some(format!("{other:?} instead of {owner:?}"));
        }
        if self.target != other.target {
            return Some(format!("leads to {} instead of {}", other.target, self.target));
        }
        if self.unreadable != other.unreadable {
            let [expected, actual] = [&self.unreadable, &other.unreadable];
            return Some(format!("EIO for the blocks {actual:?} instead of {expected:?}"));
        }
        if self.bytes.len() != other.bytes.len() {
            return Some(format!("{} bytes instead of {}", other.bytes.len(), self.bytes.len()));
        }
        let mut blocks = (0_u64..).zip(self.bytes.chunks(BLOCK).zip(other.bytes.chunks(BLOCK)));
        blocks
            .find(|(block, (bytes, other))| bytes != other && !self.unreadable.contains(block))
            .map(|(block, _)| format!("other bytes in block {block}"))
    }
}

/// Counts the bytes and does not show them: a failed comparison of trees would print a file system.
impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Node { mode, owner, bytes, unreadable, target } = self;
        write!(f, "{mode:o} {owner:?} {} bytes, unreadable {unreadable:?}, {target:?}", bytes.len())
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("UTF-8")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    /// A directory of two files and a link.
    fn tree() -> Tree {
        let dir = files::tempdir();
        let path = |name: &str| dir.path().join(name);
        fs::create_dir(path("a")).unwrap();
        files::write(&path("a/file"), &[7; 3 * BLOCK]);
        files::write(&path("a-file"), b"short");
        symlink("a/file", path("link")).unwrap();
        for (name, mode) in [("", 0o755), ("a", 0o750), ("a/file", 0o644), ("a-file", 0o600)] {
            fs::set_permissions(path(name), fs::Permissions::from_mode(mode)).unwrap();
        }
        Tree::of(dir.path())
    }

    #[test]
    fn a_tree_is_as_it_lies_there_and_no_other() {
        let tree = tree();
        assert_eq!(
            tree.0.keys().collect::<Vec<_>>(),
            [".", "./a", "./a-file", "./a/file", "./link"]
        );
        assert_eq!(tree.size(), (2, 3 * BLOCK + 5));
        assert_eq!(tree.differences(&tree), [""; 0]);
        let changed = |path: &str, change: &dyn Fn(&mut Node), expected: &str| {
            let mut other = tree.clone();
            change(other.0.get_mut(path).unwrap());
            assert_eq!(tree.differences(&other), [format!("{path}: {expected}")]);
        };
        changed("./a", &|node| node.mode = 0o40755, "mode 40755 instead of 40750");
        changed("./a-file", &|node| node.mode |= 0o4000, "mode 104600 instead of 100600");
        changed("./link", &|node| node.target.push('x'), "leads to a/filex instead of a/file");
        changed("./a-file", &|node| node.bytes_mut()[4] = b'T', "other bytes in block 0");
        changed("./a-file", &|node| node.bytes_mut().push(0), "6 bytes instead of 5");
        changed(
            "./a/file",
            &|node| node.unreadable = BTreeSet::from([1]),
            "EIO for the blocks {1} instead of {}",
        );
        let mut less = tree.clone();
        less.0.remove("./a-file");
        assert_eq!(tree.differences(&less), ["./a-file is not there"]);
        assert_eq!(less.differences(&tree), ["./a-file is there"]);
    }

    #[test]
    fn an_owner_counts_where_it_is_known() {
        let unknown = tree();
        let of = |user, group| {
            let mut tree = unknown.clone();
            tree.0.get_mut("./a").unwrap().owner = Some(Owner { user, group });
            tree
        };
        assert_eq!(of(1, 2).differences(&of(1, 2)), [""; 0]);
        assert_eq!(unknown.differences(&of(1, 2)), [""; 0]);
        assert_eq!(of(1, 2).differences(&of(3, 2)).len(), 1);
        assert_eq!(of(1, 2).differences(&of(1, 3)).len(), 1);
    }

    #[test]
    fn an_unreadable_block_may_hold_anything_and_no_other_one() {
        let mut expected = tree();
        expected.0.get_mut("./a/file").unwrap().unreadable.insert(1);
        let mut actual = expected.clone();
        actual.0.get_mut("./a/file").unwrap().bytes_mut()[BLOCK..2 * BLOCK].fill(0);
        assert_eq!(expected.differences(&actual), [""; 0]);
        actual.0.get_mut("./a/file").unwrap().bytes_mut()[2 * BLOCK] = 0;
        assert_eq!(expected.differences(&actual), ["./a/file: other bytes in block 2"]);
    }

    #[test]
    fn the_machines_list_is_read() {
        let dir = files::tempdir();
        let path = dir.path().join("disk");
        let list = [
            [".", "40755", "0", "0", "0", "0", "", ""],
            ["./a b", "104644", "1", "2", "7", "1", "0 2 ", ""],
            ["./l", "120777", "0", "0", "0", "2", "", "./a b"],
        ];
        let list: String = list.as_flattened().iter().map(|field| format!("{field}\0")).collect();
        let mut disk = vec![0; 512];
        disk.extend(b"content");
        disk.resize(1024, 0);
        disk.extend(list.as_bytes());
        files::write(&path, &disk);
        let end = u64::try_from(disk.len()).unwrap();
        let tree = Tree::parse(1024..end, &File::open(&path).unwrap());
        let root = Some(Owner::default());
        let directory = Node { mode: 0o40755, owner: root, ..Node::default() };
        let unreadable = BTreeSet::from([0, 2]);
        let file = Node {
            mode: 0o104_644,
            owner: Some(Owner { user: 1, group: 2 }),
            bytes: Arc::new(b"content".to_vec()),
            unreadable,
            ..Node::default()
        };
        let link =
            Node { mode: 0o120_777, owner: root, target: "./a b".to_owned(), ..Node::default() };
        let expected = [(".", directory), ("./a b", file), ("./l", link)];
        assert_eq!(tree, Tree(expected.map(|(path, node)| (path.to_owned(), node)).into()));
    }
}
