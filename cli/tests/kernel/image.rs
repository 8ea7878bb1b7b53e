//! An image made by the command, as the devices and the table that the kernel gets.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use verity::table::{DeviceName, FecOptions, Table, TableOptions};
use verity::{BlockRef, FecArea, HashArea, Params, RootHash};
use verity_testdata::kernel::Case;
use verity_testdata::oracle::VeritySetup;
use verity_testdata::pattern::Prng;
use verity_testdata::{files, oracle};

use crate::command::{Ended, memory_tempdir, run, verity};
use crate::common::layout::Layout;

/// What is formatted, and where to.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub(crate) params: Params,
    pub(crate) layout: Layout,
    pub(crate) superblock: bool,
    /// Bytes between the data, if that is in the same file, or the start of the file, and the hash
    /// area.
    pub(crate) hash_gap: u64,
    /// Parity bytes a codeword, and the bytes before the parity, likewise.
    pub(crate) fec: Option<(u32, u64)>,
}

impl Shape {
    /// Data and tree in files of their own, and no parity.
    pub(crate) fn plain(params: Params) -> Shape {
        Shape { params, layout: Layout::Three, superblock: true, hash_gap: 0, fec: None }
    }

    fn hash_area(&self) -> HashArea {
        let [data, hash, _] = self.layout.names();
        let start = if hash == data { self.params.data_size() } else { 0 };
        HashArea::new(&self.params, start + self.hash_gap, self.superblock).unwrap()
    }

    /// The parity over data and tree, and over what lies between the tree and the parity in one
    /// file.
    fn fec_area(&self) -> Option<FecArea> {
        let (roots, gap) = self.fec?;
        let hash_area = self.hash_area();
        let [data, hash, fec] = self.layout.names();
        let start = match fec {
            _ if fec == hash => hash_area.end(),
            _ if fec == data => self.params.data_size(),
            _ => 0,
        };
        let behind = if fec == hash { gap / u64::from(self.params.data_block_size()) } else { 0 };
        let blocks = self.params.data_blocks() + hash_area.hash_blocks() + behind;
        Some(FecArea::new(&self.params, &hash_area, roots, blocks, start + gap).unwrap())
    }

    /// The words of `format`, the same for veritysetup.
    fn words(&self) -> Vec<String> {
        let (params, area) = (&self.params, self.hash_area());
        let [data, hash, fec] = self.layout.names();
        let mut words: Vec<String> = ["format", data, hash].map(str::to_owned).into();
        words.extend([
            format!("--hash={}", params.algorithm()),
            format!("--format={}", params.hash_type()),
            format!("--data-block-size={}", params.data_block_size()),
            format!("--hash-block-size={}", params.hash_block_size()),
            format!("--salt={}", params.salt()),
            format!("--data-blocks={}", params.data_blocks()),
            format!("--hash-offset={}", area.offset()),
        ]);
        words.push(match self.superblock {
            true => "--uuid=a60c98d2-ae9b-4865-bfcb-b4e3ace11033".to_owned(),
            false => "--no-superblock".to_owned(),
        });
        if let Some(area) = self.fec_area() {
            words.push(format!("--fec-device={fec}"));
            words.push(format!("--fec-offset={}", area.range().start));
            words.push(format!("--fec-roots={}", area.roots()));
        }
        words
    }
}

/// A formatted image, in memory: its files can be damaged.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    pub(crate) params: Params,
    pub(crate) hash_area: HashArea,
    pub(crate) fec_area: Option<FecArea>,
    pub(crate) root_hash: RootHash,
    /// The data as it was.
    pub(crate) data: Vec<u8>,
    names: [&'static str; 3],
    files: BTreeMap<&'static str, Arc<Vec<u8>>>,
}

impl Image {
    /// `verity format` over random bytes.
    pub(crate) fn random(shape: &Shape, prng: &mut Prng) -> Image {
        let data = prng.bytes(usize::try_from(shape.params.data_size()).unwrap());
        Image::format(shape, data)
    }

    /// `verity format`, and `verity table`, which must print the table that the kernel gets here.
    pub(crate) fn format(shape: &Shape, data: Vec<u8>) -> Image {
        Image::make(shape, data, |words, dir| {
            let ended = run(verity(words).current_dir(dir)).expect(0);
            if shape.superblock {
                let root_hash = oracle::Header::parse(ended.stdout.clone()).root_hash().to_owned();
                let [data, hash, _] =
                    shape.layout.names().map(|name| format!("/dev/mapper/{name}"));
                let offset = shape.hash_area().offset().to_string();
                let words = ["table", shape.layout.names()[1], &root_hash, "--data-dev", &data];
                let more = ["--hash-dev", &hash, "--hash-offset", &offset];
                let printed = run(verity(&[&words[..], &more].concat()).current_dir(dir)).expect(0);
                let root_hash = root_hash.parse().unwrap();
                let table =
                    table(&shape.params, root_hash, shape.layout.names(), &shape.hash_area());
                assert_eq!(printed.stdout, format!("{table}\n"));
            }
            ended
        })
    }

    /// `veritysetup format`.
    pub(crate) fn by_veritysetup(veritysetup: &VeritySetup, shape: &Shape, data: Vec<u8>) -> Image {
        Image::make(shape, data, |words, dir| {
            run(veritysetup.command().args(words).current_dir(dir)).expect(0)
        })
    }

    fn make(shape: &Shape, data: Vec<u8>, format: impl Fn(&[String], &Path) -> Ended) -> Image {
        let dir = memory_tempdir();
        files::write(&dir.path().join("data"), &data);
        let hash_area = shape.hash_area();
        let fec_area = shape.fec_area();
        let names = shape.layout.names();
        if let Some(area) = &fec_area
            && names[2] == names[1]
        {
            // veritysetup cannot read what is not there yet, between tree and parity.
            let path = dir.path().join(names[1]);
            let file = std::fs::File::options().create(true).write(true).truncate(false).open(path);
            file.unwrap().set_len(area.range().start).unwrap();
        }
        let header = oracle::Header::parse(format(&shape.words(), dir.path()).stdout);
        let root_hash = header.root_hash().parse().unwrap();
        let mut contents = BTreeMap::new();
        for name in if fec_area.is_some() { &names[..] } else { &names[..2] } {
            let mut bytes = files::read(&dir.path().join(name));
            // A device has whole sectors, and at least one; and the kernel wants that of the hash
            // area to reach to where a tree would begin, even if there is none.
            let least = if *name == names[1] { hash_area.end().max(512) } else { 512 };
            bytes.resize(bytes.len().next_multiple_of(512).max(usize::try_from(least).unwrap()), 0);
            contents.insert(*name, Arc::new(bytes));
        }
        let params = shape.params.clone();
        Image { params, hash_area, fec_area, root_hash, data, names, files: contents }
    }

    pub(crate) fn block_size(&self) -> u32 {
        self.params.data_block_size().bytes()
    }

    /// The table, with forward error correction if there is parity.
    pub(crate) fn table(&self) -> Table {
        let fec = self.fec_area.map(|area| FecOptions {
            device: device(self.names[2]),
            start: area.start(),
            blocks: area.blocks(),
            roots: area.roots(),
        });
        self.table_with(TableOptions { fec, ..TableOptions::default() })
    }

    /// The table with these options.
    pub(crate) fn table_with(&self, options: TableOptions) -> Table {
        let table = table(&self.params, self.root_hash, self.names, &self.hash_area);
        table.with_options(options).unwrap()
    }

    /// What the kernel gets.
    pub(crate) fn case(&self, name: &str, table: &impl ToString) -> Case {
        let devices = self.files.iter().map(|(name, bytes)| (*name, bytes.clone())).collect();
        let block_size = self.block_size();
        let table = table.to_string();
        Case { name: name.to_owned(), devices, table, block_size, ..Case::default() }
    }

    /// The bytes of a block in the file that holds it.
    pub(crate) fn block(&mut self, block: BlockRef) -> &mut [u8] {
        let range = match block {
            BlockRef::Data { block } => nth(0, block, self.params.data_block_size().into()),
            BlockRef::Hash { level, block } => {
                let place = self.params.geometry().levels()[usize::from(level)].start + block;
                nth(self.hash_area.tree_range().start, place, self.params.hash_block_size().into())
            }
        };
        cut(self.device(block), range)
    }

    /// The device that has the tree, or the one with the data.
    pub(crate) fn device(&mut self, block: BlockRef) -> &mut Vec<u8> {
        let name = self.names[usize::from(matches!(block, BlockRef::Hash { .. }))];
        self.file(name)
    }

    /// A file, to be changed: a clone of the image keeps it as it was.
    fn file(&mut self, name: &str) -> &mut Vec<u8> {
        Arc::make_mut(self.files.get_mut(name).expect("a file of the image"))
    }

    /// The parity of a round.
    pub(crate) fn parity(&mut self, round: u64) -> &mut [u8] {
        let area = self.fec_area.expect("parity");
        let size = u64::from(area.block_size()) * u64::from(area.roots());
        cut(self.file(self.names[2]), nth(area.range().start, round, size))
    }

    /// The data blocks whose digests are in or under a hash block.
    pub(crate) fn data_under(&self, level: u8, block: u64) -> Range<u64> {
        let width = self.params.geometry().hashes_per_block().saturating_pow(u32::from(level) + 1);
        let end = (block + 1).saturating_mul(width).min(self.params.data_blocks());
        block * width..end
    }
}

fn nth(start: u64, number: u64, size: u64) -> Range<u64> {
    start + number * size..start + (number + 1) * size
}

fn cut(bytes: &mut [u8], range: Range<u64>) -> &mut [u8] {
    &mut bytes[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()]
}

fn device(name: &str) -> DeviceName {
    DeviceName::new(format!("/dev/mapper/{name}")).unwrap()
}

fn table(params: &Params, root_hash: RootHash, names: [&str; 3], hash_area: &HashArea) -> Table {
    let [data, hash, _] = names.map(device);
    Table::new(params.clone(), root_hash, data, hash, hash_area.hash_start()).unwrap()
}

/// Turns all bits of all bytes.
pub(crate) fn invert(bytes: &mut [u8]) {
    bytes.iter_mut().for_each(|byte| *byte ^= 0xff);
}
