//! Other bytes for blocks that are corrupt or cannot be read.

use std::io;

use crate::BlockRef;

/// Something that may have the right bytes of a block where the storage has not: forward error
/// correction, a mirror, another slot.
///
/// It need not be trusted. What it offers is hashed and compared as if it came from the storage,
/// and only then passed on.
///
/// ```
/// use std::io;
/// use std::sync::{Arc, Mutex};
/// use verity::io::ReadAt;
/// use verity::{BlockRef, Builder, HashArea, Params, Repair, TrustedParams, VerifiedReader};
///
/// /// The data of another mirror.
/// struct Mirror(Vec<u8>);
///
/// impl Repair for Mirror {
///     fn repair(&self, block: BlockRef, bytes: &mut [u8]) -> io::Result<bool> {
///         let BlockRef::Data { block } = block else { return Ok(false) };
///         self.0.read_exact_at(bytes, block * 4096)?;
///         Ok(true)
///     }
/// }
///
/// let mut image = vec![0x5a; 1 << 20];
/// let params = Params::builder().data_size(1 << 20).build()?;
/// let area = HashArea::new(&params, 0, false)?;
/// let hash = Mutex::new(Vec::new());
/// let root_hash = Builder::new(&params).build(&image, &hash, &area)?;
/// let mirror = Mirror(image.clone());
///
/// image[5000] ^= 1;
/// let trusted = TrustedParams::pinned(params, root_hash, area)?;
/// let reader = VerifiedReader::new(trusted, image, hash)?.repair(Arc::new(mirror));
/// let mut bytes = [0; 8];
/// reader.read_at(&mut bytes, 5000)?;
/// assert_eq!(bytes, [0x5a; 8]);
/// assert_eq!(reader.counters().repairs, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Repair: Send + Sync {
    /// Puts other bytes of a block into `bytes`, which is as long as that block, and says whether
    /// it has.
    ///
    /// Called by the thread that found the block, without any lock held, every time that it is
    /// found; several threads may call at once. At first `bytes` holds what was read.
    ///
    /// # Errors
    /// When it fails. The reader then reports what it found itself; but where a whole source has
    /// failed, such as a server that does not answer, it ends with
    /// [`Error::Recovery`](crate::Error::Recovery), so that nobody asks for the next block.
    fn repair(&self, block: BlockRef, bytes: &mut [u8]) -> io::Result<bool>;
}
