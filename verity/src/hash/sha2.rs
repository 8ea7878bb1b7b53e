//! The SHA-2 compression (FIPS 180-4, 6.2.2 and 6.4.2), once, over any [`Lanes`]; and the walk over a block.
//!
//! ```text
//!  for each line of the block, 64 bytes for sha256:
//!      load it once for every lane, whole and aligned as the block is, and turn it: 16 vectors of words
//!      chunk = words carried from the line before, then the first words of this one
//!      compress(chunk); carry the words that are left
//!  then the chunk that the block's last bytes share with padding, then the chunks of padding alone
//! ```
//!
//! 1. **The carried line.** A salt of 32 bytes puts every block half a chunk off the grid of chunks. Reading
//!    chunk by chunk would touch each line twice, and lines of blocks that lie 4096 bytes apart share one set
//!    of the level-1 cache, so that they are gone in between. So a line is loaded once; the words that belong
//!    to the next chunk wait in `window`. A salt that is no multiple of a word shifts the words too.
//! 2. **The schedule is worked out in place**, sixteen words before each sixteen rounds use them.
//! 3. **Padding is prepared**: its chunks are the same for every block, and so is their schedule.

use super::lanes::Lanes;
use super::multi::Group;
use super::word::Word;

/// Hashes a group of at most as many blocks as there are lanes.
#[inline(always)]
pub(super) fn hash<L: Lanes>(cpu: L::Cpu, group: Group<'_, L::Word>) {
    let Group { message, blocks, next, digests } = group;
    let (block_size, chunk_size) = (message.block_size, L::Word::CHUNK);
    let mut state: [L; 8] = splat_all(cpu, &message.state);
    let mut window = Window::<L>::new(cpu, &message.front);
    let mut feed = Feed::new(cpu, blocks, block_size);
    if L::AHEAD {
        feed.take_line();
    }
    let joint = message.joint.as_deref();
    // One call of the rounds serves the joint chunk too: it is much code.
    for offset in (0..block_size + joint.map_or(0, <[u8]>::len)).step_by(chunk_size) {
        if offset < block_size {
            if !L::AHEAD {
                feed.take_line();
            }
            window.take_line(&feed.rows);
        } else if let Some(joint) = joint {
            window.take_joint(cpu, joint);
        }
        feed.offset = (offset + chunk_size).min(block_size - chunk_size);
        if let Some(next) = next.get(offset * L::LANES..(offset + chunk_size) * L::LANES) {
            L::prefetch(cpu, next);
        }
        compress(cpu, &mut state, window.chunk(), &mut feed);
        window.carry();
    }
    for constant in &message.rest {
        compress_constant(cpu, &mut state, &constant.schedule);
    }
    store(&state, message.digest_size, digests);
}

/// The words of a chunk, and behind them those of the last line that belong to the next one.
struct Window<L> {
    words: [L; 32],
    /// How many words each line leaves to the next chunk.
    carried: usize,
    /// How many bits more.
    shift: u32,
    /// The word of which those bits are the lowest.
    last: L,
}

impl<L: Lanes> Window<L> {
    /// With what stands in front of each block.
    #[inline(always)]
    fn new(cpu: L::Cpu, front: &[u8]) -> Self {
        let carried = front.len() / L::Word::BYTES;
        let shift = u32::try_from(front.len() % L::Word::BYTES * 8).unwrap_or_default();
        let mut words = [L::splat(cpu, L::Word::default()); 32];
        for (words, bytes) in words.iter_mut().zip(front.chunks_exact(L::Word::BYTES)) {
            *words = L::splat(cpu, L::Word::read(bytes));
        }
        Window { words, carried, shift, last: L::splat(cpu, tail_word(front)) }
    }

    /// Puts a line behind what was carried.
    #[inline(always)]
    fn take_line(&mut self, rows: &[L; 16]) {
        let line = &mut self.words[self.carried..self.carried + 16];
        line.copy_from_slice(&L::turn(rows));
        if self.shift > 0 {
            for words in line {
                let this = *words;
                *words = self.last.shl(L::Word::BITS - self.shift).xor(this.shr(self.shift));
                self.last = this;
            }
        }
    }

    /// Puts the padding of a chunk behind what was carried.
    #[inline(always)]
    fn take_joint(&mut self, cpu: L::Cpu, joint: &[u8]) {
        let padding = joint.chunks_exact(L::Word::BYTES).skip(self.carried);
        for (words, bytes) in self.words[self.carried..].iter_mut().zip(padding) {
            *words = L::splat(cpu, L::Word::read(bytes));
        }
        if self.shift > 0 {
            let first = &mut self.words[self.carried];
            *first = first.xor(self.last.shl(L::Word::BITS - self.shift));
        }
    }

    #[inline(always)]
    fn chunk(&mut self) -> &mut [L; 16] {
        (&mut self.words[..16]).try_into().unwrap_or_else(|_| unreachable!("sixteen words"))
    }

    #[inline(always)]
    fn carry(&mut self) {
        for index in 0..self.carried {
            self.words[index] = self.words[16 + index];
        }
    }
}

/// Loads the next line while this one is hashed: a quarter of its rows at a time, so that the rounds hide how
/// long they take to come.
struct Feed<'a, L: Lanes> {
    cpu: L::Cpu,
    blocks: &'a [u8],
    block_size: usize,
    offset: usize,
    rows: [L; 16],
}

impl<'a, L: Lanes> Feed<'a, L> {
    #[inline(always)]
    fn new(cpu: L::Cpu, blocks: &'a [u8], block_size: usize) -> Self {
        let rows = [L::splat(cpu, L::Word::default()); 16];
        Feed { cpu, blocks, block_size, offset: 0, rows }
    }

    #[inline(always)]
    fn take_line(&mut self) {
        for quarter in 0..4 {
            self.take(quarter);
        }
    }

    #[inline(always)]
    fn take(&mut self, part: usize) {
        let four = L::load(self.cpu, self.blocks, self.block_size, self.offset, part);
        for (row, four) in self.rows[4 * part..4 * part + 4].iter_mut().zip(four) {
            *row = four;
        }
    }
}

/// The bytes that are left when whole words are taken off, in the low bits of a word.
fn tail_word<W: Word>(bytes: &[u8]) -> W {
    let tail = bytes.chunks_exact(W::BYTES).remainder();
    let mut word = vec![0; W::BYTES - tail.len()];
    word.extend(tail);
    W::read(&word)
}

#[inline(always)]
fn splat_all<L: Lanes>(cpu: L::Cpu, words: &[L::Word; 8]) -> [L; 8] {
    let mut lanes = [L::splat(cpu, words[0]); 8];
    for (lanes, &word) in lanes.iter_mut().zip(words) {
        *lanes = L::splat(cpu, word);
    }
    lanes
}

/// Writes the digests of as many lanes as there is room for.
#[inline(always)]
fn store<L: Lanes>(state: &[L; 8], digest_size: usize, digests: &mut [u8]) {
    // No kernel has more lanes.
    let mut words = [[L::Word::default(); 32]; 8];
    for (lanes, words) in state.iter().zip(&mut words) {
        lanes.store(words);
    }
    for (lane, digest) in digests.chunks_exact_mut(digest_size).enumerate() {
        for (bytes, words) in digest.chunks_mut(L::Word::BYTES).zip(&words) {
            words[lane].write(bytes);
        }
    }
}

/// One round (6.2.2, step 3). The names of the variables turn by one each round, instead of their values.
macro_rules! round {
    ($a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident, $kw:expr) => {
        let t1 = $h.add($kw).add($e.ch($f, $g)).pinned().add(big_sigma::<L, 1>($e));
        $d = $d.add(t1).pinned();
        $h = t1.add($a.maj($b, $c)).add(big_sigma::<L, 0>($a));
    };
}

/// Sixteen rounds, number i with word `kw!(i)`.
macro_rules! sixteen_rounds {
    ($a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident, $kw:ident) => {
        eight_rounds!($a $b $c $d $e $f $g $h, $kw, 0 1 2 3 4 5 6 7);
        eight_rounds!($a $b $c $d $e $f $g $h, $kw, 8 9 10 11 12 13 14 15);
    };
}

macro_rules! eight_rounds {
    ($a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident, $kw:ident,
     $i0:literal $i1:literal $i2:literal $i3:literal $i4:literal $i5:literal $i6:literal $i7:literal) => {
        round!($a $b $c $d $e $f $g $h, $kw!($i0));
        round!($h $a $b $c $d $e $f $g, $kw!($i1));
        round!($g $h $a $b $c $d $e $f, $kw!($i2));
        round!($f $g $h $a $b $c $d $e, $kw!($i3));
        round!($e $f $g $h $a $b $c $d, $kw!($i4));
        round!($d $e $f $g $h $a $b $c, $kw!($i5));
        round!($c $d $e $f $g $h $a $b, $kw!($i6));
        round!($b $c $d $e $f $g $h $a, $kw!($i7));
    };
}

/// Takes one chunk into the state; `w` is its words, and used up.
#[inline(always)]
fn compress<L: Lanes>(cpu: L::Cpu, state: &mut [L; 8], w: &mut [L; 16], feed: &mut Feed<'_, L>) {
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    let mut constants = L::Word::K.chunks_exact(16);
    let Some(k) = constants.next() else { return };
    macro_rules! given {
        ($i:literal) => {
            w[$i].add(L::splat(cpu, k[$i]))
        };
    }
    if L::AHEAD {
        feed.take(0);
    }
    sixteen_rounds!(a b c d e f g h, given);
    for (part, k) in (1..).zip(constants) {
        if L::AHEAD && part < 4 {
            feed.take(part);
        }
        macro_rules! expanded {
            ($i:literal) => {{
                w[$i] = expand(w, $i).pinned();
                w[$i].add(L::splat(cpu, k[$i]))
            }};
        }
        sixteen_rounds!(a b c d e f g h, expanded);
    }
    add_all(state, [a, b, c, d, e, f, g, h]);
}

/// Takes a chunk into the state whose schedule, round constants added, is the same for every lane.
#[inline(always)]
fn compress_constant<L: Lanes>(cpu: L::Cpu, state: &mut [L; 8], schedule: &[L::Word]) {
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    for kw in schedule.chunks_exact(16) {
        macro_rules! prepared {
            ($i:literal) => {
                L::splat(cpu, kw[$i])
            };
        }
        sixteen_rounds!(a b c d e f g h, prepared);
    }
    add_all(state, [a, b, c, d, e, f, g, h]);
}

#[inline(always)]
fn add_all<L: Lanes>(state: &mut [L; 8], after: [L; 8]) {
    for (before, after) in state.iter_mut().zip(after) {
        *before = before.add(after);
    }
}

/// The word of the schedule that takes the place of word `i` (6.2.2, step 1).
#[inline(always)]
fn expand<L: Lanes>(w: &[L; 16], i: usize) -> L {
    let (near, far) = (small_sigma::<L, 1>(w[(i + 14) % 16]), small_sigma::<L, 0>(w[(i + 1) % 16]));
    w[i].add(w[(i + 9) % 16]).add(far).add(near)
}

#[inline(always)]
fn big_sigma<L: Lanes, const N: usize>(x: L) -> L {
    let [a, b, c] = L::Word::BIG_SIGMA[N];
    x.rotr(a).xor3(x.rotr(b), x.rotr(c))
}

#[inline(always)]
fn small_sigma<L: Lanes, const N: usize>(x: L) -> L {
    let [a, b, c] = L::Word::SMALL_SIGMA[N];
    x.rotr(a).xor3(x.rotr(b), x.shr(c))
}

/// Takes one chunk of one message into a state.
pub(super) fn compress_one<W: Word>(state: &mut [W; 8], chunk: &[u8]) {
    let mut lanes = state.map(|word| [word]);
    let mut feed = Feed::new((), chunk, W::CHUNK);
    feed.take_line();
    let mut words = feed.rows;
    compress((), &mut lanes, &mut words, &mut feed);
    *state = lanes.map(|[word]| word);
}

/// The message schedule of a chunk, round constants added.
pub(super) fn schedule<W: Word>(chunk: &[u8]) -> Vec<W> {
    let mut feed = Feed::new((), chunk, W::CHUNK);
    feed.take_line();
    let mut words: [[W; 1]; 16] = feed.rows;
    let mut schedule = Vec::with_capacity(W::K.len());
    for (round, &k) in W::K.iter().enumerate() {
        let index = round % 16;
        if round >= 16 {
            words[index] = expand(&words, index);
        }
        schedule.push(words[index][0].add(k));
    }
    schedule
}
