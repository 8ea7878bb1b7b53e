//! The block of lines that `format` and `dump` print: the labels, their order and their blanks are
//! what scripts take apart.

use std::fmt;
use std::path::Path;

use verity::{FecArea, HashArea, Params, RootHash, Sharing};

use crate::quoted::Quoted;

/// What is told of a hash area.
pub(super) struct Header<'a> {
    pub(super) path: &'a Path,
    pub(super) uuid: Option<String>,
    /// The name of the algorithm: as it is stored, or as it was typed.
    pub(super) algorithm: &'a str,
    pub(super) params: &'a Params,
    pub(super) area: &'a HashArea,
    /// Known only where the tree was just made.
    pub(super) root_hash: Option<RootHash>,
    pub(super) parity: Option<ToldParity>,
}

/// Parity that is told of.
#[derive(Clone, Copy)]
pub(super) struct ToldParity {
    pub(super) area: FecArea,
    /// How its device relates to the hash device.
    pub(super) on_hash: Sharing,
    /// Where it begins on its device, in bytes.
    pub(super) offset: u64,
}

impl fmt::Display for Header<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Header { params, area, .. } = self;
        let uuid = self.uuid.as_deref().unwrap_or_default();
        writeln!(f, "VERITY header information for {}.", Quoted(self.path))?;
        writeln!(f, "UUID:            \t{uuid}")?;
        writeln!(f, "Hash type:       \t{}", params.hash_type().number())?;
        writeln!(f, "Data blocks:     \t{}", params.data_blocks())?;
        writeln!(f, "Data block size: \t{} [bytes]", params.data_block_size())?;
        writeln!(f, "Hash blocks:     \t{}", area.hash_blocks())?;
        writeln!(f, "Hash block size: \t{} [bytes]", params.hash_block_size())?;
        writeln!(f, "Hash algorithm:  \t{}", self.algorithm)?;
        if let Some(ToldParity { area: parity, .. }) = &self.parity {
            writeln!(f, "FEC RS roots:   \t{}", parity.roots())?;
            writeln!(f, "FEC blocks:     \t{}", parity.rounds() * u64::from(parity.roots()))?;
        }
        writeln!(f, "Salt:            \t{}", params.salt())?;
        if let Some(root_hash) = &self.root_hash {
            writeln!(f, "Root hash:      \t{root_hash}")?;
        }
        self.device_sizes(f)
    }
}

impl Header<'_> {
    /// The size of each device that begins with the hash area, or with the parity.
    fn device_sizes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let with_hash = self.parity.filter(|parity| parity.on_hash == Sharing::Same);
        let alone =
            self.parity.filter(|parity| parity.on_hash != Sharing::Same && parity.offset == 0);
        if self.area.offset() == 0 {
            // The tree and the parity, without what is between them.
            let size = self.area.end() + with_hash.map_or(0, |parity| parity.area.size());
            writeln!(f, "Hash device size: \t{size} [bytes]")?;
        }
        if let Some(ToldParity { area, .. }) = alone {
            writeln!(f, "FEC device size: \t{} [bytes]", area.size())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(uuid: Option<&str>, offset: u64, parity: Option<(u64, Sharing)>) -> String {
        let params = Params::builder().data_blocks(300).build().unwrap();
        let area = HashArea::new(&params, offset, uuid.is_some()).unwrap();
        let parity = parity.map(|(offset, on_hash)| {
            let area = FecArea::new(&params, &area, 2, 304, offset).unwrap();
            ToldParity { area, on_hash, offset }
        });
        let (uuid, algorithm) = (uuid.map(str::to_owned), "sha256");
        let (path, root_hash) = (Path::new("h\nx"), Some("ab".repeat(32).parse().unwrap()));
        Header { path, uuid, algorithm, params: &params, area: &area, root_hash, parity }
            .to_string()
    }

    #[test]
    fn the_lines_are_those_of_the_original() {
        let text =
            told(Some("00000000-0000-0000-0000-000000000000"), 0, Some((0, Sharing::Nothing)));
        let root = "ab".repeat(32);
        let expected = format!(
            "VERITY header information for h\\nx.\n\
             UUID:            \t00000000-0000-0000-0000-000000000000\n\
             Hash type:       \t1\n\
             Data blocks:     \t300\n\
             Data block size: \t4096 [bytes]\n\
             Hash blocks:     \t4\n\
             Hash block size: \t4096 [bytes]\n\
             Hash algorithm:  \tsha256\n\
             FEC RS roots:   \t2\n\
             FEC blocks:     \t4\n\
             Salt:            \t-\n\
             Root hash:      \t{root}\n\
             Hash device size: \t20480 [bytes]\n\
             FEC device size: \t16384 [bytes]\n"
        );
        assert_eq!(text, expected);
    }

    #[test]
    fn sizes_are_those_of_devices_that_begin_with_what_is_told() {
        let sizes = |offset, parity| -> Vec<String> {
            let text = told(None, offset, parity);
            text.lines().filter(|line| line.contains("device size")).map(str::to_owned).collect()
        };
        assert_eq!(sizes(0, None), ["Hash device size: \t16384 [bytes]"]);
        let with_hash = sizes(0, Some((1 << 20, Sharing::Same)));
        assert_eq!(with_hash, ["Hash device size: \t32768 [bytes]"]);
        assert_eq!(sizes(4096, Some((4096, Sharing::Nothing))), [""; 0]);
        assert_eq!(told(None, 0, None).lines().nth(1), Some("UUID:            \t"));
    }
}
