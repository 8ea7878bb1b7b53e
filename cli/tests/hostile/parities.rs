//! Parity that is anything but parity, over images that need it.

use verity_testdata::pattern::{self, Prng};

use super::case::{Case, Contents, run_all, seed, some_of};
use super::image::{BLOCKS, Image};

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
    let data = std::sync::Arc::make_mut(&mut image.data);
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
        ("a huge hole", Contents { bytes: vec![1; 4096], size: (1 << 63) - 4096 }),
    ]
}

pub(crate) fn cases(random: &mut Prng) -> Vec<Case> {
    let good = Image::new();
    let mut cases = Vec::new();
    for damaged in DAMAGES {
        let mut image = good.clone();
        damage(&mut image, damaged);
        for (parity, contents) in parities(random) {
            for roots in [2, 24] {
                let image_words =
                    format!("data hash {} --fec-device fec --fec-roots {roots}", good.root);
                cases.push(Case {
                    name: format!("{damaged:?}, parity is {parity}, {roots} roots"),
                    files: vec![
                        ("data", image.data.to_vec().into()),
                        ("hash", image.hash.clone().into()),
                        ("fec", contents.clone()),
                    ],
                    lines: ["verify", "verify --all", "read", "read --output out"]
                        .iter()
                        .chain(&["repair --dry-run", "repair --output copy --hash-output tree"])
                        .map(|command| {
                            let (verb, options) = command.split_once(' ').unwrap_or((command, ""));
                            format!("{verb} {image_words} {options}")
                        })
                        .collect(),
                    servers: vec![format!("serve {image_words}")],
                    data: good.data.to_vec(),
                });
            }
        }
    }
    cases
}

#[test]
fn r07_hostile_parity_ends_every_command_soon() {
    run_all(&some_of(cases(&mut Prng::new(seed()))));
}
