//! Parameters and what follows from them, as structs of C.

use std::ffi::{c_char, c_int};
use std::mem::size_of;

use verity::{
    BlockSize, FecArea, HashArea, HashType, Params, ParamsBuilder, Plan, Salt, Superblock, Uuid,
    uuid_from_seed,
};

use crate::device::{Opener, Use, verity_device};
use crate::failure::{Code, Failure, verity_error};
use crate::flags::{self, FROM_SUPERBLOCK, NO_SUPERBLOCK};
use crate::guard::guarded;
use crate::pointers::{check, check_struct_size, put, sized, text};

#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct verity_params {
    size: u32,
    hash_type: u32,
    algorithm: [c_char; 32],
    data_block_size: u32,
    hash_block_size: u32,
    data_blocks: u64,
    uuid: [u8; 16],
    salt: [u8; 256],
    salt_size: u32,
    flags: u32,
    hash_offset: u64,
    fec_roots: u32,
    reserved0: u32,
    fec_offset: u64,
    fec_blocks: u64,
    reserved: [u64; 8],
}

#[repr(C)]
pub(crate) struct verity_places {
    data_size: u64,
    superblock_offset: u64,
    hash_start: u64,
    tree_offset: u64,
    tree_size: u64,
    hash_end: u64,
    fec_offset: u64,
    fec_size: u64,
    fec_end: u64,
    fec_blocks: u64,
    levels: u64,
    reserved: [u64; 5],
}

/// Parameters, and where everything lies.
#[derive(Clone)]
pub(crate) struct Layout {
    pub(crate) params: Params,
    pub(crate) hash_area: HashArea,
    pub(crate) fec_area: Option<FecArea>,
    pub(crate) uuid: Uuid,
    /// Nothing vouches for them.
    pub(crate) from_superblock: bool,
}

impl From<&Plan> for Layout {
    fn from(plan: &Plan) -> Layout {
        Layout {
            params: plan.params().clone(),
            hash_area: plan.hash_area(),
            fec_area: plan.fec_area(),
            uuid: plan.uuid(),
            from_superblock: false,
        }
    }
}

impl Layout {
    /// The same as what the library for Rust makes.
    pub(crate) fn plan(&self) -> Result<Plan, Failure> {
        let plan = Plan::new(self.params.clone(), self.hash_area)?.with_uuid(self.uuid);
        Ok(match self.fec_area {
            Some(area) => plan.with_fec_area(area)?,
            None => plan,
        })
    }

    fn places(&self) -> verity_places {
        let (tree, fec) = (self.hash_area.tree_range(), self.fec_area);
        let parity = fec.map_or(0..0, |area| area.range());
        verity_places {
            data_size: self.params.data_size(),
            superblock_offset: self.hash_area.offset(),
            hash_start: self.hash_area.hash_start(),
            tree_offset: tree.start,
            tree_size: tree.end - tree.start,
            hash_end: self.hash_area.end(),
            fec_offset: parity.start,
            fec_size: parity.end - parity.start,
            fec_end: parity.end,
            fec_blocks: fec.map_or(0, |area| area.blocks()),
            levels: self.params.geometry().top_level().map_or(0, |top| u64::from(top) + 1),
            reserved: [0; 5],
        }
    }
}

impl verity_params {
    /// Reads parameters of a host.
    ///
    /// # Safety
    /// The pointer is NULL, or points to parameters.
    pub(crate) unsafe fn read(pointer: *const verity_params) -> Result<verity_params, Failure> {
        // SAFETY: as above; the struct is made of integers.
        let params = unsafe { sized(pointer, "params") }?;
        if params.reserved0 != 0 || params.reserved != [0; 8] {
            return Err(Failure::argument("params: reserved members are not 0"));
        }
        flags::check(params.flags, NO_SUPERBLOCK | FROM_SUPERBLOCK)?;
        Ok(params)
    }

    /// Reads parameters of a host, and where everything lies.
    ///
    /// # Safety
    /// As [`verity_params::read`].
    pub(crate) unsafe fn read_layout(pointer: *const verity_params) -> Result<Layout, Failure> {
        // SAFETY: as above.
        unsafe { verity_params::read(pointer) }?.layout()
    }

    /// Gives parameters back to a host, whose struct has a size that was checked.
    ///
    /// # Safety
    /// The pointer is NULL, or points to parameters that may be written to.
    pub(crate) unsafe fn write(self, pointer: *mut verity_params) -> Result<(), Failure> {
        check(pointer, "params")?;
        // SAFETY: the size comes first.
        let size = unsafe { pointer.cast::<u32>().read() };
        check_struct_size::<verity_params>(size, "params")?;
        // SAFETY: there is room for as many bytes as the size says, which are at least ours.
        unsafe { put(pointer, verity_params { size, ..self }, "params") }
    }

    pub(crate) fn has_superblock(&self) -> bool {
        self.flags & NO_SUPERBLOCK == 0
    }

    /// How many data blocks there are; 0 if that is not known.
    pub(crate) fn data_blocks(&self) -> u64 {
        self.data_blocks
    }

    pub(crate) fn uuid(&self) -> Uuid {
        Uuid::from_bytes(self.uuid)
    }

    pub(crate) fn hash_offset(&self) -> u64 {
        self.hash_offset
    }

    pub(crate) fn fec_roots(&self) -> u32 {
        self.fec_roots
    }

    /// Where parity is to lie on a device of its own.
    pub(crate) fn fec_offset(&self) -> u64 {
        self.fec_offset
    }

    /// How many blocks parity is to cover; 0 for data and tree.
    pub(crate) fn fec_blocks(&self) -> u64 {
        self.fec_blocks
    }

    /// The parameters without the number of data blocks.
    pub(crate) fn builder(&self) -> Result<ParamsBuilder, Failure> {
        let name: Vec<u8> = self.algorithm.iter().map(|&letter| letter.cast_unsigned()).collect();
        let malformed =
            || Failure::argument("params: the algorithm is no text of at most 31 bytes");
        let end = name.iter().position(|&byte| byte == 0).ok_or_else(malformed)?;
        let name = str::from_utf8(&name[..end]).map_err(|_| malformed())?;
        let salt_size = usize::try_from(self.salt_size).unwrap_or(usize::MAX);
        let salt = self.salt.get(..salt_size).ok_or_else(|| {
            Failure::argument(format!("params: a salt of {salt_size} bytes: at most 256"))
        })?;
        Ok(Params::builder()
            .algorithm(name.parse()?)
            .hash_type(HashType::try_from(self.hash_type)?)
            .data_block_size(BlockSize::new(self.data_block_size)?)
            .hash_block_size(BlockSize::new(self.hash_block_size)?)
            .salt(Salt::new(salt)?))
    }

    fn layout(&self) -> Result<Layout, Failure> {
        let params = self.builder()?.data_blocks(self.data_blocks).build()?;
        let hash_area = HashArea::new(&params, self.hash_offset, self.has_superblock())?;
        let fec_area = match (self.fec_roots, self.fec_blocks) {
            (0, _) => None,
            (roots, 0) => {
                let blocks = params.data_blocks().saturating_add(hash_area.hash_blocks());
                Some(FecArea::new(&params, &hash_area, roots, blocks, self.fec_offset)?)
            }
            (roots, blocks) => {
                Some(FecArea::new(&params, &hash_area, roots, blocks, self.fec_offset)?)
            }
        };
        let from_superblock = self.flags & FROM_SUPERBLOCK != 0;
        let uuid = Uuid::from_bytes(self.uuid);
        Ok(Layout { params, hash_area, fec_area, uuid, from_superblock })
    }

    fn plan(mut self, plan: &Plan) -> Result<(verity_params, verity_places), Failure> {
        self.data_blocks = plan.params().data_blocks();
        self.hash_offset = plan.hash_area().offset();
        (self.fec_offset, self.fec_blocks) = (0, 0);
        if let Some(area) = plan.fec_area() {
            self.fec_offset = area.range().start;
        }
        let places = self.layout()?.places();
        Ok((self, places))
    }
}

impl From<&Layout> for verity_params {
    fn from(layout: &Layout) -> verity_params {
        let params = &layout.params;
        let mut algorithm = [0; 32];
        for (place, letter) in algorithm.iter_mut().zip(params.algorithm().name().bytes()) {
            *place = c_char::from_ne_bytes([letter]);
        }
        let mut salt = [0; 256];
        let salt_bytes = params.salt().as_bytes();
        salt[..salt_bytes.len()].copy_from_slice(salt_bytes);
        let without = if layout.hash_area.has_superblock() { 0 } else { NO_SUPERBLOCK };
        let unvouched = if layout.from_superblock { FROM_SUPERBLOCK } else { 0 };
        let fec = layout.fec_area;
        verity_params {
            size: own_size(),
            hash_type: params.hash_type().number(),
            algorithm,
            data_block_size: params.data_block_size().bytes(),
            hash_block_size: params.hash_block_size().bytes(),
            data_blocks: params.data_blocks(),
            uuid: *layout.uuid.as_bytes(),
            salt,
            salt_size: u32::try_from(salt_bytes.len()).unwrap_or(256),
            flags: without | unvouched,
            hash_offset: layout.hash_area.offset(),
            fec_roots: fec.map_or(0, |area| area.roots()),
            reserved0: 0,
            fec_offset: fec.map_or(0, |area| area.range().start),
            fec_blocks: fec.map_or(0, |area| area.blocks()),
            reserved: [0; 8],
        }
    }
}

fn own_size() -> u32 {
    u32::try_from(size_of::<verity_params>()).unwrap_or(u32::MAX)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn verity_params_init(
    params: *mut verity_params,
    size: usize,
    err: *mut *mut verity_error,
) -> c_int {
    let work = || {
        check(params, "params")?;
        let stated = u32::try_from(size).unwrap_or(u32::MAX);
        check_struct_size::<verity_params>(stated, "params")?;
        let mut usual = verity_params::from(&Layout {
            params: Params::builder().data_blocks(1).build()?,
            hash_area: HashArea::new(&Params::builder().data_blocks(1).build()?, 0, true)?,
            fec_area: None,
            uuid: Uuid::nil(),
            from_superblock: false,
        });
        (usual.size, usual.data_blocks) = (stated, 0);
        // SAFETY: there is room for so many bytes, which are at least ours.
        unsafe {
            params.cast::<u8>().write_bytes(0, size);
            put(params, usual, "params")
        }
    };
    // SAFETY: NULL, or room for an error.
    unsafe { guarded(err, work) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn verity_params_seed(
    params: *mut verity_params,
    seed: *const c_char,
    err: *mut *mut verity_error,
) -> c_int {
    let work = || {
        // SAFETY: NULL, or what the header asks for.
        let (mut seeded, seed) = unsafe { (verity_params::read(params)?, text(seed, "seed")?) };
        let salt = Salt::from_seed(seed);
        seeded.salt = [0; 256];
        seeded.salt[..salt.as_bytes().len()].copy_from_slice(salt.as_bytes());
        seeded.salt_size = 32;
        seeded.uuid = uuid_from_seed(seed).into_bytes();
        // SAFETY: it was read from there.
        unsafe { seeded.write(params) }
    };
    // SAFETY: NULL, or room for an error.
    unsafe { guarded(err, work) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn verity_plan(
    params: *const verity_params,
    places: *mut verity_places,
    err: *mut *mut verity_error,
) -> c_int {
    let work = || {
        // SAFETY: NULL, or what the header asks for.
        unsafe {
            let layout = verity_params::read_layout(params)?;
            put(places, layout.places(), "places")
        }
    };
    // SAFETY: NULL, or room for an error.
    unsafe { guarded(err, work) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn verity_plan_image(
    params: *mut verity_params,
    image_size: u64,
    one_device: c_int,
    places: *mut verity_places,
    err: *mut *mut verity_error,
) -> c_int {
    // SAFETY: this function has the same rules.
    unsafe {
        plan(params, places, err, |params| {
            let (builder, superblock) = (params.builder()?, params.has_superblock());
            let plan = match one_device {
                0 => Plan::for_image(builder, image_size, superblock)?,
                _ => Plan::behind_data(builder.data_size(image_size).build()?, superblock)?,
            };
            match params.fec_roots {
                0 => Ok(plan),
                roots => Ok(plan.with_fec(roots)?),
            }
        })
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn verity_plan_partition(
    params: *mut verity_params,
    partition_size: u64,
    places: *mut verity_places,
    err: *mut *mut verity_error,
) -> c_int {
    // SAFETY: this function has the same rules.
    unsafe {
        plan(params, places, err, |params| {
            let (builder, superblock) = (params.builder()?, params.has_superblock());
            Ok(match params.fec_roots {
                0 => Plan::for_partition(builder, partition_size, superblock)?,
                roots => Plan::for_partition_with_fec(builder, partition_size, superblock, roots)?,
            })
        })
    }
}

/// Plans, and tells of it in both places.
///
/// # Safety
/// The pointers are NULL, or what the header asks for.
unsafe fn plan(
    params: *mut verity_params,
    places: *mut verity_places,
    err: *mut *mut verity_error,
    plan: impl FnOnce(&verity_params) -> Result<Plan, Failure>,
) -> c_int {
    let work = || {
        check(places, "places")?;
        // SAFETY: as above.
        let before = unsafe { verity_params::read(params) }?;
        let plan = plan(&before)?;
        let (planned, found) = before.plan(&plan)?;
        // SAFETY: as above.
        unsafe {
            planned.write(params)?;
            put(places, found, "places")
        }
    };
    // SAFETY: NULL, or room for an error.
    unsafe { guarded(err, work) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn verity_superblock_read(
    hash: *const verity_device,
    offset: u64,
    params: *mut verity_params,
    err: *mut *mut verity_error,
) -> c_int {
    let work = || {
        // SAFETY: NULL, or what the header asks for.
        let hash = unsafe { Opener::default().open(hash, "hash", Use::Read) }?;
        let superblock = Superblock::read(&hash, offset)?;
        let layout = Layout {
            hash_area: HashArea::new(superblock.params(), offset, true)?,
            params: superblock.params().clone(),
            fec_area: None,
            uuid: superblock.uuid(),
            from_superblock: true,
        };
        // SAFETY: NULL, or parameters with their size.
        unsafe { verity_params::from(&layout).write(params) }
    };
    // SAFETY: NULL, or room for an error.
    unsafe { guarded(err, work) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn verity_superblock_bytes(
    params: *const verity_params,
    out: *mut [u8; 512],
    err: *mut *mut verity_error,
) -> c_int {
    let work = || {
        // SAFETY: NULL, or what the header asks for.
        let layout = unsafe { verity_params::read_layout(params) }?;
        if !layout.hash_area.has_superblock() {
            return Err(Failure::new(Code::Argument, "params: there is to be no superblock"));
        }
        let bytes = Superblock::new(layout.params, layout.uuid).to_bytes();
        // SAFETY: NULL, or room for 512 bytes.
        unsafe { put(out, bytes, "out") }
    };
    // SAFETY: NULL, or room for an error.
    unsafe { guarded(err, work) }
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use verity_testdata::pattern::Prng;

    use super::*;
    use crate::library::{verity_digest, verity_error_free};
    use crate::trust::{verity_trusted_free, verity_trusted_pinned};

    /// Parameters of a host of which nothing is right but the size.
    fn any(prng: &mut Prng) -> verity_params {
        let mut params = verity_params::from(&Layout {
            params: Params::builder().data_blocks(1 + prng.below(1 << 20)).build().unwrap(),
            hash_area: HashArea::new(
                &Params::builder().data_blocks(1).build().unwrap(),
                0,
                prng.one_in(2),
            )
            .unwrap(),
            fec_area: None,
            uuid: Uuid::nil(),
            from_superblock: false,
        });
        for _ in 0..prng.below(4) {
            let value = match prng.below(4) {
                0 => prng.below(8),
                1 => u64::MAX - prng.below(8),
                2 => 1 << prng.below(64),
                _ => prng.next_u64(),
            };
            let narrow = u32::try_from(value & 0xffff_ffff).unwrap();
            match prng.below(10) {
                0 => params.hash_type = narrow,
                1 => params.algorithm[prng.index(32)] = c_char::from_ne_bytes([0x80]),
                2 => params.data_block_size = narrow,
                3 => params.hash_block_size = narrow,
                4 => params.data_blocks = value,
                5 => params.salt_size = narrow,
                6 => params.flags = narrow,
                7 => params.hash_offset = value,
                8 => params.fec_roots = narrow,
                _ => (params.fec_offset, params.fec_blocks) = (value, prng.next_u64()),
            }
        }
        params
    }

    /// No parameters make the library panic, and what it returns is a number of the header.
    #[test]
    fn parameters_of_any_content_are_planned_or_refused() {
        let mut prng = Prng::new(7);
        let root = verity_digest::new(&[7; 32]);
        let mut seen = std::collections::BTreeMap::new();
        for _ in 0..20_000 {
            let mut params = any(&mut prng);
            let mut places = std::mem::MaybeUninit::uninit();
            let (mut err, mut trusted, mut out) = (ptr::null_mut(), ptr::null_mut(), [0; 512]);
            // SAFETY: all pointers are to what they must be to.
            unsafe {
                let codes = [
                    verity_plan(&raw const params, places.as_mut_ptr(), ptr::null_mut()),
                    verity_superblock_bytes(&raw const params, &raw mut out, ptr::null_mut()),
                    verity_trusted_pinned(
                        &raw const params,
                        &raw const root,
                        &raw mut trusted,
                        ptr::null_mut(),
                    ),
                    verity_plan_image(
                        &raw mut params,
                        prng.next_u64() & !4095,
                        c_int::from(prng.one_in(2)),
                        places.as_mut_ptr(),
                        ptr::null_mut(),
                    ),
                    verity_plan_partition(
                        &raw mut params,
                        prng.next_u64(),
                        places.as_mut_ptr(),
                        &raw mut err,
                    ),
                ];
                codes.iter().for_each(|code| *seen.entry(*code).or_insert(0) += 1);
                verity_trusted_free(trusted);
                verity_error_free(err);
            }
        }
        assert!(seen.keys().all(|code| (-14..=0).contains(code)), "{seen:?}");
        assert!(seen[&0] > 1000 && seen[&-1] > 1000, "{seen:?}");
    }
}
