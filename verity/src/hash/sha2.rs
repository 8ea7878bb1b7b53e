//! The SHA-2 compression (FIPS 180-4, 6.2.2 and 6.4.2), once, over any [`Lanes`].

use super::feed::Feed;
use super::lanes::Lanes;
use super::word::Word;

/// One round (6.2.2, step 3). The names of the variables turn by one
/// each round, instead of their values.
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
     $i0:literal $i1:literal $i2:literal $i3:literal
     $i4:literal $i5:literal $i6:literal $i7:literal) => {
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
pub(super) fn compress<L: Lanes>(
    cpu: L::Cpu,
    state: &mut [L; 8],
    w: &mut [L; 16],
    feed: &mut Feed<'_, L>,
) {
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
pub(super) fn compress_constant<L: Lanes>(cpu: L::Cpu, state: &mut [L; 8], schedule: &[L::Word]) {
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
