//! What is asked of devices before their blocks: for a superblock, and whether what is said to lie
//! on them can lie there.

use crate::io::{ReadAt, WriteAt, read_up_to};
use crate::number::to_len;
use crate::{
    Error, FecArea, FecError, HashArea, HashAreaError, Params, Superblock, SuperblockError,
    TrustedParams,
};

impl Superblock {
    /// Reads the superblock at `offset` bytes of a hash device.
    ///
    /// # Errors
    /// When the offset is not a multiple of 512 bytes, the device ends before 512 bytes are read,
    /// or the bytes are no superblock.
    pub fn read(hash: &impl ReadAt, offset: u64) -> Result<Superblock, Error> {
        if !offset.is_multiple_of(Self::SIZE) {
            return Err(SuperblockError::Unaligned { offset }.into());
        }
        if offset >= hash.len()? {
            return Err(SuperblockError::Truncated { size: 0 }.into());
        }
        let mut bytes = [0; Self::LEN];
        let size = read_up_to(hash, &mut bytes, offset)?;
        Ok(Superblock::parse(&bytes[..size])?)
    }

    /// Takes away what may lie at `offset` bytes of a hash device, and waits for the storage. Until
    /// a new superblock comes last, nothing lends an old hash area's name to a part of a new one.
    /// [`ImageBuilder`](crate::ImageBuilder) begins with it; before data is pushed it is the
    /// caller's to do, where there may be one.
    ///
    /// ```
    /// use verity::Superblock;
    /// use verity::io::MemoryFile;
    ///
    /// let device = MemoryFile::from(vec![0x5a; 4096]);
    /// Superblock::erase(&device, 512)?;
    /// let bytes = device.to_bytes();
    /// assert!(bytes[512..1024] == [0; 512] && bytes[1024..] == [0x5a; 3072]);
    /// # Ok::<(), verity::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WriteSuperblock`] and [`Error::Sync`].
    pub fn erase<W>(hash: &W, offset: u64) -> Result<(), Error>
    where
        W: ReadAt + WriteAt + ?Sized,
    {
        let mut old = [0; Self::LEN];
        // What cannot be read may be one.
        if read_up_to(hash, &mut old, offset).is_ok() && old == [0; Self::LEN] {
            return Ok(());
        }
        let erased = hash.write_all_at(&[0; Self::LEN], offset);
        erased.map_err(|source| Error::WriteSuperblock { source })?;
        hash.sync().map_err(|source| Error::Sync { source })
    }
}

impl Superblock {
    /// The bytes from the start of a hash area to its tree: the superblock, and zeros behind it up
    /// to the next hash block. It is what a manifest binds. Empty if the area has no superblock.
    ///
    /// ```
    /// use verity::{HashArea, Params, Superblock, Uuid};
    ///
    /// let params = Params::builder().data_blocks(300).build()?;
    /// let area = HashArea::new(&params, 0, true)?;
    /// let region = Superblock::new(params, Uuid::nil()).region(&area);
    /// assert_eq!((region.len(), &region[..6]), (4096, b"verity".as_slice()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn region(&self, hash_area: &HashArea) -> Vec<u8> {
        let range = hash_area.superblock_region();
        // At most one hash block.
        let mut region = vec![0; to_len(range.end - range.start)];
        if let Some(start) = region.first_chunk_mut() {
            *start = self.to_bytes();
        }
        region
    }
}

/// What is known of the devices that an image lies on: how long they are, and which of them are
/// one.
///
/// What nobody knows is left at its default: a length that is not known, devices that share
/// nothing.
///
/// ```
/// use verity::{Devices, Error, HashArea, HashAreaError, Params, Sharing};
///
/// // One file with the hash area at 1 MiB: data of 256 blocks ends there.
/// let one_file = Devices { hash_on_data: Sharing::Same, ..Devices::default() };
/// let check = |data_blocks| {
///     let params = Params::builder().data_blocks(data_blocks).build()?;
///     let hash_area = HashArea::new(&params, 1 << 20, true)?;
///     one_file.check(&params, &hash_area, None)
/// };
/// check(256)?;
/// let refused = check(257);
/// assert!(matches!(refused, Err(Error::HashArea(HashAreaError::OverlapsData { .. }))));
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Devices {
    /// The length of the data device in bytes.
    pub data_size: Option<u64>,
    /// That of the hash device; `None` also where it grows as it is written.
    pub hash_size: Option<u64>,
    /// That of the FEC device; `None` also where it grows as it is written.
    pub fec_size: Option<u64>,
    /// How the hash device relates to the data device.
    pub hash_on_data: Sharing,
    /// How the FEC device relates to the data device.
    pub fec_on_data: Sharing,
    /// How the FEC device relates to the hash device.
    pub fec_on_hash: Sharing,
}

/// How the bytes of two devices relate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sharing {
    /// No byte is on both, as far as is known.
    #[default]
    Nothing,
    /// They are one device: byte n of one is byte n of the other.
    Same,
    /// Some bytes are on both, at different places.
    Shifted,
}

impl Devices {
    /// Refuses an image that cannot lie there: the rules of places and lengths, for whatever makes
    /// an image and for whatever opens one.
    ///
    /// On one device the hash area lies behind the data, and parity behind the data, the hash area
    /// and everything that it covers. Devices that overlap without being one are refused, as it
    /// cannot be told what lies where. No device ends before what is on it does.
    ///
    /// # Errors
    /// [`Error::HashArea`], [`Error::Fec`], [`Error::ShortData`], [`Error::ShortHashArea`] or
    /// [`Error::ShortParity`], in this order.
    pub fn check(
        &self,
        params: &Params,
        hash_area: &HashArea,
        fec_area: Option<&FecArea>,
    ) -> Result<(), Error> {
        match self.check_places(params, hash_area, fec_area) {
            Ok(()) => {}
            Err(PlaceError::HashArea(error)) => return Err(error.into()),
            Err(PlaceError::Fec(error)) => return Err(error.into()),
        }
        self.check_sizes(params, hash_area, fec_area)
    }

    /// The rules of places alone.
    pub(crate) fn check_places(
        &self,
        params: &Params,
        hash_area: &HashArea,
        fec_area: Option<&FecArea>,
    ) -> Result<(), PlaceError> {
        hash_area.check_belongs_to(params)?;
        match self.hash_on_data {
            Sharing::Nothing => {}
            // Where nothing lies, nothing overlaps.
            _ if hash_area.file_size() == 0 => {}
            Sharing::Same => hash_area.check_behind_data(params)?,
            Sharing::Shifted => return Err(HashAreaError::Shifted.into()),
        }
        let Some(area) = fec_area else { return Ok(()) };
        area.check_belongs_to(params, hash_area)?;
        match self.fec_on_hash {
            Sharing::Nothing => {}
            Sharing::Same => area.check_behind_hash_area(params, hash_area)?,
            Sharing::Shifted => return Err(FecError::Shifted { other: "hash device" }.into()),
        }
        match self.fec_on_data {
            Sharing::Nothing => {}
            Sharing::Same => area.check_behind_data(params)?,
            Sharing::Shifted => return Err(FecError::Shifted { other: "data" }.into()),
        }
        Ok(())
    }

    fn check_sizes(
        &self,
        params: &Params,
        hash_area: &HashArea,
        fec_area: Option<&FecArea>,
    ) -> Result<(), Error> {
        let is_short = |needed: u64, size: Option<u64>| size.filter(|actual| *actual < needed);
        let needed = params.data_size();
        if let Some(actual) = is_short(needed, self.data_size) {
            return Err(Error::ShortData { needed, actual });
        }
        // A single data block has no tree, and its superblock was read by those that need it.
        let needed = if hash_area.hash_blocks() > 0 { hash_area.end() } else { 0 };
        if let Some(actual) = is_short(needed, self.hash_size) {
            return Err(Error::ShortHashArea { needed, actual });
        }
        let Some(area) = fec_area else { return Ok(()) };
        let needed = area.range().end;
        match is_short(needed, self.fec_size) {
            Some(actual) => {
                let (roots, blocks) = (area.roots(), area.blocks());
                Err(Error::ShortParity { needed, actual, roots, blocks })
            }
            None => Ok(()),
        }
    }
}

/// What is wrong with a place: of the hash area, or of the parity.
pub(crate) enum PlaceError {
    HashArea(HashAreaError),
    Fec(FecError),
}

impl From<HashAreaError> for PlaceError {
    fn from(error: HashAreaError) -> PlaceError {
        PlaceError::HashArea(error)
    }
}

impl From<FecError> for PlaceError {
    fn from(error: FecError) -> PlaceError {
        PlaceError::Fec(error)
    }
}

impl TrustedParams {
    /// Refuses devices that are too short. Which of them are one is the caller's to know.
    pub(crate) fn check_lengths(
        &self,
        data: &(impl ReadAt + ?Sized),
        hash: &(impl ReadAt + ?Sized),
    ) -> Result<(), Error> {
        self.check_devices(None, Some(data.len()?), hash)
    }

    /// Refuses devices that are too short, that of the parity among them.
    pub(crate) fn check_lengths_with_fec(
        &self,
        fec_area: &FecArea,
        data: &(impl ReadAt + ?Sized),
        hash: &(impl ReadAt + ?Sized),
        fec: &(impl ReadAt + ?Sized),
    ) -> Result<(), Error> {
        self.check_devices(Some((fec_area, fec.len()?)), Some(data.len()?), hash)
    }

    fn check_devices(
        &self,
        fec: Option<(&FecArea, u64)>,
        data_size: Option<u64>,
        hash: &(impl ReadAt + ?Sized),
    ) -> Result<(), Error> {
        // A single data block needs no hash device, whatever that is.
        let has_tree = self.hash_area().hash_blocks() > 0;
        let hash_size = if has_tree { Some(hash.len()?) } else { None };
        let fec_size = fec.map(|(_, size)| size);
        let devices = Devices { data_size, hash_size, fec_size, ..Devices::default() };
        devices.check(self.params(), &self.hash_area(), fec.map(|(area, _)| area))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(data_blocks: u64) -> Params {
        Params::builder().data_blocks(data_blocks).build().unwrap()
    }

    const SAME: Sharing = Sharing::Same;

    #[test]
    fn g04_what_shares_a_device_must_not_overlap_and_may_touch() {
        let params = params(300);
        let end = params.data_size();
        let area = |offset| HashArea::new(&params, offset, true).unwrap();
        let devices = Devices { hash_on_data: SAME, ..Devices::default() };
        devices.check(&params, &area(end), None).unwrap();
        for offset in [0, 512, end - 512] {
            let refused = devices.check(&params, &area(offset), None);
            assert!(matches!(refused, Err(Error::HashArea(HashAreaError::OverlapsData { .. }))));
            Devices::default().check(&params, &area(offset), None).unwrap();
        }
        let shifted = Devices { hash_on_data: Sharing::Shifted, ..Devices::default() };
        let refused = shifted.check(&params, &area(end), None);
        assert!(matches!(refused, Err(Error::HashArea(HashAreaError::Shifted))));
    }

    #[test]
    fn g04_parity_lies_behind_whatever_shares_its_device() {
        let params = params(300);
        let area = HashArea::new(&params, 0, true).unwrap();
        let fec = |blocks, offset| FecArea::new(&params, &area, 2, blocks, offset).unwrap();
        let (on_hash, on_data) = (
            Devices { fec_on_hash: SAME, ..Devices::default() },
            Devices { fec_on_data: SAME, ..Devices::default() },
        );
        let check = |devices: Devices, fec| devices.check(&params, &area, Some(&fec));
        check(on_hash, fec(304, area.end())).unwrap();
        check(on_data, fec(304, params.data_size())).unwrap();
        check(Devices::default(), fec(304, 0)).unwrap();
        for (devices, fec) in [
            (on_hash, fec(304, area.end() - 4096)),
            (on_hash, fec(305, area.end())),
            (on_data, fec(304, params.data_size() - 4096)),
            (Devices { fec_on_hash: Sharing::Shifted, ..Devices::default() }, fec(304, 1 << 30)),
            (Devices { fec_on_data: Sharing::Shifted, ..Devices::default() }, fec(304, 1 << 30)),
        ] {
            let refused = check(devices, fec);
            assert!(matches!(refused, Err(Error::Fec(_))), "{devices:?}: {refused:?}");
        }
    }

    #[test]
    fn g03_g07_devices_that_end_early_are_refused_with_both_sizes() {
        let params = params(300);
        let area = HashArea::new(&params, 0, true).unwrap();
        let fec = FecArea::new(&params, &area, 2, 304, 0).unwrap();
        let [data, hash, parity] = [params.data_size(), area.end(), fec.range().end];
        let check = |data, hash, parity| {
            let (data_size, hash_size, fec_size) = (Some(data), Some(hash), Some(parity));
            let devices = Devices { data_size, hash_size, fec_size, ..Devices::default() };
            devices.check(&params, &area, Some(&fec))
        };
        check(data, hash, parity).unwrap();
        let short = check(data - 1, hash, parity);
        assert!(matches!(short, Err(Error::ShortData { actual, .. }) if actual == data - 1));
        let short = check(data, hash - 1, parity);
        assert!(matches!(short, Err(Error::ShortHashArea { actual, .. }) if actual == hash - 1));
        let short = check(data, hash, parity - 1);
        assert!(matches!(short, Err(Error::ShortParity { actual, .. }) if actual == parity - 1));
    }
}
