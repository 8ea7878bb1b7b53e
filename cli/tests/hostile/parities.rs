//! Parity that is anything but parity, over images that need it.

use std::sync::Arc;

use verity_testdata::pattern::{self, Prng};

use super::case::{Case, Contents, run_all, seed, some_of};
use super::image::{BLOCKS, COVERED, Image};
use super::line::{Line, Made, line};

/// What becomes of the data.
#[derive(Clone, Copy, Debug)]
enum Damage {
    OneBlock,
    EveryThird,
    All,
    /// The top hash block instead.
    Top,
    /// All hash blocks of the lowest level instead.
    Lowest,
}

const DAMAGES: [Damage; 5] =
    [Damage::OneBlock, Damage::EveryThird, Damage::All, Damage::Top, Damage::Lowest];

fn damage(image: &mut Image, damage: Damage) {
    let data = Arc::make_mut(&mut image.data);
    let blocks =
        |step| (0..BLOCKS).step_by(step).map(|block| usize::try_from(block * 4096).unwrap());
    match damage {
        Damage::OneBlock => data[5000] ^= 1,
        Damage::EveryThird => blocks(3).for_each(|start| data[start] ^= 1),
        Damage::All => blocks(1).for_each(|start| data[start] ^= 1),
        Damage::Top => image.hash[4096] ^= 1,
        Damage::Lowest => (2..5).for_each(|block| image.hash[block * 4096 + 9] ^= 1),
    }
}

/// Contents of a parity device, of which no byte is right but by chance.
fn parities(random: &mut Prng) -> Vec<(&'static str, Contents)> {
    let noise = pattern::sha256_stream(2 << 20);
    let start = random.index(1 << 20);
    vec![
        ("nothing", Vec::new().into()),
        ("one byte", vec![7].into()),
        ("zeros", vec![0; 1 << 20].into()),
        ("noise", noise[start..start + (1 << 20)].to_vec().into()),
        ("a huge hole", Contents { bytes: Arc::new(vec![1; 4096]), size: (1 << 63) - 4096 }),
    ]
}

/// Every command that uses parity. What they end with is for an image that it can repair.
fn lines(root: &str, roots: u32) -> Vec<Line> {
    let parity = format!("--fec-device fec --fec-roots {roots}");
    let image = format!("data hash {root} {parity}");
    vec![
        line(format!("verify {image}")).code(6),
        line(format!("verify {image} --all")).code(6),
        line(format!("verify {image} --fec-blocks {COVERED}")).code(6),
        // Another number than this image and its files can have.
        line(format!("verify {image} --fec-blocks {}", COVERED - 1)).code(3),
        line(format!("verify {image} --fec-blocks {}", u64::MAX)).code(3),
        line(format!("read {image}")),
        line(format!("read {image} --output out")).makes("out", Made::Data),
        line(format!("repair {image} --dry-run")).code(6),
        line(format!("repair {image} --in-place"))
            .makes("data", Made::Repaired)
            .makes("hash", Made::Repaired),
        line(format!("repair {image} --output copy --hash-output tree"))
            .makes("copy", Made::CopyOf("data"))
            .makes("tree", Made::CopyOf("hash")),
        line(format!("open data no-such-device hash {root} {parity} --dry-run")),
        line(format!("dump hash {parity}")),
        line(format!("serve {image}")),
        line(format!("serve {image} --fec-blocks {COVERED}")),
    ]
}

/// Images that need their parity: with the right one, and with any other.
pub(crate) fn cases(random: &mut Prng) -> (Vec<Case>, Vec<Case>) {
    let good = Image::new();
    let (mut honest, mut hostile) = (Vec::new(), Vec::new());
    for roots in [2, 24] {
        let lines = lines(&good.root, roots);
        let case = |name: String, image: &Image, fec: Contents| Case {
            name: format!("{name}, {roots} roots"),
            is_honest: false,
            files: vec![
                ("data", Contents::from(&image.data)),
                ("hash", image.hash.clone().into()),
                ("fec", fec),
            ],
            lines: lines.clone(),
            data: Arc::clone(&good.data),
            repaired: vec![("data", Arc::clone(&good.data)), ("hash", Arc::new(good.hash.clone()))],
        };
        let parity = good.parity(roots);
        for damaged in [Damage::OneBlock, Damage::Top] {
            let mut image = good.clone();
            damage(&mut image, damaged);
            let case = case(format!("{damaged:?}, honest parity"), &image, parity.clone().into());
            honest.push(Case { is_honest: true, ..case });
        }
        for damaged in DAMAGES {
            let mut image = good.clone();
            damage(&mut image, damaged);
            let cases = parities(random).into_iter().map(|(parity, contents)| {
                case(format!("{damaged:?}, parity is {parity}"), &image, contents)
            });
            hostile.extend(cases);
        }
    }
    (honest, hostile)
}

#[test]
fn r07_hostile_parity_ends_every_command_soon() {
    let (honest, hostile) = cases(&mut Prng::new(seed()));
    run_all(&[honest, some_of(hostile)].concat());
}
