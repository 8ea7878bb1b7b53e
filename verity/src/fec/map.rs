//! Linear maps on rows of bytes: every output row is a sum of constant times input row.
//!
//! Encoding is one (255 - roots rows of a round in, `roots` rows of parity out), and so is
//! recovering lost rows. The kernels multiply whole vectors by a constant; a constant is prepared
//! for all of them.

use super::field::{PRODUCTS, multiply};

/// A constant, in the forms that kernels multiply by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Constant {
    /// The constant as a byte.
    pub(super) byte: u8,
    /// Multiplying by it as a matrix over GF(2): the byte for output bit 7 is lowest. Source:
    /// Intel's description of GF2P8AFFINEQB.
    pub(super) matrix: u64,
    /// The products of the constant with 0 to 15.
    pub(super) low: [u8; 16],
    /// The products of the constant with 0, 16, 32 and so on.
    pub(super) high: [u8; 16],
}

/// A linear map from some rows to others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Map {
    outputs: usize,
    /// Those for the first input, then for the second, and so on: one for each output.
    constants: Vec<Constant>,
}

impl Constant {
    pub(super) fn new(byte: u8) -> Constant {
        let mut matrix = [0; 8];
        for input in 0..8 {
            let image = multiply(byte, 1 << input);
            for (output, row) in matrix.iter_mut().rev().enumerate() {
                *row |= (image >> output & 1) << input;
            }
        }
        let products = |step: u8| {
            let mut factor = 0_u8;
            [(); 16].map(|()| {
                let product = multiply(byte, factor);
                factor = factor.wrapping_add(step);
                product
            })
        };
        let matrix = u64::from_le_bytes(matrix);
        Constant { byte, matrix, low: products(1), high: products(16) }
    }
}

impl Map {
    /// The map whose inputs go to these multiples in the outputs, of
    /// which all have the same number.
    pub(super) fn new<'a>(outputs: usize, inputs: impl Iterator<Item = &'a [u8]>) -> Map {
        let constants = inputs.flat_map(|bytes| {
            assert_eq!(bytes.len(), outputs, "one constant an output");
            bytes.iter().map(|&byte| Constant::new(byte))
        });
        Map { outputs, constants: constants.collect() }
    }

    pub(super) fn outputs(&self) -> usize {
        self.outputs
    }

    /// The constants of the inputs from number `first` on, those of each input in a row.
    pub(super) fn inputs_from(&self, first: usize) -> &[Constant] {
        &self.constants[first * self.outputs..]
    }
}

/// Rows of bytes and what they are to be added to.
pub(super) struct Job<'a> {
    /// The constants of each row: `outputs` for the first one, then those for the second.
    pub(super) constants: &'a [Constant],
    /// The input rows, back to back.
    pub(super) rows: &'a [u8],
    /// The output rows, back to back; as long as the input rows.
    pub(super) sums: &'a mut [u8],
    /// How many output rows there are.
    pub(super) outputs: usize,
}

impl Job<'_> {
    /// The length of a row.
    pub(super) fn row_len(&self) -> usize {
        self.sums.len() / self.outputs
    }
}

/// Vectors of bytes of the field.
pub(super) trait Vector: Copy {
    /// The proof that the CPU has them.
    type Cpu: Copy;
    /// A constant in registers.
    type Constant: Copy;
    /// How many bytes a vector has.
    const LEN: usize;

    /// All bytes zero.
    fn zero(cpu: Self::Cpu) -> Self;
    /// Takes as many bytes as a vector has.
    fn load(cpu: Self::Cpu, bytes: &[u8]) -> Self;
    /// Writes as many bytes as a vector has.
    fn store(self, bytes: &mut [u8]);
    /// The sum in the field, which is also the difference.
    fn add(self, other: Self) -> Self;
    /// A constant to multiply by.
    fn constant(cpu: Self::Cpu, constant: &Constant) -> Self::Constant;
    /// Each byte times the constant.
    fn times(self, constant: Self::Constant) -> Self;
}

/// How many vectors of each row are in flight.
const TILE: usize = 4;

/// Adds the rows of a job by vectors. Rows are multiples of [`TILE`] vectors, which any block is.
#[inline(always)]
pub(super) fn accumulate<V: Vector>(cpu: V::Cpu, job: Job<'_>) {
    let row_len = job.row_len();
    debug_assert!(row_len.is_multiple_of(TILE * V::LEN));
    for column in (0..row_len).step_by(TILE * V::LEN) {
        let mut output = 0;
        while output < job.outputs {
            let place = Place { column, output, row_len };
            output += match job.outputs - output {
                1 => tile::<V, 1>(cpu, job.constants, job.rows, job.sums, job.outputs, place),
                2 => tile::<V, 2>(cpu, job.constants, job.rows, job.sums, job.outputs, place),
                3 => tile::<V, 3>(cpu, job.constants, job.rows, job.sums, job.outputs, place),
                _ => tile::<V, 4>(cpu, job.constants, job.rows, job.sums, job.outputs, place),
            };
        }
    }
}

/// Where a tile begins.
#[derive(Clone, Copy)]
struct Place {
    column: usize,
    output: usize,
    row_len: usize,
}

/// Some vectors of `N` outputs, which stay in registers over all rows. Returns `N`.
#[inline(always)]
fn tile<V: Vector, const N: usize>(
    cpu: V::Cpu,
    constants: &[Constant],
    rows: &[u8],
    sums: &mut [u8],
    outputs: usize,
    place: Place,
) -> usize {
    let Place { column, output, row_len } = place;
    // Loops of constant length over indices: then the sums are kept in registers.
    let mut acc = [[V::zero(cpu); TILE]; N];
    for n in 0..N {
        let sums = &sums[(output + n) * row_len + column..];
        for t in 0..TILE {
            acc[n][t] = V::load(cpu, &sums[t * V::LEN..]);
        }
    }
    for (row, constants) in rows.chunks_exact(row_len).zip(constants.chunks_exact(outputs)) {
        let (row, constants) = (&row[column..][..TILE * V::LEN], &constants[output..][..N]);
        let mut vectors = [V::zero(cpu); TILE];
        for t in 0..TILE {
            vectors[t] = V::load(cpu, &row[t * V::LEN..]);
        }
        for n in 0..N {
            let constant = V::constant(cpu, &constants[n]);
            for t in 0..TILE {
                acc[n][t] = acc[n][t].add(vectors[t].times(constant));
            }
        }
    }
    for n in 0..N {
        let sums = &mut sums[(output + n) * row_len + column..];
        for t in 0..TILE {
            acc[n][t].store(&mut sums[t * V::LEN..]);
        }
    }
    N
}

/// Adds the rows of a job byte by byte, on any CPU.
pub(super) fn accumulate_bytes(job: Job<'_>) {
    let row_len = job.row_len();
    let rows = job.rows.chunks_exact(row_len).zip(job.constants.chunks_exact(job.outputs));
    for (row, constants) in rows {
        for (sum, constant) in job.sums.chunks_exact_mut(row_len).zip(constants) {
            let products = &PRODUCTS[usize::from(constant.byte)];
            for (sum, &byte) in sum.iter_mut().zip(row) {
                *sum ^= products[usize::from(byte)];
            }
        }
    }
}
